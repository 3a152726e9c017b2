# SPDX-License-Identifier: GPL-2.0-or-later
"""Groups of tests: that Linux boots, on how many processors, with how much memory, from which forms
of kernel and first root.
"""

import functools
import re

import images
import machine
from machine import Failure, Guest

PROCESSORS = {'6.1': (1, 2, 8), '6.12': (1, 2)}
MIB = 1 << 10  # in KiB, as the guest counts
# -m: MiB, and how much of it the kernel keeps for itself at most (its image, the map of pages)
MEMORY = {'128M': (128, 64), '1G': (1024, 100), '5G': (5120, 220), '8G': (8192, 300)}


def _facts(output):
    match = re.search(r'^init: kernel (\S+), processors (\d+), memory (\d+) kB, clock (\S+)',
                      output, re.M)
    if not match:
        raise Failure(f'/init gave no facts:\n{output[-2000:]}')
    return match.group(1), int(match.group(2)), int(match.group(3)), match.group(4)


def _boots_on(program, linux, cpus):
    end = machine.boot(program, Guest(f'test=smp cpus={cpus}', linux=linux, cpus=cpus))
    release, _, _, clock = _facts(end.output)
    if not release.startswith(linux):
        raise Failure(f'the kernel calls itself {release}')
    if not program.is_qemu and clock not in ('kvm-clock', 'tsc'):
        raise Failure(f'the kernel does not trust its clock: it takes {clock}')


def processors(program):
    return {f'Linux {linux} on {cpus} processors, all at work':
            functools.partial(_boots_on, program, linux, cpus)
            for linux, numbers in PROCESSORS.items() for cpus in numbers}


def _has_memory(program, size):
    mib, kept_mib = MEMORY[size]
    end = machine.boot(program, Guest(memory=size))
    _, _, kib, _ = _facts(end.output)
    if not (mib - kept_mib) * MIB <= kib <= mib * MIB:
        raise Failure(f'-m {size}, and the guest has {kib} KiB')


def memory(program):
    return {f'-m {size}': functools.partial(_has_memory, program, size) for size in MEMORY}


def _plain(linux='6.1', kernel='', compression='gz', is_padded=False):
    """Images are made when the test runs."""
    return Guest(kernel=kernel and images.repacked(linux, kernel), linux=linux,
                 initrd=images.initrd(linux, compression, is_padded),
                 memory='1G' if is_padded else '256M',
                 append=f'test=padding {images.padding_words()}' if is_padded else 'test=hello')


def forms(program):
    def of(**how):
        return lambda: machine.boot(program, _plain(**how))

    def elf():
        guest = _plain(compression='')
        guest.kernel = images.vmlinux('6.1')
        machine.boot(program, guest)
    tests = {
        'ELF vmlinux, initrd not compressed': elf,
        'bzImage xz, initrd xz': of(compression='xz'),
        'bzImage zstd, initrd zstd': of(linux='6.12', compression='zst'),
        f'initrd of {images.PAD_MIB} MiB, not compressed': of(compression='', is_padded=True),
    }
    if not program.is_qemu:  # which leaves the unpacking to the kernel
        tests |= {'bzImage gzip, initrd gzip': of(kernel='gzip'),
                  'bzImage lz4, initrd lz4': of(kernel='lz4', compression='lz4'),
                  'bzImage zstd of another maker': of(kernel='zstd')}
    return tests


def _one_of_many(program, number):
    """Numbers of processors and kernels by turns."""
    cpus, linux = (1, 2, 4, 8)[number % 4], images.KERNELS[number // 4 % 2]
    machine.boot(program, Guest(f'test=smp cpus={cpus}', linux=linux, cpus=cpus))


def soak(program, boots):
    return {f'boot {number} of {boots}': functools.partial(_one_of_many, program, number)
            for number in range(1, boots + 1)}
