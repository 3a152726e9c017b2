# SPDX-License-Identifier: GPL-2.0-or-later
"""A group of tests: a machine is steered by QMP (docs/qmp.md), and typed to."""

import contextlib
import json
import os
import struct
import tempfile

import machine
import qmp
from machine import Guest

PANICKED = 3
PAUSE_S = 4  # of real time, that the guest must not see
EV_SYN, EV_KEY, EV_REL, EV_ABS = 0, 1, 2, 3  # linux/input-event-codes.h
KEY_A, KEY_LEFTSHIFT, BTN_LEFT, REL_WHEEL, ABS_X, ABS_Y = 30, 42, 272, 8, 0, 1
SYN = (EV_SYN, 0, 0)


@contextlib.contextmanager
def steered(program, guest, *options):
    """(the machine, its client)"""
    with tempfile.TemporaryDirectory(prefix='gracevm-qmp-') as folder:
        path = os.path.join(folder, 'qmp')
        guest.options = ('-qmp', f'unix:{path},server=on,wait=off', *options)
        with machine.start(program, guest) as running, qmp.Client(path) as control:
            yield running, control


def _uptime(running):
    match, _ = running.expect(r'^init: uptime (\d+\.\d+)\r?\n')
    return float(match.group(1))


def _stop_and_cont(program):
    """Had the guest seen the pause, its next word would be that much later than its last."""
    with steered(program, Guest('test=count', cpus=2)) as (running, control):
        running.expect('init: counting')
        before = _uptime(running)
        control.execute('stop')
        control.event('STOP')
        status = control.execute('query-status')
        if status['running'] or status['status'] != 'paused':
            raise running.failure(f'stopped, its status is {status}')
        running.listen(0)  # what it has said until then
        while running.has_said(r'^init: uptime \d+\.\d+\r?$'):
            before = _uptime(running)
        said = running.listen(PAUSE_S)
        if said:
            raise running.failure(f'stopped, it said: {said}')
        control.execute('cont')
        control.event('RESUME')
        after = _uptime(running)
        if not before <= after < before + PAUSE_S:
            raise running.failure(f'stopped for {PAUSE_S} s, the guest saw {after - before:.2f} s')
        control.execute('quit')
        machine.check_end(program, running)


def _starts_stopped_and_is_reset(program):
    guest = Guest('test=wait', cpus=2, has_reset=True)
    with steered(program, guest, '-S') as (running, control):
        if control.execute('query-status')['status'] != 'prelaunch':
            raise running.failure('-S does not keep it from running')
        control.execute('cont')
        running.expect('init: waiting')
        control.execute('system_reset')
        data = control.event('RESET')
        if data != {'guest': False, 'reason': 'host-qmp-system-reset'}:
            raise running.failure(f'RESET has {data}')
        running.expect('Linux version')
        running.expect('init: waiting')
        control.execute('quit')
        machine.check_end(program, running)


def _powerdown(program):
    with steered(program, Guest('test=button')) as (running, control):
        try:
            control.execute('system_powerdown')
        except qmp.Refused:
            pass  # as it should be: Linux does not listen yet
        else:
            raise running.failure('the button is pressed, and nobody can have seen it')
        running.expect('init: listening')
        control.execute('system_powerdown')
        control.event('POWERDOWN')
        running.expect('init: button pressed')
        data = control.event('SHUTDOWN')
        if data != {'guest': True, 'reason': 'guest-shutdown'}:
            raise running.failure(f'SHUTDOWN has {data}')
        machine.check_end(program, running)


def _quit_and_stats(program):
    with tempfile.TemporaryDirectory(prefix='gracevm-stats-') as folder:
        path = os.path.join(folder, 'stats.json')
        with steered(program, Guest('test=wait'), '-stats', path) as (running, control):
            running.expect('init: waiting')
            asked = control.execute('query-rcu')
            threads = {cpu['thread-id'] for cpu in control.execute('query-cpus-fast')}
            tasks = {int(name) for name in os.listdir(f'/proc/{running.pid}/task')}
            if not threads <= tasks:
                raise running.failure(f'threads {threads} are not among {tasks}')
            control.execute('quit')
            control.event('SHUTDOWN')
            machine.check_end(program, running)
        with open(path, encoding='ascii') as file:
            stats = json.load(file)
        if stats['rcu']['completed'] < asked['completed'] or stats['gpu'] is not None:
            raise machine.Failure(f'-stats: {stats}')


def _panic(program):
    with steered(program, Guest('test=panic')) as (running, control):
        running.expect('init: panicking')
        control.event('GUEST_PANICKED')
        if control.event('SHUTDOWN')['reason'] != 'guest-panic':
            raise running.failure('the end has another reason')
        if running.wait().status != PANICKED:
            raise running.failure('the exit status is another')


def _events(running, what):
    """(type, code, value) of each event that the guest has read from that device."""
    match, _ = running.expect(rf'^init: {what} ([0-9a-f ]+)\r?\n')
    return [struct.unpack('<16xHHi', bytes.fromhex(text))
            for text in match.group(1).decode().split()]


def _key(name):
    return {'type': 'qcode', 'data': name}


def _check_events(running, what, wanted):
    got = _events(running, what)
    if got != wanted:
        raise running.failure(f'{what}: events {got}, not {wanted}')


def _typing(program):
    typed = [(EV_KEY, KEY_LEFTSHIFT, 1), SYN, (EV_KEY, KEY_A, 1), SYN,
             (EV_KEY, KEY_A, 0), SYN, (EV_KEY, KEY_LEFTSHIFT, 0), SYN]
    pointed = [(EV_ABS, ABS_X, 16384), (EV_ABS, ABS_Y, 32767), SYN,
               (EV_KEY, BTN_LEFT, 1), (EV_REL, REL_WHEEL, -1), SYN, (EV_KEY, BTN_LEFT, 0), SYN]
    guest = Guest(f'test=input key_events={len(typed)} tablet_events={len(pointed)}',
                  devices=('virtio-keyboard-pci,serial=K1', 'virtio-tablet-pci'))
    with steered(program, guest) as (running, control):
        running.expect('init: listening')
        control.execute('input-send-event', events=[
            {'type': 'abs', 'data': {'axis': 'x', 'value': 16384}},
            {'type': 'abs', 'data': {'axis': 'y', 'value': 32767}}])
        control.execute('input-send-event', events=[
            {'type': 'btn', 'data': {'button': 'left', 'down': True}},
            {'type': 'btn', 'data': {'button': 'wheel-down', 'down': True}}])
        control.execute('input-send-event', events=[
            {'type': 'btn', 'data': {'button': 'left', 'down': False}}])
        control.execute('send-key', keys=[_key('shift'), _key('a')], **{'hold-time': 0})
        _check_events(running, 'keyboard', typed)
        _check_events(running, 'tablet', pointed)
        machine.check_end(program, running)


def steering(program):
    tests = {
        'stop and cont: the guest does not see the time between': _stop_and_cont,
        '-S, cont, system_reset': _starts_stopped_and_is_reset,
        'system_powerdown: the button, then the end': _powerdown,
        'quit; -stats': _quit_and_stats,
        'a panic is an event': _panic,
        'keys and pointer arrive as they were sent': _typing,
    }
    return {name: (lambda test=test: test(program)) for name, test in tests.items()}
