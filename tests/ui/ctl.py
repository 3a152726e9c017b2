#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""`gracevm ctl`: on machines that run a payload, and on servers that are none.

    ctl.py build/gracevm build/tests/guest/board/ends.elf build/tests/guest/board/gpu.elf

Output: the Test Anything Protocol.
"""

import contextlib
import fcntl
import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import sys
import tempfile
import termios
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
for folder_ in ('linux', 'board'):
    sys.path.insert(0, os.path.join(HERE, '..', 'guest', folder_))

import machine  # noqa: E402: found by the lines above
import pictures  # noqa: E402
import qmp  # noqa: E402
import tap  # noqa: E402
from machine import Failure  # noqa: E402

DEADLINE_S = machine.DEADLINE_S
OK, FAILED, USAGE = 0, 1, 2
ENTER, LEAVE = b'\033[?1049h', b'\033[?1049l'
GREETING = b'{"QMP": {"version": {}, "capabilities": []}}\r\n'
DONE = b'{"return": {}}\r\n'


class Ctl:
    """The program, and its sockets' folder."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder
        self.path = os.path.join(folder, 'qmp')

    def start(self, *words, **streams):
        streams = {'stdin': subprocess.DEVNULL, 'stdout': subprocess.PIPE,
                   'stderr': subprocess.PIPE, **streams}
        return subprocess.Popen([self.program, 'ctl', *words], cwd=self.folder, **streams)

    def run(self, *words, status=OK, **streams):
        """(standard output, standard error) of a run that must end with @status."""
        with self.start(*words, **streams) as process:
            output, errors = process.communicate(timeout=DEADLINE_S)
        output, errors = (output or b'').decode(), (errors or b'').decode()
        if process.returncode != status:
            raise Failure(f'{words}: exit status {process.returncode}, not {status}\n'
                          f'{output}{errors}')
        if (status != OK) != bool(errors):
            raise Failure(f'{words}: exit status {status}, and says: "{errors}"')
        return output, errors

    def does(self, *words, status=OK):
        """One command to the socket; what it says: one of the two."""
        return ''.join(self.run(self.path, *words, status=status))


def says(text, *patterns):
    for pattern in patterns:
        if not re.search(pattern, text, re.M):
            raise Failure(f'"{pattern}" is not in:\n{text}')


# ---- Machines

@contextlib.contextmanager
def running_machine(settings, *options, append='test=halt'):
    """(the machine, Ctl of it)"""
    program, payload = settings
    with tempfile.TemporaryDirectory(prefix='gracevm-ctl-') as folder:
        there = Ctl(program, folder)
        words = [program, '-accel', 'soft', '-m', '64M', '-nodefaults', '-display', 'none',
                 '-serial', 'stdio', '-name', 'test', '-kernel', payload, '-append', append,
                 '-qmp', f'unix:{there.path},server=on,wait=off', *options]
        with machine.Machine(words) as running, qmp.Client(there.path):
            yield running, there


def life(settings):
    with running_machine(settings, '-S', '-device', 'virtio-gpu-pci',
                         '-device', 'virtio-keyboard-pci') as (running, there):
        says(there.does('status'), r'^test: prelaunch \(', r'^1 processor, gracevm ')
        says(there.does('cont'), '^running$')
        running.expect('ends: halts')
        says(there.does('stop'), '^stopped')
        state = json.loads(there.does('--json', 'status'))
        wanted = {'status': 'paused', 'running': False, 'name': 'test', 'cpus': 1}
        if {name: state[name] for name in wanted} != wanted:
            raise Failure(f'stopped, its status is {state}')
        says(there.does('powerdown', status=FAILED), 'does not listen to the power button')
        says(there.does('screendump', 'a.png', status=FAILED), 'refuses: .*/a.png: .* is off')
        says(there.does('sendkey', 'nosuchkey', status=FAILED), 'nosuchkey')
        there.does('sendkey', 'ctrl-alt-f2', '0')
        says(there.does('reset'), '^reset$')
        says(there.does('quit'), '^the machine has ended$')
        if running.wait().status != 0:
            raise running.failure('quit ends it with another status')


def looks(settings):
    with running_machine(settings, '-S', '-device', 'virtio-gpu-pci') as (_, there):
        says(there.does('rcu'), r'^grace periods +\d+ normal', r'^callback +\d')
        says(there.does('latency'), '^0 maps', r'^total +0 +-')
        says(there.does('gpu'), '^window  none', '^contexts  0$', r'^  contexts +0 of +256')
        says(there.does('mtree'), '^memory:$', 'mmio ioapic$')
        for command in ('rcu', 'latency', 'gpu', 'mtree', 'status'):
            output = there.does(command, '--json')
            json.loads(output)
            if output.count('\n') != 1:
                raise Failure(f'{command} --json has several lines: {output}')
        says(there.does('raw', 'query-commands'), '"name" : "query-rcu"')
        says(there.does('raw', '{"execute": "stop",\n"id": 7}'), '^{}$')
        says(there.does('raw', 'no-such', status=FAILED), "refuses: there is no command 'no-such'")


def screen(program, payload):
    """Of a guest that shows 64 x 32 pixels, all of them different."""
    values = [0x1001 * at for at in range(64 * 32)]
    pixels = [(value >> 16, value >> 8 & 255, value & 255) for value in values]
    with running_machine((program, payload), '-device', 'virtio-gpu-pci',
                         append='test=picture') as (running, there):
        running.expect('gpu: shows')
        path = os.path.join(os.path.realpath(there.folder), 'a.png')
        says(there.does('screendump', 'a.png'), f'^written: {re.escape(path)}$')
        with open(path, 'rb') as file:
            seen = pictures.read_png(file.read())
        if seen.rows != [pixels[at:at + 64] for at in range(0, len(pixels), 64)]:
            raise Failure(f'{seen.width} x {seen.height}, and begins with {seen.rows[0][:8]}')
        says(there.does('screendump', 'a.png', '1', status=FAILED), 'refuses: ')
        says(there.does('screendump', 'none/a.png', status=FAILED), 'refuses: .*No such file')


def no_gpu(settings):
    with running_machine(settings, '-S') as (_, there):
        for command in ('latency', 'gpu'):
            says(there.does(command, status=FAILED), 'refuses: there is no virtio-gpu device')


def next_on_the_disk(settings):
    """When quit returns, the disk is free: not when the machine hangs up. In between this one waits
    for the reader of -stats, which does not read."""
    program, payload = settings
    with tempfile.TemporaryDirectory(prefix='gracevm-ctl-') as folder:
        disk, stats = os.path.join(folder, 'disk'), os.path.join(folder, 'stats')
        with open(disk, 'wb') as file:
            file.truncate(1 << 20)
        os.mkfifo(stats)
        reader = os.open(stats, os.O_RDWR)
        os.write(reader, bytes(fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)))  # full
        drive = ('-drive', f'file={disk},id=d', '-device', 'virtio-blk-pci,drive=d')
        with running_machine(settings, *drive, '-stats', stats) as (running, there):
            says(there.does('quit'), '^the machine has ended$')
            words = [program, '-accel', 'soft', '-m', '64M', '-nodefaults', '-kernel', payload,
                     '-append', 'test=power', *drive]
            with machine.Machine(words) as following:
                if following.wait().status != OK:
                    raise following.failure('another machine cannot start on its disk')
            says(running.wait().errors, 'stats: the other end does not read')
        os.close(reader)


def events(settings):
    """What comes depends on when the follower does; that it has, the first event tells."""
    with running_machine(settings, '-S') as (running, there):
        with there.start('--json', there.path, 'events') as follower, \
                qmp.Client(there.path) as control:
            while not select.select([follower.stdout], [], [], machine.POLL_S)[0]:
                control.execute('cont')
                control.execute('stop')
            there.does('quit')
            output, errors = follower.communicate(timeout=DEADLINE_S)
        heard = [json.loads(line) for line in output.splitlines()]
        if {event['event'] for event in heard[:-1]} - {'RESUME', 'STOP'} or len(heard) < 2:
            raise Failure(f'it heard {heard}')
        if heard[-1]['data']['reason'] != 'host-qmp-quit' or follower.returncode != OK or errors:
            raise Failure(f'exit status {follower.returncode}; last: {heard[-1]}; {errors}')
        running.wait()


def no_terminal(settings):
    """Tables follow each other, without a terminal's commands."""
    with running_machine(settings, '-S', '-device', 'virtio-gpu-pci') as (_, there):
        says(there.does('latency'), r'\A0 maps.*\n\nunmap .*\n(\w+ .*\n)+\Z')
        with there.start(there.path, 'latency', '--interval', '0.01') as process:
            said = b''
            while said.count(b'\n\nunmap ') < 3:
                said += os.read(process.stdout.fileno(), 4096)
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=DEADLINE_S)
        if process.returncode != OK or errors or b'\033' in said or b'/s)' not in said:
            raise Failure(f'exit status {process.returncode}: {said!r} {errors}')


class Terminal:
    """One of its own, with a table in it that is shown again and again."""

    def __init__(self, there, **variables):
        self._leader, follower = pty.openpty()
        self.said = b''
        self._process = subprocess.Popen(
            [there.program, 'ctl', there.path, 'latency', '--interval', '0.01'], stdin=follower,
            stdout=follower, stderr=follower, start_new_session=True,
            env={**os.environ, **variables},
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(follower)

    def _read(self):
        try:
            some = os.read(self._leader, 4096)
        except OSError:  # EIO: nobody has its other side
            some = b''
        self.said += some
        return some

    def expect(self, pattern):
        while not re.search(pattern, self.said, re.S):
            if not self._read():
                raise Failure(f'{pattern} is not in {self.said!r}')

    def interrupt(self):
        os.write(self._leader, b'\x03')

    def end(self, status):
        """What it leaves on the screen."""
        while self._read():
            pass
        got = self._process.wait(DEADLINE_S)
        os.close(self._leader)
        if got != status or self.said.count(ENTER) != 1 or self.said.count(LEAVE) != 1:
            raise Failure(f'exit status {got}: {self.said!r}')
        return self.said.split(LEAVE)[1].decode().replace('\r\n', '\n')


def interrupted(settings):
    """Ctrl-C: the terminal is as before, with the last table on it, and nothing is wrong."""
    with running_machine(settings, '-S', '-device', 'virtio-gpu-pci') as (_, there):
        shown = Terminal(there, NO_COLOR='')
        shown.expect(rb'/s\).*/s\)')
        shown.interrupt()
        says(shown.end(OK), r'\A(\^C)?0 maps .*\n\n.*unmap .*\n(.*\n){6}\Z', r'\033\[1m')
        shown = Terminal(there, NO_COLOR='1')
        shown.expect(rb'/s\)')
        shown.interrupt()
        if '\033' in shown.end(OK):
            raise Failure(f'NO_COLOR, and there are colours: {shown.said!r}')


def gone(settings):
    with running_machine(settings, '-S', '-device', 'virtio-gpu-pci') as (running, there):
        shown = Terminal(there)
        shown.expect(rb'/s\)')
        there.does('quit')
        says(shown.end(FAILED), r'^unmap|unmap ',
             r'^gracevm: error: the machine has ended \(host-qmp-quit\)$')
        running.wait()


# ---- Servers that are none

@contextlib.contextmanager
def server(program, talk):
    """Ctl of a socket where @talk has each connection."""
    with tempfile.TemporaryDirectory(prefix='gracevm-ctl-') as folder:
        there = Ctl(program, folder)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(there.path)
            listener.listen()

            def serve():
                with contextlib.suppress(OSError):
                    while True:
                        connection, _ = listener.accept()
                        with connection, contextlib.suppress(OSError):
                            talk(connection)
            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            try:
                yield there
            finally:
                listener.shutdown(socket.SHUT_RDWR)
                thread.join()


def answers(*lines):
    """Greets, and then has a line for each line."""
    def talk(connection):
        connection.sendall(GREETING)
        with connection.makefile('rb') as commands:
            for answer, _ in zip((DONE, *lines), commands):
                connection.sendall(answer)
    return talk


def sends(data, times=1):
    def talk(connection):
        connection.sendall(GREETING)
        for _ in range(times):
            connection.sendall(data)
        connection.recv(1 << 20)  # what it has asked
        connection.recv(1 << 20)  # it leaves
    return talk


def waits(connection):
    """Says nothing until the other side leaves."""
    while connection.recv(4096):
        pass


NONSENSE = {  # what a server does, and what is said of it
    'silence': (waits, 'no answer in 0.3 s'),
    'a greeting, then silence': (lambda c: (c.sendall(GREETING), waits(c)), 'no answer in 0.3 s'),
    'events without end':
        (lambda c: [c.sendall(GREETING)] + [c.sendall(b'{"event": "A"}\n') for _ in iter(int, 1)],
         'no answer in 0.3 s'),
    'no JSON': (lambda c: (c.sendall(b'HTTP/1.1 400 Bad\r\n\r\n'), waits(c)), 'is no JSON'),
    'broken JSON': (sends(b'{"return": {]}\n'), 'is no JSON'),
    'JSON that asks for nothing': (answers(b'{"hello": 7}\n'), 'neither an answer nor an event'),
    'an array': (answers(b'[{"return": {}}]\n'), 'says an array'),
    'another greeting': (lambda c: (c.sendall(DONE), waits(c)), 'there is no greeting'),
    'a line without end': (sends(b'{"return": "' + b'x' * (9 << 20)), 'longer than 8 MiB'),
    'a deep answer': (sends(b'{"return": ' + b'[' * 100000), 'nested more than 64 deep'),
    'a hang-up at once': (lambda c: None, 'has hung up'),
    'a hang-up later': (answers(), 'has hung up'),
    'an error that steers terminals':
        (answers(b'{"error": {"class": "A", "desc": "b\\u001b[2Jc"}}\n'), r'refuses: b\?\[2Jc$'),
    'an error without words': (answers(b'{"error": 7}\n'), 'refuses: $'),
}


def nonsense(program, talk, pattern):
    with server(program, talk) as there:
        said = there.does('--timeout', '0.3' if '0.3' in pattern else '200', 'rcu', status=FAILED)
        says(said, pattern)
        if len(said.splitlines()) != 1 or '\033' in said:
            raise Failure(f'it says: {said!r}')


def strange_answers(program):
    """Of the right form and the wrong content: little is shown."""
    for value in (b'7', b'null', b'[]', b'{"status": 7, "ns": [], "window": {"bytes": "x"}}'):
        for command in ('status', 'latency', 'rcu', 'gpu', 'mtree', 'stop'):
            with server(program, answers(*[b'{"return": ' + value + b'}\n'] * 4)) as there:
                there.does(command)


def a_file_is_named_absolutely(program):
    """The machine's folder is another one."""
    asked = []

    def talk(connection):
        with connection.makefile('rb') as commands:
            connection.sendall(GREETING)
            for command in commands:
                asked.append(json.loads(command))
                connection.sendall(DONE)
    with server(program, talk) as there:
        wanted = os.path.join(os.path.realpath(there.folder), 'a.png')
        there.folder = os.path.realpath(there.folder)
        says(there.does('screendump', 'x/../a.png', '3'), f'^written: {re.escape(wanted)}$')
    if asked[-1] != {'execute': 'screendump', 'arguments': {'filename': wanted, 'head': 3}}:
        raise Failure(f'it asks {asked[-1]}')


def quit_that_does_not(program):
    with server(program, lambda c: (answers(DONE)(c), waits(c))) as there:
        says(there.does('--timeout', '0.3', 'quit', status=FAILED), 'asked to end, the machine')


def a_process_that_stays(program):
    """The machine hangs up, and its process, here ours, goes on. If it is none of our name space,
    that cannot be seen."""
    with server(program, answers(DONE)) as there:
        says(there.does('--timeout', '0.3', 'quit', status=FAILED), 'asked to end, the machine has',
             f'has hung up, but its process {os.getpid()} has not ended')
        apart = ['unshare', '--pid', '--fork']
        if subprocess.run([*apart, 'true'], stderr=subprocess.PIPE, check=False).returncode != 0:
            raise tap.Skip('no name space of processes can be made here')
        done = subprocess.run([*apart, program, 'ctl', there.path, 'quit'], check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        says(done.stdout.decode(), r'\Athe machine has ended\n\Z')


# ---- Its own ends

def nobody(program):
    with tempfile.TemporaryDirectory(prefix='gracevm-ctl-') as folder:
        there = Ctl(program, folder)
        hint = f'-qmp unix:{re.escape(there.path)},server=on,wait=off'
        says(there.does('status', status=FAILED), 'No such file', hint)
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(there.path)  # and does not listen: what a killed machine leaves
        says(there.does('status', status=FAILED), 'Connection refused', hint)
        says(''.join(there.run(folder, 'status', status=FAILED)), 'refused', re.escape(folder))
        says(''.join(there.run('x' * 200, 'status', status=FAILED)), 'longer than')


USES = {  # words, what is said
    'nothing': ([], 'which socket'),
    'a socket only': (['a'], "'a' is taken for the socket"),
    'an empty path': (['unix:', 'status'], 'is empty'),
    'an unknown command': (['a', 'latncy'], "no command 'latncy'; did you mean 'latency'"),
    'a very unknown command': (['a', 'xyzzy'], "no command 'xyzzy' \\(.* help"),
    'an unknown option': (['a', 'rcu', '--jsno'], 'did you mean --json'),
    'an option without its value': (['a', 'rcu', '--timeout'], 'needs a value'),
    'a value that is no number': (['a', 'rcu', '--interval', '1x'], "'1x' is not a number"),
    'an interval of nothing': (['a', 'stop', '--interval', '1'], 'nothing to repeat'),
    'too few words': (['a', 'screendump'], "'screendump FILE"),
    'too many words': (['a', 'status', 'b'], "it is 'status'$"),
}


def uses(program):
    with tempfile.TemporaryDirectory() as folder:
        there = Ctl(program, folder)
        for words, pattern in USES.values():
            says(there.run(*words, status=USAGE)[1], pattern)
        listed = there.run('help')[0]
        says(listed, '^usage: ', '^  latency ', '^  --json ')
        for words in (['--help'], ['a', 'help'], ['a', '-help', 'status']):
            if there.run(*words)[0] != listed:
                raise Failure(f'{words} tells something else')


def no_output(program):
    """Closed, full, or with nobody at its other end: said once, and never a crash."""
    with tempfile.TemporaryDirectory() as folder:
        there = Ctl(program, folder)
        with open('/dev/full', 'wb') as full:
            says(there.run('help', stdout=full, status=FAILED)[1], 'No space left')
        reader, writer = os.pipe()
        os.close(reader)
        with there.start('help', stdout=writer) as process:
            os.close(writer)
            errors = process.communicate(timeout=DEADLINE_S)[1]
        if process.returncode != FAILED or errors:
            raise Failure(f'a broken pipe: exit status {process.returncode}, {errors}')
    with server(program, answers(DONE)) as there:  # of which none must be told a table
        words = f'exec {program} ctl {there.path} rcu >&-'
        done = subprocess.run(['sh', '-c', words], stderr=subprocess.PIPE, check=False)
        if done.returncode != FAILED or b'standard output is closed' not in done.stderr:
            raise Failure(f'closed: exit status {done.returncode}, {done.stderr}')


def main():
    machine.end_in_order()
    settings = [os.path.abspath(path) for path in sys.argv[1:3]]
    program = settings[0]
    tests = {
        'a machine is stopped, goes on, is asked and ended': lambda: life(settings),
        'a machine is looked at, for people and as JSON': lambda: looks(settings),
        'screendump: the file has what the screen shows':
            lambda: screen(program, os.path.abspath(sys.argv[3])),
        'a machine without a GPU says so': lambda: no_gpu(settings),
        'quit: the next machine can have the disk': lambda: next_on_the_disk(settings),
        'events are followed to the end': lambda: events(settings),
        'tables without a terminal': lambda: no_terminal(settings),
        'Ctrl-C ends a table, and NO_COLOR its colours': lambda: interrupted(settings),
        'a machine that goes away below a table': lambda: gone(settings),
        'screendump: a file is named absolutely': lambda: a_file_is_named_absolutely(program),
        'quit: a machine that does not end': lambda: quit_that_does_not(program),
        'quit: a process that stays': lambda: a_process_that_stays(program),
        'nobody there': lambda: nobody(program),
        'wrong use': lambda: uses(program),
        'no standard output': lambda: no_output(program),
        'answers with strange content': lambda: strange_answers(program),
    }
    for name, (talk, pattern) in NONSENSE.items():
        tests[f'a server: {name}'] = \
            lambda talk=talk, pattern=pattern: nonsense(program, talk, pattern)
    sys.exit(0 if tap.run(tests) else 1)


if __name__ == '__main__':
    main()
