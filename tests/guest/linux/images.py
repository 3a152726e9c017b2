#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""What guests are started from: kernels, first roots and disks, made from Debian's packages.

    images.py              make all of them
    images.py NAME         make one, and print its path; names: see --help

Each is made once and kept in the user's cache, by the digest of what it is made of. A disk that is
to be written is copied first: copy_disk().
"""

import functools
import gzip
import hashlib
import lzma
import os
import shutil
import struct
import subprocess
import sys

import archive
import cache
import cpio
import kernel
import packages
import userland

HERE = os.path.dirname(os.path.abspath(__file__))
KERNELS = ('6.1', '6.12')
MODULES = ('virtio_pci', 'virtio_blk', 'virtio_rng', 'ext4', 'button', 'evdev', 'autofs4',
           'pvpanic_mmio', 'virtio_input')
# Where in the kernel's package modules are that such a guest may use.
MODULE_PLACES = tuple(f'kernel/{place}' for place in (
    'arch/', 'block/', 'crypto/', 'drivers/acpi/', 'drivers/block/', 'drivers/char/',
    'drivers/gpu/drm/drm', 'drivers/gpu/drm/virtio/', 'drivers/input/',
    'drivers/misc/pvpanic/', 'drivers/net/net_failover', 'drivers/net/virtio_net',
    'drivers/video/fbdev/core/', 'drivers/virtio/', 'fs/autofs/', 'fs/ext4/', 'fs/jbd2/',
    'fs/mbcache.ko', 'lib/', 'net/core/', 'net/packet/'))
FOLDERS = ('bin', 'dev', 'mnt', 'proc', 'root', 'sys', 'tmp')
APPLETS = ('cat cp cttyhack cut date dd df dmesg echo env free grep halt head hexdump id insmod '
           'kill ln ls mkdir mknod mount mv nproc poweroff ps pwd reboot rm rmdir sed seq setsid '
           'sh sha256sum sleep sort stty switch_root sync tail taskset tar top touch tr umount '
           'uname uptime usleep vi wc').split()
DISK_FILES = {'small': 1000, 'odd': 700001, 'large': 6 << 20}
DISK_MIB, USERLAND_MIB = 64, 512
PAD_MIB = 200
FILESYSTEM = ['-t', 'ext4', '-U', '6772616b-6e65-6564-8000-677261636576', '-E',
              'root_owner=0:0,lazy_itable_init=0,lazy_journal_init=0,'
              'hash_seed=6772616b-6e65-6564-8000-677261636577']


def digest_of(name, *modules):
    """Of the packages of the set @name, and of the programs that make something of them."""
    sources = [cache.file_digest(module.__file__) for module in (*modules, sys.modules[__name__])]
    return cache.digest(*sources, *(package.sha256 for package in packages.fetch(name)))[:32]


def _write(data, path):
    with open(path, 'wb') as file:
        file.write(data)


def _keep(name, key, make):
    """make() returns the bytes of the image @name."""
    return cache.keep('images', f'{name}-{key}', lambda path: _write(make(), path))


def read(path):
    with open(path, 'rb') as file:
        return file.read()


# Kernels

def _is_of_kernel(path):
    if path.startswith('usr/lib/modules/'):
        below = path.split('/', 4)[-1]
        return below == 'modules.builtin' or below.startswith(MODULE_PLACES)
    return path.startswith('boot/vmlinuz-')


@functools.cache
def kernel_tree(version):
    name = f'linux-{version}'

    def make(path):
        os.mkdir(path)
        (package,) = packages.fetch(name).values()
        archive.unpack(package, path, _is_of_kernel)
    return cache.keep('trees', f'{name}-{digest_of(name, archive)}', make)


def vmlinuz(version):
    """The distribution's kernel, as it is."""
    boot = os.path.join(kernel_tree(version), 'boot')
    (name,) = os.listdir(boot)
    return os.path.join(boot, name)


def vmlinux(version):
    """The ELF file in it."""
    return _keep(f'vmlinux-{version}', digest_of(f'linux-{version}', kernel),
                 lambda: kernel.vmlinux(read(vmlinuz(version))))


def repacked(version, method):
    """A bzImage of which only the loader can make sense: the kernel in it is compressed by another
    @method than the one that its own code can undo."""
    return _keep(f'vmlinuz-{version}-{method}', digest_of(f'linux-{version}', kernel),
                 lambda: kernel.repack(read(vmlinuz(version)), read(vmlinux(version)), method))


# First roots

def busybox():
    (package,) = packages.fetch('busybox').values()

    def make(path):
        os.mkdir(path)
        archive.unpack(package, path, lambda name: name == 'usr/bin/busybox')
    tree = cache.keep('trees', f'busybox-{digest_of("busybox", archive)}', make)
    return read(os.path.join(tree, 'usr/bin/busybox'))


@functools.cache
def _padding():
    """That much which no compression makes smaller."""
    return hashlib.shake_128(b'gracevm').digest(PAD_MIB << 20)


def padding_words():
    """What /init has to know of it, as it checks the end only."""
    digest = hashlib.sha256(_padding()[-65536:]).hexdigest()
    return f'padding_size={PAD_MIB << 20} padding_sum={digest}'


def _first_root(version, is_padded=False):
    root = cpio.Archive()
    for folder in FOLDERS:
        root.folder(folder)
    root.character_device('dev/console', 5, 1)
    root.link('sbin', 'bin')
    root.file('bin/busybox', busybox(), 0o755)
    for applet in APPLETS:
        root.link(f'bin/{applet}', 'busybox')
    root.file('init', read(os.path.join(HERE, 'init')), 0o755)
    root.folder('modules')
    modules = kernel.Modules(kernel_tree(version)).closure(MODULES)
    for name, data in modules.items():
        root.file(f'modules/{name}.ko', data)
    root.file('modules/order', ''.join(f'{name}\n' for name in modules).encode())
    if is_padded:
        root.file('padding', _padding())
    return root.finish()


COMPRESSIONS = {
    '': lambda data: data,
    'gz': lambda data: gzip.compress(data, 6, mtime=0),
    # the kernel has a decoder with no other check than this
    'xz': lambda data: lzma.compress(data, check=lzma.CHECK_CRC32, preset=3),
    'zst': kernel.by_program('zstd', '-q', '-3', '-c'),
    'lz4': kernel.by_program('lz4', '-q', '-l', '-c'),
}


def initrd(version, compression='', is_padded=False):
    """/init with busybox and the modules that a disk needs. Padded: PAD_MIB larger."""
    name = f'initrd-{version}' + ('-padded' if is_padded else '')
    key = cache.digest(digest_of(f'linux-{version}', kernel, cpio, archive), digest_of('busybox'),
                       read(os.path.join(HERE, 'init')))[:32]
    return _keep(f'{name}.cpio{compression and "." + compression}', key,
                 lambda: COMPRESSIONS[compression](_first_root(version, is_padded)))


def followed_by(path, more):
    """The bytes of the first root @path with the archive @more behind it: Linux unpacks both."""
    base = read(path)
    return base + bytes(-len(base) % cpio.ALIGN) + gzip.compress(more.finish(), 1, mtime=0)


# Disks

def file_system(tree, mib, path):
    """An ext4 image of the folder @tree, in which all belongs to root."""
    command = ['mke2fs', '-q', *FILESYSTEM, '-d', tree, path, f'{mib}M']
    if os.geteuid() != 0:
        if not shutil.which('fakeroot'):
            raise packages.Unavailable('no fakeroot to make a disk with: package fakeroot')
        command.insert(0, 'fakeroot')
    environment = {**os.environ, 'E2FSPROGS_FAKE_TIME': '1700000000',
                   'PATH': os.environ.get('PATH', '') + ':/usr/sbin:/sbin'}
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        raise OSError(f'{" ".join(command)}: {done.stdout}')


def _make_disk(path):
    tree = path + '.tree'
    os.makedirs(tree)
    sums = []
    for name, size in DISK_FILES.items():
        data = hashlib.shake_128(name.encode()).digest(size)
        _write(data, os.path.join(tree, name))
        sums.append(f'{hashlib.sha256(data).hexdigest()}  {name}\n')
    _write(''.join(sums).encode(), os.path.join(tree, 'SHA256SUMS'))
    _write(b'to be removed by the guest\n', os.path.join(tree, 'removed'))
    file_system(tree, DISK_MIB, path)


def disk():
    """ext4 with DISK_FILES, their SHA256SUMS, and a file "removed"."""
    key = cache.digest(cache.file_digest(__file__))[:32]
    return cache.keep('images', f'disk-{key}.raw', _make_disk)


def debian():
    """ext4 with a Debian 12 that starts systemd. Ask on ttyS0: root, password root."""
    def make(path):
        tree = path + '.tree'
        userland.make(packages.fetch('userland').values(), tree)
        file_system(tree, USERLAND_MIB, path)
    key = digest_of('userland', userland, archive)
    return cache.keep('images', f'debian-{key}.raw', make)


def copy_disk(image, path):
    """One of the above, to be written; holes stay holes."""
    subprocess.run(['cp', '--sparse=always', '--reflink=auto', image, path], check=True)


ALL = {
    **{f'vmlinuz-{v}': functools.partial(vmlinuz, v) for v in KERNELS},
    **{f'vmlinux-{v}': functools.partial(vmlinux, v) for v in KERNELS},
    **{f'initrd-{v}': functools.partial(initrd, v, 'gz') for v in KERNELS},
    'disk': disk,
    'debian': debian,
}


def main():
    names = sys.argv[1:] or list(ALL)
    if not set(names) <= set(ALL):
        sys.exit(f'{__doc__}\nnames: {" ".join(ALL)}')
    for name in names:
        print(ALL[name]() if sys.argv[1:] else f'{name:16} {ALL[name]()}', flush=True)


if __name__ == '__main__':
    try:
        main()
    except packages.Unavailable as reason:
        sys.exit(f'images.py: {reason}')
