# SPDX-License-Identifier: GPL-2.0-or-later
"""Things that are made once and kept under the digest of what they are made of, in
${XDG_CACHE_HOME:-~/.cache}/gracevm. Several programs may ask at the same time: one makes, the
others wait, and nobody sees a thing half made.
"""

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
import time

KEEP_SECONDS = 30 * 24 * 3600


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


@contextlib.contextmanager
def _alone(kind, name):
    """One lock a thing: what makes one may ask for others."""
    folder = os.path.join(root(), 'locks')
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, f'{kind}-{name}'), 'w', encoding='ascii') as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _drop_old(folder):
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if os.lstat(path).st_mtime < time.time() - KEEP_SECONDS:
            remove(path)


def keep(kind, name, make):
    """The path of the thing called @name; make(path) makes it, a file or a folder, if it is not
    there. What nobody has asked for in a month is removed."""
    folder = os.path.join(root(), kind)
    os.makedirs(folder, exist_ok=True)
    path = os.path.join(folder, name)
    with _alone(kind, name):
        if not os.path.lexists(path):
            _drop_old(folder)
            with tempfile.TemporaryDirectory(dir=folder, prefix='.new-') as work:
                new = os.path.join(work, 'new')
                make(new)
                os.rename(new, path)
        os.utime(path)
    return path


def keep_bytes(kind, name, data):
    """The path of a file with the bytes @data, called @name and by its digest."""
    def make(path):
        with open(path, 'wb') as file:
            file.write(data)
    return keep(kind, f'{name}-{digest(data)[:32]}', make)
