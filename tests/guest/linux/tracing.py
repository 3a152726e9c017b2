# SPDX-License-Identifier: GPL-2.0-or-later
"""A group of tests: what -trace writes down (docs/tracing.md) and -metrics shows (docs/metrics.md)
of running guests, and that nothing of it is lost without a word."""

import collections
import json
import os
import re
import resource
import signal
import socket
import tempfile

import drawing
import machine
import qmp
from machine import Failure, Guest

FRAMES, BUFFERS_A_FRAME = 10, 4
PANICKED, FAILED, USAGE = 3, 1, 2
THREADS = {'main', 'CPU 0/soft', 'CPU 1/soft', 'render', 'rcu', 'disk/0'}
# What a guest that draws cannot have done without.
SEEN = ('rcu_start', 'rcu_end', 'rcu_force', 'rcu_callbacks', 'bql_hold', 'loop_poll', 'cpu_kick',
        'cpu_halt', 'irq_message', 'disk_submit', 'disk_begin', 'blk_answer',
        'gpu_pop', 'gpu_answer', 'gpu_fence', 'gpu_map', 'gpu_unmap_queue',
        'gpu_unmap_commit', 'gpu_unmap_release', 'gpu_unmap_respond', 'gpu_unmap_renderer',
        'render_begin', 'machine_end')
METRICS_PAGE = os.path.join(os.path.dirname(__file__), '../../../docs/metrics.md')
SAMPLE = re.compile(r'([a-z0-9_]+)(?:\{(.*)\})? (\+Inf|NaN|[-+.e0-9]+)$')


# ---- Traces -------------------------------------------------------------------------------------

class Trace:
    """A file, read as whoever opens it does; whole nanoseconds instead of microseconds."""

    def __init__(self, path):
        with open(path, encoding='utf-8') as file:
            self.events = json.load(file)
        for event in self.events:
            for key in 'ts', 'dur':
                if key in event:
                    event[key] = round(event[key] * 1000)
        self.names = {event['tid']: event['args']['name'] for event in self.events
                      if event.get('name') == 'thread_name'}

    def of(self, point, phase=None):
        """Events of @point, in the order in which they were written. Ends of boxes have no name."""
        return [event for event in self.events if event.get('name', '').split(' ')[0] == point and
                (phase is None or event['ph'] == phase)]

    def check(self):
        """What holds for each trace: nothing is lost, threads have names, boxes nest."""
        end = self.events[-1]
        if end['name'] != 'trace_end' or end['args']['lost'] or self.of('trace_lost'):
            raise Failure(f'the trace ends with {end}')
        recorded = [event for event in self.events
                    if event['ph'] not in 'Me' and event is not end]
        if len(recorded) != end['args']['events']:
            raise Failure(f'{len(recorded)} events are there, not {end["args"]["events"]}')
        for event in recorded:
            if event['tid'] not in self.names:
                raise Failure(f'a thread without a name: {event}')
        for thread in self.names:
            _check_spans([event for event in recorded if event['tid'] == thread])
            _check_pairs([event for event in recorded if event['tid'] == thread])


def _check_spans(events):
    """That of any two one contains the other, or they have nothing in common."""
    spans = sorted(((event['ts'], -event['dur'], event['name']) for event in events
                    if event['ph'] == 'X'))
    around = []
    for start, minus, name in spans:
        while around and around[-1][1] <= start:
            around.pop()
        if around and start - minus > around[-1][1]:
            raise Failure(f'{name} at {start} ns overlaps {around[-1]}')
        around.append((start, start - minus, name))


def _check_pairs(events):
    """A thread does one thing at a time: B, E, B, E…; the last may not have ended. An end that a
    viewer takes for another's ends nothing: it has no name, and the category of what it ends."""
    begun = None
    for event in sorted((event for event in events if event['ph'] in 'BE'),
                        key=lambda event: event['ts']):
        if (event['ph'] == 'B') != (begun is None):
            raise Failure(f'{event} follows another {event["ph"]}')
        if begun and ('name' in event or event['cat'] != begun['cat'] or
                      event['args'].keys() & begun['args'].keys()):
            raise Failure(f'{event} does not end {begun}')
        begun = event if event['ph'] == 'B' else None


def _check_unmaps(trace, least):
    """Of each unmap: queue, commit and release, one after the other and none at the moment of
    another, in respond, which is on their track; the renderer lets go after the release."""
    stages = {name: collections.defaultdict(list) for name in
              ('queue', 'commit', 'release', 'respond', 'renderer')}
    for name, found in stages.items():
        ends = {_track(event, number): event['ts']
                for event, number in _numbered(trace.of(f'gpu_unmap_{name}', 'e'))}
        for event, number in _numbered(trace.of(f'gpu_unmap_{name}', 'b')):
            found[event['args']['resource']].append(
                (_track(event, number), event['ts'], ends[_track(event, number)]))
    nr = sum(map(len, stages['respond'].values()))
    if nr < least:
        raise Failure(f'{nr} unmaps in the trace, not {least}')
    for resource_id, responds in stages['respond'].items():
        for number, respond in enumerate(responds):
            queue, commit, release, renderer = (
                stages[name][resource_id][number]
                for name in ('queue', 'commit', 'release', 'renderer'))
            track, begin, end = respond
            inside = [begin, *queue[1:], *commit[1:], *release[1:]]
            if inside != sorted(set(inside)) or inside[-1] > end or \
                    (begin, queue[2], commit[2]) != (queue[1] - 1, commit[1] - 1, release[1] - 1) \
                    or renderer[1] != release[2] or \
                    {stage[0] for stage in (queue, commit, release)} != {track}:
                raise Failure(f'resource {resource_id}: stages at {inside} in {respond}, '
                              f'then {renderer}')


def _track(event, number):
    return event['id2']['local'], number


def _numbered(events):
    """Each with how many of its name and track were before it."""
    counts = collections.Counter()
    for event in events:
        key = event['name'], event['id2']['local']
        yield event, counts[key]
        counts[key] += 1


def _check_commands(trace):
    """What is answered was popped; each has a track of its own, from one to the other."""
    popped = {(event['args']['command'], event['ts']): event for event in trace.of('gpu_pop')}
    answers = trace.of('gpu_answer', 'b')
    if not answers:
        raise Failure('no command is answered')
    for answer in answers:
        pop = popped.get((answer['args']['command'], answer['ts']))
        if not pop or pop['args']['type'] != answer['args']['type']:
            raise Failure(f'answered, but not popped: {answer}')


# ---- Metrics ------------------------------------------------------------------------------------

def _ask(path, request):
    """All that is heard at @path after saying @request."""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(machine.DEADLINE_S)
        client.connect(path)
        client.sendall(request)
        heard = b''
        while chunk := client.recv(65536):
            heard += chunk
        return heard.decode()


def families(text):
    """{name: (type, {sample: value})} of Prometheus's text, which must be as it should."""
    found, name = {}, None
    for line in text.splitlines():
        if line.startswith('# HELP '):
            name = line.split(' ', 3)[2]
            if name in found:
                raise Failure(f'{name} comes twice')
        elif line.startswith('# TYPE '):
            _, _, typed, kind = line.split(' ')
            if typed != name or kind not in ('counter', 'gauge', 'histogram'):
                raise Failure(f'after the help of {name}: {line}')
            found[name] = kind, {}
        else:
            sample = SAMPLE.match(line)
            if not sample or not sample.group(1).startswith(name):
                raise Failure(f'in {name}: {line}')
            kind, samples = found[name]
            key = line.rsplit(' ', 1)[0]
            suffix = sample.group(1).removeprefix(name)
            if key in samples or suffix not in (('_bucket', '_sum', '_count')
                                                if kind == 'histogram' else ('',)):
                raise Failure(f'in {name}: {line}')
            samples[key] = float(sample.group(3))
    return found


def documented():
    """{name: type} as docs/metrics.md has it."""
    with open(METRICS_PAGE, encoding='utf-8') as file:
        found = re.findall(r'^\| `(gracevm_\w+)` \| (\w+) \|', file.read(), re.M)
    if len(dict(found)) != len(found):
        raise Failure(f'docs/metrics.md tells of something twice: {sorted(found)}')
    return dict(found)


def _check_metrics(path):
    plain = families(_ask(path, b'\n'))
    answer = _ask(path, b'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n')
    head, _, body = answer.partition('\r\n\r\n')
    if not head.startswith('HTTP/1.0 200 ') or f'Content-Length: {len(body)}' not in head:
        raise Failure(f'HTTP: {head}')
    found = families(body)
    if {name: kind for name, (kind, _) in found.items()} != documented():
        wrong = {name: kind for name, (kind, _) in found.items()}.items() ^ documented().items()
        raise Failure(f'docs/metrics.md and the socket differ: {sorted(wrong)}')
    for name, (kind, samples) in plain.items():
        for key, value in samples.items():
            if kind != 'gauge' and found[name][1].get(key, value) < value:
                raise Failure(f'{key} fell from {value} to {found[name][1][key]}')
    return found


# ---- Tests --------------------------------------------------------------------------------------

def _draws(program):
    """Everything at once: all points are on, all devices are there, clients come and go."""
    devices = ('virtio-keyboard-pci', 'virtio-tablet-pci', 'virtio-rng-pci',
               'virtio-net-pci,netdev=n')
    with tempfile.TemporaryDirectory(prefix='gracevm-trace-') as folder:
        path, at = os.path.join(folder, 'trace.json'), os.path.join(folder, 'metrics')
        stats_path = os.path.join(folder, 'stats.json')
        options = ['-trace', f'enable=*,file={path}', '-metrics', f'unix:{at}',
                   '-stats', stats_path, '-netdev', 'user,id=n']
        for device in devices:
            options += ['-device', device]
        with drawing.session(program, 'debian12', cpus=2, options=tuple(options)) as there:
            result = there.object(f'persist {FRAMES}')
            found = _check_metrics(at)
            there.running.send('exit\n')
            machine.check_end(program, there.running)
            if os.path.exists(at):
                raise there.running.failure(f'{at} is left')
        trace = Trace(path)
        with open(stats_path, encoding='utf-8') as file:
            stats = json.load(file)['metrics']
    if stats.keys() != documented().keys():
        raise Failure(f'-stats has {sorted(stats)}')
    unmaps = sum(found['gracevm_gpu_unmaps_total'][1].values())
    if result['buffers'] < FRAMES * BUFFERS_A_FRAME or unmaps < result['buffers']:
        raise Failure(f'{unmaps} unmaps are counted, of {result}')
    trace.check()
    missing = [point for point in SEEN if not trace.of(point)]
    if missing or not THREADS <= set(trace.names.values()):
        raise Failure(f'not in the trace: {missing}; threads: {trace.names}')
    _check_unmaps(trace, unmaps)
    _check_commands(trace)
    print(f'# {len(trace.events)} lines, {unmaps:.0f} unmaps', flush=True)


def _stopped(program, path):
    """One that has not begun: it ends at once when it is told to."""
    return [*program.words(), *Guest().words(), '-S', '-trace', f'file={path}']


def _ends_by_signal(program):
    with tempfile.TemporaryDirectory(prefix='gracevm-trace-') as folder:
        path = os.path.join(folder, 'trace.json')
        with machine.Machine(_stopped(program, path)) as running:
            running.until_it_cares(signal.SIGTERM)
            running.signal(signal.SIGTERM)
            machine.check_end(program, running)
        trace = Trace(path)
        trace.check()
        if len(trace.of('machine_end')) != 1:
            raise Failure('the end is not in the trace')


def _panics(program):
    """Only what was asked for is there, and the end as well."""
    with tempfile.TemporaryDirectory(prefix='gracevm-trace-') as folder:
        path = os.path.join(folder, 'trace.json')
        options = ('-trace', 'machine_*', '-trace', 'cpu_kick', '-trace', f'file={path}')
        with machine.start(program, Guest('test=panic', options=options)) as running:
            running.expect('init: panicking')
            end = running.wait()
            if end.status != PANICKED:
                raise running.failure(f'exit status {end.status}')
        trace = Trace(path)
        trace.check()
        points = {event['name'] for event in trace.events if event['ph'] != 'M'}
        if points != {'cpu_kick', 'machine_end', 'trace_end'}:
            raise Failure(f'in the trace are {points}')


def _disk_is_full(program):
    """The log says so at once, and the exit status at the end; nothing else is disturbed. A limit
    of the file's size is the disk."""
    with tempfile.TemporaryDirectory(prefix='gracevm-trace-') as folder:
        path, at = os.path.join(folder, 'trace.json'), os.path.join(folder, 'qmp')
        words = [*_stopped(program, path), '-qmp', f'unix:{at},server=on,wait=off']
        with machine.Machine(words) as running, qmp.Client(at) as control:
            resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (1, 1))
            control.execute('quit')
            control.event('SHUTDOWN')
            end = running.wait()
        for said in 'the trace ends here', path, 'is not whole', 'events are lost':
            if said not in end.errors or end.status != FAILED:
                raise running.failure(f'exit status {end.status}; does it say "{said}"?')
        with open(path, encoding='utf-8') as file:
            json.loads(file.read().removesuffix(',\n') + ']')  # whole lines


def _refuses(program):
    rows = ((('-trace', 'no_such_*'), 'no_such_*', USAGE),
            (('-trace', 'gpu_pup'), 'gpu_pop', USAGE),
            (('-trace', 'file=/dev/full'), '/dev/full', FAILED),
            (('-trace', 'file=/nonexistent/t.json'), '/nonexistent/t.json', FAILED),
            (('-metrics', 'tcp:1'), 'tcp:1', USAGE),
            (('-metrics', 'unix:/nonexistent/m'), '/nonexistent/m', FAILED))
    for options, named, status in rows:
        with machine.Machine([*program.words(), *Guest(options=options).words()]) as running:
            end = running.wait()
            if end.status != status or named not in end.errors:
                raise running.failure(f'exit status {end.status}, not {status}')


def tracing(program):
    if program.is_qemu:
        return {}
    return {
        'a trace and the metrics of a guest that draws': lambda: _draws(program),
        'a trace ends in order by a signal': lambda: _ends_by_signal(program),
        'a trace ends in order by a panic of the guest': lambda: _panics(program),
        'a trace onto a full disk': lambda: _disk_is_full(program),
        'traces and metrics that cannot be': lambda: _refuses(program),
    }
