# SPDX-License-Identifier: GPL-2.0-or-later
"""One boot of the Debian guest, and all that is run and measured in it."""

import contextlib
import dataclasses
import os
import time

import drawing
import machine
import pictures
import qmp
import stages

SYSTEM = 'debian12'
CPUS = 2
KIB = 64  # of the buffer that is mapped and unmapped
LOADS = {'idle': 0, 'busy': 1}  # how many processes do nothing but compute, on a processor each
DEVICE = f'{drawing.GL_DEVICE},xres=1024,yres=768'
INPUT = ('-device', 'virtio-keyboard-pci', '-device', 'virtio-tablet-pci')
DRAWN_SHARE = 0.25  # of the screen's lines, that another picture changes: more than a cursor does
DRAWN_LINES = 16  # that differ from each other, where more is drawn than the ground
LOOK_S = 0.4  # from one look at the screen to the next
# How long each runs, in seconds; those that draw have nothing to do with who is forced.
FULL = {'kmscube': 3, 'glmark2': 5, 'persist': 2, 'unmap': 3, 'nothing': 1}
QUICK = {'kmscube': 3, 'glmark2': 3, 'persist': 1, 'unmap': 4, 'nothing': 1}
DRAWN_ONCE = ('kmscube', 'glmark2')
TRIES = 3  # of a measurement that measured nothing


class TooBusy(Exception):
    """The guest had no time to measure anything."""


@dataclasses.dataclass(frozen=True)
class Side:
    """What is compared: a column of the table."""
    key: str
    title: str
    force: bool = True
    is_quick: bool = False
    has_window: bool = False
    qemu: str = ''  # its path: not ours

    def seconds(self, workload):
        seconds = (QUICK if self.is_quick else FULL)[workload]
        return 0 if workload in DRAWN_ONCE and not self.force else seconds

    def options(self):
        words = () if self.qemu else ('-rcu', f'force={"on" if self.force else "off"}')
        return (*words, *INPUT) if self.has_window else words


def _is_drawn(before, after):
    """Whether the screen @after shows a picture instead of the console @before."""
    nr_new = sum(a != b for a, b in zip(before, after))
    return nr_new > DRAWN_SHARE * len(after) and len(set(after)) > DRAWN_LINES


def _latency(answer):
    """A workload's figures as they are kept here, in microseconds."""
    if not answer['n']:
        raise TooBusy(f'none of its times could be told apart ({answer.get("dropped", 0)} dropped)')
    figures = {key: answer[f'{key}_us'] for key in ('p50', 'p90', 'p99', 'max')}
    if 'quantiles_us' in answer:
        figures['quantiles'] = answer['quantiles_us']
    return {'n': answer['n'], **figures, 'dropped': answer.get('dropped', 0)}


class Guest:
    """One that runs, with what it has said of itself."""

    def __init__(self, there, side, steps, folder):
        self.there, self.side, self.steps, self.folder = there, side, steps, folder
        self.result = {'key': side.key, 'title': side.title, 'force': side.force, 'fps': {},
                       'loads': {load: {'inside': {}, 'host': {}} for load in LOADS},
                       'pictures': {}, 'raw': [], 'complaints': []}

    def _stages(self):
        return None if self.side.qemu else stages.take(self.there.control)

    def _photograph(self, name):
        """The screen as it is now: its lines. None: QEMU cannot, if GL has drawn it in a window."""
        file = f'{self.side.key}-{name}.png'
        path = os.path.join(self.folder, file)
        try:
            self.there.control.execute('screendump', filename=path, format='png')
        except qmp.Refused as refusal:
            if not self.side.qemu:
                raise
            self.result['no_pictures'] = str(refusal)
            return None
        self.result['pictures'][name] = file
        with open(path, 'rb') as png:
            return pictures.filtered_lines(png.read())

    def _work(self, name, load, is_shown=False):
        """The answer of the workload @name. Where it is shown, the screen while it draws."""
        seconds = self.side.seconds(name)
        line = f'workload {name} {seconds} {LOADS[load]}'
        line += f' {KIB}' if name in ('unmap', 'nothing') else ''
        console = self._photograph(name) if is_shown else None
        is_shown = console is not None
        is_drawn = False
        self.there.begin(line)
        while is_shown and not is_drawn and not self.there.running.has_said(drawing.PROMPT):
            self.there.running.listen(LOOK_S)
            now = self._photograph(name)
            is_shown = now is not None
            is_drawn = is_shown and _is_drawn(console, now)
        if is_shown and not is_drawn:
            os.remove(os.path.join(self.folder, self.result['pictures'].pop(name)))
        answer = self.there.end_object()
        self.result['raw'].append(answer)
        return answer

    def _fps(self, name, load):
        if not self.side.seconds(name):
            return
        with self.steps.step(f'{self.side.title}: {name}, {load}') as step:
            answer = self._work(name, load, is_shown=name in DRAWN_ONCE)
            if name not in DRAWN_ONCE and load == 'idle':
                self._photograph(name)  # it draws elsewhere, and says on the screen how it went
            if name == 'glmark2':
                figure, step.result = answer['score'], f'score {answer["score"]}'
            else:
                figure, step.result = answer['fps'], f'{answer["fps"]:.1f} frames/s'
            self.result['fps'].setdefault(name, {})[load] = figure

    def _measured(self, name, load):
        """A busy guest may not come to measure anything in its time: then it gets more of it."""
        for _ in range(TRIES - 1):
            with contextlib.suppress(TooBusy):
                return _latency(self._work(name, load))
        return _latency(self._work(name, load))

    def _unmaps(self, load):
        kept = self.result['loads'][load]
        with self.steps.step(f'{self.side.title}: map and unmap {KIB} KiB, {load}') as step:
            before = self._stages()
            kept['inside']['unmap'] = self._measured('unmap', load)
            after = self._stages()
            if after:
                kept['host'] = stages.between(before, after)
            kept['inside']['nothing'] = self._measured('nothing', load)
            if load == 'idle':
                self._photograph('unmap')  # as above
            unmap = kept['inside']['unmap']
            step.result = f'unmap {unmap["p50"]:.0f} us, {unmap["n"]} of them'

    def work(self):
        inventory = self.there.object('workload inventory')
        self.result['inventory'] = inventory
        for name in ('kmscube', 'glmark2'):
            self._fps(name, 'idle')
        for load in LOADS:
            self._fps('persist', load)
        for load in LOADS:
            try:
                self._unmaps(load)
            except TooBusy as reason:
                self.result['complaints'].append(f'unmap, {load}: {reason}')


@contextlib.contextmanager
def session(program, side, environment=None, display='egl-headless'):
    with drawing.session(program, SYSTEM, DEVICE, CPUS, display=display, options=side.options(),
                         environment=environment or {}) as there:
        yield there


def run_side(program, side, steps, folder, **how):
    """Figures of @side, measured in a boot of its own; pictures go to @folder. Raises Failure."""
    with contextlib.ExitStack() as stack:
        with steps.step(f'{side.title}: boots') as step:
            began = time.monotonic()
            there = stack.enter_context(session(program, side, **how))
            boot_s = time.monotonic() - began
            step.result = f'to a shell in {boot_s:.1f} s'
        guest = Guest(there, side, steps, folder)
        guest.result |= {'accel': program.accel if not side.qemu else 'tcg', 'boot_s': boot_s,
                         'commands': [there.running.words]}
        guest.work()
        with steps.step(f'{side.title}: powers off') as step:
            try:
                there.leave(program)
                step.result = 'in order'
            except machine.Failure as failure:
                step.result = 'with a complaint: see the end'
                guest.result['complaints'].append(str(failure).splitlines()[0])
    return guest.result
