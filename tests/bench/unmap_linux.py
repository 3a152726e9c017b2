# SPDX-License-Identifier: GPL-2.0-or-later
"""Of benchmark unmap: what a Linux guest sees, by its driver's trace points (gpu/probe.c), and how
many frames a second Mesa draws with four new persistent buffers in each (gpu/persist.c).
"""

import os

import drawing
import gpu_images
import rows
from machine import Program

BENCH = 'unmap'
# processors, load, how many processes do nothing but compute
CASES = ((1, (('idle', 0), ('all busy', 1))), (2, (('idle', 0), ('one busy', 1), ('all busy', 2))))
SIZES_KIB = (4, 64, 1024, 16384)
USUAL_KIB = 64
DEADLINE_S = 1200  # of one measurement, where all processors are busy
ROUNDS, FRAMES = 500, 300
# How another context fares differs from boot to boot far more than within one: so several, and what
# is between them makes the interval.
BOOTS, PAIRS = 5, 400  # pairs of each boot
OVER_NO_OP_US, STALL_RATIO, FRAMES_A_SECOND = 250, 1.10, 100


class NoSuchCase(Exception):
    """What was named is not measured."""


def _row(name, unit, measured, *bar, extra=None, at_least=False):
    rows.Row(BENCH, name, unit, measured, *bar, extra=extra or {}, at_least=at_least).print()


def _latency(name, result, *bar, note=''):
    if not result['n']:
        rows.skip(BENCH, name, 'us', f'none of {result["dropped"]} was measured')
        return
    extra = {'n': result['n'], **{key: result[f'{key}_us'] for key in ('p50', 'p90', 'p99', 'max')}}
    notes = [note] * bool(note) + [f'{key} {extra[key]:.4g}' for key in ('p90', 'p99', 'max')]
    _row(name, 'us', extra['p50'], *bar, extra=extra | {'note': ', '.join(notes)})


def _stall(name, boots):
    """@boots: what the probe found in each."""
    ratios = [found['ratio'] for found in boots]
    mean, low, high = rows.mean_ratio_interval(ratios)
    of_boots = ' '.join(f'{ratio:.2f}' for ratio in ratios)
    _row(f'{name}: stall of another context, ratio', 'x', round(low, 4), STALL_RATIO,
         'low end of the interval',
         extra={'n': sum(found['pairs'] for found in boots), 'ratio': round(mean, 4),
                'ci': [round(low, 4), round(high, 4)], 'boots': ratios,
                'with': [found['with']['p50_us'] for found in boots],
                'without': [found['without']['p50_us'] for found in boots],
                'note': f'{mean:.2f}, {low:.2f} to {high:.2f}; boots {of_boots}'})


def _case(name, there, nr_busy, sizes):
    no_op = there.object(f'busy {nr_busy} probe nothing 4 {ROUNDS}')
    _latency(f'{name}: no-op', no_op)
    for kib in sizes:
        found = there.object(f'busy {nr_busy} probe unmap {kib} {ROUNDS}')
        _latency(f'{name}, {kib} KiB: unmap', found, round(no_op['p50_us'] + OVER_NO_OP_US, 1),
                 f'fenced no-op + {OVER_NO_OP_US} us',
                 note=f'{found["dropped"]} dropped' if found['dropped'] else '')


def _frames(name, there):
    found = there.object(f'persist {FRAMES}')
    _row(f'{name}: frames with {drawing.BUFFERS_A_FRAME} new buffers', '/s', found['fps'],
         FRAMES_A_SECOND, 'design', extra={'n': found['frames']}, at_least=True)


def _measure(own, system, name, cpus, loads):
    """One kernel with so many processors: all rows."""
    stalls = {load: [] for load, _ in loads}
    for boot in range(BOOTS):
        with drawing.session(own, system, display='egl-headless', cpus=cpus) as there:
            there.within_s = DEADLINE_S
            for load, nr_busy in loads:
                if boot == 0:
                    sizes = SIZES_KIB if load == 'idle' else (USUAL_KIB,)
                    _case(f'{name}, {load}', there, nr_busy, sizes)
                stalls[load].append(there.object(
                    f'busy {nr_busy} probe stall {USUAL_KIB} {PAIRS}'))
            if boot == 0:
                _frames(name, there)
            there.leave(own)
    for load, boots in stalls.items():
        _stall(f'{name}, {load}', boots)


def linux(program, folder, kernel='', cpus=''):
    """Rows of all kernels and numbers of processors or of those named, or the reason that there are
    none. @folder has probe and the others."""
    own = Program(os.path.abspath(program), drawing=folder)
    chosen = [(system, parts.linux, nr, loads)
              for system, parts in gpu_images.SYSTEMS.items() for nr, loads in CASES
              if kernel in ('', parts.linux) and cpus in ('', str(nr))]
    if not chosen:
        raise NoSuchCase(f'no kernel {kernel} with {cpus or "any"} processors is measured')
    for system, release, nr, loads in chosen:
        name = f'Linux {release}, {nr} vCPU{"s" if nr > 1 else ""}'
        try:
            _measure(own, system, name, nr, loads)
        except drawing.CANNOT as reason:
            rows.skip(BENCH, name, 'us', str(reason))
