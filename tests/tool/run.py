#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What a user, a script or the system may do to the program. Output: the Test Anything Protocol.

    run.py [--sanitized] [--hanging-flush build/tests/tool/hanging_flush.so] PROGRAM PAYLOAD.elf
           [GROUP...]

PAYLOAD is build/tests/guest/board/ends.elf.
"""

import argparse
import os
import sys

import tool  # first: it finds the others
import files
import limits
import options
import signals
import sockets
import streams

import machine
import tap

GROUPS = {'files': files.files, 'limits': limits.limits, 'options': options.options,
          'signals': signals.signals, 'sockets': sockets.sockets, 'streams': streams.streams}


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('--sanitized', action='store_true')
    parser.add_argument('--hanging-flush', type=os.path.abspath)
    parser.add_argument('program', type=os.path.abspath)
    parser.add_argument('payload', type=os.path.abspath)
    parser.add_argument('groups', nargs='*', metavar='GROUP', choices=[[], *GROUPS])
    arguments = parser.parse_args()
    machine.end_in_order()
    the_tool = tool.Tool(arguments.program, arguments.payload, arguments.sanitized,
                         arguments.hanging_flush)
    tests = {}
    for group in arguments.groups or GROUPS:
        tests |= GROUPS[group](the_tool)
    sys.exit(0 if tap.run(tests) else 1)


if __name__ == '__main__':
    main()
