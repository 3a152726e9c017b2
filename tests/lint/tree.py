# SPDX-License-Identifier: GPL-2.0-or-later
"""What the lints share: which files the tree has, what they hold, and how findings are reported.

A lint is a module with RULES, a dict from a rule's name to a function that takes a Tree and yields
findings ("file:line: what is wrong"). Run as a program, each rule is one point of TAP.
"""

import os
import re
import subprocess
import sys


class Skip(Exception):
    """A rule cannot be judged here; says why."""


def _walk(root):
    for folder, folders, names in os.walk(root):
        folders[:] = [f for f in folders if not re.match(r'\.git$|build(-|$)|demo-results$', f)]
        for name in names:
            yield os.path.relpath(os.path.join(folder, name), root)


def _listed(root):
    """What git tracks or would track; without git (a tarball), all that is no build folder."""
    git = ['git', '-C', root, 'ls-files', '-z', '--cached', '--others', '--exclude-standard']
    if not os.path.exists(os.path.join(root, '.git')):
        return _walk(root)
    try:
        listing = subprocess.run(git, capture_output=True, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        return _walk(root)
    return [path for path in listing.split('\0') if path]


class Tree:
    def __init__(self, root):
        self.root = os.path.abspath(root)
        paths = (path for path in _listed(self.root) if os.path.isfile(self.full(path)))
        self.files = sorted(set(paths))
        self._texts = {}

    def full(self, path):
        return os.path.join(self.root, path)

    def text(self, path):
        if path not in self._texts:
            with open(self.full(path), encoding='utf-8', errors='replace') as file:
                self._texts[path] = file.read()
        return self._texts[path]

    def lines(self, path):
        return self.text(path).split('\n')

    def having(self, *suffixes):
        return [path for path in self.files if path.endswith(suffixes)]

    def c_files(self):
        return self.having('.c', '.h')

    def shell_files(self):
        """Files named .sh, and those without a suffix that start a shell."""
        def is_shell(path):
            if '.' in os.path.basename(path):
                return path.endswith('.sh')
            return bool(re.match(r'#!.*\b(ba|da)?sh\b', self.text(path)[:80]))
        return [path for path in self.files if is_shell(path)]


def strip_c(text):
    """C without comments and literals, each replaced by as many lines of nothing."""
    token = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
    return token.sub(lambda match: '\n' * match.group().count('\n') or ' ', text)


def report(rules, root):
    """Run each rule and print it as TAP. The exit status: 1 if there was any finding."""
    tree = Tree(root)
    is_clean = True
    print(f'1..{len(rules)}')
    for number, (name, rule) in enumerate(rules.items(), 1):
        try:
            findings = list(rule(tree))
        except Skip as reason:
            print(f'ok {number} - {name} # SKIP {reason}')
            continue
        for finding in findings:
            print(f'# {finding}')
        is_clean = is_clean and not findings
        print(f'{"not ok" if findings else "ok"} {number} - {name}', flush=True)
    return 0 if is_clean else 1


def main(rules):
    sys.exit(report(rules, sys.argv[1] if len(sys.argv) > 1 else '.'))
