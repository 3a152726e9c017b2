#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs a hostile guest on gracevm. Output: the Test Anything Protocol.

    run.py [--accel soft|kvm] [--sanitized] [--seed N] [--rounds N] PROGRAM PAYLOAD.elf

What a payload says is in between garbage of its own, so its lines are picked out. The machine must
neither fail nor leave anything, nor take more memory than its guest has, and some.
"""

import argparse
import contextlib
import os
import re
import signal
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'linux'))

import machine  # noqa: E402: found by the line above
import qmp  # noqa: E402
import storm as storms  # noqa: E402
import tap  # noqa: E402

MEMORY_MIB = 64
OVERHEAD_KIB = 60 << 10  # of the program, beside its guest's memory
DISK_BYTES = 4 << 20
DEADLINE_S = 400
RESETS = 10
STORM_ROUNDS, LAZY_ROUNDS, STORM_LIVE = 30, 5, 50
LEAK_ROUNDS, LEAK_KIB = 10000, 512
POINT = re.compile(r'^(ok|not ok) (\d+) - (.*)$')
PANICKED = 3


class Settings:
    def __init__(self, options):
        self.options = options
        # Further processors start by the mailbox, which KVM's do without.
        self.cpus = 1 if options.accel == 'kvm' else 2

    def words(self, append, reboots=False, disk=None):
        options = self.options
        words = [options.program, '-accel', options.accel, '-m', f'{MEMORY_MIB}M', '-smp', '2',
                 '-nodefaults', '-serial', 'stdio', '-kernel', options.payload, '-append', append,
                 '-device', 'virtio-rng-pci']
        if disk:
            words += ['-drive', f'if=none,id=d,format=raw,file={disk}',
                      '-device', 'virtio-blk-pci,drive=d']
        return words if reboots else [*words, '-no-reboot']

    def append(self):
        options = self.options
        text = f'test=storm seed={options.seed} cpus={self.cpus}'
        if options.rounds:
            text += f' rounds={options.rounds}'
        # A sanitizer makes it ten times as slow: fewer of the pages, in which nothing is.
        return text + (' stride=37' if options.sanitized else '')


def _points(running, output):
    """{name: whether it holds} of all that the payload has said; the plan must be met."""
    points = {}
    for line in output.splitlines():
        match = POINT.match(line)
        if match:
            points[f'{match[2]} {match[3]}'] = match[1] == 'ok'
    plan = re.search(r'^1\.\.(\d+)$', output, re.M)
    if not plan or len(points) != int(plan[1]):
        raise running.failure(f'{len(points)} points, and the plan was {plan and plan[1]}')
    return points


@contextlib.contextmanager
def _disk():
    with tempfile.NamedTemporaryFile(prefix='gracevm-test-') as disk:
        disk.write(os.urandom(DISK_BYTES))
        disk.flush()
        yield disk.name
        if os.stat(disk.name).st_size != DISK_BYTES:
            raise machine.Failure('the disk has another size')


def storm(settings):
    """One payload that must come to its end, with power-off."""
    with _disk() as disk, machine.Machine(settings.words(settings.append(), disk=disk)) as running:
        end = running.wait(DEADLINE_S)
        if end.status != 0:
            raise running.failure(f'exit status {end.status}')
        bad = [name for name, holds in _points(running, end.output).items() if not holds]
        if bad:
            raise running.failure(f'does not hold: {bad}')
        bound = (MEMORY_MIB << 10) + OVERHEAD_KIB
        if not settings.options.sanitized and end.max_rss_kib > bound:
            raise running.failure(f'{end.max_rss_kib} KiB resident, of at most {bound}')
        print(f'# {end.cpu:.1f} s of processor time, {end.max_rss_kib >> 10} MiB resident')


def _in_flight(settings, test, status):
    """It ends while its devices are at work."""
    append = f'test={test} seed={settings.options.seed}'
    with _disk() as disk, machine.Machine(settings.words(append, disk=disk)) as running:
        running.expect('storm: ends')
        if running.wait().status != status:
            raise running.failure(f'it should have ended with {status}')


def _anew_in_flight(settings):
    append = f'test=reset seed={settings.options.seed}'
    with _disk() as disk, machine.Machine(settings.words(append, True, disk)) as running:
        for _ in range(RESETS):
            running.expect('ok 4 - so does the other one')
            running.expect('storm: ends')
        _told_to_end(running)
        if 'not ok' in running.output:
            raise running.failure('a device did not work after a reset')


def in_flight(settings):
    return {
        'power-off with work in flight': lambda: _in_flight(settings, 'power', 0),
        'triple fault with work in flight': lambda: _in_flight(settings, 'triple', PANICKED),
        'panic with work in flight': lambda: _in_flight(settings, 'panic', PANICKED),
        'resets with work in flight': lambda: _anew_in_flight(settings),
    }


def _ends(settings, test, status):
    with machine.Machine(settings.words(f'test={test}')) as running:
        running.expect('ends: started')
        if running.wait().status != status:
            raise running.failure(f'it should have ended with {status}')


def _begins_anew(settings):
    with machine.Machine(settings.words('test=reset', reboots=True)) as running:
        for _ in range(5):
            running.expect('ends: started')
        _told_to_end(running)


def _told_to_end(running):
    running.signal(signal.SIGTERM)
    running.signal(signal.SIGTERM)
    if running.wait().status != 0:
        raise running.failure('it should have ended with 0')


def _never_ends(settings, test, sign):
    append = f'test={test} cpus={settings.cpus}'
    with machine.Machine(settings.words(append)) as running:
        running.expect(sign)
        _told_to_end(running)


def ends(settings):
    return {
        'power-off ends with 0': lambda: _ends(settings, 'power', 0),
        'triple fault ends with 3': lambda: _ends(settings, 'triple', PANICKED),
        'panic ends with 3': lambda: _ends(settings, 'panic', PANICKED),
        'reset ends with 0, where it may': lambda: _ends(settings, 'reset', 0),
        'reset begins anew, where it may': lambda: _begins_anew(settings),
        'halted for ever, it is ended': lambda: _never_ends(settings, 'halt', 'ends: halts'),
        'spinning for ever, it is ended': lambda: _never_ends(settings, 'spin', 'ends: started'),
        'busy for ever, it is ended': lambda: _never_ends(settings, 'busy', 'ends: at it'),
        'interrupted for ever, it is ended':
            lambda: _never_ends(settings, 'interrupts', 'ends: at it'),
        'waiting for ever after INIT, it is ended':
            lambda: _never_ends(settings, 'init', 'ends: started'),
    }


def gpu(settings):
    """The payload with a driver for the GPU."""
    append = f'cpus={settings.cpus}'
    words = [*settings.words(append), '-display', 'none', '-device', storms.DEVICE]
    with machine.Machine(words) as running:
        end = running.wait(DEADLINE_S)
        bad = [name for name, holds in _points(running, end.output).items() if not holds]
        if bad:
            raise running.failure(f'does not hold: {bad}')
        if end.status != 0:
            raise running.failure(f'exit status {end.status}')


def _gpu_storm(settings, load, force):
    """Nothing is judged by its time, only that all was answered and counted."""
    options = settings.options
    rounds = options.rounds or STORM_ROUNDS if force else LAZY_ROUNDS
    storm = storms.Storm(settings.cpus, load, rounds=rounds, live=STORM_LIVE, force=force)
    result = storms.run(options.program, options.payload, storm, options.accel)
    bad = {name: len(figures) for name, figures in result.series.items()
           if len(figures) != rounds * (2 if name == 'map' else 1)}
    if bad or len(result.series) != 5:
        raise machine.Failure(f'of {rounds} rounds: {bad or result.series.keys()}')
    if result.stages['total']['count'] < 2 * rounds:
        raise machine.Failure(f'the machine counted {result.stages["total"]["count"]} unmaps')


def _gpu_leak(settings):
    options = settings.options
    rounds = options.rounds or LEAK_ROUNDS // (10 if options.sanitized else 1)
    storm = storms.Storm(1, rounds=rounds, test='leak')
    before, after = storms.observe(options.program, options.payload, storm, options.accel)
    if after.things != before.things:
        raise machine.Failure(f'{before.things}, and then {after.things}')
    if not options.sanitized and after.anonymous_kib > before.anonymous_kib + LEAK_KIB:
        raise machine.Failure(f'{before.anonymous_kib} KiB, and then {after.anonymous_kib}')


def gpu_storm(settings):
    tests = {f'{load}{"" if force else ", grace periods not forced"}':
             lambda load=load, force=force: _gpu_storm(settings, load, force)
             for load in storms.LOADS for force in (True, False)}
    tests['many maps and unmaps leak nothing'] = lambda: _gpu_leak(settings)
    return tests


def _gpu_hang(settings, test):
    """Its renderer cannot be ended: the program leaves without it, by itself and with 0."""
    with tempfile.TemporaryDirectory(prefix='gracevm-qmp-') as folder:
        path = os.path.join(folder, 'qmp')
        words = [*settings.words(f'test={test}'), '-display', 'none', '-device', storms.DEVICE,
                 '-qmp', f'unix:{path},server=on,wait=off']
        with machine.Machine(words) as running, qmp.Client(path) as control:
            running.expect('hang: draws')
            control.execute('query-status')
            running.send('x')
            end = running.wait()
            bad = [name for name, holds in _points(running, end.output).items() if not holds]
            if bad or end.status != 0 or 'the renderer hangs' not in end.errors:
                raise running.failure(f'exit status {end.status}; does not hold: {bad}')


def _gpu_hang_signal(settings):
    """Told to end while it hangs."""
    words = [*settings.words('test=power'), '-display', 'none', '-device', storms.DEVICE]
    with machine.Machine(words) as running:
        running.expect('hang: draws')
        running.signal(signal.SIGTERM)
        end = running.wait()
        if end.status != 0 or 'the renderer hangs' not in end.errors:
            raise running.failure(f'exit status {end.status}')


def gpu_hang(settings):
    return {
        'nor SIGTERM': lambda: _gpu_hang_signal(settings),
        'a draw without end holds up nobody, and the end comes':
            lambda: _gpu_hang(settings, 'power'),
        'nor a reset': lambda: _gpu_hang(settings, 'reset'),
    }


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('--accel', default='soft', choices=('soft', 'kvm'))
    parser.add_argument('--sanitized', action='store_true')
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--rounds', type=int, default=0)
    parser.add_argument('program', type=os.path.abspath)
    parser.add_argument('payload', type=os.path.abspath)
    settings = Settings(parser.parse_args())
    reason = machine.no_kvm() if settings.options.accel == 'kvm' else ''
    if reason:
        tap.skip_all(reason)
        return
    name = os.path.basename(settings.options.payload).removesuffix('.elf')
    tests = {'ends': lambda: ends(settings), 'gpu_storm': lambda: gpu_storm(settings),
             'gpu_hang': lambda: gpu_hang(settings),
             'gpu': lambda: {name: lambda: gpu(settings)}
             }.get(name, lambda: {name: lambda: storm(settings)})()
    if name == 'virtio_storm' and settings.cpus > 1:
        tests |= in_flight(settings)
    sys.exit(0 if tap.run(tests) else 1)


if __name__ == '__main__':
    main()
