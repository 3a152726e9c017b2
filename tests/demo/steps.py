# SPDX-License-Identifier: GPL-2.0-or-later
"""Progress that is seen: a line for each step when it has ended, with the time since the start; and
on a terminal a line for the one that runs, which goes on by itself while this program waits.
"""

import contextlib
import os
import shutil
import signal
import sys
import time

TICK_S = 0.5
CLEAR = '\r\x1b[K'
NAME_COLUMNS = 44


class Step:
    """What a running step says of itself."""

    def __init__(self, name):
        self.name, self.result, self.detail = name, '', ''


class Steps:
    """@began: time.monotonic() when the user pressed Enter, as far as known."""

    def __init__(self, out=sys.stdout, began=None):
        self._fd = out.fileno()
        self._is_live = os.isatty(self._fd)
        self._began = time.monotonic() if began is None else began
        self._step = None

    def seconds(self):
        return time.monotonic() - self._began

    def _write(self, text):
        # Past Python's buffers: the clock's signal may come while those are being written.
        data = text.encode()
        with contextlib.suppress(OSError):  # nobody looks any more: the results are files
            while data:
                data = data[os.write(self._fd, data):]

    def say(self, text=''):
        self._write((CLEAR if self._is_live and self._step else '') + text + '\n')

    def _tick(self, *_):
        step = self._step
        if step:
            text = f'{self.seconds():6.1f} s  {step.name} {step.detail}'
            columns = shutil.get_terminal_size().columns - 1
            self._write(CLEAR + ''.join(c if c.isprintable() else ' ' for c in text)[:columns])

    def detail(self, text):
        """More about the running step, for its line on a terminal."""
        if self._step and text != self._step.detail:
            self._step.detail = text
            if self._is_live:
                self._tick()

    def tell(self, text):
        """What the running step is at: for its line on a terminal, else a line of its own."""
        if self._is_live and self._step:
            self.detail(text)
        else:
            self.say(f'{"":10}{text}')

    @contextlib.contextmanager
    def step(self, name):
        """While it runs; its line says step.result, or that it was not ended."""
        self._step = step = Step(name)
        before = None
        if self._is_live:
            before = signal.signal(signal.SIGALRM, self._tick)
            signal.setitimer(signal.ITIMER_REAL, TICK_S, TICK_S)
            self._tick()
        try:
            yield step
        except BaseException:
            step.result = step.result or 'not finished'
            raise
        finally:
            if self._is_live:
                signal.setitimer(signal.ITIMER_REAL, 0)
                signal.signal(signal.SIGALRM, before)
            self.say(f'{self.seconds():6.1f} s  {name:{NAME_COLUMNS}} {step.result}'.rstrip())
            self._step = None
