# SPDX-License-Identifier: GPL-2.0-or-later
"""Each rule of each lint flags a sample that breaks it, where it does, and no clean one."""

import os
import sys
import tempfile

import docs
import floors
import manual
import names
import sizes
import snippets
import tools
import tree

C = '/* SPDX-License-Identifier: GPL-2.0-or-later */\n'
MAN = '.\\" SPDX-License-Identifier: GPL-2.0-or-later\n'
SH = '#!/bin/sh\n# SPDX-License-Identifier: GPL-2.0-or-later\n'
HEADER = C + '#ifndef {0}\n#define {0}\n{1}\n#endif\n'


LINTS = (floors, sizes, names, docs, snippets, tools, manual)
QMP_MAN = MAN + ('.Sh COMMANDS\n.Bl -tag\n.It Cm {}\n.El\n.Sh EVENTS\n.Bl -tag\n.It Cm {}\n.El\n'
                 '.Sh SEE ALSO\n')


def function(lines):
    return C + 'void long_one(void)\n{\n' + '    work();\n' * (lines - 2) + '}\n'


def nested(depth):
    """Blocks within blocks; the function's own is level 1."""
    text = C + 'void deep_one(void)\n{\n'
    for level in range(1, depth):
        text += '    ' * level + 'if (level) {\n'
    for level in reversed(range(1, depth)):
        text += '    ' * level + '}\n'
    return text + '}\n'


def own_format():
    with open(os.path.join(os.path.dirname(__file__), '../../.clang-format'),
              encoding='utf-8') as file:
        return file.read()


CLEAN = {
    '.clang-format': own_format(),
    'check': SH + 'echo ok\n',
    'README.md': '# Title\n\n[here](#title), [there](docs/a.md#b-c), `util/a.c`, `long_one()`\n',
    'docs/c.md': '# C\n\n<!-- snippet: util/d.c whole -->\n```c\nint d;\n```\n',
    'util/d.c': C + '/* [whole] */\nint d;\n/* [end] */\n',
    'docs/a.md': '## `B` c\n\n[back](../README.md)\n\n```\n[x](gone.md)\n```\n',
    'include/util/a.h': HEADER.format('UTIL_A_H', '#include <stdint.h>\nuint8_t first(void);'),
    'include/ui/b.h': HEADER.format('UI_B_H', '#include "util/a.h"\n'),
    'util/a_private.h': HEADER.format('UTIL_A_PRIVATE_H', '/* see docs/a.md */'),
    'util/a.c': function(sizes.FUNCTION_LINES),
    'util/c.c': '\n'.join([C + '#include "util/a.h"\n\n#include "util/a_private.h"\n']),
    'ui/b.c': nested(sizes.FUNCTION_DEPTH),
    'ui/options.c':
        C + 'static const struct option table[] = {\n    { "m", NULL, "x", take },\n};\n',
    'hw/machine/devices.c':
        C + 'static const struct device_type types[] = {\n    { "a-pci", "x", keys, make },\n};\n',
    'docs/gracevm.1': MAN + '.It Fl m Ar size\n.It Cm a-pci\n',
    'ui/qmp_commands.c':
        C + 'const struct qmp_command qmp_commands[] = {\n'
        '    { "go", go, { { "to", QMP_STRING, false }, { "at", QMP_INTEGER, true } } },\n};\n',
    'ui/qmp_events.c': C + 'void a(void)\n{\n    qmp_event(qmp, "GONE", NULL);\n}\n',
    'docs/gracevm-qmp.7': QMP_MAN.format('go Cm to Op Cm at', 'GONE'),
    'ui/ctl.c':
        C + 'const struct ctl_command ctl_commands[] = {\n'
        '    { "go", "", "x", 0, 0, true, go },\n};\n'
        'static const struct option options[] = {\n    { "fast", NULL, "x" },\n};\n',
    'docs/gracevm-ctl.1': MAN + '.It Fl -fast\n.It Cm go\n',
    'tests/unit/test_a.c': C + '#include "util/a.h"\n#include "util/a_private.h"\n',
}

# rule: (files that break it, how the one finding begins)
SAMPLES = {
    floors.no_upward_include:
        ({'util/a.c': C + '#include "ui/b.h"\n'}, 'util/a.c:2: includes "ui/b.h" of ui'),
    floors.private_headers_stay_private:
        ({'ui/b.c': C + '#include "util/a_private.h"\n'}, 'ui/b.c:2: "util/a_private.h"'),
    floors.includes_exist_with_their_folder:
        ({'util/c.c': C + '#include "a_private.h"\n'}, 'util/c.c:2: write "a_private.h"'),
    floors.code_is_on_a_floor:
        ({'source/a.c': C}, 'source/a.c:1: on no floor'),
    sizes.short_functions:
        ({'util/a.c': function(sizes.FUNCTION_LINES + 1)}, 'util/a.c:3: long_one() has 71'),
    sizes.shallow_functions:
        ({'ui/b.c': nested(sizes.FUNCTION_DEPTH + 1)}, 'ui/b.c:7: deep_one() is 5 levels'),
    sizes.short_files:
        ({'util/a.c': C + '\n' * sizes.FILE_LINES}, 'util/a.c:801: '),
    sizes.short_headers:
        ({'util/a.h': C + '\n' * sizes.HEADER_LINES}, 'util/a.h:201: '),
    sizes.short_lines:
        ({'check': SH + '#' * 101 + '\n'}, 'check:3: 101 columns'),
    names.licence_first:
        ({'check': '#!/bin/sh\necho ok\n'}, 'check:1: does not begin'),
    names.guards:
        ({'include/ui/b.h': HEADER.format('UI_C_H', '')}, 'include/ui/b.h:1: is not guarded'),
    names.file_names:
        ({'util/common.h': C}, 'util/common.h:1: says nothing'),
    names.white_space:
        ({'ui/b.c': C + 'int b; \n'}, 'ui/b.c:2: trailing'),
    names.nothing_unfinished:
        ({'ui/b.c': C + '/* TO' 'DO: all */\n'}, 'ui/b.c:2: finish it'),
    docs.links_lead_somewhere:
        ({'README.md': '# T\n[x](docs/a.md#gone)\n'}, 'README.md:2: no heading #gone'),
    docs.files_exist:
        ({'README.md': 'a\n\nSee `util/gone.c`.\n'}, 'README.md:3: no file util/gone.c'),
    docs.functions_exist:
        ({'README.md': '`realloc()` `a_gone(a, b)`\n'}, 'README.md:1: no code mentions a_gone()'),
    docs.comments_name_existing_files:
        ({'ui/b.c': C + '/* see docs/gone.md */\n'}, 'ui/b.c:2: no file docs/gone.md'),
    snippets.same_as_source:
        ({'util/d.c': C + '/* [whole] */\nint e;\n/* [end] */\n'}, 'docs/c.md:3: differs'),
    tools.code_is_formatted:
        ({'ui/b.c': C + 'int  b;\n'}, 'ui/b.c:2:4: error: code should be clang-formatted'),
    tools.shell_is_clean:
        ({'check': SH + 'echo $1\n'}, 'check:3:6: note: Double quote'),
    manual.options_are_documented:
        ({'docs/gracevm.1': MAN + '.It Fl n\n.It Cm a-pci\n'},
         'docs/gracevm.1:1: does not tell of option m'),
    manual.devices_are_documented:
        ({'docs/gracevm.1': MAN + '.It Fl m\n.It Cm b-pci\n'},
         'docs/gracevm.1:1: does not tell of device a-pci'),
    manual.commands_are_documented:
        ({'docs/gracevm-qmp.7': QMP_MAN.format('go Cm to Cm at', 'GONE')},
         'docs/gracevm-qmp.7:1: does not tell of command .It Cm go Cm to Op Cm at'),
    manual.ctl_is_documented:
        ({'docs/gracevm-ctl.1': MAN + '.It Fl -fast\n.It Cm stay\n'},
         'docs/gracevm-ctl.1:1: does not tell of command go'),
    manual.events_are_documented:
        ({'docs/gracevm-qmp.7': QMP_MAN.format('go Cm to Op Cm at', 'CAME')},
         'docs/gracevm-qmp.7:1: does not tell of event GONE'),
    tools.headers_compile_alone:
        ({'include/ui/b.h': HEADER.format('UI_B_H', 'uint8_t b;')}, ''),
}


def findings(rule, files):
    """What @rule says of a tree of @files."""
    with tempfile.TemporaryDirectory() as root:
        for path, text in files.items():
            full = os.path.join(root, path)
            os.makedirs(os.path.dirname(full), exist_ok=True)
            with open(full, 'w', encoding='utf-8') as file:
                file.write(text)
        return list(rule(tree.Tree(root)))


def flags_its_sample(rule, sample):
    """A rule for selftest's own report: complains unless @rule flags @sample."""
    def check(_):
        bad, begin = sample
        for finding in findings(rule, CLEAN):
            yield f'flagged in the clean sample: {finding}'
        found = findings(rule, {**CLEAN, **bad})
        if not any(finding.startswith(begin) for finding in found):
            yield f'nothing begins with "{begin}" among {found}'
    return check


def all_rules_have_a_sample(_):
    for lint in LINTS:
        for name, rule in lint.RULES.items():
            if rule not in SAMPLES:
                yield f'{lint.__name__}.py: no sample for "{name}"'


if __name__ == '__main__':
    rules = {f'flags a breach: {lint.__name__}, {name}': flags_its_sample(rule, SAMPLES[rule])
             for lint in LINTS
             for name, rule in lint.RULES.items() if rule in SAMPLES}
    rules['every rule has a sample'] = all_rules_have_a_sample
    sys.exit(tree.report(rules, '.'))
