# SPDX-License-Identifier: GPL-2.0-or-later
"""What the machine's own histograms tell of one phase: the difference of two answers to QMP's
query-gpu-latency with its buckets. A bucket is at most 1/32 of its values wide (util/hist.h), so
that much a percentile may be too large.
"""

STAGES = ('queue', 'commit', 'grace', 'respond', 'renderer', 'total')


def take(control):
    """{stage: {upper end in ns: how many}} until now; None: a machine that does not measure it."""
    answer = control.execute('query-gpu-latency', buckets=True)
    return {stage: dict(answer['buckets'][stage]) for stage in STAGES}


def percentile(buckets, percent):
    """Of sorted (value, how many), the value at the nearest rank."""
    rank, below = max(1, -(-percent * sum(count for _, count in buckets) // 100)), 0
    for value, count in buckets:
        below += count
        if below >= rank:
            return value
    raise ValueError('no values')


def summary(buckets):
    """In microseconds, of sorted (upper end in ns, how many)."""
    figures = {f'p{percent}': percentile(buckets, percent) / 1000 for percent in (50, 90, 99)}
    return {'n': sum(count for _, count in buckets), **figures, 'max': buckets[-1][0] / 1000,
            'quantiles': [percentile(buckets, percent) / 1000 for percent in range(101)]}


def between(before, after):
    """{stage: summary} of what was recorded from @before to @after."""
    phase = {}
    for stage in STAGES:
        more = [(upper, after[stage].get(upper, 0) - before[stage].get(upper, 0))
                for upper in sorted(before[stage] | after[stage])]
        if any(count < 0 for _, count in more):
            raise ValueError(f'stage {stage}: a histogram that has become smaller')
        more = [(upper, count) for upper, count in more if count]
        if more:
            phase[stage] = summary(more)
    return phase
