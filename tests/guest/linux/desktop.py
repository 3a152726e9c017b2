# SPDX-License-Identifier: GPL-2.0-or-later
"""A group of tests: a system as a user has it (docs/guests.md), made by tools/debian-image beside
this folder, with its own kernel and first root, starts to a login, the network, and Weston on the
screen.
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
import tap
from machine import Failure, Guest

TOOLS = os.path.join(images.HERE, '../tools')
MAKER, TAKER = (os.path.join(TOOLS, name) for name in ('debian-image', 'guest-kernel'))
SUITE, PASSWORD = 'bookworm', 'guest'  # what the maker takes by itself
MEMORY = '2G'
SIZE = (800, 600)
# weston.ini of the maker; the panel is drawn over the background, and is not opaque everywhere.
BACKGROUND, PANEL, TOLERANCE = (0x20, 0x40, 0x60), (0x80, 0x80, 0x80), 4
LEAST_SHARE = 0.95  # of either, that must have its colour
PANEL_HEIGHT = 20  # rows that are the panel's, whatever its font
LAUNCHER = (20, 16)  # the terminal's icon
TERMINAL, TERMINAL_SHARE = (0, 0, 0), 0.15  # its ground, and how much of the screen it covers
BEFORE_MIB = 1  # of a disk, its first partition
DEADLINE_S = 900  # a whole system starts
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
    running.expect('guest login: ', DEADLINE_S)
    running.send('root\n')
    running.expect('Password: ')
    running.send(f'{PASSWORD}\n')
    running.expect('root@guest:~# ')
    # in two pieces, so that the echo of this line is no prompt
    name, rest = drawing.PROMPT[0], drawing.PROMPT[1:]
    running.send(f"bind 'set enable-bracketed-paste off'; PS1='{name}''{rest}'\n")
    running.expect(drawing.PROMPT)


@contextlib.contextmanager
def _session(program, disk, made, root='vda', devices=(), nic='user', **how):
    """A Session of root's on the serial port, with kernel and initrd of the folder @made."""
    with tempfile.TemporaryDirectory(prefix='gracevm-qmp-') as temporary:
        path = os.path.join(temporary, 'qmp')
        guest = Guest(f'root=/dev/{root} rw', memory=MEMORY, cpus=2, drives=((disk, False),),
                      kernel=os.path.join(made, 'vmlinuz'),
                      initrd=os.path.join(made, 'initrd.img'),
                      devices=('virtio-rng-pci', *devices), network=('-nic', nic),
                      options=('-qmp', f'unix:{path},server=on,wait=off'), **how)
        with machine.start(program, guest) as running:
            _log_in(running)
            with qmp.Client(path) as control:
                there = drawing.Session(running, control)
                there.within_s = DEADLINE_S
                yield there


def _until(there, question, what):
    """Ask until the answer is true: what the guest does by itself takes its time."""
    deadline = time.monotonic() + DEADLINE_S
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
        server.settimeout(DEADLINE_S)
        connection, _ = server.accept()
        with connection, connection.makefile('rwb') as lines:
            if lines.readline().strip() != WORDS:
                raise there.running.failure('the host got something else')
            lines.write(b'back again\n')
        there.running.expect('got back again')
        there.running.expect(drawing.PROMPT)


def _free_port():
    with socket.create_server(('127.0.0.1', 0)) as server:
        return server.getsockname()[1]


def _says_ssh(port):
    """Whether the guest's sshd greets (RFC 4253, 4.2) through that port of the host."""
    with socket.create_connection(('127.0.0.1', port)) as connection:
        connection.settimeout(DEADLINE_S)
        try:
            return connection.recv(8) == b'SSH-2.0-'
        except ConnectionResetError:  # it does not listen yet
            return False


def _check_weston(there):
    asked = 'journalctl -b -o cat -t weston | grep renderer:'
    log = _until(there, lambda: re.search('GL renderer: .*', there.run_any(asked)),
                 'Weston does not draw')
    if 'virgl' not in log.group():
        raise there.running.failure(f'Weston draws by another: {log.group()}')


def _is_desktop(picture):
    """Weston's panel above its background, in the colours that weston.ini names."""
    if (picture.width, picture.height) != SIZE:
        return False
    panel = picture.part(SIZE[0] // 4, 2, SIZE[0] // 2, PANEL_HEIGHT)
    ground = picture.part(0, 2 * PANEL_HEIGHT, *SIZE)
    return (panel.share(PANEL, TOLERANCE) > LEAST_SHARE and
            ground.share(BACKGROUND, TOLERANCE) > LEAST_SHARE)


def _point(there, x, y):
    there.control.execute('input-send-event', events=[
        {'type': 'abs', 'data': {'axis': axis, 'value': at * ABS_MAX // size}}
        for axis, at, size in (('x', x, SIZE[0]), ('y', y, SIZE[1]))])


def _click(there):
    for is_down in (True, False):
        there.control.execute('input-send-event', events=[
            {'type': 'btn', 'data': {'button': 'left', 'down': is_down}}])


def _type(there, text):
    """15 keys at most: evdev keeps 64 events for a reader that is slow, then drops them."""
    names = {' ': 'spc', '\n': 'ret'}
    for letter in text:
        there.control.execute('send-key', keys=[
            {'type': 'qcode', 'data': names.get(letter, letter)}], **{'hold-time': 0})


def _has_terminal(there):
    return there.picture().share(TERMINAL, TOLERANCE) > TERMINAL_SHARE


def _icon(there):
    return there.picture().part(0, 0, 2 * LAUNCHER[0], PANEL_HEIGHT).rows


def _check_input(there):
    """The launcher lights up below the pointer; a click opens a terminal; what is typed is done."""
    dark = _icon(there)
    _point(there, *LAUNCHER)
    _until(there, lambda: _icon(there) != dark, 'the panel does not see the pointer')
    # Weston's panel wants to have seen it move there, not only enter
    _point(there, LAUNCHER[0] + 2, LAUNCHER[1])
    _click(there)
    _until(there, lambda: _has_terminal(there), 'no terminal opens')
    # its shell is there a little later than its window, and reads what was typed before
    _type(there, 'touch t\n')
    _until(there, lambda: 't\n' in there.run('ls -1 /home/user').replace('\r', ''),
           'what was typed is not done')


def _leave(program, there):
    """Off, with nothing to complain about until then.

    What the kernel says last is not looked at: Linux 6.1 stops its devices before it is off, and
    then virtio-gpu's driver may warn that it cannot draw the console any more (virtgpu_vq.c).
    """
    for line in there.run('dmesg').splitlines():
        if drawing.BAD_DRIVER.search(line) or machine.BAD_SIGNS.search(line):
            raise there.running.failure(f'the kernel said: {line}')
    failed = there.run('systemctl --failed --plain --no-legend --no-pager')
    if failed.strip():
        raise there.running.failure(f'systemd says: {failed}')
    there.running.send('systemctl poweroff\n')
    there.running.expect('reboot: Power down')
    end = there.running.wait()
    if end.status != 0:
        raise there.running.failure(f'exit status {end.status}')


def _desktop(program):
    screen = '{},xres={},yres={}'.format(drawing.GL_DEVICE, *SIZE)
    with disks.own_copy(os.path.join(folder(), 'disk.raw')) as path:
        with _session(program, path, folder(), display='egl-headless',
                      devices=(screen, 'virtio-keyboard-pci', 'virtio-tablet-pci')) as there:
            _check_weston(there)
            _until(there, lambda: _is_desktop(there.picture()), 'no desktop on the screen')
            _check_network(there)
            _check_input(there)
            _leave(program, there)
        disks.check_file_system(path)


# An image with partitions

def _partitioned(source, path):
    """The file system @source in the first partition of the disk @path."""
    if not shutil.which('sfdisk', path=disks.SBIN['PATH']):
        raise tap.Skip('no sfdisk to make partitions with: package fdisk')
    size = os.path.getsize(source)
    with open(path, 'wb') as file:
        file.truncate(size + (2 * BEFORE_MIB << 20))
    table = f'label: gpt\n{BEFORE_MIB}MiB,{size >> 20}MiB,L\n'
    subprocess.run(['sfdisk', '-q', path], input=table, text=True, check=True, env=disks.SBIN,
                   stdout=subprocess.DEVNULL)
    subprocess.run(['dd', f'if={source}', f'of={path}', 'bs=1M', f'seek={BEFORE_MIB}',
                    'conv=notrunc,sparse', 'status=none'], check=True)


def _take_kernel(disk, made):
    done = subprocess.run([TAKER, disk, made], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0 or 'root=/dev/vda1' not in done.stdout:
        raise Failure(f'{TAKER}: status {done.returncode}\n{done.stdout}')


def _in_partition(program):
    with tempfile.TemporaryDirectory(prefix='gracevm-disk-') as temporary:
        path, made = os.path.join(temporary, 'disk.raw'), os.path.join(temporary, 'made')
        _partitioned(os.path.join(folder(), 'disk.raw'), path)
        _take_kernel(path, made)
        for name in ('vmlinuz', 'initrd.img'):
            if images.read(os.path.join(made, name)) != images.read(os.path.join(folder(), name)):
                raise Failure(f'{name} of the partition is another')
        port = _free_port()
        with _session(program, path, made, root='vda1',
                      nic=f'user,hostfwd=tcp:127.0.0.1:{port}-:22') as there:
            _check_network(there)
            _until(there, lambda: _says_ssh(port), 'no greeting of sshd')
            _leave(program, there)


def desktop(program):
    return {
        'Debian: login, network, Weston by virgl, keys and pointer': lambda: _desktop(program),
        'a disk with partitions: kernel read out, login, network, SSH':
            lambda: _in_partition(program),
    }
