# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual page names exactly the options and devices that there are."""

import re

import tree

OPTIONS, DEVICES, MANUAL = 'ui/options.c', 'hw/machine/devices.c', 'docs/gracevm.1'
OPTION_ROW = re.compile(r'^    \{ "([\w-]+)", (?:NULL|")', re.M)
DEVICE_ROW = re.compile(r'^    \{ "([\w-]+-pci)", "', re.M)


def has_program(tree_):
    if not all(path in tree_.files for path in (OPTIONS, DEVICES, MANUAL)):
        raise tree.Skip('the tree has no program')


def table(tree_, path, start, row):
    """The names in the rows of the table that begins with the line @start."""
    text = tree_.text(path)
    begin = text.index(start)
    return set(row.findall(text[begin:text.index('\n};', begin)]))


def documented(tree_, row):
    return set(name for line in tree_.lines(MANUAL) for name in re.findall(row, line))


def differences(ours, theirs, what, path):
    for name in sorted(ours - theirs):
        yield f'{MANUAL}:1: does not tell of {what} {name}'
    for name in sorted(theirs - ours):
        yield f'{MANUAL}:1: tells of {what} {name}, which {path} does not have'


def options_are_documented(tree_):
    has_program(tree_)
    told = documented(tree_, r'^\.It Fl ([\w-]+)') | documented(tree_, r'^\.It Fl \w+ , Fl (\w+)$')
    ours = table(tree_, OPTIONS, 'static const struct option table[]', OPTION_ROW)
    yield from differences(ours, told, 'option', OPTIONS)


def devices_are_documented(tree_):
    has_program(tree_)
    ours = table(tree_, DEVICES, 'static const struct device_type types[]', DEVICE_ROW)
    yield from differences(ours, documented(tree_, r'^\.It Cm ([\w-]+-pci)'), 'device', DEVICES)


RULES = {
    'options are in the manual': options_are_documented,
    'devices are in the manual': devices_are_documented,
}

if __name__ == '__main__':
    tree.main(RULES)
