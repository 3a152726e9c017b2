#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""The parts of ./demo: what it makes of figures, its options, its fallback, and that it leaves
nothing behind when it is interrupted. Output: the Test Anything Protocol.

    selftest.py BUILD    a folder in which all is built
"""

import contextlib
import functools
import json
import math
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree

sys.dont_write_bytecode = True  # the tree may be read-only
HERE = os.path.dirname(os.path.abspath(__file__))
TREE = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(1, os.path.join(TREE, 'tests/guest/linux'))

import builds  # noqa: E402 (the paths come first)
import machine  # noqa: E402
import peer  # noqa: E402
import plot  # noqa: E402
import results  # noqa: E402
import samples  # noqa: E402
import stages  # noqa: E402
import steps  # noqa: E402
import table  # noqa: E402
import tap  # noqa: E402
from machine import Failure  # noqa: E402

SVG = '{http://www.w3.org/2000/svg}'
POLL_S = 0.02
# No guest can be made: the mirror is no mirror.
NO_NETWORK = {'GRACEVM_MIRRORS': 'file:///nowhere', 'http_proxy': 'http://127.0.0.1:9'}
MARK = 'GRACEVM_DEMO_TEST'  # by which all that a run has started is found


def _must(holds, what):
    if not holds:
        raise Failure(str(what))


# Figures

def the_table_is_the_golden_one():
    text = table.render(samples.results())
    if text != samples.TABLE:
        raise Failure(f'it is now:\n{text}')


def a_table_without_a_guest_has_no_frames():
    text = table.render(samples.bare())
    _must('frames' not in text and 'unmap ' in text and 'kmscube' not in text, text)


def numbers_have_three_digits():
    said = [table.number(value) for value in (0.04, 2.25, 99.94, 99.96, 1177.4)]
    _must(said == ['0.0', '2.2', '99.9', '100', '1177'], said)


def _elements(text, name):
    return list(xml.etree.ElementTree.fromstring(text).iter(SVG + name))


def _points(line):
    return [tuple(map(float, point.split(','))) for point in line.get('points').split()]


def every_curve_is_in_its_panel():
    text = plot.render(samples.results())
    lines = [_points(line) for line in _elements(text, 'polyline')]
    curves = [points for points in lines if len(points) > 2]
    # two sides with three loads in two panels, and two that do nothing
    _must(len(curves) == 14, f'{len(curves)} curves')
    panels = [(left, left + plot.PANEL_WIDTH) for left in
              (plot.LEFT, plot.LEFT + plot.PANEL_WIDTH + plot.GAP)]
    for points in curves:
        _must(any(all(left <= x <= right for x, _ in points) for left, right in panels), points)
        _must(all(plot.TOP <= y <= plot.TOP + plot.PANEL_HEIGHT for _, y in points), points)
        _must(points == sorted(points, key=lambda point: (point[0], -point[1])), points)


def a_median_is_where_the_axis_has_it():
    found = samples.results()
    low, high = plot.decades(found)
    us = found['sides'][0]['loads']['idle']['inside']['unmap']['p50']
    x = plot.LEFT + plot.PANEL_WIDTH * (math.log10(us) - low) / (high - low)
    places = [float(dot.get('cx')) for dot in _elements(plot.render(found), 'circle')]
    _must(len(places) == 12 and any(abs(place - x) < 0.1 for place in places), (x, places))


def an_axis_has_units_and_a_legend_has_medians():
    text = plot.render(samples.results())
    said = [element.text for element in _elements(text, 'text')]
    for wanted in ('10 µs', '1 ms', '100 %', 'forced, idle: median 268 µs',
                   'not forced, interrupts off: median 100 ms'):
        _must(wanted in said, f'{wanted} is not in {said}')


def text_of_others_is_no_mark_up():
    found = samples.results()
    found['host']['processor'] = 'A <b> & "C"'
    said = [element.text for element in _elements(plot.render(found), 'text')]
    _must(any('A <b> & "C"' in text for text in said), said)


def stages_are_what_lies_between():
    before = {stage: {10000: 5} for stage in stages.STAGES}
    after = {stage: {10000: 5, 20000: 98, 90000: 2} for stage in stages.STAGES}
    found = stages.between(before, after)['grace']
    got = [found[key] for key in ('n', 'p50', 'p90', 'p99', 'max')]
    _must(got == [100, 20, 20, 90, 90], got)
    _must(not stages.between(after, after), 'nothing was recorded')
    try:
        stages.between(after, before)
    except ValueError:
        return
    raise Failure('a histogram has become smaller, and nobody minds')


# The file of results

def whole_results_have_no_problems():
    for found in (samples.results(), samples.bare()):
        found = json.loads(json.dumps(found))
        _must(not results.problems(found), results.problems(found))


DAMAGES = {
    'no side': lambda found: found['sides'].pop(),
    'not complete': lambda found: found.update(complete=False),
    'no host': lambda found: found.pop('host'),
    'no unmap': lambda found: found['sides'][1]['loads']['busy']['inside'].pop('unmap'),
    'nothing counted':
        lambda found: found['sides'][0]['loads']['idle']['host']['grace'].update(n=0),
    'percentiles fall':
        lambda found: found['sides'][0]['loads']['idle']['inside']['nothing'].update(p90=1e9),
    'no stage': lambda found: found['sides'][0]['loads']['idle']['host'].pop('respond'),
    'no frames': lambda found: found['sides'][0]['fps']['kmscube'].update(idle=0),
    'no picture': lambda found: found['sides'][0]['pictures'].pop('glmark2'),
    'none that spins': lambda found: found['sides'][1].pop('spinning'),
}


def damaged_results_are_seen():
    for name, damage in DAMAGES.items():
        found = samples.results()
        damage(found)
        _must(results.problems(found), f'{name}: nobody minds')


def pictures_may_be_missing_of_qemu_only():
    found = samples.results()
    found['sides'].append(found['sides'][0] | {'key': 'qemu', 'pictures': {}})
    _must(results.problems(found), 'nobody minds that QEMU has no pictures')
    found['sides'][2]['no_pictures'] = 'no surface'
    _must(not results.problems(found), results.problems(found))
    found['sides'][0] |= {'pictures': {}, 'no_pictures': 'no surface'}
    _must(results.problems(found), 'nobody minds that we have no pictures')


def _write(path, text=''):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'w', encoding='utf-8') as file:
        file.write(text)


def only_our_own_results_are_replaced():
    with tempfile.TemporaryDirectory() as work:
        for name in ('results.json', 'qemu-kmscube.png', 'holiday.png', 'latency.svg'):
            _write(f'{work}/out/{name}', 'old')
        results_new = f'{work}/new'
        os.mkdir(results_new)
        _write(f'{results_new}/forced-unmap.png', 'new')
        results.write(results_new, samples.results(), 'table', 'plot')
        results.publish(results_new, f'{work}/out')
        there = sorted(os.listdir(f'{work}/out'))
        _must(there == ['forced-unmap.png', 'holiday.png', 'latency.svg', 'results.json',
                        'table.txt'], there)
        with open(f'{work}/out/latency.svg', encoding='utf-8') as file:
            _must(file.read() == 'plot', 'an old plot')


# Builds

def _configured(folder, source, **options):
    _write(f'{folder}/meson-info/intro-buildoptions.json', json.dumps(
        [{'name': name, 'value': value} for name, value in
         ({'optimization': '2', 'b_sanitize': 'none', 'mutants': False} | options).items()]))
    _write(f'{folder}/meson-info/meson-info.json', json.dumps({'directories': {'source': source}}))


def a_build_of_somebody_is_left_alone():
    cases = (({}, 'build', ''), ({'optimization': '3'}, 'build', ''),
             ({'optimization': '0'}, 'build-demo', 'optimization is 0'),
             ({'b_sanitize': 'thread'}, 'build-demo', 'b_sanitize is thread'),
             ({'mutants': True}, 'build-demo', 'mutants is True'))
    for options, wanted, why in cases:
        with tempfile.TemporaryDirectory() as tree:
            _must(builds.choose(tree) == (f'{tree}/build', True, ''), 'a new tree')
            _configured(f'{tree}/build', tree, **options)
            folder, is_new, note = builds.choose(tree)
            _must(folder == f'{tree}/{wanted}' and why in note, (options, folder, note))
            _must(is_new == (wanted != 'build'), (options, is_new))
            _must(os.path.exists(f'{tree}/build/meson-info/meson-info.json'), 'build/ has gone')


def a_build_of_another_tree_is_left_alone():
    with tempfile.TemporaryDirectory() as tree:
        _configured(f'{tree}/build', '/elsewhere')
        folder, _, note = builds.choose(tree)
        _must(folder == f'{tree}/build-demo' and '/elsewhere' in note, (folder, note))


# QEMU

def _with_qemu(script, check):
    """check() with that qemu-system-x86_64 in front of all."""
    before = os.environ['PATH']
    with tempfile.TemporaryDirectory() as folder:
        path = f'{folder}/{peer.PROGRAM}'
        _write(path, f'#!/bin/sh\n{script}\n')
        os.chmod(path, 0o755)
        os.environ['PATH'] = f'{folder}:{before}'
        peer.forget()
        try:
            return check()
        finally:
            os.environ['PATH'] = before
            peer.forget()


def an_old_qemu_is_refused_by_its_version():
    said = _with_qemu('echo "QEMU emulator version 7.2.19 (Debian 1:7.2)"', peer.unsuited)
    _must('7.2.19' in said and '9.2' in said, said)
    said = _with_qemu('[ "$1" = --version ] && echo "QEMU emulator version 10.0.2"', peer.unsuited)
    _must('without virtio-gpu-gl-pci' in said, said)
    said = _with_qemu('echo "QEMU emulator version 10.0.2"; echo "  blob=<bool>"; '
                      'echo "  hostmem=<size>"', peer.unsuited)
    _must(said == '', said)


# Progress

def steps_are_lines():
    with tempfile.TemporaryFile('w+') as out:
        shown = steps.Steps(out)
        with shown.step('one') as step:
            shown.detail('for a terminal only')
            step.result = 'good'
        with contextlib.suppress(ValueError), shown.step('two'):
            raise ValueError
        out.seek(0)
        lines = out.read().splitlines()
    _must(len(lines) == 2 and re.fullmatch(r' +\d+\.\d s  one +good', lines[0]) and
          lines[1].endswith('not finished'), lines)


def a_terminal_shows_what_runs():
    reader, writer = pty.openpty()
    with open(writer, 'w', encoding='utf-8') as out:
        shown = steps.Steps(out)
        with shown.step('boots') as step:
            shown.detail('3 of 7')
            step.result = 'done'
    said = b''
    with open(reader, 'rb', buffering=0) as end, contextlib.suppress(OSError):  # EIO: its end
        while data := end.read(4096):
            said += data
    said = said.decode()
    _must('boots 3 of 7' in said and said.rstrip().endswith('done'), repr(said))


# The command

@contextlib.contextmanager
def _demo(*words, command=None, **environment):
    """(process, its folder): ./demo, or @command, with a folder of its own for what it writes."""
    with tempfile.TemporaryDirectory(prefix='demo-test-') as folder:
        os.mkdir(f'{folder}/tmp')
        own = {**os.environ, 'TMPDIR': f'{folder}/tmp', MARK: folder, **environment}
        own = {name: value for name, value in own.items() if value is not None}
        command = command or [os.path.join(TREE, 'demo')]
        with subprocess.Popen([*command, '--out', f'{folder}/out', *words], cwd=folder, env=own,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, start_new_session=True) as demo:
            try:
                yield demo, folder
            finally:
                if demo.poll() is None:
                    demo.kill()


def _said(demo):
    said = demo.stdout.read()
    return demo.wait(), said


def _is_refused(wanted, status, *words, **environment):
    with _demo(*words, **environment) as (demo, _):
        got, said = _said(demo)
        _must(got == status and wanted in said, f'status {got}: {said}')


def bad_options_end_with_2():
    for words, wanted in (
            (['--fast'], 'unknown option: --fast'), (['now'], 'unknown option: now'),
            (['--compare', 'bochs'], 'unknown: bochs'), (['--compare'], 'a value must follow'),
            (['--out', ''], 'a value must follow'), (['--out='], 'unknown option: --out=')):
        _is_refused(wanted, 2, *words)


def help_is_told():
    with _demo('--help') as (demo, _):
        status, said = _said(demo)
    _must(status == 0 and all(f'--{word}' in said for word in
                              ('quick', 'window', 'compare', 'keep', 'out')), said)


def a_window_needs_a_display():
    _is_refused('no display', 1, '--window', DISPLAY=None, WAYLAND_DISPLAY=None)


def a_folder_that_cannot_be_is_told():
    with tempfile.NamedTemporaryFile() as file:
        _is_refused(f'{file.name}/out', 1, '--out', f'{file.name}/out')


@contextlib.contextmanager
def _fallback(build):
    with tempfile.TemporaryDirectory(prefix='demo-cache-') as cache:
        command = [sys.executable, os.path.join(HERE, 'demo.py'), '--build', build, '--quick']
        with _demo(command=command, XDG_CACHE_HOME=cache, **NO_NETWORK) as (demo, folder):
            yield demo, folder


def without_a_network_there_is_the_payload(build):
    with _fallback(build) as (demo, folder):
        status, said = _said(demo)
        _must(status == 0, said)
        for wanted in ('There is no Debian guest', 'payload without a system', 'not forced',
                       '3 grace period', 'Try next'):
            _must(wanted in said, f'"{wanted}" is not in: {said}')
        with open(f'{folder}/out/results.json', encoding='utf-8') as file:
            found = json.load(file)
        _must(found['fallback'] and not results.problems(found), results.problems(found))
        with open(f'{folder}/out/latency.svg', encoding='utf-8') as file:
            _must(_elements(file.read(), 'polyline'), 'no curves')
        _must(not os.listdir(f'{folder}/tmp'), os.listdir(f'{folder}/tmp'))


def _marked(folder):
    """The command lines of all processes that a run of the demo has started."""
    found = []
    for number in filter(str.isdigit, os.listdir('/proc')):
        with contextlib.suppress(OSError):
            with open(f'/proc/{number}/environ', 'rb') as file:
                is_ours = f'{MARK}={folder}'.encode() in file.read().split(b'\0')
            with open(f'/proc/{number}/cmdline', 'rb') as file:
                words = file.read().split(b'\0')
            if is_ours and words != [b'']:
                found.append(words[0].decode())
    return found


def _until(holds, what):
    deadline = time.monotonic() + machine.DEADLINE_S
    while not holds():
        _must(time.monotonic() < deadline, what)
        time.sleep(POLL_S)


def interrupted_it_leaves_nothing(build, number):
    with _fallback(build) as (demo, folder):
        _until(lambda: any(word.endswith('gracevm') for word in _marked(folder)), 'no guest')
        demo.send_signal(number)
        status, said = _said(demo)
        _must(status == 128 + number and 'interrupted' in said, f'status {status}: {said}')
        _must('Results' not in said and not os.listdir(f'{folder}/out'), said)
        _must(not os.listdir(f'{folder}/tmp'), os.listdir(f'{folder}/tmp'))
        _until(lambda: not _marked(folder), _marked(folder))


def a_closed_terminal_leaves_nothing(build):
    with tempfile.TemporaryDirectory(prefix='demo-cache-') as cache, \
            tempfile.TemporaryDirectory(prefix='demo-test-') as folder:
        os.mkdir(f'{folder}/tmp')
        child, terminal = pty.fork()
        if child == 0:
            os.environ.update(NO_NETWORK, XDG_CACHE_HOME=cache, TMPDIR=f'{folder}/tmp')
            os.environ[MARK] = folder
            os.execv(sys.executable, [sys.executable, os.path.join(HERE, 'demo.py'), '--build',
                                      build, '--quick', '--out', f'{folder}/out'])
        while not any(word.endswith('gracevm') for word in _marked(folder)):
            if select.select([terminal], [], [], POLL_S)[0]:
                os.read(terminal, 4096)
        os.close(terminal)
        _, raw = os.waitpid(child, 0)
        status = os.waitstatus_to_exitcode(raw)
        _must(status == 128 + signal.SIGHUP, f'status {status}')
        _must(not os.listdir(f'{folder}/tmp') and not os.listdir(f'{folder}/out'), folder)
        _until(lambda: not _marked(folder), _marked(folder))


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    build = os.path.abspath(sys.argv[1])
    plain = [the_table_is_the_golden_one, a_table_without_a_guest_has_no_frames,
             numbers_have_three_digits, every_curve_is_in_its_panel,
             a_median_is_where_the_axis_has_it, an_axis_has_units_and_a_legend_has_medians,
             text_of_others_is_no_mark_up, stages_are_what_lies_between,
             whole_results_have_no_problems, damaged_results_are_seen,
             pictures_may_be_missing_of_qemu_only,
             only_our_own_results_are_replaced, a_build_of_somebody_is_left_alone,
             a_build_of_another_tree_is_left_alone, an_old_qemu_is_refused_by_its_version,
             steps_are_lines, a_terminal_shows_what_runs, bad_options_end_with_2, help_is_told,
             a_window_needs_a_display, a_folder_that_cannot_be_is_told]
    tests = {function.__name__.replace('_', ' '): function for function in plain}
    for function in (without_a_network_there_is_the_payload, a_closed_terminal_leaves_nothing):
        tests[function.__name__.replace('_', ' ')] = functools.partial(function, build)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        tests[f'{number.name} leaves nothing'] = functools.partial(interrupted_it_leaves_nothing,
                                                                   build, number)
    sys.exit(0 if tap.run(tests) else 1)


if __name__ == '__main__':
    main()
