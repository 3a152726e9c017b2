# SPDX-License-Identifier: GPL-2.0-or-later
"""Things that are made once and kept under the digest of what they are made of, in
${XDG_CACHE_HOME:-~/.cache}/gracevm. Several programs may ask at the same time: one makes, the
others wait, and nobody sees a thing half made. Whenever an image has been made, what has not been
asked for in a month goes, and of the rest what was not asked for longest, until LIMIT_BYTES are
kept.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
import time

KEEP_S = 30 * 24 * 3600
LIMIT_BYTES = 8 << 30
# What was asked for since then stays: a program may be about to open it.
IN_USE_S = 6 * 3600
UNFINISHED = '.new-'
LAST = 'images'  # of this kind is what is made of all the others


def root():
    base = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
    return os.path.join(base, 'gracevm')


def digest(*parts):
    """Of strings and bytes, in order; each counts with its length."""
    total = hashlib.sha256()
    for part in parts:
        data = part if isinstance(part, bytes) else part.encode()
        total.update(b'%d:' % len(data) + data)
    return total.hexdigest()


def file_digest(path):
    total = hashlib.sha256()
    with open(path, 'rb') as file:
        while chunk := file.read(1 << 20):
            total.update(chunk)
    return total.hexdigest()


def remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def _lock_path(kind, name):
    return os.path.join(root(), 'locks', f'{kind}-{name}')


def _is_at(file, path):
    try:
        return os.path.samestat(os.fstat(file.fileno()), os.stat(path))
    except FileNotFoundError:
        return False


@contextlib.contextmanager
def _alone(kind, name, how=fcntl.LOCK_EX):
    """One lock a thing: what makes one may ask for others. With LOCK_NB it may raise
    BlockingIOError. A lock's file may go while it is waited for: then there is another by now."""
    path = _lock_path(kind, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    while True:
        with open(path, 'a', encoding='ascii') as file:
            fcntl.flock(file, how)
            if _is_at(file, path):
                yield
                return


def _bytes(path):
    """On the disk, with all that is below."""
    total = os.lstat(path).st_blocks
    for folder, folders, files in os.walk(path):
        for name in folders + files:
            with contextlib.suppress(FileNotFoundError):
                total += os.lstat(os.path.join(folder, name)).st_blocks
    return total * 512


def _kept():
    """(when it was asked for last, kind, name, path) of all that is there, the oldest first."""
    found = []
    for kind in os.listdir(root()):
        folder = os.path.join(root(), kind)
        if kind == 'locks' or not os.path.isdir(folder):
            continue
        for name in os.listdir(folder):
            path = os.path.join(folder, name)
            with contextlib.suppress(FileNotFoundError):
                found.append((os.lstat(path).st_mtime, kind, name, path))
    return sorted(found)


def _drop(kind, name, path, before):
    """Unless somebody makes it or has asked for it since @before. Returns whether it is gone."""
    try:
        with _alone(kind, name, fcntl.LOCK_EX | fcntl.LOCK_NB):
            if os.lstat(path).st_mtime >= before:
                return False
            remove(path)
            os.unlink(_lock_path(kind, name))  # who waits for it looks whether it is there
            return True
    except (BlockingIOError, FileNotFoundError):
        return False


def _drop_locks():
    """Those of things that are gone."""
    for lock in os.listdir(os.path.join(root(), 'locks')):
        kind, _, name = lock.partition('-')
        if not os.path.lexists(os.path.join(root(), kind, name)):
            with contextlib.suppress(BlockingIOError), _alone(kind, name,
                                                              fcntl.LOCK_EX | fcntl.LOCK_NB):
                if not os.path.lexists(os.path.join(root(), kind, name)):
                    os.unlink(_lock_path(kind, name))


def tidy():
    """What is old or too much goes; what is in use stays, even if that is too much."""
    try:
        with _alone('tidy', 'all', fcntl.LOCK_EX | fcntl.LOCK_NB):
            now = time.time()
            things = [(when, thing, _bytes(thing[-1])) for when, *thing in _kept()]
            total = sum(size for _, _, size in things)
            for when, (kind, name, path), size in things:
                is_old = when < now - (IN_USE_S if name.startswith(UNFINISHED) else KEEP_S)
                if (is_old or total > LIMIT_BYTES) and _drop(kind, name, path, now - IN_USE_S):
                    total -= size
            _drop_locks()
    except BlockingIOError:
        pass  # somebody does it already


def keep(kind, name, make):
    """The path of the thing called @name; make(path) makes it, a file or a folder, if it is not
    there."""
    folder = os.path.join(root(), kind)
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name)
    with _alone(kind, name):
        is_new = not os.path.lexists(path)
        if is_new:
            with tempfile.TemporaryDirectory(dir=folder, prefix=UNFINISHED) as work:
                new = os.path.join(work, 'new')
                make(new)
                os.rename(new, path)
        os.utime(path)
    if is_new and kind == LAST:
        tidy()
    return path


def keep_bytes(kind, name, data):
    """The path of a file with the bytes @data, called @name and by its digest."""
    def make(path):
        with open(path, 'wb') as file:
            file.write(data)
    return keep(kind, f'{name}-{digest(data)[:32]}', make)
