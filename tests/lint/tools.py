# SPDX-License-Identifier: GPL-2.0-or-later
"""What other programs judge: clang-format, shellcheck, and the compiler on each header alone."""

import concurrent.futures
import os
import shutil
import subprocess
import tempfile

import tree


def tool(*names):
    """The first of @names that is installed."""
    for name in names:
        if shutil.which(name):
            return name
    raise tree.Skip(f'{names[0]} is not installed')


def findings_of(command, cwd):
    """What @command says, if it fails."""
    done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, check=False)
    if done.returncode == 0:
        return []
    said = (done.stdout + done.stderr).strip().split('\n')
    return [line for line in said if line.strip()] or [f'{command[0]}: exit {done.returncode}']


def code_is_formatted(tree_):
    paths = tree_.c_files()
    # Versions differ in what they make of the same settings, so no other one will do.
    command = [tool('clang-format-14'), '--dry-run', '--Werror', '--style=file']
    return findings_of(command + paths, tree_.root) if paths else []


def shell_is_clean(tree_):
    paths = tree_.shell_files()
    command = [tool('shellcheck'), '--external-sources', '--source-path=SCRIPTDIR', '--format=gcc']
    return findings_of(command + paths, tree_.root) if paths else []


LIBRARIES = ('glib-2.0', 'pixman-1')  # that headers of include/ include


def library_flags():
    """None where they are not there; a header that includes one then fails, and says so."""
    try:
        done = subprocess.run(['pkg-config', '--cflags', *LIBRARIES], capture_output=True,
                              text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    return done.stdout.split()


def headers_compile_alone(tree_):
    paths = [path for path in tree_.having('.h') if path.startswith('include/')]
    command = [tool('gcc', 'cc'), '-std=gnu11', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror',
               '-fsyntax-only', '-Iinclude', '-I.'] + library_flags()
    with tempfile.TemporaryDirectory() as folder:
        def compile_alone(path):
            source = os.path.join(folder, path.replace('/', '_') + '.c')
            with open(source, 'w', encoding='utf-8') as file:
                # Twice, to see that the guard works.
                file.write(f'#include "{path[len("include/"):]}"\n' * 2)
            return findings_of(command + [source], tree_.root)
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            return [finding for found in pool.map(compile_alone, paths) for finding in found]


RULES = {
    'C is formatted as .clang-format says': code_is_formatted,
    'shell scripts pass shellcheck': shell_is_clean,
    'each header of include/ compiles alone': headers_compile_alone,
}

if __name__ == '__main__':
    tree.main(RULES)
