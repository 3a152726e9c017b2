# SPDX-License-Identifier: GPL-2.0-or-later
"""A virtual machine as a test sees it: what it is started with, what it says on its serial port,
what it is told, and how it ends. The same for gracevm and for qemu-system-x86_64, which takes the
same options.

A deadline is a net under tests that hang, never a measure: it is far beyond what a slow machine
needs, and what had been said until then is in the error.
"""

import ctypes
import dataclasses
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import images

DEADLINE_S = 240
TAIL_LINES = 40
POLL_S = 0.01  # where the system has nothing to wait for
PR_SET_PDEATHSIG = 1  # <linux/prctl.h>
LIBC = ctypes.CDLL(None)

# What no kernel and no program of these guests says on a machine that is right.
BAD_SIGNS = re.compile(
    r'invalid opcode|general protection|\bOops|BUG:|soft lockup|rcu.*stall|stalls on CPU|'
    r'TSC unstable|Unstable clock|marked as unstable|segfault at|Call Trace|WARNING: CPU|'
    r'I/O error|EXT4-fs error|EXT4-fs warning|irq \d+: nobody cared|Firmware Bug|ACPI Error')
# … of which QEMU's TCG is known to let Linux say this.
BAD_SIGNS_QEMU = re.compile(r'TSC unstable|Unstable clock|marked as unstable')


class Failure(Exception):
    """What a test found; the text may have several lines."""


@dataclasses.dataclass(frozen=True)
class Program:
    """Which virtual machine, and on what it runs its processors."""
    path: str
    accel: str = 'soft'
    drawing: str = ''  # the folder of the programs that draw inside guests

    @property
    def is_qemu(self):
        return os.path.basename(self.path).startswith('qemu')

    def words(self):
        if self.is_qemu:
            return [self.path, '-M', 'q35', '-cpu', 'max', '-accel', 'tcg,thread=multi']
        return [self.path, '-accel', self.accel]


@dataclasses.dataclass
class Guest:
    """What a machine is started with. @append follows console=ttyS0."""
    append: str = 'test=hello'
    memory: str = '256M'
    cpus: int = 1
    kernel: str = ''  # a path; of Linux @linux by default
    initrd: str = ''
    linux: str = '6.1'
    drives: tuple = ()  # (path, whether it is read-only)
    devices: tuple = ()
    display: str = 'none'
    options: tuple = ()  # others
    environment: dict = dataclasses.field(default_factory=dict)
    network: tuple = ('-nic', 'none')
    has_reset: bool = False  # a reset begins anew, not ends

    def words(self):
        words = ['-m', self.memory, '-smp', str(self.cpus), '-nodefaults', *self.network,
                 '-display', self.display, '-serial', 'stdio', *self.options,
                 '-kernel', self.kernel or images.vmlinuz(self.linux),
                 '-append', f'console=ttyS0 {self.append}']
        initrd = self.initrd or images.initrd(self.linux, 'gz')
        if initrd != 'none':
            words += ['-initrd', initrd]
        for number, (path, is_readonly) in enumerate(self.drives):
            words += ['-drive', f'if=none,id=d{number},file={path},format=raw,'
                                f'readonly={"on" if is_readonly else "off"}',
                      '-device', f'virtio-blk-pci,drive=d{number}']
        for device in self.devices:
            words += ['-device', device]
        return words if self.has_reset else [*words, '-no-reboot']


@dataclasses.dataclass(frozen=True)
class End:
    """How it went: times in seconds."""
    status: int
    wall: float
    cpu: float
    max_rss_kib: int
    output: str
    errors: str


def no_kvm():
    """Why there is no KVM here that a Linux guest could run on; '' if there is."""
    if not os.access('/dev/kvm', os.R_OK | os.W_OK):
        return '/dev/kvm cannot be opened'
    with open('/proc/cpuinfo', encoding='utf-8') as file:
        if not {'vmx', 'svm'} & set(file.read().split()):
            return 'KVM has no hardware virtualisation behind it (neither vmx nor svm)'
    return ''


def end_in_order():
    """SIGTERM unwinds this program, so that machines, their folders and disks go first."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def _die_with_parent():
    """In the child: a driver that is killed (a test's time is up) leaves no machine behind."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Machine:
    """Runs from construction on. As a context it ends, whatever happens, without a trace."""

    def __init__(self, words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, environment=None):
        self.words = words
        self._folder = tempfile.mkdtemp(prefix='gracevm-test-')
        environment = {**os.environ, **(environment or {}), 'TMPDIR': self._folder}
        self.start = time.monotonic()
        try:
            self._process = subprocess.Popen(words, stdin=stdin, stdout=stdout,
                                             stderr=subprocess.PIPE, bufsize=0, cwd=self._folder,
                                             env=environment, start_new_session=True,
                                             preexec_fn=_die_with_parent)
        except OSError:
            shutil.rmtree(self._folder)
            raise
        self.pid = self._process.pid
        self._output, self._errors = bytearray(), bytearray()
        self._read_upto = 0
        self._has_ended = False
        self._end = None
        self._selector = selectors.DefaultSelector()
        self._life = os.pidfd_open(self.pid)
        self._selector.register(self._life, selectors.EVENT_READ)
        self._watch(self._process.stdout, self._output)
        self._watch(self._process.stderr, self._errors)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._end is None:
            os.killpg(self.pid, signal.SIGKILL)
            os.wait4(self.pid, 0)
            self._process.returncode = -signal.SIGKILL
        self._selector.close()
        os.close(self._life)
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream:
                stream.close()
        shutil.rmtree(self._folder)

    @property
    def output(self):
        return self._output.decode(errors='replace').replace('\r', '')

    @property
    def errors(self):
        return self._errors.decode(errors='replace')

    def failure(self, what):
        tail = '\n'.join(self.output.splitlines()[-TAIL_LINES:])
        return Failure(f'{what}\ncommand: {" ".join(self.words)}\n'
                       f'standard error: {self.errors[-2000:]}\nlast output:\n{tail}')

    def _watch(self, stream, kept):
        if stream:
            os.set_blocking(stream.fileno(), False)
            self._selector.register(stream, selectors.EVENT_READ, kept)

    def watch(self, stream):
        """Read the machine's output from there: the other end of its terminal."""
        self._watch(stream, self._output)

    def _take(self, stream, kept):
        data = stream.read()
        if data:
            kept.extend(data)
        elif data == b'':
            self._selector.unregister(stream)

    def _pump(self, deadline):
        """Read what there is, waiting for something. False: it had ended, and all was read."""
        if self._has_ended:
            return False
        ready = self._selector.select(max(0, deadline - time.monotonic()))
        if not ready and time.monotonic() >= deadline:
            raise self.failure('it neither said what was waited for nor ended')
        self._has_ended = any(key.fileobj == self._life for key, _ in ready)
        keys = self._selector.get_map().values() if self._has_ended else [key for key, _ in ready]
        for key in list(keys):
            if key.data is not None:
                self._take(key.fileobj, key.data)
        return True

    def expect(self, pattern, within=DEADLINE_S):
        """Wait for @pattern in the output behind the last one found; returns (match, when)."""
        deadline = time.monotonic() + within
        compiled = re.compile(pattern.encode(), re.M)
        while True:
            match = compiled.search(self._output, self._read_upto)
            if match:
                self._read_upto = match.end()
                return match, time.monotonic() - self.start
            if not self._pump(deadline):
                raise self.failure(f'it ended before it said "{pattern}"')

    def has_said(self, pattern):
        """Whether expect(@pattern) would not have to wait."""
        return re.compile(pattern.encode(), re.M).search(self._output, self._read_upto) is not None

    def listen(self, for_s):
        """What it says in that time; when that is over, all that it has said has been read."""
        before = len(self._output)
        deadline = time.monotonic() + for_s
        while self._selector.select(0) or time.monotonic() < deadline:
            for key, _ in self._selector.select(max(0, deadline - time.monotonic())):
                if key.data is None:
                    raise self.failure('it ended')
                self._take(key.fileobj, key.data)
        return self._output[before:].decode(errors='replace')

    def send(self, text):
        self._process.stdin.write(text.encode())

    def close_input(self):
        if self._process.stdin:
            self._process.stdin.close()

    def _signals(self, *masks):
        """The numbers in these lines of /proc/PID/status; none when it has ended."""
        with open(f'/proc/{self.pid}/status', encoding='ascii') as file:
            text = file.read()
        if re.search(r'^State:\s+Z', text, re.M):
            return None
        bits = 0
        for mask in masks:
            bits |= int(re.search(rf'^{mask}:\s+(\w+)', text, re.M).group(1), 16)
        return {number for number in signal.valid_signals() if bits >> (number - 1) & 1}

    def _until(self, is_reached, what):
        deadline = time.monotonic() + DEADLINE_S
        while not is_reached():
            if time.monotonic() >= deadline:
                raise self.failure(what)
            time.sleep(POLL_S)

    def until_it_cares(self, number):
        """Until the signal @number does not simply kill it any more."""
        def is_reached():
            signals = self._signals('SigBlk', 'SigCgt')
            return signals is None or number in signals
        self._until(is_reached, f'signal {number} is neither blocked nor caught')

    def signal(self, number):
        """Returns when it has been taken: until then a second one would be the same."""
        os.kill(self.pid, number)
        self._until(lambda: number not in (self._signals('SigPnd', 'ShdPnd') or ()),
                    f'signal {number} is not taken')

    def cpu_seconds(self):
        """Of all threads until now: the process's own clock (clock_getcpuclockid(3))."""
        return time.clock_gettime(~self.pid << 3 | 2)

    def status_kib(self, field):
        """A line of /proc/PID/status: VmRSS, RssAnon, RssShmem…"""
        with open(f'/proc/{self.pid}/status', encoding='ascii') as file:
            return int(re.search(rf'^{field}:\s+(\d+)', file.read(), re.M).group(1))

    def wait(self, within=DEADLINE_S):
        """Until it has ended by itself; then nothing of it may be left."""
        deadline = time.monotonic() + within
        while self._pump(deadline):
            pass
        _, raw, usage = os.wait4(self.pid, 0)
        wall = time.monotonic() - self.start
        status = os.waitstatus_to_exitcode(raw)
        self._process.returncode = status
        self._end = End(status, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss,
                        self.output, self.errors)
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            pass
        else:
            os.killpg(self.pid, signal.SIGKILL)
            raise self.failure('it ended, and left a process behind')
        if os.listdir(self._folder):
            raise self.failure(f'it left files behind: {os.listdir(self._folder)}')
        return self._end


def start(program, guest):
    return Machine([*program.words(), *guest.words()], environment=guest.environment)


def check_signs(program, machine):
    """That neither kernel nor programs complained."""
    for line in machine.output.splitlines():
        if BAD_SIGNS.search(line) and not (program.is_qemu and BAD_SIGNS_QEMU.search(line)):
            raise machine.failure(f'the guest said: {line}')


def check_end(program, machine, status=0):
    """Wait for the end, with @status and without bad signs."""
    end = machine.wait()
    check_signs(program, machine)
    if end.status != status:
        raise machine.failure(f'exit status {end.status}, not {status}')
    return end


def boot(program, guest, status=0):
    """From start to end by itself, with /init's "done" in between."""
    with start(program, guest) as machine:
        end = check_end(program, machine, status)
        if 'init: done' not in end.output:
            raise machine.failure('/init was not done')
        return end
