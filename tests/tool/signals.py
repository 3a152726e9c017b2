# SPDX-License-Identifier: GPL-2.0-or-later
"""A group of tests: signals in every state of the machine."""

import os
import signal
import socket
import time

import tool
from sockets import running
from tool import OK

import machine
import qmp

ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
POLL_S = 0.01
# Whoever runs the tests may have some ignored.
DEFAULT = ('env', '--default-signal')


def _listens(live, path):
    """Until somebody listens at @path: it is a socket before that."""
    deadline = time.monotonic() + tool.DEADLINE_S
    while f' {path}\n' not in _unix_sockets():
        if time.monotonic() >= deadline:
            raise live.failure(f'nobody listens at {path}')
        time.sleep(POLL_S)


def _unix_sockets():
    """Those that listen: __SO_ACCEPTCON in /proc/net/unix."""
    with open('/proc/net/unix', encoding='utf-8', errors='replace') as file:
        return ''.join(line for line in file if line.split()[3] == '00010000')


def _ended(live, folder):
    end = live.wait()
    if end.status != OK:
        raise live.failure(f'exit status {end.status}, not 0')
    if os.listdir(folder):
        raise live.failure(f'it left {os.listdir(folder)}')


def _waiting_for_a_client(the_tool, option):
    for number in ENDING:
        with tool.folder() as folder:
            path = f'{folder}/socket'
            words = the_tool.words('spin', option, f'unix:{path},server=on')
            with machine.Machine([*DEFAULT, *words]) as live:
                _listens(live, path)
                live.signal(number)
                _ended(live, folder)
                if 'error' in live.errors:
                    raise live.failure('it calls that an error')


def _stopped(the_tool):
    """By -S, before the guest's first instruction."""
    for number in ENDING:
        with tool.folder() as folder:
            path = f'{folder}/qmp'
            words = the_tool.words('spin', '-S', '-qmp', f'unix:{path},server=on,wait=off')
            with machine.Machine([*DEFAULT, *words]) as live:
                with qmp.Client(path) as control:
                    if control.execute('query-status')['running']:
                        raise live.failure('it runs')
                    live.signal(number)
                    _ended(live, folder)


def _at_any_moment(the_tool):
    """As early as may be, and later: either it was no process of ours yet, or it ends with 0."""
    for delay_ms in range(0, 60, 3):
        with tool.folder() as folder:
            words = the_tool.words('spin', '-qmp', f'unix:{folder}/qmp,server=on,wait=off',
                                   '-serial', f'unix:{folder}/serial,server=on,wait=off')
            with machine.Machine([*DEFAULT, *words]) as live:
                time.sleep(delay_ms / 1000)  # no synchronisation: any moment is right
                os.kill(live.pid, signal.SIGTERM)
                status = live.wait().status
                if status not in (OK, -signal.SIGTERM) or os.listdir(folder):
                    raise live.failure(f'exit status {status}; it left {os.listdir(folder)}')


def _killed_at_any_moment(the_tool):
    """No process stays, and the next start is as the first."""
    with tool.folder() as folder:
        disk = tool.write(f'{folder}/disk', bytes(4096))
        options = ('-drive', f'file={disk},id=d', '-device', 'virtio-blk-pci,drive=d',
                   '-qmp', f'unix:{folder}/qmp,server=on,wait=off')
        for delay_ms in range(0, 60, 6):
            with machine.Machine(the_tool.words('spin', *options)) as live:
                time.sleep(delay_ms / 1000)  # any moment is right
                os.kill(live.pid, signal.SIGKILL)
                live.wait()
        tool.run(the_tool.words('power', *options)).check(OK)


def _ignored(the_tool):
    """nohup(1), and what a shell without job control starts in the background."""
    for number in (signal.SIGHUP, signal.SIGINT):
        with tool.folder() as folder:
            path = f'{folder}/qmp'
            words = the_tool.words('spin', '-qmp', f'unix:{path},server=on,wait=off')
            name = signal.Signals(number).name[3:]
            with machine.Machine(['env', f'--ignore-signal={name}', *words]) as live:
                with qmp.Client(path) as control:
                    os.kill(live.pid, number)
                    for _ in range(3):  # turns of the main loop, which would have seen it
                        control.execute('query-status')
                    live.signal(signal.SIGTERM)
                    _ended(live, folder)


def _broken_pipes(the_tool):
    """SIGPIPE is no end: writing to whoever has gone is an error of that place."""
    with tool.folder() as folder, running(the_tool, folder) as (live, control, path):
        os.kill(live.pid, signal.SIGPIPE)
        for _ in range(5):
            with socket.socket(socket.AF_UNIX) as other:
                other.connect(path)
                other.sendall(b'{"execute": "qmp_capabilities"} {"execute": "query-status"}')
        control.execute('query-status')
        control.execute('quit')
        if live.wait().status != OK:
            raise live.failure('it should have ended with 0')


def _job_control(the_tool):
    """Stopped and continued by the shell, without a terminal, it goes on."""
    with tool.folder() as folder, running(the_tool, folder) as (live, control, _):
        os.kill(live.pid, signal.SIGTSTP)
        os.kill(live.pid, signal.SIGCONT)
        control.execute('query-status')
        live.signal(signal.SIGTERM)
        _ended(live, folder)


def signals(the_tool):
    tests = {
        'waiting for a client of -qmp': lambda it: _waiting_for_a_client(it, '-qmp'),
        'waiting for a client of -serial': lambda it: _waiting_for_a_client(it, '-serial'),
        'stopped by -S': _stopped,
        'SIGTERM at any moment of the start': _at_any_moment,
        'SIGKILL at any moment of the start': _killed_at_any_moment,
        'ignored SIGHUP and SIGINT stay so': _ignored,
        'SIGPIPE and clients that leave': _broken_pipes,
        'stopped and continued by a shell': _job_control,
    }
    return {name: (lambda test=test: test(the_tool)) for name, test in tests.items()}
