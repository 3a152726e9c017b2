# SPDX-License-Identifier: GPL-2.0-or-later
"""An X server without a screen, and tests/ui/screens.c on it: what the tests of windows need."""

import os
import select
import shutil
import subprocess
import time

DEADLINE_S = int(os.environ.get('DEADLINE_S', 120))  # what has not happened by then will not


class Failure(Exception):
    """What was expected, and what there was."""


def why_not():
    """Why windows cannot be tested here, or ''."""
    if not shutil.which('Xvfb'):
        return 'there is no Xvfb (Debian: package xvfb)'
    try:
        import Xlib  # pylint: disable=import-outside-toplevel,unused-import
    except ImportError:
        return 'there is no Xlib for Python (Debian: package python3-xlib)'
    return ''


def until(what, happens):
    """Wait for @happens(); its value, which is not false."""
    end = time.monotonic() + DEADLINE_S
    while True:
        value = happens()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f'in {DEADLINE_S} s there was no {what}')
        select.select([], [], [], 0.01)


class Server:
    """Xvfb, with one screen of 1600x1200."""

    def __init__(self):
        reader, writer = os.pipe()
        self.process = subprocess.Popen(
            ['Xvfb', '-displayfd', str(writer), '-screen', '0', '1600x1200x24', '-nolisten', 'tcp',
             '-noreset'], pass_fds=[writer], stderr=subprocess.DEVNULL)
        os.close(writer)
        with os.fdopen(reader) as numbers:
            self.name = ':' + numbers.readline().strip()

    def end(self):
        self.process.terminate()
        self.process.wait()


class Program:
    """tests/ui/screens.c at work: commands in, what its devices were told out."""

    def __init__(self, path, *arguments, **variables):
        kept = {name: value for name, value in os.environ.items()
                if name not in ('DISPLAY', 'WAYLAND_DISPLAY') and not name.startswith('SDL_')}
        # libdbus keeps what it has, and Mesa's drivers are unloaded before leaks are looked for, so
        # that theirs have no name. Our own are looked for by the unit tests.
        kept['ASAN_OPTIONS'] = kept.get('ASAN_OPTIONS', '') + ':detect_leaks=0'
        self.process = subprocess.Popen(
            [path, *map(str, arguments)], env={**kept, **variables}, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.left = b''
        self.told = []  # lines that nobody has asked for yet

    def _read(self):
        ready, _, _ = select.select([self.process.stdout], [], [], 0)
        if ready:
            self.left += os.read(self.process.stdout.fileno(), 1 << 16)
            *lines, self.left = self.left.split(b'\n')
            self.told += [line.decode() for line in lines]

    def take(self, line):
        """Wait for @line; what came before it is returned and forgotten."""
        def has_come():
            self._read()
            return line in self.told or self.process.poll() is not None
        try:
            until(f'"{line}"', has_come)
        except Failure as failure:
            raise Failure(f'{failure}, but: {self.told}') from None
        self._read()
        if line not in self.told:
            raise Failure(f'it ended without "{line}": {self.told}')
        at = self.told.index(line)
        before, self.told = self.told[:at], self.told[at + 1:]
        return before

    def say(self, command):
        """Do @command. What was told meanwhile can still be taken."""
        self.process.stdin.write(command.encode() + b'\n')
        self.process.stdin.flush()
        self.told = self.take('ok') + self.told

    def events(self, last):
        """Input until the event @last has been synchronised: [(type, code, value)]."""
        lines = self.take('event %d %d %d' % last)
        lines += ['event %d %d %d' % last, *self.take('sync')]
        return [tuple(map(int, line.split()[1:])) for line in lines if line.startswith('event')]

    def end(self):
        """Its status, and what it said on standard error. Once more is fine."""
        if self.process.stdout.closed:
            return self.process.returncode, ''
        self.process.stdin.close()
        errors = self.process.stderr.read().decode()
        self._read()
        status = self.process.wait()
        self.process.stdout.close()
        self.process.stderr.close()
        return status, errors
