#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What ./demo does when the packages are there: build, make the guest, measure, show."""

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import time

sys.dont_write_bytecode = True  # the tree may be read-only
HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
sys.path[1:1] = [os.path.join(TREE, 'tests/guest/linux'), os.path.join(TREE, 'tests/guest/board')]

import bare  # noqa: E402 (the paths come first)
import builds  # noqa: E402
import gpu_images  # noqa: E402
import drawing  # noqa: E402
import host  # noqa: E402
import keep  # noqa: E402
import machine  # noqa: E402
import measure  # noqa: E402
import packages  # noqa: E402
import peer  # noqa: E402
import plot  # noqa: E402
import qmp  # noqa: E402
import results  # noqa: E402
import steps  # noqa: E402
import table  # noqa: E402
import tap  # noqa: E402
from measure import Side  # noqa: E402

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# What says that there is no guest to be had here: no network, a package that is missing, a disk
# that is full.
NO_GUEST = (packages.Unavailable, tap.Skip, OSError, subprocess.SubprocessError,
            tarfile.TarError)


class Interrupted(BaseException):
    """By the signal of that number."""


class GivenUp(Exception):
    """It cannot be done; the text says why."""


def _interrupted(number, _):
    for other in SIGNALS:
        signal.signal(other, signal.SIG_IGN)  # what is open is closed in peace
    raise Interrupted(number)


class Demo:
    def __init__(self, options, work):
        self.options = options
        self.steps = steps.Steps(began=time.monotonic() - options.since)
        self.new = os.path.join(work, 'results')
        os.mkdir(self.new)
        self.notes, self.problems = [], []
        self.has_peer = False
        self.program = ''
        self.results = {'format': results.FORMAT, 'complete': False, 'when': host.now(),
                        'host': host.facts(), 'kib': measure.KIB, 'fallback': '', 'packages': [],
                        'words': sys.argv[1:], 'sides': []}

    def note(self, text):
        self.notes.append(text)
        self.steps.say(f'{"":10}{text}')

    def side(self, key, title, **how):
        return Side(key, title, is_quick=self.options.quick, has_window=self.options.window, **how)

    def sides(self):
        return [self.side('forced', 'forced'), self.side('lazy', 'not forced', force=False)]

    def build(self):
        folder = self.options.build or builds.build(TREE, self.steps)
        self.program = os.path.join(folder, 'gracevm')
        self.results['gracevm'] = host.version_of(self.program, TREE)
        return folder

    def make_guest(self, folder):
        """Why there is none: '' when there is."""
        own = machine.Program(self.program, drawing=os.path.join(folder, builds.GUEST_PROGRAMS))
        packages.say = self.steps.tell
        try:
            with self.steps.step('guest: Debian 12 with Mesa, kmscube, glmark2') as step:
                parts = gpu_images.prepare(measure.SYSTEM, drawing.programs(own))
                step.result = f'of {len(parts.packages)} packages'
        except NO_GUEST as reason:
            return str(reason)
        self.results['packages'] = [f'{each.name} {each.version}' for each in parts.packages]
        return ''

    def measure_on(self, accel, folder):
        """In the Debian guest, on ours and on what it is compared with."""
        display = 'sdl' if self.options.window else 'egl-headless'
        own = machine.Program(self.program, accel, os.path.join(folder, builds.GUEST_PROGRAMS))
        for side in self.sides():
            result = measure.run_side(own, side, self.steps, self.new, display=display)
            result['spinning'], words = bare.run_spinning(
                self.program, os.path.join(folder, builds.PAYLOAD), side, self.steps)
            result['commands'].append(words)
            self.results['sides'].append(result)
        if self.has_peer:
            self.compare(own)
        inventory = self.results['sides'][0]['inventory']
        self.results['host']['has_gpu'] = not re.search('llvmpipe|softpipe',
                                                        inventory['renderer'], re.I)
        mesa = inventory['version'].partition('Mesa ')[2]
        self.results['guest'] = f'Debian 12, Linux {inventory["kernel"]}, Mesa {mesa}'

    def compare(self, own):
        side = self.side('qemu', f'QEMU {peer.version()} (TCG)', qemu=peer.PROGRAM)
        try:
            with peer.display() as how:
                program = machine.Program(peer.path(), drawing=own.drawing)
                result = measure.run_side(program, side, self.steps, self.new, **how)
            self.results['sides'].append(result)
            if 'no_pictures' in result:
                self.note(f'--compare qemu: it gives no pictures: {result["no_pictures"]}')
        except (machine.Failure, qmp.Refused, tap.Skip, OSError) as failure:
            self.note(f'--compare qemu: it cannot be measured here: {str(failure).splitlines()[0]}')

    def measure(self, folder):
        reason = machine.no_kvm()
        if reason:
            self.note(f'The guest runs on the interpreter: {reason}')
            self.measure_on('soft', folder)
            return
        try:
            self.measure_on('kvm', folder)
        except (machine.Failure, OSError) as failure:
            self.note('By KVM it does not work here, so that the interpreter runs it: '
                      f'{str(failure).splitlines()[0]}')
            self.results['sides'].clear()
            self.measure_on('soft', folder)

    def fall_back(self, reason, folder):
        self.note(f'There is no Debian guest: {reason}')
        self.note('So a payload without a system measures what it can. Nothing is drawn.')
        self.results['fallback'] = reason
        self.results['guest'] = 'a guest without a system'
        payload = os.path.join(folder, builds.PAYLOAD)
        self.results['sides'] = [bare.run_side(self.program, payload, side, self.steps)
                                 for side in self.sides()]

    def find_peer(self):
        """Said before anything is measured, which takes a while."""
        reason = peer.unsuited()
        if reason:
            self.note(f'--compare qemu: {reason}; forced and not forced are compared')
        return not reason

    def run(self):
        self.has_peer = bool(self.options.compare) and self.find_peer()
        folder = self.build()
        reason = self.make_guest(folder)
        if reason:
            self.fall_back(reason, folder)
        else:
            self.measure(folder)
        self.finish()

    def finish(self):
        self.results |= {'complete': True, 'notes': self.notes,
                         'seconds': round(self.steps.seconds(), 1)}
        self.problems = results.problems(self.results)
        self.results['complete'] = not self.problems
        text = table.render(self.results)
        results.write(self.new, self.results, text, plot.render(self.results))
        results.publish(self.new, self.options.out)
        self.steps.say(f'\n{text}')
        for problem in self.complaints():
            self.steps.say(f'NOT AS IT SHOULD BE: {problem}')
        self.steps.say(f'Results, in {self.options.out}:')
        for name, what in self.files():
            self.steps.say(f'  {name:20} {what}')
        if self.options.keep:
            self.keep()
        self.steps.say(self.next())

    def files(self):
        yield results.PLOT, 'how long unmaps took, as a plot'
        yield results.TABLE, 'the table above'
        yield results.JSON, 'all of it, with versions, command lines and raw numbers'
        for side in self.results['sides']:
            for workload, name in side['pictures'].items():
                yield name, f'the screen with {workload}'

    def keep(self):
        if self.results['fallback']:
            self.steps.say('--keep: there is no guest to leave running')
            return
        words = self.results['sides'][0]['commands'][0]
        for line in keep.start(words, self.options.out):
            self.steps.say(line)

    def next(self):
        if self.results['fallback']:
            return 'Try next: the same with a network, for the Debian guest and its pictures.'
        if self.options.window:
            return 'Try next: ./check --bench unmap, for the whole set of figures and their bars.'
        return 'Try next: ./demo --window, to see it drawn; docs/demo.md tells how to read it all.'

    def complaints(self):
        """What was not measured, and what guest or machine have complained of."""
        return [*self.problems, *(f'{side["title"]}: {complaint}' for side in self.results['sides']
                                  for complaint in side['complaints'])]


def _give_up(text):
    with contextlib.suppress(OSError):  # the terminal may have been closed
        print(f'demo: {text}', file=sys.stderr, flush=True)
    return 1


def _options():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--out', required=True, type=os.path.abspath)
    parser.add_argument('--since', type=float, default=0, help='seconds that ./demo has taken')
    parser.add_argument('--build', type=os.path.abspath, help='a folder where all is built')
    parser.add_argument('--compare', choices=('qemu',))
    for name in ('quick', 'window', 'keep'):
        parser.add_argument(f'--{name}', action='store_true')
    return parser.parse_args()


@contextlib.contextmanager
def _work_folder():
    """All that is temporary goes into one folder, whoever makes it."""
    before, work = tempfile.tempdir, tempfile.mkdtemp(prefix='gracevm-demo-')
    tempfile.tempdir = work
    try:
        yield work
    finally:
        tempfile.tempdir = before
        shutil.rmtree(work)


def _check(options):
    if options.window and not (os.environ.get('DISPLAY') or os.environ.get('WAYLAND_DISPLAY')):
        raise GivenUp('--window: there is no display here (neither DISPLAY nor WAYLAND_DISPLAY is '
                      'set); without --window it needs none')
    try:
        os.makedirs(options.out, exist_ok=True)
    except OSError as error:
        raise GivenUp(f'--out: {options.out}: {error.strerror}') from error
    if not os.access(options.out, os.W_OK):
        raise GivenUp(f'--out: {options.out} cannot be written to')


def main():
    options = _options()
    for number in SIGNALS:
        signal.signal(number, _interrupted)
    try:
        _check(options)
        with _work_folder() as work:
            demo = Demo(options, work)
            demo.run()
            return 1 if demo.complaints() else 0
    except Interrupted as signal_:
        _give_up(f'interrupted: {options.out} is as it was')
        return 128 + signal_.args[0]
    except (GivenUp, builds.BuildFailed, machine.Failure) as reason:
        return _give_up(reason)
    except OSError as error:
        return _give_up(f'{error}')


if __name__ == '__main__':
    sys.exit(main())
