#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""./demo in its short form, as a user types it, and what it leaves in its folder. Output: the Test
Anything Protocol.
"""

import json
import os
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

sys.dont_write_bytecode = True  # the tree may be read-only
HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(1, os.path.join(TREE, 'tests/guest/linux'))

import drawing  # noqa: E402 (the paths come first)
import machine  # noqa: E402
import pictures  # noqa: E402
import results  # noqa: E402
import tap  # noqa: E402
from machine import Failure  # noqa: E402

CURVE = '{http://www.w3.org/2000/svg}polyline'


def _must(holds, what):
    if not holds:
        raise Failure(str(what))


class Run:
    """One, and its folder."""

    def __init__(self, work):
        self.work, self.out = work, os.path.join(work, 'out')
        os.mkdir(os.path.join(work, 'tmp'))
        self.said = ''

    def read(self, name, mode='r'):
        with open(os.path.join(self.out, name), mode) as file:
            return file.read()

    def results(self):
        found = json.loads(self.read(results.JSON))
        if found['fallback']:
            raise tap.Skip(f'there is no Debian guest here: {found["fallback"]}')
        return found

    def it_ends_well(self):
        environment = {**os.environ, 'TMPDIR': os.path.join(self.work, 'tmp')}
        done = subprocess.run([os.path.join(TREE, 'demo'), '--quick', '--out', self.out],
                              env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, check=False)
        self.said = done.stdout
        for line in done.stdout.splitlines():
            print(f'# {line}', flush=True)
        _must(done.returncode == 0, f'status {done.returncode}')
        left = os.listdir(environment['TMPDIR'])
        _must(not left, f'it left {left}')

    def its_results_are_whole(self):
        found = results.problems(self.results())
        _must(not found, found)

    def it_shows_its_table_and_names_its_files(self):
        _must(self.read(results.TABLE) in self.said, 'the table is another than was shown')
        for name in os.listdir(self.out):
            _must(name in self.said, f'{name} is not named')

    def its_plot_has_curves(self):
        root = xml.etree.ElementTree.fromstring(self.read(results.PLOT))
        curves = [line for line in root.iter(CURVE) if line.get('points').count(' ') > 1]
        _must(len(curves) >= 8, f'{len(curves)} curves')

    def its_pictures_show_something(self):
        for side in self.results()['sides']:
            for workload, name in side['pictures'].items():
                picture = pictures.read_png(self.read(name, 'rb'))
                _must(picture.nr_colours() > 1, f'{name} is of one colour')
                if workload == 'kmscube':
                    drawing.check_cube(picture)


def main():
    machine.end_in_order()
    with tempfile.TemporaryDirectory(prefix='demo-check-') as work:
        run = Run(work)
        tests = [run.it_ends_well, run.its_results_are_whole,
                 run.it_shows_its_table_and_names_its_files, run.its_plot_has_curves,
                 run.its_pictures_show_something]
        is_good = tap.run({test.__name__.replace('_', ' '): test for test in tests})
    sys.exit(0 if is_good else 1)


if __name__ == '__main__':
    main()
