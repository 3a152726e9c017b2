# SPDX-License-Identifier: GPL-2.0-or-later
"""The program as its user starts it, with a guest of a few bytes: what the tests of this folder
have in common."""

import contextlib
import dataclasses
import os
import re
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), '..', 'guest', 'linux'))

import tap  # noqa: E402
from machine import Failure  # noqa: E402, F401: for the groups

OK, FAILED, USAGE, DIED = 0, 1, 2, 3
DEADLINE_S = 120  # a net under what hangs
LINES_MAX = 4  # that say why
LINE_MAX = 1025  # bytes: include/util/log.h, and the newline
SANITIZER = re.compile(r'Sanitizer|runtime error|Assertion|assert', re.I)


@dataclasses.dataclass(frozen=True)
class Tool:
    path: str
    payload: str  # tests/guest/board/ends.c
    is_sanitized: bool
    hanging_flush: str | None  # for LD_PRELOAD: hanging_flush.c

    def words(self, test, *options):
        """A machine whose guest does @test: power, halt, spin, panic…"""
        return [self.path, '-accel', 'soft', '-m', '32M', '-nodefaults', '-no-reboot',
                '-kernel', self.payload, '-append', f'test={test}', *options]


@dataclasses.dataclass(frozen=True)
class End:
    words: list
    status: int
    output: bytes
    errors: str

    def failure(self, what):
        words = ' '.join(repr(word)[:80] for word in self.words)
        return Failure(f'{what}\ncommand: {words}\nexit status: {self.status}\n'
                               f'standard error: {self.errors[-2000:]}')

    def check(self, status, *named):
        """It ended with @status, and its message has @named."""
        if self.status != status:
            raise self.failure(f'exit status {self.status}, not {status}')
        for text in named:
            if text not in self.errors:
                raise self.failure(f'the message does not name "{text}"')
        return self

    def check_refusal(self, *statuses):
        """Whatever it was: few lines on standard error, nothing on standard output, no crash."""
        if self.status not in statuses:
            raise self.failure(f'exit status {self.status}, not of {statuses}')
        lines = self.errors.splitlines()
        if not lines or len(lines) > LINES_MAX or any(len(line) > LINE_MAX for line in lines):
            raise self.failure(f'{len(lines)} lines say why')
        if self.output:
            raise self.failure(f'standard output: {self.output[:80]}')
        if SANITIZER.search(self.errors):
            raise self.failure('it crashed')


def run(words, **how):
    """From start to end by itself. @how: of subprocess.run()."""
    how = {'stdin': subprocess.DEVNULL, 'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, **how}
    try:
        done = subprocess.run(words, timeout=DEADLINE_S, check=False, **how)
    except subprocess.TimeoutExpired as expired:
        said = (expired.stderr or b'').decode(errors='replace')
        raise End(words, None, b'', said).failure('it did not end') from expired
    return End(words, done.returncode, done.stdout or b'',
               (done.stderr or b'').decode(errors='replace'))


@contextlib.contextmanager
def folder():
    with tempfile.TemporaryDirectory(prefix='gracevm-tool-') as path:
        yield path


def write(path, data=b''):
    with open(path, 'wb') as file:
        file.write(data)
    return path


def read(path):
    with open(path, 'rb') as file:
        return file.read()


def nobody(the_tool, **how):
    """Arguments of run() for somebody who is not root. Raises Skip where a clone lies in /root."""
    how = {'user': 65534, 'group': 65534, 'extra_groups': [], **how}
    try:
        run([the_tool.path, '-version'], **how)
    except PermissionError as error:
        raise tap.Skip(f'nobody but root can reach the program: {error}') from error
    return how
