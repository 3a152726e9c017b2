# SPDX-License-Identifier: GPL-2.0-or-later
"""A group of tests: Linux draws on virtio-gpu, by Mesa's driver for virgl or without any, headless
and in a window. What Mesa is, and which kernel: gpu_images.SYSTEMS.
"""

import contextlib
import json
import os
import re
import tempfile
import time

import gpu_images
import images
import machine
import packages
import pictures
import qmp
import tap
import xserver
from machine import Failure, Guest

CANNOT = (tap.Skip, packages.Unavailable)  # here
MEMORY = '768M'
PROGRAMS = ('busy', 'glinfo', 'persist', 'probe')
SCRIPTS = (os.path.join(images.HERE, 'gpu', 'workload'),)
GL_DEVICE = 'virtio-gpu-gl-pci,blob=on,hostmem=256M'
PLAIN_DEVICE = 'virtio-gpu-pci'
PROMPT = 'gpu# '
FRAMES, BUFFERS_A_FRAME = 40, 4
LEAST_GL = (4, 3)
# What kmscube clears the screen to, and how far off a channel may be.
GROUND, TOLERANCE = (128, 128, 128), 3
REACH = 8  # in pixels, from a point to what its colour is compared with
LEAST_TURN = 100  # of a product of two differences of colours
# What the driver says when something is wrong: "*ERROR*", or a line of its own about it.
BAD_DRIVER = re.compile(r'\*ERROR\*|(\[drm\]|virtio).*\b([Ee]rror|[Ff]ailed|WARN|timed out)')
SMALL_SCREEN = (640, 480)


def programs(program):
    """The paths of what is put into the guest. Raises Skip."""
    paths = [os.path.join(program.drawing, name) for name in PROGRAMS]
    missing = [path for path in paths if not program.drawing or not os.path.exists(path)]
    if missing:
        raise tap.Skip(f'not built: {", ".join(map(os.path.basename, missing))} '
                       '(packages libegl-dev, libgl-dev, libgbm-dev)')
    return [*paths, *SCRIPTS]


class Session:
    """A guest with a shell in which the programs are, and the machine's other end."""

    def __init__(self, running, control):
        self.running, self.control = running, control
        self.within_s = machine.DEADLINE_S  # a command ends
        self.run_any('stty -echo')

    def run(self, command):
        """What @command says, all of it; it must end with status 0."""
        self.begin(command)
        return self.end()

    def begin(self, command):
        """As run(), but returns at once: the other half is end()."""
        self._command = command
        self._send(f'{command}; echo "status $?"')

    def end(self):
        said, _, status = self._answer().rpartition('status ')
        if status.strip() != '0':
            raise self.running.failure(f'{self._command}: status {status.strip()}')
        return said

    def run_any(self, command):
        self._send(command)
        return self._answer()

    def _send(self, command):
        self._began_at = len(self.running.output)
        self.running.send(f'{command}\n')

    def _answer(self):
        self.running.expect(PROMPT, self.within_s)
        return self.running.output[self._began_at:].removesuffix(PROMPT)

    def object(self, command):
        """The JSON object that @command says on its last line."""
        self.begin(command)
        return self.end_object()

    def end_object(self):
        """As end(), for what object() would return."""
        lines = self.end().strip().splitlines()
        try:
            return json.loads(lines[-1])
        except (IndexError, ValueError) as error:
            raise self.running.failure(f'{self._command} says no JSON object') from error

    def picture(self):
        """The first screen, as the machine has it."""
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, 'screen.png')
            self.control.execute('screendump', filename=path, format='png')
            with open(path, 'rb') as file:
                return pictures.read_png(file.read())

    def leave(self, program):
        """To the end of the machine; the kernel must have had nothing to say about the device."""
        for line in self.run('dmesg').splitlines():
            if BAD_DRIVER.search(line):
                raise self.running.failure(f'the kernel said: {line}')
        self.running.send('exit\n')
        end = machine.check_end(program, self.running)
        if re.search('^gracevm: ', end.errors, re.M):
            raise self.running.failure('the machine had something to say about the guest')


@contextlib.contextmanager
def session(program, system, device=GL_DEVICE, cpus=1, **how):
    """A Session in a Guest with @how in it."""
    parts = gpu_images.prepare(system, programs(program))
    with tempfile.TemporaryDirectory(prefix='gracevm-qmp-') as folder:
        path = os.path.join(folder, 'qmp')
        options = (*how.pop('options', ()), '-qmp', f'unix:{path},server=on,wait=off')
        guest = Guest('test=gpu quiet', memory=MEMORY, cpus=cpus, kernel=parts.kernel,
                      initrd=parts.initrd, drives=((parts.disk, True),),
                      devices=(device,), options=options, **how)
        with machine.start(program, guest) as running:
            running.expect(PROMPT)
            with qmp.Client(path) as control:
                yield Session(running, control)


def _check_renderer(there):
    info = there.object('glinfo')
    if 'virgl' not in info['renderer']:
        raise there.running.failure(f'Mesa draws by {info["renderer"]}')
    if (info['major'], info['minor']) < LEAST_GL or 'Core' not in info['version']:
        raise there.running.failure(f'OpenGL {info["version"]}')
    if not info['has_buffer_storage']:
        raise there.running.failure('no GL_ARB_buffer_storage')


def nr_unmaps(control):
    """How many the device has answered."""
    return control.execute('query-gpu-latency')['unmap']['total']['count']


def check_unmapped(there, least):
    """That the device has answered so many unmaps, and keeps nothing of ended programs."""
    counted, resources = nr_unmaps(there.control), there.control.execute('x-gpu-resources')
    if counted < least:
        raise Failure(f'{counted} unmaps, not {least}')
    if resources['window']['places'] or resources['orphans']:
        raise Failure(f'left are {resources}')


def _check_persist(there):
    before = nr_unmaps(there.control)
    result = there.object(f'persist {FRAMES}')
    if result['wrong_floats'] or result['wrong_pixels'] or result['gl_errors']:
        raise there.running.failure(f'drawn wrong: {result}')
    if result['buffers'] < BUFFERS_A_FRAME * FRAMES:
        raise there.running.failure(f'only {result["buffers"]} buffers')
    until_good(there, lambda: check_unmapped(there, before + result['buffers']))
    counted = nr_unmaps(there.control) - before
    print(f'# persist: {result["fps"]:.0f} frames/s, {counted} unmaps', flush=True)


def _is_mirrored(picture, x, y):
    """Whether the cube around a point is one that a mirror shows; None: not to be said there.

    Its colours are its coordinates, from 0 to 1, darker where the light falls flat. So from where a
    face is, which is seen from outside, follows which way round its colours change.
    """
    here, right, left, up, down = (picture.rows[y + dy][x + dx] for dx, dy in (
        (0, 0), (REACH, 0), (-REACH, 0), (0, -REACH), (0, REACH)))
    across = [a - b for a, b in zip(right, left)]
    upward = [a - b for a, b in zip(up, down)]
    bends = [abs(a + b - 2 * c) for one, other in ((right, left), (up, down))
             for a, b, c in zip(one, other, here)]
    still = [axis for axis in range(3) if max(abs(across[axis]), abs(upward[axis])) <= 1]
    if max(bends) > 2 or len(still) != 1:
        return None  # not one face, or hardly a change
    axis, other, third = still[0], (still[0] + 1) % 3, (still[0] + 2) % 3
    normal = across[other] * upward[third] - across[third] * upward[other]
    if abs(normal) < LEAST_TURN:
        return None
    return (normal > 0) != (here[axis] > 2)


def _check_not_mirrored(picture):
    width, height = picture.width, picture.height
    found = [_is_mirrored(picture, x, y)
             for x in range(width * 3 // 8, width * 5 // 8, REACH)
             for y in range(height * 3 // 8, height * 5 // 8, REACH)]
    if found.count(True) >= found.count(False):
        raise Failure(f'the cube is in a mirror at {found.count(True)} points, '
                      f'as it should be at {found.count(False)}')


def check_cube(picture):
    """That it is kmscube's: a cube of many colours before a grey ground, and no mirror image."""
    width, height = picture.width, picture.height
    edge = width // 16
    for left in (0, width - edge):
        share = picture.part(left, 0, left + edge, height).share(GROUND, TOLERANCE)
        if share < 1:
            raise Failure(f'only {share:.3f} of the edge at {left} is grey')
    middle = picture.part(width * 7 // 16, height * 7 // 16, width * 9 // 16, height * 9 // 16)
    if middle.share(GROUND, 0) > 0:
        raise Failure('the ground is to be seen in the middle')
    if middle.nr_colours() < 50:
        raise Failure(f'the middle has {middle.nr_colours()} colours')
    _check_not_mirrored(picture)


def _check_window(screen):
    box = screen.box(GROUND, TOLERANCE)
    if not box or (box[2] - box[0], box[3] - box[1]) != SMALL_SCREEN:
        raise Failure(f'the window has its ground in {box}')
    check_cube(screen.part(*box))


def until_good(there, check):
    """Until check() does not raise Failure: what is done is seen a little later."""
    deadline = time.monotonic() + machine.DEADLINE_S
    while True:
        try:
            return check()
        except Failure as failure:
            if time.monotonic() >= deadline:
                said = there.run_any('cat /tmp/cube')
                raise there.running.failure(f'{failure}; kmscube: {said}') from failure


@contextlib.contextmanager
def _cube(there):
    """While kmscube draws, from the first picture on that is one."""
    there.run_any('kmscube >/tmp/cube 2>&1 &')
    until_good(there, lambda: check_cube(there.picture()))
    yield
    there.run_any('kill %1; wait')


def _check_moving(there, first):
    if there.picture().rows == first.rows:
        raise Failure('the cube stands still')


def _check_kmscube(there):
    with _cube(there):
        first = there.picture()
        until_good(there, lambda: _check_moving(there, first))


def _headless(program, system, cpus):
    with session(program, system, display='egl-headless', cpus=cpus) as there:
        _check_renderer(there)
        _check_persist(there)
        _check_kmscube(there)
        there.leave(program)


def _in_a_window(program, system):
    with xserver.Server() as server:
        size = 'xres={},yres={}'.format(*SMALL_SCREEN)
        with session(program, system, f'{GL_DEVICE},{size}', display='sdl,gl=on',
                     environment=server.environment) as there:
            _check_renderer(there)
            with _cube(there):
                until_good(there, lambda: _check_window(server.picture()))
            _check_persist(there)
            there.leave(program)


def _without_gl(program, system):
    """The device without a renderer: Mesa draws by itself, into memory that the screen shows."""
    size = 'xres={},yres={}'.format(*SMALL_SCREEN)
    with session(program, system, f'{PLAIN_DEVICE},{size}', display='none') as there:
        if 'llvmpipe' not in there.object('glinfo')['renderer']:
            raise there.running.failure('Mesa does not draw by itself')
        _check_kmscube(there)
        there.leave(program)


def drawing(program):
    tests = {
        f'{system}: virgl, headless, {cpus} processors':
            lambda system=system, cpus=cpus: _headless(program, system, cpus)
        for system, cpus in (('debian12', 1), ('newest', 2))
    }
    for system in gpu_images.SYSTEMS:
        tests[f'{system}: virgl, in a window'] = lambda system=system: _in_a_window(program, system)
    tests['debian12: 2D'] = lambda: _without_gl(program, 'debian12')
    return tests
