# SPDX-License-Identifier: GPL-2.0-or-later
"""A client of QMP, the protocol in which machines are asked and told."""

import json
import socket
import time

DEADLINE_S = 240
POLL_S = 0.01  # until the socket is there


class Refused(Exception):
    """The machine answered with an error."""


class Client:
    """Of the machine that listens at @path. A context."""

    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(DEADLINE_S)
        deadline = time.monotonic() + DEADLINE_S
        while self._socket.connect_ex(path) != 0:
            if time.monotonic() >= deadline:
                raise OSError(f'{path}: nobody listens')
            time.sleep(POLL_S)
        self._lines = self._socket.makefile('r', encoding='utf-8')
        self._events = []  # that have come and nobody has asked for
        self.greeting = json.loads(self._lines.readline())
        self.execute('qmp_capabilities')

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._lines.close()
        self._socket.close()

    def _line(self, what):
        line = self._lines.readline()
        if not line:
            raise OSError(f'{what}: the machine hung up')
        return json.loads(line)

    def event(self, name):
        """The data of the next event @name; those before it are dropped."""
        while True:
            event = self._events.pop(0) if self._events else self._line(name)
            if event.get('event') == name:
                return event.get('data')

    def execute(self, name, **arguments):
        """What the command @name returns. Events on the way are kept."""
        request = {'execute': name, 'arguments': arguments} if arguments else {'execute': name}
        self._socket.sendall(json.dumps(request).encode() + b'\n')
        while True:
            answer = self._line(name)
            if 'error' in answer:
                raise Refused(f'{name}: {answer["error"]}')
            if 'return' in answer:
                return answer['return']
            self._events.append(answer)
