# SPDX-License-Identifier: GPL-2.0-or-later
"""Documents tell the truth: links lead somewhere, files and functions that they name exist."""

import os
import re

import tree

LINK = re.compile(r'!?\[[^\]\n]*\]\(\s*<?([^)\s>]+)>?[^)\n]*\)|^\[[^\]\n]+\]:\s*(\S+)', re.M)
HEADING = re.compile(r'^(#{1,6})\s+(.*?)\s*#*$')
SUFFIXES = r'(?:c|h|py|sh|md|pml|litmus|ini|build|txt)'
FILE = re.compile(r'\.?[\w.-]+(?:/[\w.-]+)+\.' + SUFFIXES)
FOREIGN = ('ck_', 'g_', 'pthread_', 'urcu_')
CALL = re.compile(r'([A-Za-z_]\w*)\(.*\)')
MENTION = re.compile(r'(?<![\w/.-])((?:docs|hw|include|tests|ui|util)/[\w./-]+\.' + SUFFIXES +
                     r')(?![\w*{])')


def prose(text):
    """(line number, line) outside code blocks."""
    fence = None
    for number, line in enumerate(text.split('\n'), 1):
        match = re.match(r'\s*(```+|~~~+)', line)
        if match and fence is None:
            fence = match.group(1)
        elif match and match.group(1).startswith(fence):
            fence = None
        elif fence is None:
            yield number, line


def anchors(text):
    """What a heading is reached by: GitHub's rule, numbered where headings repeat."""
    seen = {}
    for _, line in prose(text):
        match = HEADING.match(line)
        if not match:
            continue
        title = re.sub(r'\[([^\]]*)\]\([^)]*\)', r'\1', match.group(2)).replace('`', '')
        slug = re.sub(r'[^\w\- ]', '', title.lower()).replace(' ', '-')
        seen[slug] = seen.get(slug, -1) + 1
        yield f'{slug}-{seen[slug]}' if seen[slug] else slug


def without_code(line):
    return re.sub(r'`[^`]*`', '', line)


def links_lead_somewhere(tree_):
    for path in tree_.having('.md'):
        for number, line in prose(tree_.text(path)):
            for match in LINK.finditer(without_code(line)):
                target = match.group(1) or match.group(2)
                if re.match(r'[a-z][a-z0-9+.-]*:', target):
                    continue
                name, _, anchor = target.partition('#')
                to = os.path.normpath(os.path.join(os.path.dirname(path), name)) if name else path
                if not os.path.exists(tree_.full(to)):
                    yield f'{path}:{number}: no file {to}'
                elif anchor and to.endswith('.md') and anchor not in anchors(tree_.text(to)):
                    yield f'{path}:{number}: no heading #{anchor} in {to}'


def exists(tree_, name):
    candidates = (name, os.path.join('include', name))
    return any(os.path.exists(tree_.full(candidate)) for candidate in candidates)


def files_exist(tree_):
    for path in tree_.having('.md'):
        for number, line in prose(tree_.text(path)):
            for code in re.findall(r'`([^`]+)`', line):
                for name in FILE.findall(code) if FILE.fullmatch(code) else MENTION.findall(code):
                    if not exists(tree_, name):
                        yield f'{path}:{number}: no file {name}'


def is_ours(name, modules):
    """Functions of a module carry its name in front, and RCU's behind; others are not ours."""
    parts = name.split('_')
    is_ours_by_name = len(parts) > 1 and (parts[0] in modules or parts[-1] in modules)
    return is_ours_by_name and not name.startswith(FOREIGN)


def functions_exist(tree_):
    words, modules = set(), set()
    for path in tree_.c_files():
        words.update(re.findall(r'\w+', tree_.text(path)))
        if not path.startswith('tests/'):
            modules.add(re.split(r'[_.]', os.path.basename(path))[0])
    for path in tree_.having('.md'):
        for number, line in prose(tree_.text(path)):
            for code in re.findall(r'`([^`]+)`', line):
                match = CALL.fullmatch(code)
                if match and match.group(1) not in words and is_ours(match.group(1), modules):
                    yield f'{path}:{number}: no code mentions {match.group(1)}()'


def comments_name_existing_files(tree_):
    paths = tree_.c_files() + tree_.having('.py', '.pml', 'meson.build') + tree_.shell_files()
    for path in paths:
        if path == 'tests/lint/selftest.py':
            continue  # names files that only its samples have
        for number, line in enumerate(tree_.lines(path), 1):
            for name in MENTION.findall(line):
                if not exists(tree_, name):
                    yield f'{path}:{number}: no file {name}'


RULES = {
    'links in documents lead to a file and a heading': links_lead_somewhere,
    'files named in documents exist': files_exist,
    'functions named in documents exist': functions_exist,
    'files named in code and its comments exist': comments_name_existing_files,
}

if __name__ == '__main__':
    tree.main(RULES)
