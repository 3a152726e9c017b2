#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The KVM back end's tests on a machine whose processor has SVM, though an emulated one: QEMU's.

    nested.py BUILD        BUILD: the build folder, with all programs built

For hosts without KVM, or with one that has no hardware behind it. A Debian kernel with kvm-amd runs
in QEMU, and the tests in there, on what is then the real kvm_amd. Output: the Test Anything
Protocol, one test a program.
"""

import gzip
import os
import re
import shutil
import subprocess
import sys
import tempfile

import archive
import cache
import cpio
import images
import kernel
import packages
import tap
from machine import Failure

PLACES = ('kernel/arch/x86/', 'kernel/virt/', 'kernel/drivers/crypto/ccp/',
          'kernel/drivers/char/hw_random/', 'kernel/crypto/')
# Payloads in which QEMU's SVM and FPU are right. Not: exceptions, fpu, interrupts (interrupts are
# not held back behind STI), syscall, sysret; nor ports, as KVM itself reads INS ahead.
PAYLOADS = {'hello': 1, 'mmio': 1, 'strings': 1, 'blob': 2, 'litmus': 2, 'spin': 4}
ON_CHIPS = {'apic': 4}
# QEMU's own fault (accel/tcg/tcg-accel-ops.c: VMRUN asks for an interrupt without the lock): it
# aborts now and then. What had ended by then counts; the rest is run in another boot.
ABORT = 'tcg_handle_interrupt: assertion failed'
BOOTS_MAX = 12
DEADLINE_S = 1200

INIT = """#!/bin/busybox sh
cd /t
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t devtmpfs dev /dev
for module in $(/bin/busybox cat /modules/order); do /bin/busybox insmod /modules/$module.ko; done
while read name command; do
    echo "== begin $name"
    $command 2>&1
    echo "== end $name $?"
done < /commands
/bin/busybox poweroff -f
"""


def commands():
    """{name: what is run for it}"""
    result = {'test_kvm': './test_kvm', 'test_machine_run': './test_machine_run'}
    for name, cpus in PAYLOADS.items():
        result[name] = f'./run -accel kvm -smp {cpus} -timeout 200 {name}.elf'
    for name, cpus in ON_CHIPS.items():
        for chips in ('board', 'ours'):
            result[f'{name}-{chips}'] = (f'./run -accel kvm -chips {chips} -smp {cpus} '
                                         f'-timeout 200 {name}.elf')
    return result


def _libraries(program):
    listing = subprocess.run(['ldd', program], stdout=subprocess.PIPE, check=True, text=True)
    return re.findall(r'(/\S+) \(', listing.stdout)


def _modules():
    ((entry, package),) = packages.fetch('linux-6.1').items()

    def is_wanted(path):
        below = path.split('/', 4)[-1] if path.startswith('usr/lib/modules/') else ''
        return below == 'modules.builtin' or below.startswith(PLACES)

    def make(path):
        os.mkdir(path)
        archive.unpack(package, path, is_wanted)
    key = cache.digest(entry.sha256, cache.file_digest(__file__))[:32]
    return kernel.Modules(cache.keep('trees', f'linux-kvm-{key}', make)).closure(['kvm_amd'])


def _busybox():
    path = shutil.which('busybox')
    if not path:
        raise packages.Unavailable('there is no busybox')
    return path


def first_root(build, names):
    root = cpio.Archive()
    for folder in ('dev', 'proc', 'tmp', 't', 'bin', 'modules'):
        root.folder(folder)
    root.character_device('dev/console', 5, 1)
    root.file('init', INIT.encode(), 0o755)
    for name, data in (modules := _modules()).items():
        root.file(f'modules/{name}.ko', data)
    root.file('modules/order', ''.join(f'{name}\n' for name in modules).encode())
    todo = commands()
    root.file('commands', ''.join(f'{name} {todo[name]}\n' for name in names).encode())
    programs = [os.path.join(build, path) for path in
                ('tests/unit/test_kvm', 'tests/unit/test_machine_run', 'tests/guest/run')]
    libraries = set()
    for program in programs:
        root.file(f't/{os.path.basename(program)}', images.read(program), 0o755)
        libraries.update(_libraries(program))
    root.file('bin/busybox', images.read(_busybox()), 0o755)
    libraries.update(_libraries(_busybox()) if _is_dynamic(_busybox()) else ())
    for library in sorted(libraries):
        root.file(library, images.read(library), 0o755)
    for name in (*PAYLOADS, *ON_CHIPS):
        root.file(f't/{name}.elf', images.read(os.path.join(build, f'tests/guest/{name}.elf')))
    return gzip.compress(root.finish(), 1)


def _is_dynamic(program):
    return subprocess.run(['ldd', program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                          check=False).returncode == 0


def boot(build, names):
    """What is said on the serial port."""
    with tempfile.NamedTemporaryFile(suffix='.gz') as initrd:
        initrd.write(first_root(build, names))
        initrd.flush()
        words = ['qemu-system-x86_64', '-accel', 'tcg,thread=single', '-cpu', 'max,+svm,+npt',
                 '-smp', '2', '-m', '1024', '-nodefaults', '-display', 'none', '-serial', 'stdio',
                 '-no-reboot', '-kernel', images.vmlinuz('6.1'), '-initrd', initrd.name, '-append',
                 'console=ttyS0 quiet mitigations=off tsc=reliable panic=-1']
        try:
            done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT, timeout=DEADLINE_S, check=False)
            return done.stdout.decode(errors='replace').replace('\r', '')
        except subprocess.TimeoutExpired as expired:
            return (expired.stdout or b'').decode(errors='replace').replace('\r', '')


def results(output):
    """{name: (status, what it said)} of those that have ended."""
    pattern = re.compile(r'^== begin (\S+)\n(.*?)^== end \1 (\d+)$', re.DOTALL | re.MULTILINE)
    return {name: (int(status), said) for name, said, status in pattern.findall(output)}


def run_all(build):
    """{name: (status, what it said)}, of all."""
    missing, found = list(commands()), {}
    for _ in range(BOOTS_MAX):
        output = boot(build, missing)
        found |= results(output)
        missing = [name for name in missing if name not in found]
        if not missing:
            return found
        if ABORT not in output:
            raise Failure(f'no end of {missing[0]}:\n' + output[-4000:])
    raise Failure(f'QEMU has aborted {BOOTS_MAX} times')


def _verdict(found, name):
    status, said = found[name]
    if re.search(r'^1\.\.0 # SKIP|# SKIP .*(/dev/kvm|this KVM)', said, re.MULTILINE):
        raise Failure(f'was skipped, though there is a KVM:\n{said}')
    if status or re.search(r'^not ok', said, re.MULTILINE):
        raise Failure(said)


def main():
    if len(sys.argv) != 2:
        sys.exit(f'usage: {sys.argv[0]} BUILD')
    if not shutil.which('qemu-system-x86_64'):
        tap.skip_all('there is no qemu-system-x86_64')
        return
    try:
        found = run_all(sys.argv[1])
    except packages.Unavailable as unavailable:
        tap.skip_all(f'guests cannot be made: {unavailable}')
        return
    tests = {name: lambda name=name: _verdict(found, name) for name in commands()}
    sys.exit(0 if tap.run(tests) else 1)


if __name__ == '__main__':
    main()
