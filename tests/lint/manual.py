# SPDX-License-Identifier: GPL-2.0-or-later
"""The manual pages name exactly the options, devices, QMP commands and events that there are."""

import re

import tree

OPTIONS, DEVICES, MANUAL = 'ui/options.c', 'hw/machine/devices.c', 'docs/gracevm.1'
COMMANDS, QMP_MANUAL = 'ui/qmp_commands.c', 'docs/gracevm-qmp.7'
EVENTS = 'ui/qmp_events.c'
CTL, CTL_MANUAL = 'ui/ctl.c', 'docs/gracevm-ctl.1'
OPTION_ROW = re.compile(r'^    \{ "([\w-]+)", (?:NULL|")', re.M)
DEVICE_ROW = re.compile(r'^    \{ "([\w-]+-pci)", "', re.M)
COMMAND_ROW = re.compile(r'^    \{ "([\w-]+)",(?!\s*QMP_)\s.*?^(?=    \{|\})', re.M | re.S)
ARGUMENT = re.compile(r'\{ "([\w-]+)", QMP_\w+, (true|false) \}')
CTL_ROW = re.compile(r'^    \{ "([\w-]+)", (?:NULL|")', re.M)
EVENT_CALL = re.compile(r'\b(?:qmp_event|tell)\(qmp, "(\w+)"')


def has_program(tree_):
    if not all(path in tree_.files for path in (OPTIONS, DEVICES, MANUAL, COMMANDS, QMP_MANUAL,
                                                   CTL, CTL_MANUAL)):
        raise tree.Skip('the tree has no program')


def table(tree_, path, start, row):
    """The names in the rows of the table that begins with the line @start."""
    text = tree_.text(path)
    begin = text.index(start)
    return set(row.findall(text[begin:text.index('\n};', begin)]))


def documented(tree_, row, manual=MANUAL):
    return set(name for line in tree_.lines(manual) for name in re.findall(row, line))


def differences(ours, theirs, what, path, manual=MANUAL):
    for name in sorted(ours - theirs):
        yield f'{manual}:1: does not tell of {what} {name}'
    for name in sorted(theirs - ours):
        yield f'{manual}:1: tells of {what} {name}, which {path} does not have'


def options_are_documented(tree_):
    has_program(tree_)
    told = documented(tree_, r'^\.It Fl ([\w-]+)') | documented(tree_, r'^\.It Fl \w+ , Fl (\w+)$')
    ours = table(tree_, OPTIONS, 'static const struct option table[]', OPTION_ROW)
    yield from differences(ours, told, 'option', OPTIONS)


def devices_are_documented(tree_):
    has_program(tree_)
    ours = table(tree_, DEVICES, 'static const struct device_type types[]', DEVICE_ROW)
    yield from differences(ours, documented(tree_, r'^\.It Cm ([\w-]+-pci)'), 'device', DEVICES)


def section(tree_, heading):
    """The lines of the manual of QMP below @heading."""
    text = tree_.text(QMP_MANUAL)
    begin = text.index(f'.Sh {heading}\n')
    return text[begin:text.index('\n.Sh ', begin)].splitlines()


def command_lines(tree_):
    """The heading that each command should have, by the table: its name, then its arguments."""
    text = tree_.text(COMMANDS)
    begin = text.index('const struct qmp_command qmp_commands[]')
    for match in COMMAND_ROW.finditer(text[begin:text.index('\n};', begin) + 3]):
        words = [f'Cm {match.group(1)}']
        for name, is_optional in ARGUMENT.findall(match.group(0)):
            words.append(f'{"Op " if is_optional == "true" else ""}Cm {name}')
        yield '.It ' + ' '.join(words)


def commands_are_documented(tree_):
    has_program(tree_)
    lines, depth = set(), 0
    for line in section(tree_, 'COMMANDS'):
        depth += line.startswith('.Bl') - line.startswith('.El')
        if line.startswith('.It ') and depth == 1:
            lines.add(line)
    yield from differences(set(command_lines(tree_)), lines, 'command', COMMANDS, QMP_MANUAL)


def events_are_documented(tree_):
    has_program(tree_)
    told = {line.split()[-1] for line in section(tree_, 'EVENTS') if line.startswith('.It ')}
    ours = set(EVENT_CALL.findall(tree_.text(EVENTS)))
    yield from differences(ours, told, 'event', EVENTS, QMP_MANUAL)


def ctl_is_documented(tree_):
    """Commands and options of `gracevm ctl`, which its help prints from the same tables."""
    has_program(tree_)
    told = documented(tree_, r'^\.It Cm ([\w-]+)', CTL_MANUAL)
    ours = table(tree_, CTL, 'const struct ctl_command ctl_commands[]', CTL_ROW)
    yield from differences(ours, told, 'command', CTL, CTL_MANUAL)
    told = documented(tree_, r'^\.It Fl -([\w-]+)', CTL_MANUAL)
    ours = table(tree_, CTL, 'static const struct option options[]', CTL_ROW)
    yield from differences(ours, told, 'option', CTL, CTL_MANUAL)


RULES = {
    'options are in the manual': options_are_documented,
    'devices are in the manual': devices_are_documented,
    'commands and their arguments are in the manual of QMP': commands_are_documented,
    'commands and options of ctl are in its manual': ctl_is_documented,
    'events are in the manual of QMP': events_are_documented,
}

if __name__ == '__main__':
    tree.main(RULES)
