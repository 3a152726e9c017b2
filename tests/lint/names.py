# SPDX-License-Identifier: GPL-2.0-or-later
"""Licence lines, names, guards, white space, and no unfinished work without an issue."""

import os
import re

import tree

LICENCE = 'SPDX-License-Identifier: GPL-2.0-or-later'
# Suffixes and names of what carries a licence line. Litmus tests begin with their own title line.
LICENSED = ('.c', '.h', '.S', '.ld', '.asl', '.1', '.7', '.py', '.sh', '.pml', '.litmus', '.inc',
            '.ini', '.txt', 'meson.build', '.clang-format', '.editorconfig', '.gitignore')
UNLICENSED = ('LICENSE', '.md', '.svg')
# Written in two pieces, so that this file passes its own rule.
UNFINISHED = re.compile(r'\b(TO' r'DO|FIX' r'ME|XX' r'X|HA' r'CK)\b(?!.*\bissue \d+)')
FORBIDDEN_NAMES = {'common.h', 'utils.h', 'misc.h', 'common.c', 'utils.c', 'misc.c'}


def texts(tree_):
    """All but fuzzing corpora, which are data."""
    return [path for path in tree_.files if '/corpus/' not in path]


def licence_first(tree_):
    shells = set(tree_.shell_files())
    for path in texts(tree_):
        if path.endswith(UNLICENSED):
            continue
        if not path.endswith(LICENSED) and path not in shells:
            yield f'{path}:1: what kind of file is this? add it to LICENSED or UNLICENSED'
            continue
        lines = tree_.lines(path)
        if lines[0].startswith('#!'):
            lines = lines[1:]
        first = lines[:3] if path.endswith('.litmus') else lines[:1]
        if not any(LICENCE in line for line in first):
            yield f'{path}:1: does not begin with {LICENCE}'


def guards(tree_):
    for path in tree_.having('.h'):
        if re.match(r'.*\n/\*\n \* Template:', tree_.text(path)):
            continue  # made to be included with other definitions each time
        relative = path[len('include/'):] if path.startswith('include/') else path
        guard = re.sub(r'[^A-Z0-9]', '_', relative.upper())
        directives = re.findall(r'^#\s*(\w+)[ \t]*(.*)$', tree.strip_c(tree_.text(path)), re.M)
        wanted = [('ifndef', guard), ('define', guard)]
        if [(word, rest.strip()) for word, rest in directives[:2]] != wanted:
            yield f'{path}:1: is not guarded by #ifndef {guard}, #define {guard}'
        elif directives[-1][0] != 'endif':
            yield f'{path}:1: something follows the guard'


def file_names(tree_):
    code = ('.c', '.h', '.py', '.sh', '.pml', '.litmus')
    for path in texts(tree_):
        name = os.path.basename(path)
        if name in FORBIDDEN_NAMES:
            yield f'{path}:1: says nothing: name what the file is about'
        if path.endswith(code) and not re.fullmatch(r'[a-z][a-z0-9_]*\.[a-z]+', name):
            yield f'{path}:1: names are of a-z, 0-9 and _'
        if path.startswith('tests/unit/') and path.endswith('.c') and not name.startswith('test_'):
            yield f'{path}:1: a unit test is called test_<module>.c'


def white_space(tree_):
    for path in texts(tree_):
        if path == 'LICENSE':
            continue
        text = tree_.text(path)
        if text and not text.endswith('\n'):
            yield f'{path}:{text.count(chr(10)) + 1}: no newline at the end of the file'
        if text.endswith('\n\n'):
            yield f'{path}:{text.count(chr(10))}: blank line at the end of the file'
        for number, line in enumerate(text.split('\n'), 1):
            if '\t' in line:
                yield f'{path}:{number}: a tab'
            if line != line.rstrip():
                yield f'{path}:{number}: trailing white space'


def nothing_unfinished(tree_):
    for path in texts(tree_):
        if path == 'LICENSE':
            continue
        for number, line in enumerate(tree_.lines(path), 1):
            if UNFINISHED.search(line):
                yield f'{path}:{number}: finish it, or add "issue N" to the line'


RULES = {
    'each file begins with its licence': licence_first,
    'headers are guarded by their path': guards,
    'file names say what they hold': file_names,
    'no tabs, no trailing white space, one newline at the end': white_space,
    'nothing is unfinished without an issue': nothing_unfinished,
}

if __name__ == '__main__':
    tree.main(RULES)
