# SPDX-License-Identifier: GPL-2.0-or-later
"""A group of tests: Debian 12 with systemd, to a login on the serial port and off again."""

import signal

import disks
import images
import machine
import userland
from machine import Guest

MEMORY = '512M'


def guest(path, cpus, linux='6.1'):
    return Guest('test=root', memory=MEMORY, cpus=cpus, linux=linux, drives=((path, False),),
                 devices=('virtio-rng-pci',))


def log_in(running):
    """Returns when the prompt for a name was there, in seconds."""
    _, when = running.expect('guest login: ')
    running.send('root\n')
    running.expect('Password: ')
    running.send(f'{userland.PASSWORD}\n')
    running.expect('guest# ')
    return when


def _check_system(running):
    running.send('systemctl is-system-running --wait\n')
    match, _ = running.expect(r'^(running|degraded|maintenance|offline)\r?$')
    if match.group(1) != b'running':
        running.send('systemctl --failed\n')
        running.expect('loaded units listed')
        raise running.failure(f'systemd says: {match.group(1).decode()}')


def _powers_off(program, cpus, linux):
    with disks.own_copy(images.debian()) as path:
        with machine.start(program, guest(path, cpus, linux)) as running:
            log_in(running)
            _check_system(running)
            running.send('dmesg\n')
            running.expect('guest# ')
            running.send('systemctl poweroff\n')
            running.expect('reboot: Power down')
            machine.check_end(program, running)
        disks.check_file_system(path)


def _power_button(program):
    with disks.own_copy(images.debian()) as path:
        with machine.start(program, guest(path, 1)) as running:
            log_in(running)
            running.signal(signal.SIGTERM)
            running.expect('reboot: Power down')
            machine.check_end(program, running)
        disks.check_file_system(path)


def sessions(program):
    return {
        'systemd, 2 processors: login, poweroff': lambda: _powers_off(program, 2, '6.1'),
        'systemd, 1 processor, Linux 6.12: login, poweroff':
            lambda: _powers_off(program, 1, '6.12'),
        'systemd: SIGTERM is the power button': lambda: _power_button(program),
    }
