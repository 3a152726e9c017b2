# SPDX-License-Identifier: GPL-2.0-or-later
"""The program, and what runs in guests, built with optimisation.

In build/, as ./check makes it. A build/ that somebody has configured is used if its figures mean
something, and left as it is if they would not: then it is build-demo/.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess

GUEST_PROGRAMS = 'tests/guest/linux/gpu'
PAYLOAD = 'tests/guest/board/gpu_storm.elf'
TARGETS = ('gracevm', 'demo-programs', PAYLOAD)
# Each would make all slower, or another program than the one that is shown.
SUITED = {'optimization': ('2', '3'), 'b_sanitize': ('none',), 'b_coverage': (False,),
          'debug_checks': (False,), 'mutants': (False,), 'fuzz': (False,), 'core_only': (False,)}
EDGE = re.compile(r'^\[(\d+)/(\d+)\]')


class BuildFailed(Exception):
    """With what was said at the end."""


def _information(folder, name):
    with open(os.path.join(folder, 'meson-info', f'{name}.json'), encoding='utf-8') as file:
        return json.load(file)


def unsuited(folder, tree):
    """Why what @folder builds is not what is to be shown: '' if it is."""
    try:
        options = {option['name']: option['value']
                   for option in _information(folder, 'intro-buildoptions')}
        source = _information(folder, 'meson-info')['directories']['source']
    except (OSError, ValueError, KeyError):
        return 'no build is configured there'
    if os.path.realpath(source) != os.path.realpath(tree):
        return f'it is of {source}'
    for name, wanted in SUITED.items():
        if name in options and options[name] not in wanted:
            return f'{name} is {options[name]}'
    return ''


def choose(tree):
    """(the folder to build in, whether it is to be configured, what is to be said about that)."""
    usual, own = os.path.join(tree, 'build'), os.path.join(tree, 'build-demo')
    if not os.path.isdir(usual) or not os.listdir(usual):
        return usual, True, ''
    reason = unsuited(usual, tree)
    if not reason:
        return usual, False, ''
    note = f'build/ is left alone ({reason}): this is built in build-demo/'
    if os.path.isdir(own) and unsuited(own, tree):
        shutil.rmtree(own)
    return own, not os.path.isdir(own), note


@contextlib.contextmanager
def _child(words, **how):
    """A process group of its own, which does not outlast this."""
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors='replace',
                          start_new_session=True, **how) as child:
        try:
            yield child
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            raise


def _run(words, steps, **how):
    lines = []
    with _child(words, **how) as child:
        for line in child.stdout:
            lines.append(line)
            edge = EDGE.match(line)
            if edge:
                steps.detail(f'{edge[1]} of {edge[2]}')
    if child.returncode != 0:
        raise BuildFailed(f'{" ".join(words)}: status {child.returncode}\n{"".join(lines[-30:])}')
    return lines


def build(tree, steps):
    """Returns the folder in which all is built. Raises BuildFailed."""
    folder, is_new, note = choose(tree)
    if note:
        steps.say(f'          {note}')
    with steps.step('build') as step:
        if is_new:
            steps.detail('configures')
            name = os.path.basename(folder)
            environment = {**os.environ, 'CC': 'gcc'}
            _run(['meson', 'setup', folder, tree], steps, env=environment)
            # ./check makes its folders anew unless they say with which options they were made.
            if name == 'build':
                with open(os.path.join(folder, 'check-options'), 'w', encoding='utf-8') as file:
                    file.write(f'{tree} gcc \n')
        lines = _run(['ninja', '-C', folder, *TARGETS], steps)
        made = [line for line in lines if EDGE.match(line)]
        step.result = f'{os.path.basename(folder)}/, {len(made)} made anew' if made else \
            f'{os.path.basename(folder)}/, nothing to do'
    return folder
