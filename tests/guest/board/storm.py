# SPDX-License-Identifier: GPL-2.0-or-later
"""The storm of gpu_storm.c: how it is started, and what it and its machine say of it."""

import dataclasses
import json
import os
import re
import tempfile

import machine
import qmp

MEMORY_MIB = 64
HOSTMEM_MIB = 256
DEVICE = f'virtio-gpu-gl-pci,blob=on,hostmem={HOSTMEM_MIB}M'
DEADLINE_S = 400
SERIES = re.compile(r'^series ([^:]+):((?: \d+)+)$', re.M)
ANSWERED = re.compile(r'^ok \d+ - all was answered as it should be$', re.M)
# What the first processor does while it waits, and the others all the time: gpu_storm.c.
LOADS = {
    'idle': ('halt', 'none'),
    'one busy': ('halt', 'memory'),
    'all busy': ('poll', 'memory'),
    'all busy, on the buffer': ('poll', 'window'),
}


@dataclasses.dataclass(frozen=True)
class Storm:
    """What is measured. @cpus of the guest; @size_kib of the buffer that comes and goes."""
    cpus: int = 1
    load: str = 'idle'
    size_kib: int = 64
    live: int = 0
    rounds: int = 100
    force: bool = True
    test: str = 'latency'

    def append(self):
        wait, busy = LOADS[self.load]
        return (f'test={self.test} rounds={self.rounds} size={self.size_kib} live={self.live} '
                f'cpus={self.cpus} wait={wait} busy={busy}')


@dataclasses.dataclass(frozen=True)
class Result:
    series: dict  # {name: [microseconds]}
    stages: dict  # {stage: histogram in nanoseconds} of the machine's own
    rcu: dict


def words(program, payload, storm, *options, accel='soft'):
    force = 'on' if storm.force else 'off'
    return [program, '-accel', accel, '-m', f'{MEMORY_MIB}M', '-smp', str(storm.cpus),
            '-nodefaults', '-display', 'none', '-serial', 'stdio', '-no-reboot',
            '-rcu', f'force={force}', '-device', DEVICE, '-kernel', payload,
            '-append', storm.append(), *options]


def _series(output):
    series = {}
    for name, figures in SERIES.findall(output):
        series.setdefault(name, []).extend(int(figure) / 1000 for figure in figures.split())
    return series


def run(program, payload, storm, accel='soft'):
    """To its end. Raises machine.Failure."""
    with tempfile.TemporaryDirectory(prefix='gracevm-stats-') as folder:
        path = os.path.join(folder, 'stats.json')
        line = words(program, payload, storm, '-stats', path, accel=accel)
        with machine.Machine(line) as running:
            end = running.wait(DEADLINE_S)
            if end.status != 0 or not ANSWERED.search(end.output):
                raise running.failure(f'exit status {end.status}')
        with open(path, encoding='ascii') as file:
            stats = json.load(file)
    return Result(_series(end.output), stats['gpu']['unmap'], stats['rcu'])


@dataclasses.dataclass(frozen=True)
class Look:
    """What a machine holds at one moment."""
    anonymous_kib: int
    things: dict  # {what of: how many}


def _look(running, control):
    held = control.execute('x-gpu-resources')
    regions = control.execute('x-mtree')['human-readable-text']
    return Look(running.status_kib('RssAnon'), {
        'regions': len(regions.splitlines()),
        'resources': len(held['resources']),
        'places in the window': held['window']['places'],
        'orphans': held['orphans'],
        'descriptors': len(os.listdir(f'/proc/{running.pid}/fd')),
    })


def observe(program, payload, storm, accel='soft'):
    """Of a @storm that is a test for leaks: what the machine holds before and after it."""
    looks = []
    with tempfile.TemporaryDirectory(prefix='gracevm-qmp-') as folder:
        path = os.path.join(folder, 'qmp')
        line = words(program, payload, storm, '-qmp', f'unix:{path},server=on,wait=off',
                     accel=accel)
        with machine.Machine(line) as running, qmp.Client(path) as control:
            for when in ('before', 'after'):
                running.expect(f'^storm: {when}', DEADLINE_S)
                looks.append(_look(running, control))
                running.send('x')
            end = running.wait(DEADLINE_S)
            if end.status != 0 or not ANSWERED.search(end.output):
                raise running.failure(f'exit status {end.status}')
    return looks
