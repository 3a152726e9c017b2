# SPDX-License-Identifier: GPL-2.0-or-later
"""A group of tests: the workloads that ./demo runs in its guest (gpu/workload), each for a short
time, and what the machine has counted meanwhile.
"""

import drawing
import gpu_images
from machine import Failure

SYSTEM = 'debian12'
SIZE = 'xres=640,yres=480'
SCENES = ['build', 'texture', 'shading']
SECONDS = 2
PERCENTILES = ('p50_us', 'p90_us', 'p99_us', 'max_us')


def _check(holds, result):
    if not holds:
        raise Failure(f'not plausible: {result}')


def _run(there, name, *words):
    result = there.object(' '.join(map(str, ('workload', name, *words))))
    busy = words[1] if len(words) > 1 else 0
    _check((result['workload'], result['busy']) == (name, busy) and result['wall_s'] > 0, result)
    _print(result)
    return result


def _print(result):
    """Without what is long."""
    short = {key: value for key, value in result.items() if not isinstance(value, (dict, list))}
    print(f'# {short}', flush=True)


def _check_times(times):
    values = [times[key] for key in PERCENTILES]
    _check(times['n'] > 0 and values[0] > 0 and values == sorted(values), times)
    quantiles = times['quantiles_us']
    _check(len(quantiles) == 101 and quantiles == sorted(quantiles) and
           [quantiles[percent] for percent in (50, 90, 99, 100)] == values, times)


def _inventory(there):
    info = _run(there, 'inventory')
    linux = gpu_images.SYSTEMS[SYSTEM].linux
    _check(info['kernel'].startswith(f'{linux}.') and 'virgl' in info['renderer'] and
           info['packages'] == len(gpu_images.manifest(SYSTEM)), info)


def _kmscube(there):
    there.begin(f'workload kmscube {SECONDS}')
    drawing.until_good(there, lambda: drawing.check_cube(there.picture()))
    result = there.end_object()
    _print(result)
    _check(result['frames'] > 0 and result['fps'] > 0, result)
    _check(abs(result['frames'] / result['seconds'] / result['fps'] - 1) < 0.1, result)


def _glmark2(there):
    result = _run(there, 'glmark2', 3)
    _check([each['scene'] for each in result['scenes']] == SCENES and result['score'] > 0 and
           all(each['fps'] > 0 and each['frame_ms'] > 0 for each in result['scenes']) and
           result['width'] > 0 and result['height'] > 0, result)


def _persist(there, busy):
    before = drawing.nr_unmaps(there.control)
    result = _run(there, 'persist', SECONDS, busy)
    _check(result['frames'] > 0 and result['fps'] > 0, result)
    _check(not (result['wrong_floats'] or result['wrong_pixels'] or result['gl_errors']), result)
    _check(result['buffers'] == drawing.BUFFERS_A_FRAME * (result['frames'] + 1), result)
    drawing.until_good(there, lambda: drawing.check_unmapped(there, before + result['buffers']))


def _check_counted(there, before, expected):
    """That the device has answered so many unmaps since then, and not one more."""
    counted = drawing.nr_unmaps(there.control) - before
    if counted != expected:
        raise Failure(f'the device has counted {counted} unmaps, the guest {expected}')


def _unmap(there, busy, kib):
    before = drawing.nr_unmaps(there.control)
    result = _run(there, 'unmap', SECONDS, busy, kib)
    _check(result['kib'] == kib, result)
    if result['n'] or not result['dropped']:  # a busy guest may have dropped the few there were
        _check_times(result)
    _check_counted(there, before, result['n'] + result['dropped'])


def _stall(there):
    before = drawing.nr_unmaps(there.control)
    result = _run(there, 'stall', SECONDS)
    _check(result['pairs'] == result['with']['n'] == result['without']['n'], result)
    _check_times(result['with'])
    _check_times(result['without'])
    _check(result['ratio_low'] <= result['ratio'] <= result['ratio_high'], result)
    _check_counted(there, before, 2 * result['pairs'])


def _refusals(there):
    for words in ('', 'tetris 1', 'kmscube', 'kmscube 0', 'kmscube -1', 'unmap 1 0 x',
                  'inventory 1', 'persist 1 0 64'):
        said = there.run_any(f'workload {words}; echo "status $?"')
        if 'usage: workload' not in said or not said.strip().endswith('status 2'):
            raise Failure(f'workload {words}: {said}')


def _all(program):
    with drawing.session(program, SYSTEM, f'{drawing.GL_DEVICE},{SIZE}', display='egl-headless',
                         cpus=2) as there:
        _inventory(there)
        _kmscube(there)
        _glmark2(there)
        _persist(there, 0)
        _persist(there, 1)
        _unmap(there, 0, 64)
        _unmap(there, 2, 4)
        _check_times(_run(there, 'nothing', SECONDS))
        _stall(there)
        _refusals(there)
        there.leave(program)


def workloads(program):
    return {f'{SYSTEM}: every workload of the demo': lambda: _all(program)}
