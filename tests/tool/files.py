# SPDX-License-Identifier: GPL-2.0-or-later
"""A group of tests: files on a full disk, beyond a limit, in places where they cannot be, and those
that are no files."""

import contextlib
import ctypes
import os
import resource
import stat
import subprocess

import tool
from sockets import end, running
from tool import FAILED, OK, Failure

import tap

LIBC = ctypes.CDLL(None, use_errno=True)
SMALL = 64 << 10  # bytes of a file system


@contextlib.contextmanager
def _small_file_system():
    """A folder in which there is no room left."""
    with tool.folder() as folder:
        if LIBC.mount(b'tmpfs', folder.encode(), b'tmpfs', 0, f'size={SMALL}'.encode()) != 0:
            raise tap.Skip(f'no file system to fill: {os.strerror(ctypes.get_errno())}')
        try:
            with open(f'{folder}/filler', 'wb', buffering=0) as file, \
                    contextlib.suppress(OSError):
                while True:
                    file.write(bytes(4096))
            yield folder
        finally:
            LIBC.umount2(folder.encode(), 2)  # MNT_DETACH


def _full_stats(the_tool):
    with _small_file_system() as folder:
        path = f'{folder}/stats'
        tool.run(the_tool.words('power', '-stats', path)).check(FAILED, '-stats', path, 'No space')
        if os.listdir(folder) != ['filler']:
            raise Failure(f'it left {os.listdir(folder)}')


def _full_log(the_tool):
    """The guest goes on; the end tells that lines are missing."""
    with _small_file_system() as folder:
        words = the_tool.words('power', '-D', f'{folder}/log', '-d', 'all')
        tool.run(words).check(OK, '-D', f'{folder}/log', 'missing')
        words = the_tool.words('power', '-D', f'{folder}/log', '-kernel', '/nonexistent')
        tool.run(words).check(FAILED, '/nonexistent')


def _full_serial(the_tool):
    with _small_file_system() as folder:
        path = f'{folder}/serial'
        ended = tool.run(the_tool.words('power', '-serial', f'file:{path}'))
        ended.check(OK, path, 'No space', 'lost')
        if len(ended.errors.splitlines()) != 1:
            raise ended.failure('it says so more than once')


def _full_sockets(the_tool):
    """They take an inode, and no room: they work, or a message says why not."""
    with _small_file_system() as folder, running(the_tool, folder) as (live, control, _):
        control.execute('query-status')
        end(live)


def _is_device(path):
    return stat.S_ISCHR(os.stat(path).st_mode)


def _devices_stay(the_tool):
    """-stats into what is no file writes into it. It used to be replaced: /dev/null, by root."""
    with tool.folder() as folder:
        link = f'{folder}/link'
        tool.write(f'{folder}/real')
        os.symlink('real', link)
        tool.run(the_tool.words('power', '-stats', link)).check(OK)
        if not os.path.islink(link) or not tool.read(f'{folder}/real').startswith(b'{'):
            raise Failure('a link does not stay one')
        # Made here, so that a fault does not cost the system its own.
        null = f'{folder}/null'
        try:
            os.mknod(null, stat.S_IFCHR | 0o666, os.makedev(1, 3))
            with open(null, 'wb') as file:
                file.write(b'x')
        except OSError as error:
            raise tap.Skip(f'no device can be made here: {error}') from error
        tool.run(the_tool.words('power', '-stats', null)).check(OK)
        if not _is_device(null):
            raise Failure('a device has become a file')


def _stats_into_pipes(the_tool):
    # What /dev/stdout links to: a fault does not cost the system that link.
    ended = tool.run(the_tool.words('power', '-stats', '/proc/self/fd/1')).check(OK)
    if not ended.output.startswith(b'{"rcu"'):
        raise ended.failure('there are no figures on standard output')
    with tool.folder() as folder:
        path = f'{folder}/fifo'
        os.mkfifo(path)
        with subprocess.Popen(['cat', path], stdout=subprocess.PIPE) as reader:
            tool.run(the_tool.words('power', '-stats', path)).check(OK)
            if not reader.stdout.read().startswith(b'{"rcu"'):
                raise Failure('there are no figures in the pipe')


def _log_into_pipe(the_tool):
    """A reader that does not read loses lines; the machine does not wait for it."""
    with tool.folder() as folder:
        path = f'{folder}/fifo'
        os.mkfifo(path)
        both_ends = os.open(path, os.O_RDWR | os.O_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(both_ends, bytes(4096))
        tool.run(the_tool.words('power', '-D', path, '-d', 'all')).check(OK, '-D', path, 'missing')
        os.close(both_ends)


def _hanging_disk(the_tool):
    """The last flush is waited for (half a minute), and then the program leaves without it."""
    if not the_tool.hanging_flush:
        raise tap.Skip('there is no --hanging-flush')
    with tool.folder() as folder:
        disk = tool.write(f'{folder}/disk', bytes(4096))
        words = the_tool.words('power', '-drive', f'file={disk},id=d', '-device',
                               'virtio-blk-pci,drive=d')
        tool.run(words, env={**os.environ, 'LD_PRELOAD': the_tool.hanging_flush}) \
            .check(FAILED, disk, 'hangs', 'may be lost')


def _limited(words, size):
    """`ulimit -f`: SIGXFSZ would kill it."""
    return tool.run(words, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE,
                                                                  (size, size)))


def _beyond_the_limit(the_tool):
    with tool.folder() as folder:
        _limited(the_tool.words('power', '-stats', f'{folder}/s'), 64 << 20).check(OK)
        # Of a guest's memory as well: it is a file to the system.
        _limited(the_tool.words('power'), 1 << 20).check(FAILED, 'File too large')
        _limited(the_tool.words('power', '-D', f'{folder}/log', '-d', 'nosuch'), 0) \
            .check(tool.USAGE, 'nosuch')


def _read_only_folders(the_tool):
    """Of somebody who may write nowhere but reads all."""
    if os.getuid() != 0:
        raise tap.Skip('only root can become nobody')
    with tool.folder() as folder:
        os.chmod(folder, 0o755)
        nobody = tool.nobody(the_tool, cwd=folder, env={})
        tool.run(the_tool.words('power'), **nobody).check(OK)
        for option, value in (('-stats', f'{folder}/x'), ('-D', f'{folder}/x'),
                              ('-serial', f'file:{folder}/x'),
                              ('-serial', f'unix:{folder}/x,server=on,wait=off'),
                              ('-qmp', f'unix:{folder}/x,server=on,wait=off')):
            tool.run(the_tool.words('power', option, value), **nobody) \
                .check(FAILED, option, f'{folder}/x', 'ermission denied').check_refusal(FAILED)


def files(the_tool):
    tests = {
        '-stats on a full disk': _full_stats,
        '-D on a full disk': _full_log,
        '-serial file: on a full disk': _full_serial,
        '-qmp on a full disk': _full_sockets,
        '-stats leaves links and devices what they are': _devices_stay,
        '-stats into pipes': _stats_into_pipes,
        '-D into a pipe that nobody empties': _log_into_pipe,
        'a disk that hangs': _hanging_disk,
        'beyond ulimit -f': _beyond_the_limit,
        'nowhere to write': _read_only_folders,
    }
    return {name: (lambda test=test: test(the_tool)) for name, test in tests.items()}
