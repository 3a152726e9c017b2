#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Benchmark boot: how long Linux takes to start, beside Debian's QEMU under TCG.

    boot.py PROGRAM [GROUP...]

Both get the same kernel, first root, disk, memory and processors, in turns within one run; figures
are medians. QEMU's machine is q35 with the most capable processor, as people start it. Groups:
small, userland, idle. One JSON object a row on standard output, as bench.h has them; a table on
standard error.
"""

import os
import shutil
import statistics
import sys
import time

sys.dont_write_bytecode = True  # the tree may be read-only
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '../guest/linux'))

import disks  # noqa: E402 (the path comes first)
import images  # noqa: E402
import machine  # noqa: E402
import packages  # noqa: E402
import rows  # noqa: E402
import sessions  # noqa: E402
from machine import Guest, Program  # noqa: E402

MEMORY = '512M'
SMALL_RUNS, USERLAND_RUNS = 5, 3
TIMES_TCG = 2  # what is allowed (issue 4)
IDLE_PERCENT, OVERHEAD_MIB = 2, 60
SETTLE_S, IDLE_S = 5, 10
PEER = 'qemu-system-x86_64'


def row(*args):
    rows.Row('boot', *args).print()


def skip(name, unit, reason):
    rows.skip('boot', name, unit, reason)


def own_and_peer(name, unit, own, peer, times=None):
    """A row of medians; with a bar if @times what the peer takes is allowed."""
    measured = round(statistics.median(own), 3)
    extra = {'n': len(own), 'least': round(min(own), 3), 'most': round(max(own), 3)}
    bar = None
    if peer:
        theirs = round(statistics.median(peer), 3)
        extra |= {'peer': 'tcg', 'peer_value': theirs,
                  'note': f'tcg {theirs:.3g}, ratio {measured / theirs:.2f}'}
        bar = times and round(times * theirs, 3)
    row(name, unit, measured, bar, f'{times} x tcg' if bar else '', extra)


def small_boot(program, cpus):
    """To /init's first line and to the end: (wall, processor time) of each."""
    with machine.start(program, Guest(memory=MEMORY, cpus=cpus)) as running:
        _, wall = running.expect('^init: started')
        cpu = running.cpu_seconds()
        end = machine.check_end(program, running)
        return {'/init': (wall, cpu), 'power-off': (end.wall, end.cpu)}


def userland_boot(program, cpus):
    with disks.own_copy(images.debian()) as path:
        with machine.start(program, sessions.guest(path, cpus)) as running:
            wall = sessions.log_in(running)
            cpu = running.cpu_seconds()
            return {'login': (wall, cpu)}


def compare(name, once, runs, cpus, programs):
    """@runs times @once on each program, in turns."""
    kept = {program: [] for program in programs}
    for _ in range(runs):
        for program in programs:
            kept[program].append(once(program, cpus))
    own, *peers = kept.values()
    for stage in own[0]:
        for at, kind in enumerate(('wall', 'CPU')):
            own_and_peer(f'{name}, {cpus} vCPU: start to {stage}, {kind}', 's',
                         [run[stage][at] for run in own],
                         [run[stage][at] for peer in peers for run in peer],
                         TIMES_TCG if kind == 'wall' else None)


def touched_kib(pid):
    """What the guest has of its memory: pages that there are of memory files."""
    folder = f'/proc/{pid}/fd'
    files = {}
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if os.readlink(path).startswith('/memfd:'):
            about = os.stat(path)
            files[about.st_ino] = about.st_blocks // 2
    return sum(files.values())


def idle(program, cpus):
    """A guest that waits, and what it costs."""
    with machine.start(program, Guest('test=wait', memory=MEMORY, cpus=cpus)) as running:
        running.expect('init: waiting')
        time.sleep(SETTLE_S)
        began, used = time.monotonic(), running.cpu_seconds()
        time.sleep(IDLE_S)
        percent = 100 * (running.cpu_seconds() - used) / (time.monotonic() - began)
        touched = touched_kib(running.pid)
        return percent, running.status_kib('VmRSS') - touched, touched


def idle_rows(own, peer, cpus):
    percent, over, touched = idle(own, cpus)
    extra = {'note': f'tcg {idle(peer, cpus)[0]:.2g}'} if peer else {}
    row(f'idle guest, {cpus} vCPU: of a core', '%', round(percent, 2), IDLE_PERCENT, 'design',
        extra)
    row(f'idle guest, {cpus} vCPU: RSS beyond its memory', 'MiB', round(over / 1024, 1),
        OVERHEAD_MIB, 'design', {'note': f'the guest has touched {touched >> 10} MiB'})


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    machine.end_in_order()
    groups = set(sys.argv[2:]) or {'small', 'userland', 'idle'}
    own = Program(os.path.abspath(sys.argv[1]))
    peer = Program(shutil.which(PEER)) if shutil.which(PEER) else None
    programs = [own, peer] if peer else [own]
    try:
        for name in packages.SETS:
            packages.fetch(name)
    except packages.Unavailable as reason:
        skip('boot', 's', str(reason))
        return
    if not peer:
        skip('tcg', 's', f'{PEER} is not installed')
    for cpus in (1, 2):
        if 'small' in groups:
            compare('small', small_boot, SMALL_RUNS, cpus, programs)
        if 'userland' in groups:
            compare('systemd', userland_boot, USERLAND_RUNS, cpus, programs)
        if 'idle' in groups:
            idle_rows(own, peer, cpus)


if __name__ == '__main__':
    main()
