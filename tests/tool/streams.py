# SPDX-License-Identifier: GPL-2.0-or-later
"""A group of tests: standard streams that are closed, full, at their end, or without a reader; and
terminals, whose settings come back."""

import contextlib
import os
import pty
import select
import signal
import subprocess
import termios
import time

import tool
from sockets import end, running
from tool import DIED, FAILED, OK, Failure

import machine

IDLE_S = 1
STDIO = ('-serial', 'stdio')
CLOSED = {'input': '<&-', 'output': '>&-', 'errors': '2>&-', 'all three': '<&- >&- 2>&-'}


def _shell(words, redirections):
    return ['sh', '-c', f'exec "$@" {redirections}', 'sh', *words]


def _closed(the_tool, redirections):
    """The machine runs to its end; what it says goes nowhere, and least of all into its disk."""
    with tool.folder() as folder:
        disk = tool.write(f'{folder}/disk', bytes(1 << 20))
        words = the_tool.words('power', *STDIO, '-drive', f'file={disk},id=d', '-device',
                               'virtio-blk-pci,drive=d', '-stats', f'{folder}/stats', '-d', 'all',
                               '-D', f'{folder}/log')
        tool.run(_shell(words, redirections)).check(OK)
        if tool.read(disk) != bytes(1 << 20):
            raise Failure('what it said is in its disk')
        if b'ends: started' in tool.read(f'{folder}/log'):
            raise Failure('what the guest said is in the log')
        if not tool.read(f'{folder}/stats').startswith(b'{'):
            raise Failure('what it said is in its figures')


def _closed_and_failing(the_tool):
    for redirections in CLOSED.values():
        tool.run(_shell(the_tool.words('power', '-kernel', '/nonexistent'), redirections)) \
            .check(FAILED)
        tool.run(_shell([the_tool.path, '-nosuch'], redirections)).check(tool.USAGE)


def _printing(the_tool):
    """Of -help and the like: what could not be printed is a failure."""
    for words in (('-help',), ('-version',), ('-device', 'help'), ('-d', 'help')):
        with open('/dev/full', 'wb') as full:
            tool.run([the_tool.path, *words], stdout=full) \
                .check(FAILED, 'standard output', 'No space left')
        tool.run(_shell([the_tool.path, *words], '>&-')).check(FAILED, 'standard output')


def _full_output(the_tool):
    """The guest goes on, and one line says that it is not heard."""
    with open('/dev/full', 'wb') as full:
        ended = tool.run(the_tool.words('panic', *STDIO), stdout=full)
    ended.check(DIED, 'cannot write to standard output', 'No space left')
    if ended.errors.count('standard output') != 1:
        raise ended.failure('it says so more than once')


def _reader_gone(the_tool):
    with tool.folder() as folder:
        reading, writing = os.pipe()
        os.close(reading)
        with running(the_tool, folder, *STDIO, test='talk', stdout=writing) as (live, control, _):
            os.close(writing)
            control.execute('query-status')
            ended = end(live)
            if 'cannot write to standard output: Broken pipe' not in ended.errors:
                raise live.failure('it does not say that nobody reads')


def _reader_stuck(the_tool):
    """A pipe that nobody empties holds up nothing but the guest's output."""
    with tool.folder() as folder:
        reading, writing = os.pipe()
        with running(the_tool, folder, *STDIO, test='talk', stdout=writing) as (live, control, _):
            os.close(writing)
            control.execute('stop')
            control.execute('cont')
            end(live)
        os.close(reading)


def _errors_full(the_tool):
    """Messages that cannot be written are lost, and nothing else is."""
    with open('/dev/full', 'wb') as full:
        tool.run(the_tool.words('power', *STDIO, '-d', 'all'), stderr=full).check(OK)
        tool.run(the_tool.words('power', '-kernel', '/nonexistent'), stderr=full).check(FAILED)
        tool.run([the_tool.path, '-nosuch'], stderr=full).check(tool.USAGE)
    reading, writing = os.pipe()
    os.close(reading)
    tool.run(the_tool.words('power', *STDIO, '-d', 'all'), stderr=writing).check(OK)
    os.close(writing)


def _idle(live):
    """It does not run in circles: a quarter of a processor is far from that, and from idle."""
    before = live.cpu_seconds()
    time.sleep(IDLE_S)  # so long it is watched
    used = live.cpu_seconds() - before
    if used > IDLE_S / 4:
        raise live.failure(f'{used:.2f} s of processor time in {IDLE_S} s of doing nothing')


def _input_ended(the_tool):
    """At its end at once, closed by a pipe's writer, or closed from the start."""
    with tool.folder() as folder:
        for stdin in (subprocess.DEVNULL, subprocess.PIPE):
            with running(the_tool, folder, *STDIO, test='halt', stdin=stdin) as (live, control, _):
                live.expect('ends: halts')
                live.close_input()
                control.execute('query-status')
                _idle(live)
                end(live)


def _output_idle(the_tool):
    """Nor when the reader has gone and nothing is to be written."""
    with tool.folder() as folder:
        reading, writing = os.pipe()
        with running(the_tool, folder, *STDIO, test='halt', stdout=writing) as (live, _, _):
            os.close(writing)
            os.read(reading, 100)
            os.close(reading)
            _idle(live)
            end(live)


@contextlib.contextmanager
def _terminal():
    """(its other end, itself, its settings)"""
    leader, follower = pty.openpty()
    with open(leader, 'r+b', buffering=0) as typist:
        yield typist, follower, termios.tcgetattr(follower)
    os.close(follower)


def _settings_come_back(the_tool, how):
    """@how ends it; the guest halts, or panics, or does what else."""
    with _terminal() as (typist, follower, before):
        words = ['env', '--default-signal', *the_tool.words(how['test'], *STDIO)]
        with machine.Machine(words, stdin=follower, stdout=follower) as live:
            live.watch(typist)
            live.expect(how['says'])
            if how.get('typed'):
                typist.write(how['typed'])
            if how.get('signal'):
                os.kill(live.pid, how['signal'])
            status = live.wait().status
            if status != how['status']:
                raise live.failure(f'exit status {status}')
            if termios.tcgetattr(follower) != before:
                raise live.failure('the terminal is not as it was')


ENDS = {
    'Ctrl-a x': {'test': 'halt', 'says': 'ends: halts', 'typed': b'\x01x', 'status': OK},
    'SIGTERM': {'test': 'halt', 'says': 'ends: halts', 'signal': signal.SIGTERM, 'status': OK},
    'SIGHUP': {'test': 'spin', 'says': 'ends: started', 'signal': signal.SIGHUP, 'status': OK},
    'SIGABRT': {'test': 'halt', 'says': 'ends: halts', 'signal': signal.SIGABRT,
                'status': -signal.SIGABRT},
    'SIGSEGV': {'test': 'halt', 'says': 'ends: halts', 'signal': signal.SIGSEGV,
                'status': -signal.SIGSEGV},
    'SIGQUIT': {'test': 'halt', 'says': 'ends: halts', 'signal': signal.SIGQUIT,
                'status': -signal.SIGQUIT},
    'power-off': {'test': 'power', 'says': 'ends: started', 'status': OK},
    'a panic': {'test': 'panic', 'says': 'ends: started', 'status': DIED},
}


def _failing_start(the_tool):
    with _terminal() as (_, follower, before):
        words = the_tool.words('power', *STDIO, '-kernel', '/nonexistent')
        tool.run(words, stdin=follower, stdout=follower).check(FAILED)
        if termios.tcgetattr(follower) != before:
            raise Failure('the terminal is not as it was')


def _hang_up(the_tool):
    """The terminal goes away: as its controlling process it gets SIGHUP, and ends."""
    pid, leader = pty.fork()
    if pid == 0:
        words = ['env', '--default-signal', *the_tool.words('spin', *STDIO)]
        os.execvp(words[0], words)
    said = b''
    while b'ends: started' not in said:
        said += os.read(leader, 1000)
    os.close(leader)
    with open(os.pidfd_open(pid), 'rb', buffering=0) as process:  # readable when it has ended
        has_ended, _, _ = select.select([process], [], [], tool.DEADLINE_S)
    if not has_ended:
        os.kill(pid, signal.SIGKILL)
    _, raw = os.waitpid(pid, 0)
    if not has_ended:
        raise Failure('it does not end with its terminal')
    if os.waitstatus_to_exitcode(raw) != OK:
        raise Failure(f'exit status {os.waitstatus_to_exitcode(raw)}')


def streams(the_tool):
    tests = {f'{name} closed from the start': lambda it, how=how: _closed(it, how)
             for name, how in CLOSED.items()}
    tests |= {
        'closed streams and failures': _closed_and_failing,
        'what -help prints cannot be written': _printing,
        'standard output is full': _full_output,
        'nobody reads standard output': _reader_gone,
        'somebody does not read standard output': _reader_stuck,
        'standard error is full, or nobody reads': _errors_full,
        'input at its end takes no time': _input_ended,
        'output without a reader takes no time': _output_idle,
        'a terminal, and a start that fails': _failing_start,
        'a terminal that goes away': _hang_up,
    }
    tests |= {f'a terminal is as before after {name}':
              lambda it, how=how: _settings_come_back(it, how) for name, how in ENDS.items()
              if not (the_tool.is_sanitized and name == 'SIGSEGV')}  # whose handler ends with 1
    return {name: (lambda test=test: test(the_tool)) for name, test in tests.items()}
