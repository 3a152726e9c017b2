# SPDX-License-Identifier: GPL-2.0-or-later
"""What benchmarks in Python report: one JSON object a row on standard output, as bench.h has them,
and a table on standard error."""

import dataclasses
import json
import math
import random
import statistics
import sys

RESAMPLINGS = 400
SEED = 1
# Student's t: 95 of 100 lie within, by degrees of freedom.
STUDENT = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306,
           9: 2.262}


@dataclasses.dataclass
class Row:
    """One result. With @bar it holds up to there, or with @at_least from there on."""
    bench: str
    row: str
    unit: str
    measured: float
    bar: float = None
    bar_is: str = ''
    extra: dict = dataclasses.field(default_factory=dict)
    at_least: bool = False

    def holds(self):
        if self.bar is None or self.measured is None:
            return None
        return self.measured >= self.bar if self.at_least else self.measured <= self.bar

    def print(self):
        fields = {'bench': self.bench, 'row': self.row, 'unit': self.unit,
                  'measured': self.measured, 'bar': self.bar, 'holds': self.holds()}
        if self.bar_is:
            fields['bar_is'] = self.bar_is
        print(json.dumps(fields | self.extra, separators=(',', ':')), flush=True)
        sign = '>=' if self.at_least else '<='
        bar = f'{sign} {self.bar:8.4g}' if self.bar is not None else ''
        verdict = {None: '', True: 'holds', False: 'DOES NOT HOLD'}[self.holds()]
        shown = '       -' if self.measured is None else f'{self.measured:8.4g}'
        print(f'{self.row:60} {shown} {self.unit:4} {bar:12} {verdict} '
              f'{self.extra.get("note", "") or self.extra.get("skipped", "")}', file=sys.stderr)


def skip(bench, row, unit, reason):
    Row(bench, row, unit, None, extra={'skipped': reason}).print()


def percentile(figures, percent):
    """Nearest rank, as samples.c has it."""
    ordered = sorted(figures)
    return ordered[max(0, math.ceil(percent / 100 * len(ordered)) - 1)]


def spread(figures):
    """What a row says beside its median."""
    return {'n': len(figures), 'p50': round(percentile(figures, 50), 3),
            'p90': round(percentile(figures, 90), 3), 'p99': round(percentile(figures, 99), 3),
            'max': round(max(figures), 3)}


def ratio_interval(ours, theirs):
    """The ratio of the medians of what was measured in turns, and the ends of the interval that
    has it in 95 of 100 cases: pairs are drawn again and again."""
    generator = random.Random(SEED)
    pairs = list(zip(ours, theirs))
    ratios = []
    for _ in range(RESAMPLINGS):
        drawn = generator.choices(pairs, k=len(pairs))
        ratios.append(statistics.median(pair[0] for pair in drawn) /
                      statistics.median(pair[1] for pair in drawn))
    return (statistics.median(ours) / statistics.median(theirs), percentile(ratios, 2.5),
            percentile(ratios, 97.5))


def mean_ratio_interval(ratios):
    """The geometric mean of 2 to 10 independent ratios, and the ends of its 95 % interval."""
    logs = [math.log(ratio) for ratio in ratios]
    mean = statistics.mean(logs)
    half = STUDENT[len(logs) - 1] * statistics.stdev(logs) / math.sqrt(len(logs))
    return math.exp(mean), math.exp(mean - half), math.exp(mean + half)
