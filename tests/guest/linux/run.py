#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Boots Linux on a virtual machine in many ways. Output: the Test Anything Protocol.

    run.py [--accel soft|kvm] [--drawing FOLDER] PROGRAM [GROUP...]
    run.py [--accel soft|kvm] --soak N PROGRAM

PROGRAM is build/gracevm, or qemu-system-x86_64 to try the tests themselves. FOLDER has the programs
that draw inside guests: build/tests/guest/linux/gpu.
"""

import argparse
import os
import shutil
import sys

import boots
import desktop
import disks
import drawing
import ends
import machine
import network
import packages
import refusals
import sessions
import steering
import tap
import tracing
import workloads
from machine import Program

GROUPS = {
    'processors': boots.processors,
    'memory': boots.memory,
    'forms': boots.forms,
    'disks': disks.disks,
    'ends': ends.ends,
    'userland': sessions.sessions,
    'drawing': drawing.drawing,
    'workloads': workloads.workloads,
    'network': network.network,
    'steering': steering.steering,
    'refusals': refusals.refusals,
    'tracing': tracing.tracing,
}
# Only when it is named: an image of 1.4 GB, and minutes.
LONG = {'desktop': desktop.desktop}


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('--accel', default='soft', choices=('soft', 'kvm'))
    parser.add_argument('--soak', type=int, metavar='N', help='N boots in a row, nothing else')
    parser.add_argument('--drawing', default='', metavar='FOLDER')
    parser.add_argument('program')
    parser.add_argument('groups', nargs='*', metavar='GROUP', choices=[[], *GROUPS, *LONG])
    options = parser.parse_args()
    machine.end_in_order()
    path = shutil.which(options.program)
    if not path:
        sys.exit(f'run.py: {options.program} cannot be run')
    reason = machine.no_kvm() if options.accel == 'kvm' else ''
    if reason:
        tap.skip_all(reason)
        return
    program = Program(os.path.abspath(path), options.accel,
                      options.drawing and os.path.abspath(options.drawing))
    try:
        for name in packages.BASIC:
            packages.fetch(name)
    except packages.Unavailable as unavailable:
        tap.skip_all(f'guests cannot be made: {unavailable}')
        return
    tests = boots.soak(program, options.soak) if options.soak else {}
    for group in options.groups or ([] if options.soak else GROUPS):
        tests |= {**GROUPS, **LONG}[group](program)
    sys.exit(0 if tap.run(tests) else 1)


if __name__ == '__main__':
    main()
