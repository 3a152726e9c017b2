# SPDX-License-Identifier: GPL-2.0-or-later
"""A group of tests: how a machine ends, by itself and when it is told to, with which exit status
(docs/boot.md)."""

import os
import pty
import signal
import termios

import machine
from machine import Guest

AT_ONCE_S = 20  # where the other outcome would be to wait for GRACE_S
GRACE_S = 30  # for a guest that hears the power button
PANICKED = 3


def _reset(program):
    with machine.start(program, Guest('test=reboot')) as running:
        running.expect('init: rebooting')
        machine.check_end(program, running)


def _reset_begins_anew(program):
    with machine.start(program, Guest('test=reboot cpus=2', cpus=2, has_reset=True)) as running:
        for _ in range(3):
            running.expect('Linux version')
            running.expect('init: rebooting')
        running.expect('init: started')
        _twice(running)
        machine.check_end(program, running)


def _twice(running):
    """The second one does not wait for the guest."""
    running.signal(signal.SIGTERM)
    running.signal(signal.SIGTERM)


def _triple_fault(program):
    with machine.start(program, Guest('test=reboot reboot=t')) as running:
        running.expect('init: rebooting')
        machine.check_end(program, running, 0 if program.is_qemu else PANICKED)


def _panic(program):
    """The kernel's report is what it should be: only the end is looked at."""
    devices = ('pvpanic',) if program.is_qemu else ()
    with machine.start(program, Guest('test=panic', devices=devices)) as running:
        running.expect('init: panicking')
        running.expect('Kernel panic - not syncing')
        end = running.wait()
        if end.status != (0 if program.is_qemu else PANICKED):
            raise running.failure(f'exit status {end.status} after a panic')


def _panic_without_root(program):
    with machine.start(program, Guest('panic=-1', initrd='none')) as running:
        running.expect('Unable to mount root')
        if running.wait().status != 0:
            raise running.failure('a reset should end this machine with status 0')


def _halted(program):
    with machine.start(program, Guest('test=halt')) as running:
        running.expect('reboot: System halted')
        _twice(running)
        machine.check_end(program, running)


def _ends_at_once(program, running):
    running.signal(signal.SIGTERM)
    end = running.wait(AT_ONCE_S)
    machine.check_signs(program, running)
    if end.status != 0:
        raise running.failure(f'exit status {end.status} after SIGTERM')


def _before_the_kernel_speaks(program):
    with machine.start(program, Guest('test=wait')) as running:
        running.until_it_cares(signal.SIGTERM)
        _ends_at_once(program, running)


def _before_acpi(program):
    with machine.start(program, Guest('test=wait earlyprintk=serial')) as running:
        running.expect('Linux version')
        _ends_at_once(program, running)


def _button_heard(program):
    with machine.start(program, Guest('test=button')) as running:
        running.expect('init: listening')
        running.signal(signal.SIGTERM)
        running.expect('init: button pressed')
        machine.check_end(program, running)


def _button_ignored(program):
    """The guest's ACPI takes the event, and nobody there does anything."""
    with machine.start(program, Guest('test=wait')) as running:
        running.expect('init: waiting')
        running.signal(signal.SIGTERM)
        asked = running.cpu_seconds()
        end = machine.check_end(program, running)
        if end.cpu - asked > GRACE_S / 2:
            raise running.failure(f'{end.cpu - asked:.1f} s of processor time to wait')


def _second_signal(program):
    with machine.start(program, Guest('test=wait', cpus=2)) as running:
        running.expect('init: waiting')
        running.signal(signal.SIGTERM)
        _ends_at_once(program, running)


def _terminal(program):
    """On a terminal typed text arrives, Ctrl-C is the guest's, Ctrl-a x ends, modes come back."""
    leader, follower = pty.openpty()
    with open(leader, 'r+b', buffering=0) as typist:
        before = termios.tcgetattr(follower)
        words = [*program.words(), *Guest('test=shell').words()]
        with machine.Machine(words, stdin=follower, stdout=follower) as running:
            running.watch(typist)
            running.expect('# ')
            typist.write(b'echo 4$((1+1))\r')
            running.expect(r'^42\r*\n')
            typist.write(b'echo $((40+1)); cat\r')
            running.expect(r'^41\r*\n')  # by now the terminal's modes are those for a command
            typist.write(b'\x03')
            running.expect('# ')
            typist.write(b'\x01x')
            machine.check_end(program, running)
            if termios.tcgetattr(follower) != before:
                raise running.failure('the terminal is not as it was')
        os.close(follower)


def ends(program):
    tests = {
        'reboot: status 0 under -no-reboot': _reset,
        'reboot: Linux begins anew, 3 times': _reset_begins_anew,
        'triple fault: status 3': _triple_fault,
        'panic: status 3': _panic,
        'panic=-1 without a root: a reset': _panic_without_root,
        'halt: stays, until it is told twice': _halted,
        'SIGTERM before the kernel speaks': _before_the_kernel_speaks,
        'SIGTERM before ACPI is up': _before_acpi,
        'SIGTERM where a button is listened to': _button_heard,
        'second SIGTERM does not wait': _second_signal,
        'a terminal: typing, Ctrl-C, Ctrl-a x': _terminal,
    }
    if not program.is_qemu:  # which waits for ever
        tests['SIGTERM ignored by the guest'] = _button_ignored
    return {name: (lambda test=test: test(program)) for name, test in tests.items()}
