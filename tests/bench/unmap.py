#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Benchmark unmap: how long a guest waits when memory of the GPU is mapped and unmapped.

    unmap.py PROGRAM PAYLOAD WAKE_CHAIN PROBE [GROUP...]

A payload without a system (tests/guest/board/gpu_storm.c) on the software processor, idle, with one
spinning processor, and with all of them spinning, interrupts off; the same with requests to force
grace periods ignored; the stages as the machine's own histograms have them; then Linux with its
driver (unmap_linux.py). Groups: storm, sizes, live, leak, linux; of the last, linux:6.1 is one
kernel and linux:6.1:2 that with two processors. One JSON object a row on standard output; a table
on standard error.

Figures are in microseconds, medians. Bars: design.md, section 8.
"""

import os
import statistics
import subprocess
import sys

sys.dont_write_bytecode = True  # the tree may be read-only
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, '../guest/linux'), os.path.join(HERE, '../guest/board')]

import machine  # noqa: E402 (the paths come first)
import rows  # noqa: E402
import storm as storms  # noqa: E402
import unmap_linux  # noqa: E402
from storm import Storm  # noqa: E402

BENCH = 'unmap'
ROUNDS, ROUNDS_SIZES, ROUNDS_LAZY, ROUNDS_LIVE = 2000, 300, 60, 500
ROUNDS_LEAK = 10000
SIZES_KIB = (4, 64, 1024, 16384)
LIVE = 4000
CASES = [(1, 'idle'), (1, 'all busy'), (2, 'idle'), (2, 'one busy'), (2, 'all busy')]
ODD_CASES = [(2, 'all busy, on the buffer')]
STAGES = ('queue', 'commit', 'grace', 'respond', 'renderer', 'total')

OVER_NO_OP_US = 250
GRACE_US, GRACE_P99_US = 50, 1000
TIMES_CHAIN = 2
CHAIN_ROUNDS = 500
TIMES_LAZY = 50
TIMES_LIVE = 3
LEAK_KIB = 512


def row(*args, **kwargs):
    rows.Row(BENCH, *args, **kwargs).print()


def name_of(cpus, load, size_kib=64):
    return f'{cpus} vCPU{"s" if cpus > 1 else ""}, {load}, {size_kib} KiB'


class Bench:
    def __init__(self, program, payload, chain, probe):
        self.program, self.payload, self.chain, self.probe = program, payload, chain, probe
        self.nr_host = len(os.sched_getaffinity(0))

    def run(self, **storm):
        return storms.run(self.program, self.payload, Storm(**storm))

    def wake_chain(self, cpus):
        """Microseconds until @cpus threads that spin have taken note of a flag."""
        line = subprocess.run([self.chain, str(cpus), str(CHAIN_ROUNDS)], check=True,
                              stdout=subprocess.PIPE).stdout
        return [int(figure) / 1000 for figure in line.split()]


def series_row(name, figures, bar=None, bar_is='', note=''):
    spread = rows.spread(figures)
    notes = ', '.join(filter(None, (note, f'p90 {spread["p90"]:.4g}, p99 {spread["p99"]:.4g}, '
                                          f'max {spread["max"]:.4g}')))
    row(name, 'us', round(statistics.median(figures), 2), bar, bar_is, spread | {'note': notes})


def stage_rows(name, result):
    for stage in STAGES:
        hist = result.stages.get(stage)
        if hist and hist['count']:
            figures = {key: round(hist[key] / 1000, 2) for key in ('p50', 'p90', 'p99', 'max')}
            row(f'{name}: stage {stage}', 'us', figures['p50'],
                extra={'n': hist['count'], 'scheme': 'host'} | figures)


def commit_and_grace_rows(name, bench, result, cpus, load):
    """Their percentiles' sums, which the percentile of the sum does not exceed by much."""
    p50, p99 = (sum(result.stages[stage][key] for stage in ('commit', 'grace')) / 1000
                for key in ('p50', 'p99'))
    nr_busy = {'idle': 0, 'one busy': 1}.get(load, cpus)
    extra = {'scheme': 'host'}
    if nr_busy < bench.nr_host:
        bars, bar_is = (GRACE_US, GRACE_P99_US), 'a host core free'
    else:
        chain = bench.wake_chain(cpus)
        bars = [round(TIMES_CHAIN * rows.percentile(chain, percent), 1) for percent in (50, 99)]
        bar_is = f'{TIMES_CHAIN} x a wake chain through {cpus} busy threads'
        extra |= {'chain': rows.spread(chain)}
    row(f'{name}: commit and grace, p50', 'us', round(p50, 2), bars[0], bar_is, extra)
    row(f'{name}: commit and grace, p99', 'us', round(p99, 2), bars[1], bar_is, extra)


def stall_row(name, series):
    """Of another context's fenced no-op behind an unmap, against one behind something else. It has
    its bar in the Linux guest."""
    behind, other = series['no-op behind unmap'], series['no-op behind another']
    ratio, low, high = rows.ratio_interval(behind, other)
    more = statistics.median(behind) - statistics.median(other)
    row(f'{name}: stall of another context', 'us', round(more, 2),
        extra={'n': len(behind), 'ratio': round(ratio, 3), 'ci': [round(low, 3), round(high, 3)],
               'note': f'ratio {ratio:.2f}, {low:.2f} to {high:.2f}'})


def case_rows(name, result):
    alone = statistics.median(result.series['no-op alone'])
    series_row(f'{name}: unmap', result.series['unmap'], round(alone + OVER_NO_OP_US, 2),
               f'fenced no-op + {OVER_NO_OP_US} us', note=f'no-op {alone:.4g}')
    series_row(f'{name}: map', result.series['map'])
    series_row(f'{name}: no-op alone', result.series['no-op alone'])
    series_row(f'{name}: no-op behind unmap', result.series['no-op behind unmap'])
    series_row(f'{name}: no-op behind another', result.series['no-op behind another'])


def storm(bench):
    """The buffer of 64 KiB in all cases, forced and not."""
    for cpus, load in CASES + ODD_CASES:
        name = name_of(cpus, load)
        result = bench.run(cpus=cpus, load=load, rounds=ROUNDS)
        case_rows(name, result)
        stall_row(name, result.series)
        stage_rows(name, result)
        commit_and_grace_rows(name, bench, result, cpus, load)

        lazy = bench.run(cpus=cpus, load=load, rounds=ROUNDS_LAZY, force=False)
        series_row(f'{name}, not forced: unmap', lazy.series['unmap'])
        series_row(f'{name}, not forced: no-op behind unmap', lazy.series['no-op behind unmap'])
        stage_rows(f'{name}, not forced', lazy)
        times = statistics.median(lazy.series['unmap']) / statistics.median(result.series['unmap'])
        # Only another processor is sure to be inside a section: who rings has just left its own.
        has_bar = cpus > 1 and load != 'idle'
        row(f'{name}: unmap, not forced / forced', 'x', round(times, 1),
            TIMES_LAZY if has_bar else None, 'design' if has_bar else '', at_least=True)


def sizes(bench):
    for size in SIZES_KIB:
        for cpus, load in CASES:
            result = bench.run(cpus=cpus, load=load, size_kib=size, rounds=ROUNDS_SIZES)
            case_rows(name_of(cpus, load, size), result)


def live(bench):
    """Beside thousands of others."""
    one, many = (bench.run(live=nr, size_kib=4, rounds=ROUNDS_LIVE) for nr in (1, LIVE))
    for name in ('map', 'unmap'):
        measured, base = (statistics.median(result.series[name]) for result in (many, one))
        series_row(f'{name} beside {LIVE} live buffers', many.series[name],
                   round(TIMES_LIVE * base, 2), f'{TIMES_LIVE} x beside one',
                   note=f'{base:.4g} beside one, ratio {measured / base:.2f}')
    for stage in ('commit', 'grace'):
        few, lots = one.stages[stage]['p50'] / 1000, many.stages[stage]['p50'] / 1000
        row(f'stage {stage} beside {LIVE} live buffers', 'us', round(lots, 2),
            extra={'scheme': 'host', 'note': f'{few:.4g} beside one'})


def leak(bench):
    before, after = storms.observe(bench.program, bench.payload,
                                   Storm(test='leak', rounds=ROUNDS_LEAK))
    name = f'{ROUNDS_LEAK} maps and unmaps'
    row(f'{name}: memory more', 'KiB', after.anonymous_kib - before.anonymous_kib, LEAK_KIB,
        "the allocator's noise")
    for what, nr in after.things.items():
        row(f'{name}: {what} more', '', nr - before.things[what], 0, 'none')


def linux(bench, *which):
    unmap_linux.linux(bench.program, os.path.dirname(bench.probe), *which)


GROUPS = {'storm': storm, 'sizes': sizes, 'live': live, 'leak': leak, 'linux': linux}


def main():
    if len(sys.argv) < 5:
        sys.exit(__doc__)
    machine.end_in_order()
    bench = Bench(*map(os.path.abspath, sys.argv[1:5]))
    groups = [word.split(':') for word in sys.argv[5:] or GROUPS]
    for name, *which in groups:
        if name not in GROUPS or len(which) > (2 if name == 'linux' else 0):
            sys.exit(f'{":".join((name, *which))}: no such group\n{__doc__}')
    for name, *which in groups:
        try:
            GROUPS[name](bench, *which)
        except unmap_linux.NoSuchCase as reason:
            sys.exit(str(reason))


if __name__ == '__main__':
    main()
