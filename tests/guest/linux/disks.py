# SPDX-License-Identifier: GPL-2.0-or-later
"""A group of tests: disks and the entropy device, judged from outside by e2fsprogs."""

import contextlib
import hashlib
import os
import re
import subprocess
import tempfile

import cache
import images
import machine
from machine import Failure, Guest

SBIN = {**os.environ, 'PATH': os.environ.get('PATH', '') + ':/usr/sbin:/sbin'}


def _tool(*command, good=(0,)):
    done = subprocess.run(command, env=SBIN, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    if done.returncode not in good:
        raise Failure(f'{" ".join(command)}: status {done.returncode}\n'
                      f'{done.stdout.decode(errors="replace")}')
    return done.stdout


def check_file_system(path):
    """That a full check finds nothing to mend, not even a journal to replay."""
    _tool('e2fsck', '-fn', path)
    about = _tool('dumpe2fs', '-h', path).decode()
    if 'needs_recovery' in about or not re.search(r'^Filesystem state: +clean$', about, re.M):
        raise Failure(f'{path} was not left clean:\n{about}')


@contextlib.contextmanager
def own_copy(image):
    """A copy that may be written."""
    with tempfile.TemporaryDirectory(prefix='gracevm-disk-') as folder:
        path = os.path.join(folder, 'disk.raw')
        images.copy_disk(image, path)
        yield path


def _file_of(path, name):
    with tempfile.TemporaryDirectory() as folder:
        copy = os.path.join(folder, 'file')
        _tool('debugfs', '-R', f'dump /{name} {copy}', path)
        return images.read(copy)


def _check_written(path):
    rows = [line.split() for line in _file_of(path, 'WRITTEN').decode().splitlines()]
    if len(rows) != 4:
        raise Failure(f'the guest wrote 4 files; its list has {len(rows)}')
    for digest, name in rows:
        if hashlib.sha256(_file_of(path, name)).hexdigest() != digest:
            raise Failure(f'{name} in the image is not what the guest wrote')
    if b'removed' in _tool('debugfs', '-R', 'ls -p /', path):
        raise Failure('the image has a file that the guest removed')


def _read_only(program, append=''):
    with own_copy(images.disk()) as path:
        before = cache.file_digest(path)
        machine.boot(program, Guest(f'test=blk-ro {append}', drives=((path, True),)))
        if cache.file_digest(path) != before:
            raise Failure('a read-only image has changed')


def _written(program, cpus, linux):
    with own_copy(images.disk()) as path:
        machine.boot(program, Guest('test=blk-rw', cpus=cpus, linux=linux, drives=((path, False),)))
        check_file_system(path)
        _check_written(path)


def _killed_after_sync(program):
    """What a guest has synced is in the image, whatever becomes of the machine."""
    with own_copy(images.disk()) as path:
        guest = Guest('test=blk-sync', drives=((path, False),))
        with machine.start(program, guest) as running:
            running.expect('init: synced')
        _tool('e2fsck', '-fp', path, good=(0, 1))  # 1: it replayed the journal
        _check_written(path)


def _two_users(program):
    with own_copy(images.disk()) as path:
        guest = Guest('test=wait', drives=((path, False),))
        with machine.start(program, guest) as first:
            first.expect('init: waiting')
            with machine.start(program, guest) as second:
                end = second.wait()
                if end.status != 1 or path not in end.errors:
                    raise second.failure(f'an image in use: status {end.status}, '
                                         'or its name not in the message')


def _entropy(program):
    machine.boot(program, Guest('test=rng', devices=('virtio-rng-pci',)))


def disks(program):
    tests = {
        'read-only ext4: read right, never written': lambda: _read_only(program),
        'the same by pin interrupts (pci=nomsi)': lambda: _read_only(program, 'pins=yes pci=nomsi'),
        'ext4 written by 1 processor, sound afterwards': lambda: _written(program, 1, '6.1'),
        'ext4 written by 2 processors, Linux 6.12': lambda: _written(program, 2, '6.12'),
        'what was synced is there after SIGKILL': lambda: _killed_after_sync(program),
        'virtio-rng: bytes that differ': lambda: _entropy(program),
    }
    tests['an image has one writer'] = lambda: _two_users(program)
    return tests
