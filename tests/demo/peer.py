# SPDX-License-Identifier: GPL-2.0-or-later
"""QEMU, to compare with: whether there is one that can run the same guest, and how."""

import contextlib
import functools
import glob
import re
import shutil
import subprocess

import xserver

PROGRAM = 'qemu-system-x86_64'
DEVICE = 'virtio-gpu-gl-pci'
LEAST = (9, 2)  # the first whose virtio-gpu-gl maps blobs of virgl


def path():
    return shutil.which(PROGRAM)


@functools.cache
def _says(*words):
    done = subprocess.run([PROGRAM, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    return done.stdout


def forget():
    """What has been said: another program may have its name."""
    _says.cache_clear()


def version():
    match = re.search(r'version (\d+(?:\.\d+)+)', _says('--version'))
    return match[1] if match else ''


def unsuited():
    """Why there is none that can: '' if there is."""
    if not path():
        return f'there is no {PROGRAM} here'
    found = version()
    if tuple(map(int, found.split('.')[:2] or [0])) < LEAST:
        return (f'the installed QEMU is {found or "of no version that it would tell"}, and '
                f'{".".join(map(str, LEAST))} is the first with GL blobs')
    keys = _says('-device', f'{DEVICE},help')
    if not all(re.search(rf'^\s*{key}=', keys, re.M) for key in ('blob', 'hostmem')):
        return f'the installed QEMU {found} is built without {DEVICE} and its blobs'
    return ''


@contextlib.contextmanager
def display():
    """Arguments of measure.run_side(): a display with GL, which without a GPU needs an X server."""
    if glob.glob('/dev/dri/renderD*'):
        yield {'display': 'egl-headless'}
        return
    with xserver.Server() as server:
        yield {'display': 'sdl,gl=on', 'environment': server.environment}
