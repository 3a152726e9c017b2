# SPDX-License-Identifier: GPL-2.0-or-later
"""What needs no guest system: the payload without one, built into the tree, maps and unmaps on the
bare machine (tests/guest/board/gpu_storm.c), while its other processor spins with interrupts off.
It draws nothing that could be shown.
"""

import stages
import storm as storms
from storm import Storm

CPUS = 2
LOADS = {'idle': 'idle', 'busy': 'one busy'}  # ours: the payload's
ROUNDS = {True: {True: 300, False: 20}, False: {True: 2000, False: 25}}  # quick: forced: rounds


def _summary(figures):
    """Of microseconds."""
    return stages.summary([(round(figure * 1000), 1) for figure in sorted(figures)])


def _of_histogram(found):
    """Of one in nanoseconds, by the machine at its end."""
    return {'n': found['count'], **{key: found[key] / 1000 for key in ('p50', 'p90', 'p99', 'max')}}


def run_load(program, payload, side, load):
    """({'inside': figures, 'host': figures by stage}, the command line)."""
    storm = Storm(cpus=CPUS, load=LOADS[load], force=side.force,
                  rounds=ROUNDS[side.is_quick][side.force])
    found = storms.run(program, payload, storm)
    inside = {'unmap': _summary(found.series['unmap']),
              'nothing': _summary(found.series['no-op alone'])}
    host = {stage: _of_histogram(found.stages[stage]) for stage in stages.STAGES
            if found.stages[stage]['count']}
    return {'inside': inside, 'host': host}, storms.words(program, payload, storm)


def run_spinning(program, payload, side, steps):
    """What is added to @side: in Linux no processor is without interrupts for long."""
    with steps.step(f'{side.title}: no system, interrupts off') as step:
        figures, words = run_load(program, payload, side, 'busy')
        step.result = f'unmap {figures["inside"]["unmap"]["p50"]:.0f} us'
    return figures, words


def run_side(program, payload, side, steps):
    """The figures of @side in the form of measure.run_side(), as far as they can be had."""
    result = {'key': side.key, 'title': side.title, 'force': side.force, 'fps': {}, 'loads': {},
              'pictures': {}, 'complaints': [], 'accel': 'soft', 'commands': []}
    for load in LOADS:
        with steps.step(f'{side.title}: unmaps, {load}') as step:
            result['loads'][load], words = run_load(program, payload, side, load)
            result['commands'].append(words)
            step.result = f'unmap {result["loads"][load]["inside"]["unmap"]["p50"]:.0f} us'
    result['spinning'] = result['loads']['busy']
    return result
