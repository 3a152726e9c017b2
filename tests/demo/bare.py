# SPDX-License-Identifier: GPL-2.0-or-later
"""The part of it that needs no guest system: the payload without one, built into the tree, maps and
unmaps on the bare machine (tests/guest/board/gpu_storm.c). It draws nothing that could be shown.
"""

import stages
import storm as storms
from storm import Storm

CPUS = 2
LOADS = {'idle': 'idle', 'busy': 'one busy'}  # ours: the payload's
ROUNDS = {True: {True: 300, False: 40}, False: {True: 3000, False: 60}}  # quick: forced: rounds


def _summary(figures):
    """Of microseconds."""
    buckets = [(round(figure * 1000), 1) for figure in sorted(figures)]
    return stages.summary(buckets)


def _of_histogram(found):
    """Of one in nanoseconds, by the machine at its end."""
    figures = {key: found[key] / 1000 for key in ('p50', 'p90', 'p99', 'max')}
    return {'n': found['count'], **figures}


def run_side(program, payload, side, steps):
    """The figures of @side (demo.Side), in the form of measure.run_side()."""
    result = {'key': side.key, 'title': side.title, 'force': side.force, 'fps': {}, 'loads': {},
              'pictures': {}, 'complaints': [], 'accel': 'soft', 'commands': []}
    for load, name in LOADS.items():
        storm = Storm(cpus=CPUS, load=name, force=side.force,
                      rounds=ROUNDS[side.is_quick][side.force])
        with steps.step(f'{side.title}: {load}, {storm.rounds} rounds') as step:
            found = storms.run(program, payload, storm)
            inside = {'unmap': _summary(found.series['unmap']),
                      'nothing': _summary(found.series['no-op alone'])}
            host = {stage: _of_histogram(found.stages[stage]) for stage in stages.STAGES
                    if found.stages[stage]['count']}
            result['loads'][load] = {'inside': inside, 'host': host}
            result['commands'].append(storms.words(program, payload, storm))
            step.result = f'unmap {inside["unmap"]["p50"]:.0f} us'
    return result
