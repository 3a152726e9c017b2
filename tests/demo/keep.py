# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest that outlives this program, and how its user reaches it."""

import itertools
import os
import shlex
import subprocess
import time

import qmp

LONGEST = 100  # of a socket's path: sockaddr_un has room for 107 characters
POLL_S = 0.1


def _command(words, place):
    """The command line @words, with its ends at @place instead of in the program that ran it."""
    words = list(words)
    words[words.index('-serial') + 1] = f'unix:{place}.serial,server=on,wait=off'
    words[words.index('-qmp') + 1] = f'unix:{place}.qmp,server=on,wait=off'
    return words


def _free_place(folder):
    """Where no other guest has its sockets, one that was left running earlier for example."""
    names = itertools.chain(['guest'], (f'guest{number}' for number in itertools.count(2)))
    return next(place for place in (os.path.join(folder, name) for name in names)
                if not os.path.lexists(f'{place}.qmp'))


def start(words, folder):
    """Start the guest of @words once more, by itself. Returns lines that tell of it."""
    place = _free_place(folder)
    if len(os.fsencode(f'{place}.serial')) > LONGEST:
        return [f'--keep: the path of {folder} is too long for sockets: no guest was left running']
    words = _command(words, place)
    log = f'{place}.log'
    with open(log, 'w', encoding='utf-8') as out:
        guest = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=out,
                                 stderr=subprocess.STDOUT, start_new_session=True)
    while not os.path.exists(f'{place}.qmp') and guest.poll() is None:
        time.sleep(POLL_S)
    if guest.poll() is not None:
        return [f'--keep: the guest did not start: {log}']
    with qmp.Client(f'{place}.qmp') as control:
        control.execute('query-status')
    guest.returncode = 0  # it is nobody's child from here on
    return [f'A guest is left running, as process {guest.pid}:',
            f'  {shlex.join(words)}',
            f'  its console:   socat -,raw,echo=0,escape=0x1d unix-connect:{place}.serial',
            f'  to steer it:   {shlex.quote(words[0])} ctl {place}.qmp status',
            f'  to end it:     kill {guest.pid}']
