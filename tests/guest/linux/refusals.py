# SPDX-License-Identifier: GPL-2.0-or-later
"""A group of tests: what cannot work is refused with a message that names it and the documented
exit status, and nothing is left behind."""

import os
import tempfile

import images
import machine
from machine import Guest

FAILED, USAGE = 1, 2
# what is in the message as well, options in place of the ordinary ones, status
OPTIONS = {
    'an unknown option': (['-nosuchoption'], 'nosuchoption', USAGE),
    'an option without its value': (['-kernel'], '-kernel', USAGE),
    'memory that is no size': (['-m', 'plenty'], 'plenty', USAGE),
    'memory below all sense': (['-m', '1M'], '1M', USAGE),
    'no processors': (['-smp', '0'], '0', USAGE),
    'more processors than there can be': (['-smp', '100000'], '100000', USAGE),
    'an unknown accelerator': (['-accel', 'steam'], 'steam', USAGE),
    'an unknown device': (['-device', 'floppy'], 'floppy', USAGE),
    'an unknown key of a device': (['-device', 'virtio-rng-pci,colour=red'], 'colour', USAGE),
    'a device without its drive': (['-device', 'virtio-blk-pci,drive=nosuchdrive'], 'nosuchdrive',
                                   USAGE),
    'a network of unknown kind': (['-nic', 'carrier-pigeon'], 'carrier-pigeon', USAGE),
    'a forwarded port that is none': (['-netdev', 'user,id=n,hostfwd=tcp::nosuchport-:22'],
                                      'nosuchport', USAGE),
    'a disk of unknown form': (['-drive', 'if=none,id=d,file=/dev/null,format=qcow2'], 'qcow2',
                               USAGE),
}


def _refused(words, named, status):
    with machine.Machine(words) as running:
        end = running.wait()
        if end.status != status:
            raise running.failure(f'exit status {end.status}, not {status}')
        if named not in end.errors:
            raise running.failure(f'the message does not name "{named}"')
        if len(end.errors.splitlines()) > 3:
            raise running.failure('more than three lines say why')


def _refuses_guest(program, guest, named, status=FAILED):
    _refused([*program.words(), *guest.words()], named, status)


def _with_file(program, name, data, use):
    """@use makes a guest of the path of a file @name with @data (None: there is none)."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, name)
        if data is not None:
            with open(path, 'wb') as file:
                file.write(data)
        _refuses_guest(program, use(path), path)


def _kernel(path):
    return Guest(kernel=path)


def _files():
    """{name of a test: (file name, its bytes, the guest that it is for)}"""
    image = images.read(images.vmlinuz('6.1'))
    elf = images.read(images.vmlinux('6.1'))
    return {
        'no such kernel': ('none', None, _kernel),
        'an empty kernel': ('empty', b'', _kernel),
        'a text as kernel': ('notes.txt', b'This is not a kernel.\n' * 1000, _kernel),
        'a kernel cut short in its header': ('header', image[:0x230], _kernel),
        'a kernel cut short': ('half', image[:len(image) // 2], _kernel),
        'a vmlinux cut short': ('half.elf', elf[:len(elf) // 2], _kernel),
        'a program of this machine as kernel':
            ('program', images.read('/bin/true'), _kernel),
        'no such initrd': ('none', None, lambda path: Guest(initrd=path)),
        'no such disk': ('none', None, lambda path: Guest(drives=((path, False),))),
        'a disk that is no multiple of a sector':
            ('odd', bytes(1000), lambda path: Guest(drives=((path, False),))),
    }


def _damaged_initrd(program):
    """Only the kernel can see that; it says so, and finds no root."""
    with tempfile.NamedTemporaryFile() as file:
        whole = images.read(images.initrd('6.1', 'gz'))
        file.write(whole[:len(whole) // 2])
        file.flush()
        with machine.start(program, Guest('panic=-1', initrd=file.name)) as running:
            running.expect('Initramfs unpacking failed')
            running.expect('Kernel panic - not syncing')
            end = running.wait()
            if end.status != 0:
                raise running.failure(f'exit status {end.status}')


def _unreadable_disk(program):
    folder = tempfile.gettempdir()
    _refuses_guest(program, Guest(drives=((folder, True),)), folder)


def _too_little_memory(program):
    """For the kernel, and for what is unpacked beside it: the message says how much there is."""
    _refuses_guest(program, Guest(memory='16M'), '16')
    _refuses_guest(program, Guest(memory='128M', initrd=images.initrd('6.1', '', is_padded=True)),
                   images.initrd('6.1', '', is_padded=True))


def _options(program, extra, named, status):
    _refused([*program.words(), '-kernel', images.vmlinuz('6.1'), '-display', 'none', *extra],
             named, status)


def refusals(program):
    tests = {name: (lambda extra=extra, named=named, status=status:
                    _options(program, extra, named, status))
             for name, (extra, named, status) in OPTIONS.items()}
    for name in _files():
        tests[name] = lambda name=name: _with_file(program, *_files()[name])
    tests |= {
        'an initrd cut short': lambda: _damaged_initrd(program),
        'a folder as a disk': lambda: _unreadable_disk(program),
        'too little memory': lambda: _too_little_memory(program),
    }
    return tests
