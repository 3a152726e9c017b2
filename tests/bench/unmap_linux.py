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
ROUNDS, PAIRS, FRAMES = 500, 2000, 300
OVER_NO_OP_US, STALL_RATIO, FRAMES_A_SECOND = 250, 1.10, 100


def _row(name, unit, measured, *bar, extra=None, at_least=False):
    rows.Row(BENCH, name, unit, measured, *bar, extra=extra or {}, at_least=at_least).print()


def _latency(name, result, *bar, note=''):
    extra = {'n': result['n'], **{key: result[f'{key}_us'] for key in ('p50', 'p90', 'p99', 'max')}}
    notes = [note] * bool(note) + [f'{key} {extra[key]:.4g}' for key in ('p90', 'p99', 'max')]
    _row(name, 'us', extra['p50'], *bar, extra=extra | {'note': ', '.join(notes)})


def _stall(name, there, nr_busy):
    found = there.object(f'busy {nr_busy} probe stall {USUAL_KIB} {PAIRS}')
    _row(f'{name}: stall of another context, ratio', 'x', found['ratio_low'], STALL_RATIO,
         'low end of the interval',
         extra={'n': found['pairs'], 'ratio': found['ratio'],
                'ci': [found['ratio_low'], found['ratio_high']], 'with': found['with'],
                'without': found['without'],
                'note': f'{found["ratio"]:.2f}, {found["ratio_low"]:.2f} to '
                        f'{found["ratio_high"]:.2f}'})


def _case(name, there, nr_busy, sizes):
    no_op = there.object(f'busy {nr_busy} probe nothing 4 {ROUNDS}')
    _latency(f'{name}: no-op', no_op)
    for kib in sizes:
        found = there.object(f'busy {nr_busy} probe unmap {kib} {ROUNDS}')
        _latency(f'{name}, {kib} KiB: unmap', found, round(no_op['p50_us'] + OVER_NO_OP_US, 1),
                 f'fenced no-op + {OVER_NO_OP_US} us',
                 note=f'{found["dropped"]} dropped' if found['dropped'] else '')
    _stall(name, there, nr_busy)


def _frames(name, there):
    found = there.object(f'persist {FRAMES}')
    _row(f'{name}: frames with {drawing.BUFFERS_A_FRAME} new buffers', '/s', found['fps'],
         FRAMES_A_SECOND, 'design', extra={'n': found['frames']}, at_least=True)


def linux(program, folder):
    """Rows of all systems, or the reason that there are none. @folder has probe and the others."""
    own = Program(os.path.abspath(program), drawing=folder)
    for system, parts in gpu_images.SYSTEMS.items():
        for cpus, loads in CASES:
            name = f'Linux {parts.linux}, {cpus} vCPU{"s" if cpus > 1 else ""}'
            try:
                with drawing.session(own, system, display='egl-headless', cpus=cpus) as there:
                    there.within_s = DEADLINE_S
                    for load, nr_busy in loads:
                        sizes = SIZES_KIB if load == 'idle' else (USUAL_KIB,)
                        _case(f'{name}, {load}', there, nr_busy, sizes)
                    _frames(name, there)
                    there.leave(own)
            except drawing.CANNOT as reason:
                rows.skip(BENCH, name, 'us', str(reason))
