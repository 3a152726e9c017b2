# SPDX-License-Identifier: GPL-2.0-or-later
"""Folders are floors: a file includes its own floor and lower ones (docs/style.md)."""

import os
import re

import tree

FLOORS = ['util', 'hw/mem', 'hw/cpu', 'hw/irq', 'hw/pci', 'hw/virtio', 'hw/display', 'hw/net',
          'hw/gpu', 'hw/dev', 'hw/machine', 'ui']
INCLUDE = re.compile(r'^\s*#\s*include\s*"([^"]+)"')


def floor_of(path):
    """The floor's number, or None for files outside all floors (tests)."""
    if path.startswith('include/'):
        path = path[len('include/'):]
    for number, folder in enumerate(FLOORS):
        if path.startswith(folder + '/'):
            return number
    return None


def resolve(tree_, path, name):
    """The file that @path means by #include "@name", or None."""
    candidates = [os.path.join('include', name), name,
                  os.path.normpath(os.path.join(os.path.dirname(path), name))]
    known = set(tree_.files)
    return next((candidate for candidate in candidates if candidate in known), None)


def includes(tree_):
    """(file, line number, name as written, resolved path) of each quoted include."""
    for path in tree_.c_files():
        for number, line in enumerate(tree_.lines(path), 1):
            match = INCLUDE.match(line)
            if match:
                yield path, number, match.group(1), resolve(tree_, path, match.group(1))


def no_upward_include(tree_):
    for path, number, name, target in includes(tree_):
        own, other = floor_of(path), floor_of(target or name)
        if own is not None and other is not None and other > own:
            yield (f'{path}:{number}: includes "{name}" of {FLOORS[other]}, '
                   f'a floor above {FLOORS[own]}')


def private_headers_stay_private(tree_):
    for path, number, name, target in includes(tree_):
        if target is None or target.startswith('include/') or path.startswith('tests/'):
            continue
        if target.startswith('tests/'):
            yield f'{path}:{number}: includes "{name}" of the tests'
        elif floor_of(target) != floor_of(path):
            yield f'{path}:{number}: "{name}" is private to {os.path.dirname(target)}/'


def includes_exist_with_their_folder(tree_):
    for path, number, name, target in includes(tree_):
        if target is None:
            yield f'{path}:{number}: no header "{name}" in the tree (system ones go in <>)'
        elif name.startswith('.') or ('/' not in name and not path.startswith('tests/')):
            yield f'{path}:{number}: write "{name}" with its folder'


def code_is_on_a_floor(tree_):
    for path in tree_.c_files():
        if floor_of(path) is None and not path.startswith('tests/'):
            yield f'{path}:1: on no floor: {", ".join(FLOORS)}'


RULES = {
    'no file includes a floor above its own': no_upward_include,
    'private headers are included by their own floor and tests only': private_headers_stay_private,
    'includes name a header of the tree, with its folder': includes_exist_with_their_folder,
    'all code is on a floor': code_is_on_a_floor,
}

if __name__ == '__main__':
    tree.main(RULES)
