# SPDX-License-Identifier: GPL-2.0-or-later
"""A group of tests: a system that gives little. It works, or says what is missing."""

import resource
import socket

import tool
from sockets import end, running
from tool import FAILED, OK, Failure

import qmp
import tap

DEVICES = ('-smp', '8', '-device', 'virtio-rng-pci', '-device', 'virtio-keyboard-pci', '-device',
           'virtio-gpu-pci', '-serial', 'stdio')


def _with(limit, value, words):
    return tool.run(words, preexec_fn=lambda: resource.setrlimit(limit, (value, value)))


def _said_why(ended):
    """Whether it worked; else in few words why not."""
    if ended.status == OK:
        return True
    ended.check_refusal(FAILED)
    return False


def _descriptors(the_tool):
    """From hardly enough to start a program, up to what is enough."""
    worked = []
    for number in (5, 8, 10, 12, 14, 16, 18, 20, 24, 28, 32, 40, 48, 64):
        ended = _with(resource.RLIMIT_NOFILE, number, the_tool.words('power', *DEVICES))
        worked.append(_said_why(ended))
    if worked[0] or not worked[-1]:
        raise Failure(f'where it worked: {worked}')


def _soft_descriptors(the_tool):
    """The soft limit is no limit: the program may go up to the hard one, and does."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with tool.folder() as folder:
        with running(the_tool, folder, prefix=('prlimit', '--nofile=64:')) as (live, _, _):
            got = resource.prlimit(live.pid, resource.RLIMIT_NOFILE)
            if got != (hard, hard):
                raise live.failure(f'its limits are {got}, not twice {hard}')
            end(live)


def _descriptors_with_clients(the_tool):
    """More clients than there are descriptors: those that are there are served."""
    with tool.folder() as folder:
        words = ('prlimit', '--nofile=40')
        with running(the_tool, folder, prefix=words) as (live, control, path):
            others = []
            for _ in range(60):
                other = socket.socket(socket.AF_UNIX)
                other.settimeout(1)
                others.append(other)
                if other.connect_ex(path):
                    break
            control.execute('query-status')
            for other in others:
                other.close()
            with qmp.Client(path) as late:
                late.execute('query-status')
            end(live)


def _memory(the_tool):
    """Of the process, its address space: more and more of it until there is enough."""
    if the_tool.is_sanitized:
        raise tap.Skip('a sanitizer takes terabytes of address space')
    worked = []
    for mib in (160, 200, 260, 320, 400, 500, 700, 1000, 2000):
        ended = _with(resource.RLIMIT_AS, mib << 20, the_tool.words('power', '-smp', '8'))
        if 'error while loading shared libraries' in ended.errors:
            continue
        worked.append(_said_why(ended))
    if not worked[-1]:
        raise Failure(f'where it worked: {worked}')
    _with(resource.RLIMIT_AS, 1 << 30, the_tool.words('power', '-m', '8G')).check_refusal(FAILED)


def _more_memory_than_there_is(the_tool):
    """It is only taken when the guest touches it; what cannot be had at all is refused."""
    ended = tool.run(the_tool.words('power', '-m', '512G'))
    if ended.status != OK:
        ended.check(FAILED, '524288').check_refusal(FAILED)


def _nothing_in_the_environment(the_tool):
    ended = tool.run(the_tool.words('power', *DEVICES), env={}, cwd='/')
    ended.check(OK)
    tool.run(the_tool.words('power', *DEVICES, '-display', 'sdl'), env={}, cwd='/') \
        .check(FAILED, '-display sdl').check_refusal(FAILED)
    for value in ('', '/nonexistent', 'x' * 5000):
        names = ('HOME', 'TMPDIR', 'XDG_RUNTIME_DIR', 'DISPLAY', 'WAYLAND_DISPLAY', 'LANG')
        tool.run(the_tool.words('power', *DEVICES), env=dict.fromkeys(names, value)).check(OK)
        # libdbus, which SDL asks, leaks there.
        strange = {**dict.fromkeys(names, value), 'ASAN_OPTIONS': 'detect_leaks=0'}
        ended = tool.run(the_tool.words('power', *DEVICES, '-display', 'sdl'), env=strange)
        ended.check(FAILED, '-display sdl').check_refusal(FAILED)


def _no_shared_memory(the_tool):
    """Neither /dev/shm nor a /tmp that can be written."""
    hide = 'mount -t tmpfs none /dev/shm && mount -o remount,ro,size=4k /dev/shm && ' \
           'mount -t tmpfs -o ro none /tmp && exec "$@"'
    with tool.folder() as folder:
        if folder.startswith('/tmp/') and the_tool.path.startswith('/tmp/'):
            raise tap.Skip('the program itself is in /tmp')
    probe = tool.run(['unshare', '-m', 'sh', '-c', hide, 'sh', 'true'])
    if probe.status != 0:
        raise tap.Skip(f'no file system can be hidden here: {probe.errors.strip()}')
    words = the_tool.words('power', *DEVICES)
    tool.run(['unshare', '-m', 'sh', '-c', hide, 'sh', *words]).check(OK)


def _no_proc(the_tool):
    if the_tool.is_sanitized:
        raise tap.Skip('a sanitizer reads /proc')
    hide = 'mount -t tmpfs none /proc && exec "$@"'
    probe = tool.run(['unshare', '-m', 'sh', '-c', hide, 'sh', 'true'])
    if probe.status != 0:
        raise tap.Skip(f'/proc cannot be hidden here: {probe.errors.strip()}')
    _said_why(tool.run(['unshare', '-m', 'sh', '-c', hide, 'sh',
                        *the_tool.words('power', *DEVICES)]))


def limits(the_tool):
    tests = {
        'few descriptors': _descriptors,
        'few descriptors at first': _soft_descriptors,
        'more clients than descriptors': _descriptors_with_clients,
        'little address space': _memory,
        'more memory than there is': _more_memory_than_there_is,
        'an empty environment, and a strange one': _nothing_in_the_environment,
        'neither /dev/shm nor /tmp': _no_shared_memory,
        'no /proc': _no_proc,
    }
    return {name: (lambda test=test: test(the_tool)) for name, test in tests.items()}
