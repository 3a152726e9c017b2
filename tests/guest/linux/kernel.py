# SPDX-License-Identifier: GPL-2.0-or-later
"""What is inside a distribution's kernel package: the compressed kernel of a bzImage, and modules
in the order in which they can be loaded.
"""

import bz2
import gzip
import lzma
import os
import re
import struct
import subprocess

SECTOR = 512
# Where the boot protocol (Documentation/arch/x86/boot.rst) keeps what is needed here.
SETUP_SECTS, SYSSIZE, MAGIC, PAYLOAD_OFFSET = 0x1f1, 0x1f4, 0x202, 0x248


def by_program(*command):
    """A function that sends bytes through a program."""
    def convert(data):
        return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout
    return convert


def _first_xz_stream(data):
    return lzma.LZMADecompressor(lzma.FORMAT_XZ).decompress(data)


GZIP = b'\x1f\x8b'
# by the first bytes of the payload
DECOMPRESS = {
    GZIP: lambda data: gzip.zlib.decompressobj(31).decompress(data),
    b'\xfd7zXZ\0': _first_xz_stream,
    b'\x5d\0\0': lambda data: lzma.LZMADecompressor(lzma.FORMAT_ALONE).decompress(data),
    b'BZh': lambda data: bz2.BZ2Decompressor().decompress(data),
    b'\x28\xb5\x2f\xfd': by_program('zstd', '-dcq'),
    b'\x02\x21\x4c\x18': by_program('lz4', '-dcq'),
}


def payload_place(image):
    """(offset, length) of the compressed kernel in a bzImage."""
    if image[MAGIC:MAGIC + 4] != b'HdrS':
        raise ValueError('not a bzImage: no HdrS')
    offset, length = struct.unpack_from('<II', image, PAYLOAD_OFFSET)
    return ((image[SETUP_SECTS] or 4) + 1) * SECTOR + offset, length


def vmlinux(image):
    """The ELF file inside a bzImage."""
    offset, length = payload_place(image)
    payload = image[offset:offset + length]
    for magic, decompress in DECOMPRESS.items():
        if payload.startswith(magic):
            has_size = magic != GZIP  # four bytes more, which gzip has in its own trailer
            return decompress(payload[:-4] if has_size else payload)
    raise ValueError(f'unknown compression of the kernel: {payload[:6].hex()}')


# The legacy form of lz4 is the kernel's; the levels are the quickest.
COMPRESS = {
    'gzip': lambda data: gzip.compress(data, 1, mtime=0),
    'xz': lambda data: lzma.compress(data, check=lzma.CHECK_CRC32, preset=0),
    'zstd': by_program('zstd', '-1qc'),
    'lz4': by_program('lz4', '-1qlc'),
}


def repack(image, elf, method):
    """The bzImage @image with another payload. Its own code, which expects the first method,
    could not unpack it: this is for loaders that do."""
    offset, length = payload_place(image)
    payload = COMPRESS[method](elf)
    if method != 'gzip':  # which ends with it anyway
        payload += struct.pack('<I', len(elf))
    new = bytearray(image[:offset] + payload + image[offset + length:])
    struct.pack_into('<I', new, PAYLOAD_OFFSET + 4, len(payload))
    setup = ((image[SETUP_SECTS] or 4) + 1) * SECTOR
    new += bytes(-len(new) % 16)
    struct.pack_into('<I', new, SYSSIZE, (len(new) - setup) // 16)
    return bytes(new)


def _module_bytes(path):
    with open(path, 'rb') as file:
        data = file.read()
    return lzma.decompress(data) if path.endswith('.xz') else data


def _modinfo(data):
    """(name, value) of what this needs of a module's .modinfo, found without section tables."""
    for match in re.finditer(rb'\0((?:depends|softdep)=[^\0]*)(?=\0)', data):
        name, _, value = match.group(1).decode().partition('=')
        yield name, value


class Modules:
    """The modules below TREE/lib/modules/RELEASE, or below TREE/usr."""

    def __init__(self, tree):
        tops = [os.path.join(tree, top) for top in ('usr/lib/modules', 'lib/modules')]
        top = next(top for top in tops if os.path.isdir(top))
        (self.release,) = os.listdir(top)
        self._paths = {}
        for folder, _, names in os.walk(os.path.join(top, self.release)):
            for name in names:
                match = re.fullmatch(r'(.+)\.ko(\.xz)?', name)
                if match:
                    self._paths[match.group(1).replace('-', '_')] = os.path.join(folder, name)
        with open(os.path.join(top, self.release, 'modules.builtin'), encoding='ascii') as file:
            self._builtin = {os.path.basename(line)[:-len('.ko\n')].replace('-', '_')
                             for line in file}

    def _needs(self, data):
        """(name, whether it cannot do without)"""
        for name, value in _modinfo(data):
            if name == 'depends':
                yield from ((need, True) for need in value.split(',') if need)
            elif value.startswith('pre:'):
                yield from ((need, False) for need in value[len('pre:'):].split('post:')[0].split())

    def _visit(self, name, ordered, must_exist):
        name = name.replace('-', '_')
        if not must_exist and name not in self._paths:
            # "crypto-crc32c" is an algorithm; its plainest module runs on every processor
            name = name.removeprefix('crypto_') + '_generic'
        if name in ordered or name in self._builtin:
            return
        if name not in self._paths:
            if must_exist:
                raise KeyError(f'Linux {self.release} has no module {name}')
            return  # a soft dependency that this build has not
        data = _module_bytes(self._paths[name])
        for need, must in self._needs(data):
            self._visit(need, ordered, must)
        ordered[name] = data

    def closure(self, names):
        """{name: bytes} of @names and all that they need, in the order to load them; built-in ones
        are left out."""
        ordered = {}
        for name in names:
            self._visit(name, ordered, must_exist=True)
        return ordered
