#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Guests that draw: a kernel with its virtio-gpu driver, and a disk with Mesa, kmscube and glmark2,
of Debian's packages. As images.py does it, and kept where it keeps things.

    gpu_images.py                             make the disks of all
    gpu_images.py NAME disk                   make one, and print its path
    gpu_images.py NAME packages               of what it is made, one package and version a line
    gpu_images.py NAME initrd [PROGRAM...]    the first root for it, with programs for its shell

/init of the first root finds on the disk what it mounts and loads: test=gpu.
"""

import dataclasses
import functools
import os
import shutil
import subprocess
import sys

import archive
import cache
import cpio
import images
import kernel
import packages

LIBRARIES = 'usr/lib/x86_64-linux-gnu'
# What is opened by name only, from here on by the libraries that need each other.
ROOTS = ('usr/bin/kmscube', 'usr/bin/glmark2-es2-drm',
         *(f'{LIBRARIES}/{name}' for name in (
             'libEGL.so.1', 'libGLESv2.so.2', 'libEGL_mesa.so.0', 'libgbm.so.1', 'libm.so.6',
             'gbm/dri_gbm.so', 'dri/virtio_gpu_dri.so')))
MAY_BE_MISSING = ('gbm/dri_gbm.so',)  # by the age of Mesa
FILES = ('usr/share/glvnd/egl_vendor.d/50_mesa.json', 'usr/share/drirc.d/00-mesa-defaults.conf')
LOADER = ('usr/lib64/ld-linux-x86-64.so.2', f'{LIBRARIES}/ld-linux-x86-64.so.2')
# Without a renderer behind the device: the same driver by another name.
SOFTWARE = f'{LIBRARIES}/dri/kms_swrast_dri.so'
TREES = ('usr/share/glmark2',)
APPLETS = ('awk cat cp cut dd dmesg echo env false grep head kill ls mkfifo nproc ps rm sed seq sh '
           'sleep stty tail taskset time timeout touch true uname usleep wc').split()
FOLDERS = ('dev', 'proc', 'run', 'sys', 'tmp', 'modules')
LEFT_OUT = ('usr/share/doc/', 'usr/share/locale/', 'usr/share/man/')
DISK_MIB = 400


@dataclasses.dataclass(frozen=True)
class System:
    """Which kernel and which Mesa."""
    linux: str
    mesa: str


SYSTEMS = {
    'debian12': System('6.1', 'mesa-debian12'),
    'newest': System('6.12', 'mesa-newest'),
}


def _needed(path):
    """The names of the libraries that the ELF file @path names."""
    done = subprocess.run(['readelf', '-d', '-W', path], stdout=subprocess.PIPE, text=True,
                          check=True)
    return [line.split('[')[1].rstrip(']\n') for line in done.stdout.splitlines()
            if '(NEEDED)' in line]


def _copy(source, target, name):
    """The file or link @name, and what the link means."""
    path, new = os.path.join(source, name), os.path.join(target, name)
    if os.path.lexists(new):
        return
    os.makedirs(os.path.dirname(new), exist_ok=True)
    if os.path.islink(path):
        link = os.readlink(path)
        os.symlink(link, new)
        below = link.lstrip('/') if link.startswith('/') else \
            os.path.normpath(os.path.join(os.path.dirname(name), link))
        _copy(source, target, archive.place(below))
    else:
        shutil.copy2(path, new)


def _copy_closure(source, target):
    """ROOTS, and every library that these need, from the tree @source."""
    wanted = [name for name in ROOTS if os.path.exists(os.path.join(source, name))]
    for name in set(ROOTS) - set(wanted):
        if not name.endswith(MAY_BE_MISSING):
            raise packages.Unavailable(f'{name} is in none of the packages')
    seen = set()
    while wanted:
        name = wanted.pop()
        if name in seen:
            continue
        seen.add(name)
        _copy(source, target, name)
        wanted += [f'{LIBRARIES}/{need}' for need in _needed(os.path.join(source, name))]
    for name in (*FILES, *LOADER):
        _copy(source, target, name)
    for name in TREES:
        shutil.copytree(os.path.join(source, name), os.path.join(target, name), symlinks=True)


def _put_modules(linux, target):
    """Those of the driver that the first root has not loaded already."""
    modules = kernel.Modules(images.kernel_tree(linux))
    have = modules.closure(images.MODULES)
    wanted = {name: data for name, data in modules.closure(('virtio_gpu',)).items()
              if name not in have}
    for name, data in wanted.items():
        with open(os.path.join(target, 'modules', f'{name}.ko'), 'wb') as file:
            file.write(data)
    with open(os.path.join(target, 'modules/order'), 'w', encoding='ascii') as file:
        file.writelines(f'{name}\n' for name in wanted)


def _put_busybox(target):
    path = os.path.join(target, 'usr/bin/busybox')
    with open(path, 'wb') as file:
        file.write(images.busybox())
    os.chmod(path, 0o755)
    for applet in APPLETS:
        os.symlink('busybox', os.path.join(target, 'usr/bin', applet))


def _sets(system):
    return (f'linux-{system.linux}', 'busybox', system.mesa)


def manifest(name):
    """The packages that the system @name is made of."""
    return [package for each in _sets(SYSTEMS[name]) for package in packages.fetch(each)]


def _put_manifest(name, target):
    with open(os.path.join(target, 'packages'), 'w', encoding='ascii') as file:
        file.writelines(f'{package.name} {package.version}\n' for package in manifest(name))


def _make_disk(name, path):
    system = SYSTEMS[name]
    whole, tree = path + '.whole', path + '.tree'
    packages.say(f'{name}: unpacking packages')
    os.makedirs(whole)
    os.makedirs(tree)
    archive.merge_usr(tree)
    for package in packages.fetch(system.mesa).values():
        archive.unpack(package, whole, lambda name: not name.startswith(LEFT_OUT))
    for folder in FOLDERS:
        os.mkdir(os.path.join(tree, folder))
    _copy_closure(whole, tree)
    if not os.path.lexists(os.path.join(tree, SOFTWARE)):
        os.symlink('virtio_gpu_dri.so', os.path.join(tree, SOFTWARE))
    _put_modules(system.linux, tree)
    _put_busybox(tree)
    _put_manifest(name, tree)
    packages.say(f'{name}: making the disk')
    images.file_system(tree, DISK_MIB, path)


def disk(name):
    """ext4, read-only in use: Mesa, kmscube, busybox and the kernel's driver. Root of a chroot."""
    system = SYSTEMS[name]
    key = cache.digest(images.digest_of(system.mesa, archive, sys.modules[__name__]),
                       images.digest_of(f'linux-{system.linux}', kernel),
                       images.digest_of('busybox'))[:32]
    return cache.keep('images', f'gpu-{name}-{key}.raw', functools.partial(_make_disk, name))


def initrd(name, programs):
    """The first root, and behind it an archive with the files @programs in /gpu."""
    own = cpio.Archive()
    for path in programs:
        own.file(f'gpu/{os.path.basename(path)}', images.read(path), 0o755)
    return cache.keep_bytes('images', f'gpu-initrd-{name}',
                            images.followed_by(images.initrd(SYSTEMS[name].linux, 'gz'), own))


@dataclasses.dataclass(frozen=True)
class Parts:
    """What a guest is started with, as paths, and the packages that all of it is made of."""
    kernel: str
    initrd: str
    disk: str
    packages: list


def prepare(name, programs):
    """All that the system @name needs, made where it is not there yet. Raises Unavailable."""
    return Parts(images.vmlinuz(SYSTEMS[name].linux), initrd(name, programs), disk(name),
                 manifest(name))


def main():
    words = sys.argv[1:]
    if not words:
        for name in SYSTEMS:
            print(f'{name:16} {disk(name)}', flush=True)
    elif words[0] in SYSTEMS and words[1:] == ['disk']:
        print(disk(words[0]))
    elif words[0] in SYSTEMS and words[1:] == ['packages']:
        for package in manifest(words[0]):
            print(package.name, package.version)
    elif words[0] in SYSTEMS and words[1:2] == ['initrd']:
        print(initrd(words[0], words[2:]))
    else:
        sys.exit(f'{__doc__}\nnames: {" ".join(SYSTEMS)}')


if __name__ == '__main__':
    try:
        main()
    except packages.Unavailable as reason:
        sys.exit(f'gpu_images.py: {reason}')
