# SPDX-License-Identifier: GPL-2.0-or-later
"""How big things may grow (docs/style.md): what exceeds this is split, not excused."""

import ast
import re

import tree

FUNCTION_LINES = 70
FUNCTION_DEPTH = 4
FILE_LINES = 800
HEADER_LINES = 200
LINE_COLUMNS = 100

# header: why it may be longer
LONG_HEADERS = {
    'tests/tap.h': 'a header-only test library: there is no .c to hold the rest',
}


def c_functions(text):
    """(first line, last line, name) of each body: braces alone in the first column."""
    lines = tree.strip_c(text).split('\n')
    start = None
    for number, line in enumerate(lines, 1):
        if line.rstrip() == '{':
            start = number
        elif line.rstrip() == '}' and start is not None:
            head = ' '.join(lines[max(0, start - 5):start - 1])
            names = re.findall(r'(\w+)\s*\((?=[^()]*\))', head.split(';')[-1].split('}')[-1])
            yield start, number, names[0] if names else '?'
            start = None


def python_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.lineno, node.end_lineno, node.name


def shell_functions(text):
    start, name = None, None
    for number, line in enumerate(text.split('\n'), 1):
        match = re.match(r'(?:function\s+)?([\w-]+)\s*(?:\(\))?\s*[{(]\s*$', line)
        if match:
            start, name = number, match.group(1)
        elif line.rstrip() in ('}', ')') and start is not None:
            yield start, number, name
            start = None


def functions(tree_):
    kinds = [(tree_.c_files(), c_functions), (tree_.having('.py'), python_functions),
             (tree_.shell_files(), shell_functions)]
    for paths, find in kinds:
        for path in paths:
            for start, end, name in find(tree_.text(path)):
                yield path, start, end, name


def short_functions(tree_):
    for path, start, end, name in functions(tree_):
        count = end - start + 1
        if count > FUNCTION_LINES:
            yield f'{path}:{start}: {name}() has {count} lines, more than {FUNCTION_LINES}'


def depths(body):
    """(line offset, depth) where a block opens; the function's own braces are level 1."""
    block = re.compile(r'[{}]')
    stack = []
    for offset, line in enumerate(body):
        for match in block.finditer(line):
            if match.group() == '}':
                if stack:
                    stack.pop()
                continue
            before = line[:match.start()]
            is_block = not before.strip() or re.search(r'(\) |\belse |\bdo )$', before)
            stack.append(bool(is_block))
            if is_block:
                yield offset, sum(stack)


def shallow_functions(tree_):
    for path in tree_.c_files():
        lines = tree.strip_c(tree_.text(path)).split('\n')
        for start, end, name in c_functions(tree_.text(path)):
            for offset, depth in depths(lines[start - 1:end]):
                if depth > FUNCTION_DEPTH:
                    yield f'{path}:{start + offset}: {name}() is {depth} levels deep'


def short_files(tree_):
    for path in tree_.having('.c', '.h', '.py', '.pml') + tree_.shell_files():
        count = len(tree_.text(path).splitlines())
        if count > FILE_LINES:
            yield f'{path}:{count}: more than {FILE_LINES} lines'


def short_headers(tree_):
    for path in tree_.having('.h'):
        count = len(tree_.text(path).splitlines())
        if count > HEADER_LINES and path not in LONG_HEADERS:
            yield f'{path}:{count}: more than {HEADER_LINES} lines'


def short_lines(tree_):
    for path in tree_.having('.c', '.h', '.py', '.pml', 'meson.build') + tree_.shell_files():
        for number, line in enumerate(tree_.lines(path), 1):
            if len(line) > LINE_COLUMNS:
                yield f'{path}:{number}: {len(line)} columns, more than {LINE_COLUMNS}'


RULES = {
    f'functions have at most {FUNCTION_LINES} lines': short_functions,
    f'functions are at most {FUNCTION_DEPTH} levels deep': shallow_functions,
    f'files have at most {FILE_LINES} lines': short_files,
    f'headers have at most {HEADER_LINES} lines': short_headers,
    f'lines have at most {LINE_COLUMNS} columns': short_lines,
}

if __name__ == '__main__':
    tree.main(RULES)
