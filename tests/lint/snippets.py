# SPDX-License-Identifier: GPL-2.0-or-later
"""Code in documents is code that compiles: a snippet is copied from a source file.

In a document, `<!-- snippet: path name -->` stands before a block of C; in the source, the text is
between `/* [name] */` and `/* [end] */`. With --write the documents are brought up to date.
"""

import re
import sys

import tree

SNIPPET = re.compile(r'<!-- snippet: (\S+) (\S+) -->\n```c\n(.*?)```', re.DOTALL)


def source_of(tree_, path, name):
    """The marked text, or None."""
    if path not in tree_.files:
        return None
    match = re.search(r'/\* \[' + re.escape(name) + r'\] \*/\n(.*?)/\* \[end\] \*/',
                      tree_.text(path), re.DOTALL)
    return match.group(1) if match else None


def same_as_source(tree_):
    for document in tree_.having('.md'):
        text = tree_.text(document)
        for match in SNIPPET.finditer(text):
            where = f'{document}:{text[:match.start()].count(chr(10)) + 1}'
            source = source_of(tree_, match.group(1), match.group(2))
            if source is None:
                yield f'{where}: no snippet {match.group(2)} in {match.group(1)}'
            elif source != match.group(3):
                yield f'{where}: differs from {match.group(1)}; run tests/lint/snippets.py --write'


def write(tree_):
    for document in tree_.having('.md'):
        text = tree_.text(document)
        new = SNIPPET.sub(lambda m: f'<!-- snippet: {m.group(1)} {m.group(2)} -->\n```c\n'
                          + (source_of(tree_, m.group(1), m.group(2)) or m.group(3)) + '```', text)
        if new != text:
            with open(tree_.full(document), 'w', encoding='utf-8') as file:
                file.write(new)


RULES = {'snippets are what the source says': same_as_source}

if __name__ == '__main__':
    if '--write' in sys.argv:
        write(tree.Tree('.'))
    else:
        tree.main(RULES)
