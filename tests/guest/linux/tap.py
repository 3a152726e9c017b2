# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs tests, and says how they went in the Test Anything Protocol."""

import sys
import time
import traceback

import machine
import packages


class Skip(Exception):
    """This cannot be tested here; says why."""


def _say(text):
    print(text, flush=True)


def _diagnose(text):
    for line in str(text).splitlines():
        print('# ' + ''.join(c if c.isprintable() else '?' for c in line), flush=True)


def skip_all(reason):
    _say(f'1..0 # SKIP {reason}')


def run(tests):
    """@tests: {name: function}. Returns whether none failed."""
    _say(f'1..{len(tests)}')
    is_good = True
    for number, (name, test) in enumerate(tests.items(), 1):
        began = time.monotonic()
        try:
            test()
        except (Skip, packages.Unavailable) as reason:
            _say(f'ok {number} - {name} # SKIP {reason}')
            continue
        except machine.Failure as failure:
            _diagnose(failure)
            is_good = False
            _say(f'not ok {number} - {name}')
        except Exception:  # a fault of the test: the other tests go on
            _diagnose(traceback.format_exc())
            is_good = False
            _say(f'not ok {number} - {name}')
        else:
            _say(f'ok {number} - {name}')
        _diagnose(f'{time.monotonic() - began:.1f} s')
    sys.stdout.flush()
    return is_good
