# SPDX-License-Identifier: GPL-2.0-or-later
"""A group of tests: sockets, disks and logs that two instances want, and what is left of them after
each way of ending."""

import contextlib
import fcntl
import os
import signal
import socket

import tool
from tool import DIED, FAILED, OK, Failure

import machine
import qmp


def _qmp(path, wait='off'):
    return ('-qmp', f'unix:{path},server=on,wait={wait}')


def _serial(path, wait='off'):
    return ('-serial', f'unix:{path},server=on,wait={wait}')


@contextlib.contextmanager
def running(the_tool, folder, *options, test='spin', prefix=(), **streams):
    """(the machine, its QMP client, the socket's path)"""
    path = os.path.join(folder, 'qmp')
    words = [*prefix, *the_tool.words(test, *_qmp(path), *options)]
    with machine.Machine(words, **streams) as live:
        with qmp.Client(path) as control:
            yield live, control, path


def end(live, status=OK):
    """Of a machine whose guest does not listen to its button: one signal is enough."""
    live.signal(signal.SIGTERM)
    ended = live.wait()
    if ended.status != status:
        raise live.failure(f'exit status {ended.status}, not {status}')
    return ended


def _none_left(folder, *but):
    left = set(os.listdir(folder)) - set(but)
    if left:
        raise Failure(f'it left {sorted(left)}')


def _removed_at_each_end(the_tool):
    """Each way of ending by itself or by a signal."""
    for test, number, status in (('power', 0, OK), ('reset', 0, OK), ('panic', 0, DIED),
                                 ('triple', 0, DIED), ('spin', signal.SIGTERM, OK),
                                 ('spin', signal.SIGINT, OK), ('halt', signal.SIGHUP, OK)):
        with tool.folder() as folder:
            words = the_tool.words(test, *_qmp(f'{folder}/qmp'), *_serial(f'{folder}/serial'))
            words = ['env', '--default-signal', *words]
            with machine.Machine(words) as live:
                if number:
                    with qmp.Client(f'{folder}/qmp'):
                        live.signal(number)
                ended = live.wait()
                if ended.status != status:
                    raise live.failure(f'{test}, {number}: exit status {ended.status}')
            _none_left(folder)


def _removed_after_quit(the_tool):
    with tool.folder() as folder, running(the_tool, folder) as (live, control, _):
        control.execute('quit')
        if live.wait().status != OK:
            raise live.failure('quit should end it with 0')
        _none_left(folder)


def _removed_after_failure(the_tool):
    """What is made before something else fails."""
    with tool.folder() as folder:
        words = the_tool.words('power', *_serial(f'{folder}/s'), *_qmp(f'{folder}/q'),
                               '-kernel', '/nonexistent')
        tool.run(words).check(FAILED, '/nonexistent')
        tool.run(the_tool.words('power', *_serial(f'{folder}/s'), *_qmp(f'{folder}/no/q'))) \
            .check(FAILED, f'{folder}/no/q')
        _none_left(folder)


def _of_a_live_instance(the_tool):
    """The second one is refused, and the first one's socket stays."""
    with tool.folder() as folder, running(the_tool, folder) as (live, control, path):
        for options in (_qmp(path), _serial(path)):
            tool.run(the_tool.words('power', *options)).check(FAILED, options[0], path, 'another')
        control.execute('query-status')
        with qmp.Client(path) as other:
            other.execute('query-status')
        end(live)


def _of_a_killed_instance(the_tool):
    """SIGKILL leaves a socket, and locks nothing."""
    with tool.folder() as folder:
        disk = tool.write(f'{folder}/disk', bytes(4096))
        drive = ('-drive', f'file={disk},id=d', '-device', 'virtio-blk-pci,drive=d')
        for _ in range(2):
            with running(the_tool, folder, *drive, *_serial(f'{folder}/serial')) as (live, _, path):
                os.kill(live.pid, signal.SIGKILL)
                if live.wait().status != -signal.SIGKILL:
                    raise live.failure('it should have been killed')
            if not os.path.exists(path):
                raise Failure('this test tests nothing: no socket is left')
        with running(the_tool, folder, *drive, *_serial(f'{folder}/serial')) as (live, _, _):
            end(live)
        _none_left(folder, 'disk')


def _what_is_no_socket(the_tool):
    with tool.folder() as folder:
        for make in (tool.write, os.mkdir, os.mkfifo):
            path = os.path.join(folder, make.__name__)
            make(path)
            for options in (_qmp(path), _serial(path)):
                tool.run(the_tool.words('power', *options)).check(FAILED, path, 'no socket')
            if not os.path.lexists(path):
                raise Failure(f'it removed what {make.__name__} made')


def _replaced_meanwhile(the_tool):
    """Who has put another socket there keeps it."""
    with tool.folder() as folder, running(the_tool, folder) as (live, _, path):
        os.unlink(path)
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(path)
            end(live)
            if not os.path.exists(path):
                raise live.failure('it removed a socket of somebody else')


def _locked_directory(the_tool):
    """Whoever may read a directory may lock it: no reason to wait for ever."""
    with tool.folder() as folder:
        lock = os.open(folder, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
        tool.run(the_tool.words('power', *_qmp(f'{folder}/q'), *_serial(f'{folder}/s'))).check(OK)
        os.close(lock)
        _none_left(folder)


def _crowded_listener(the_tool):
    """Nobody accepts, and no more fit into the queue: connect() would wait for ever."""
    with tool.folder() as folder, contextlib.ExitStack() as stack:
        path = f'{folder}/s'
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(path)
        listener.listen(0)
        error = 0
        while not error:
            client = stack.enter_context(socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            error = client.connect_ex(path)
        tool.run(the_tool.words('power', '-serial', f'unix:{path}')).check(FAILED, '-serial', path)


def _same_disk(the_tool):
    with tool.folder() as folder:
        disk = tool.write(f'{folder}/disk', bytes(4096))
        words = ('-drive', f'file={disk},id=d', '-device', 'virtio-blk-pci,drive=d')
        with running(the_tool, folder, *words) as (live, _, _):
            for mode in ('', ',readonly=on'):
                second = ('-drive', f'file={disk},id=d{mode}', *words[2:])
                tool.run(the_tool.words('power', *second)) \
                    .check(FAILED, '-drive', disk, str(live.pid)).check_refusal(FAILED)
            end(live)
        tool.run(the_tool.words('power', *words)).check(OK)


def _shared_disk(the_tool):
    with tool.folder() as folder:
        disk = tool.write(f'{folder}/disk', bytes(4096))
        words = ('-drive', f'file={disk},id=d,readonly=on', '-device', 'virtio-blk-pci,drive=d')
        with running(the_tool, folder, *words) as (live, _, _):
            tool.run(the_tool.words('power', *words)).check(OK)
            end(live)


def _same_log(the_tool):
    """Both append: no line is torn or lost."""
    with tool.folder() as folder:
        words = the_tool.words('power', '-D', f'{folder}/log', '-d', 'all')
        alone = len(tool.read(f'{folder}/log').splitlines()) if tool.run(words).check(OK) else 0
        with machine.Machine(words) as first, machine.Machine(words) as second:
            for live in (first, second):
                if live.wait().status != OK:
                    raise live.failure('it should have ended with 0')
        lines = tool.read(f'{folder}/log').splitlines()
        torn = [line for line in lines if not line.startswith(b'gracevm: ')]
        if torn or len(lines) < 2 * alone:
            raise Failure(f'{len(lines)} lines, {alone} of the first; torn: {torn[:3]}')


def _same_serial_file(the_tool):
    """The second empties the file; what both write from then on is there, and no zeroes."""
    with tool.folder() as folder:
        words = the_tool.words('spin', '-serial', f'file:{folder}/log')
        with machine.Machine(words) as first:
            while not os.path.exists(f'{folder}/log') or \
                    not tool.read(f'{folder}/log').endswith(b'\n'):
                first.listen(0.01)
            tool.run(the_tool.words('power', '-serial', f'file:{folder}/log')).check(OK)
            end(first)
        text = tool.read(f'{folder}/log')
        if b'\0' in text or text.count(b'ends: started') != 1:
            raise Failure(f'the file has {text}')


def sockets(the_tool):
    tests = {
        'sockets go with each way of ending': _removed_at_each_end,
        'sockets go with quit': _removed_after_quit,
        'sockets go where something else fails': _removed_after_failure,
        'a socket of a live instance': _of_a_live_instance,
        'a socket and a disk of a killed instance': _of_a_killed_instance,
        'what is at the path and no socket stays': _what_is_no_socket,
        'a socket that has become another\'s stays': _replaced_meanwhile,
        'a directory that somebody has locked': _locked_directory,
        'a listener that accepts nobody': _crowded_listener,
        'one disk for two instances: refused': _same_disk,
        'one disk for two that only read': _shared_disk,
        'one log for two instances': _same_log,
        'one serial file for two instances': _same_serial_file,
    }
    return {name: (lambda test=test: test(the_tool)) for name, test in tests.items()}
