# SPDX-License-Identifier: GPL-2.0-or-later
"""A group of tests: a system as a user has it (docs/guests.md), made by tools/debian-image with
its own kernel and first root, starts to a login, the network, and Weston on the screen.
"""

import contextlib
import functools
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time

import cache
import disks
import drawing
import images
import machine
import packages
import qmp
from machine import Failure, Guest

MAKER = os.path.join(images.HERE, '../../../tools/debian-image')
SUITE, PASSWORD = 'bookworm', 'guest'  # what the maker takes by itself
MEMORY = '2G'
SIZE = (800, 600)
# weston.ini of the maker; the panel is drawn over the background, and is not opaque everywhere.
BACKGROUND, PANEL, TOLERANCE = (0x20, 0x40, 0x60), (0x80, 0x80, 0x80), 4
PANEL_HEIGHT = 20  # rows that are the panel's, whatever its font
LAUNCHER = (16, 16)  # the terminal's icon
TERMINAL, TERMINAL_SHARE = (0, 0, 0), 0.15  # its ground, and how much of the screen it covers
ABS_MAX = 0x7fff  # of a coordinate in QMP
WORDS = b'through the network card'
GATEWAY = '10.0.2.2'  # what the guest calls the host (docs/network.md)


# The image

def _release():
    """What the mirror says of the release; it changes with each point release."""
    root = next((root for root in packages.mirrors() if 'security' not in root), '')
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, 'InRelease')
        url = f'{root.rstrip("/")}/dists/{SUITE}/InRelease'
        done = subprocess.run([packages.HELPER, '-o', 'APT::Sandbox::User=', 'download-file', url,
                               path], stdin=subprocess.DEVNULL, capture_output=True, check=False)
        if done.returncode != 0:
            return root, None
        return root, cache.file_digest(path)


def _make(root, path):
    for tool in ('mmdebstrap', 'mke2fs'):
        if not shutil.which(tool, path=disks.SBIN['PATH']):
            raise packages.Unavailable(f'no {tool} to make a Debian with')
    done = subprocess.run([MAKER, '--desktop', '--suite', SUITE, '--mirror', root, path],
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        tail = '\n'.join(done.stdout.splitlines()[-machine.TAIL_LINES:])
        raise Failure(f'{MAKER}: status {done.returncode}\n{tail}')


@functools.cache
def folder():
    """With disk.raw, vmlinuz and initrd.img. Without a mirror the last one that was made."""
    root, release = _release()
    stem = f'desktop-{cache.file_digest(MAKER)[:16]}-'
    place = os.path.join(cache.root(), 'trees')
    if release is None:
        made = [name for name in os.listdir(place) if name.startswith(stem)] \
            if os.path.isdir(place) else []
        if not made:
            raise packages.Unavailable(f'{root}: no release {SUITE} can be had there')
        release = max(made, key=lambda name: os.stat(os.path.join(place, name)).st_mtime)
        return os.path.join(place, release)
    return cache.keep('trees', stem + release[:16], functools.partial(_make, root))


# The guest

def _log_in(running):
    running.expect('guest login: ')
    running.send('root\n')
    running.expect('Password: ')
    running.send(f'{PASSWORD}\n')
    running.expect('root@guest:~# ')
    # in two pieces, so that the echo of this line is no prompt
    name, rest = drawing.PROMPT[0], drawing.PROMPT[1:]
    running.send(f"bind 'set enable-bracketed-paste off'; PS1='{name}''{rest}'\n")
    running.expect(drawing.PROMPT)


@contextlib.contextmanager
def session(program, path):
    """A Session of root's on the serial port; the screen is by virgl."""
    made = folder()
    with tempfile.TemporaryDirectory(prefix='gracevm-qmp-') as temporary:
        socket_path = os.path.join(temporary, 'qmp')
        guest = Guest('root=/dev/vda rw', memory=MEMORY, cpus=2,
                      kernel=os.path.join(made, 'vmlinuz'),
                      initrd=os.path.join(made, 'initrd.img'), drives=((path, False),),
                      devices=('{},xres={},yres={}'.format(drawing.GL_DEVICE, *SIZE),
                               'virtio-keyboard-pci', 'virtio-tablet-pci', 'virtio-rng-pci'),
                      display='egl-headless',
                      options=('-qmp', f'unix:{socket_path},server=on,wait=off'))
        with machine.start(program, guest) as running:
            _log_in(running)
            with qmp.Client(socket_path) as control:
                yield drawing.Session(running, control)


def _until(there, question, what):
    """Ask until the answer is true: what the guest does by itself takes its time."""
    deadline = time.monotonic() + machine.DEADLINE_S
    while not (answer := question()):
        if time.monotonic() >= deadline:
            raise there.running.failure(f'{what}\n{there.run_any("journalctl -n 60 --no-pager")}')
    return answer


def _check_network(there):
    """An address by DHCP, and a connection to a server on the host."""
    _until(there, lambda: 'inet 10.0.2.' in there.run('ip -4 -o address'), 'no address')
    with socket.create_server(('127.0.0.1', 0)) as server:
        port = server.getsockname()[1]
        there.running.send(f'exec 3<>/dev/tcp/{GATEWAY}/{port}; echo "{WORDS.decode()}" >&3;'
                           ' read -r answer <&3; exec 3>&-; echo "got $answer"\n')
        server.settimeout(machine.DEADLINE_S)
        connection, _ = server.accept()
        with connection, connection.makefile('rwb') as lines:
            if lines.readline().strip() != WORDS:
                raise there.running.failure('the host got something else')
            lines.write(b'back again\n')
        there.running.expect('^got back again')
        there.running.expect(drawing.PROMPT)


def _check_weston(there):
    log = _until(there, lambda: re.search('GL renderer: .*',
                                          there.run_any('journalctl -b -o cat -u weston')),
                 'Weston does not draw')
    if 'virgl' not in log.group():
        raise there.running.failure(f'Weston draws by another: {log.group()}')


def _check_picture(picture):
    if (picture.width, picture.height) != SIZE:
        raise Failure(f'the screen is {picture.width}x{picture.height}')
    panel = picture.part(SIZE[0] // 4, 2, SIZE[0] // 2, PANEL_HEIGHT).share(PANEL, TOLERANCE)
    ground = picture.part(0, 40, SIZE[0], SIZE[1]).share(BACKGROUND, TOLERANCE)
    if panel < 0.95 or ground < 0.95:
        raise Failure(f'panel {panel:.3f}, background {ground:.3f}')


def _point(there, x, y):
    there.control.execute('input-send-event', events=[
        {'type': 'abs', 'data': {'axis': axis, 'value': at * ABS_MAX // size}}
        for axis, at, size in (('x', x, SIZE[0]), ('y', y, SIZE[1]))])


def _click(there):
    for is_down in (True, False):
        there.control.execute('input-send-event', events=[
            {'type': 'btn', 'data': {'button': 'left', 'down': is_down}}])


def _type(there, text):
    names = {' ': 'spc', '/': 'slash', '\n': 'ret'}
    for letter in text:
        there.control.execute('send-key', keys=[
            {'type': 'qcode', 'data': names.get(letter, letter)}], **{'hold-time': 0})


def _has_terminal(there):
    return there.picture().share(TERMINAL, TOLERANCE) > TERMINAL_SHARE


def _check_input(there):
    """The pointer is drawn where it is; a click opens a terminal, and what is typed is done."""
    there.run('touch /tmp/before')
    _point(there, SIZE[0] // 2, SIZE[1] // 2)
    _point(there, *LAUNCHER)
    _click(there)
    _until(there, lambda: _has_terminal(there), 'no terminal opens')
    _type(there, 'touch /tmp/typed\n')
    _until(there, lambda: 'typed' in there.run('ls /tmp'), 'what was typed is not done')


def _leave(program, there):
    for line in there.run('dmesg').splitlines():
        if drawing.BAD_DRIVER.search(line):
            raise there.running.failure(f'the kernel said: {line}')
    failed = there.run('systemctl --failed --plain --no-legend')
    if failed.strip():
        raise there.running.failure(f'systemd says: {failed}')
    there.running.send('systemctl poweroff\n')
    end = machine.check_end(program, there.running)
    if re.search('^gracevm: ', end.errors, re.M):
        raise there.running.failure('the machine had something to say about the guest')


def _desktop(program):
    with disks.own_copy(os.path.join(folder(), 'disk.raw')) as path:
        with session(program, path) as there:
            _check_weston(there)
            drawing.until_good(there, lambda: _check_picture(there.picture()))
            _check_network(there)
            _check_input(there)
            _leave(program, there)
        disks.check_file_system(path)


def desktop(program):
    return {'debootstrap: login, network, Weston on virgl, keys and pointer':
            lambda: _desktop(program)}
