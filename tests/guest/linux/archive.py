# SPDX-License-Identifier: GPL-2.0-or-later
"""Unpacking Debian packages into a folder, by anybody, without their maintainers' scripts."""

import os
import subprocess
import tarfile

MERGED = ('bin', 'sbin', 'lib', 'lib64')  # links into /usr since Debian 12


def place(name):
    """Where the member @name of a package goes, below the root."""
    parts = [part for part in name.split('/') if part not in ('', '.')]
    if '..' in parts:
        raise ValueError(f'{name}: leaves the root')
    return '/'.join((['usr'] if parts[:1] and parts[0] in MERGED else []) + parts)


def _write(archive, member, tree):
    path = os.path.join(tree, place(member.name))
    if member.isdir():
        os.makedirs(path, exist_ok=True)
        os.chmod(path, member.mode | 0o700)
        return
    os.makedirs(os.path.dirname(path), exist_ok=True)
    if member.issym():
        os.symlink(member.linkname, path)
    elif member.islnk():
        os.link(os.path.join(tree, place(member.linkname)), path)
    elif member.isfile():
        with open(path, 'wb') as file:
            file.write(archive.extractfile(member).read())
        os.chmod(path, member.mode | 0o600)
        os.utime(path, (member.mtime, member.mtime))


def unpack(package, tree, is_wanted=lambda path: True):
    """The members of the file @package for whose path (without a leading slash) is_wanted."""
    command = ['dpkg-deb', '--fsys-tarfile', package]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as reader:
        with tarfile.open(fileobj=reader.stdout, mode='r|') as archive:
            for member in archive:
                if is_wanted(place(member.name)):
                    _write(archive, member, tree)
    if reader.returncode != 0:
        raise OSError(f'{package}: dpkg-deb ended with status {reader.returncode}')


def merge_usr(tree):
    """The links that stand where folders were before /usr had all."""
    for name in MERGED:
        os.makedirs(os.path.join(tree, 'usr', name), exist_ok=True)
        os.symlink(f'usr/{name}', os.path.join(tree, name))
