# SPDX-License-Identifier: GPL-2.0-or-later
"""What the figures were measured on and with."""

import os
import platform
import re
import subprocess
import time


def _first(pattern, path):
    try:
        with open(path, encoding='utf-8', errors='replace') as file:
            match = re.search(pattern, file.read(), re.M)
    except OSError:
        return ''
    return match.group(1).strip() if match else ''


def _said(*command):
    """The first line of what @command prints; nothing if it fails."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return ''
    return done.stdout.splitlines()[0].strip() if done.stdout else ''


def facts():
    return {
        'processor': _first(r'^model name\s*: (.*)$', '/proc/cpuinfo') or platform.machine(),
        'cores': len(os.sched_getaffinity(0)),
        'memory_mib': int(_first(r'^MemTotal:\s+(\d+)', '/proc/meminfo') or 0) >> 10,
        'load': round(os.getloadavg()[0], 2),
        'kernel': platform.release(),
        'system': _first(r'^PRETTY_NAME="?(.*?)"?$', '/etc/os-release'),
        'has_gpu': False,  # until the guest's renderer has another name than Mesa's own
        'python': platform.python_version(),
    }


def version_of(program, tree):
    """What it calls itself, and which commit it is of where git knows."""
    commit = _said('git', '-C', tree, 'rev-parse', '--short=12', 'HEAD')
    is_changed = bool(commit and _said('git', '-C', tree, 'status', '--porcelain', '-uno'))
    return {'version': _said(program, '-version'),
            'commit': commit + ('+changes' if is_changed else '')}


def now():
    return time.strftime('%Y-%m-%dT%H:%M:%S%z')
