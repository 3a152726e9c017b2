#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Debian packages that the guests are made of: downloaded, never installed.

    packages.py            download what the lock file names, and print where it is
    packages.py --update [SET...]
                           resolve anew, all sets or these, from the archive's signed indexes, and
                           write the lock file

The lock file, packages.txt, names each package with its version, place and SHA-256, so that all
have the same guests. apt's own helper downloads: it knows the machine's mirrors and proxies, and
needs no root. GRACEVM_MIRRORS ("URL URL…", roots of archives) replaces the mirrors that apt is set
up with. A mirror drops a version soon after a newer one is there: then the set is resolved as for
the lock file, on this machine only, which is said.
"""

import collections
import dataclasses
import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile

import cache

HERE = os.path.dirname(os.path.abspath(__file__))
LOCK = os.path.join(HERE, 'packages.txt')
HELPER = '/usr/lib/apt/apt-helper'
PATIENCE = ('-o', 'Acquire::Retries=1', '-o', 'Acquire::http::Timeout=20')  # without a network
ARCHIVES = '/var/cache/apt/archives'  # what the machine has downloaded for itself
KEYRING = '/usr/share/keyrings/debian-archive-keyring.gpg'
RELEASES = ('bookworm', 'trixie')
LOCK_HEAD = '''# SPDX-License-Identifier: GPL-2.0-or-later
# Written by packages.py --update. Each row: set, package, version, SHA-256, bytes, and the path
# below the root of the archive.
'''
ESSENTIAL = ('base-files base-passwd bash coreutils dash debianutils diffutils findutils grep gzip '
             'hostname init-system-helpers libc-bin login mawk mount ncurses-base ncurses-bin '
             'passwd procps sed sysvinit-utils tar usr-is-merged util-linux').split()
MESA = ('kmscube', 'glmark2-es2-drm', 'libegl1', 'libgles2', 'libegl-mesa0', 'libgbm1',
        'libgl1-mesa-dri')
HAS_LIBRARIES = (r'glmark2-.+|(?!.*-(base|bin|common|config|data|extra)$)'
                 r'(lib.+|mesa-.+|kmscube|zlib1g)')


@dataclasses.dataclass(frozen=True)
class Wanted:
    release: str
    names: tuple
    only: str = '.*'  # of all that installing them would bring


SETS = {
    'linux-6.1': Wanted('bookworm', ('linux-image-amd64',), r'linux-image-\d.*'),
    'linux-6.12': Wanted('trixie', ('linux-image-amd64',), r'linux-image-\d.*'),
    'busybox': Wanted('bookworm', ('busybox-static',), 'busybox-static'),
    'userland': Wanted('bookworm', (*ESSENTIAL, 'dbus', 'e2fsprogs', 'kmod', 'libpam-modules',
                                    'libpam-systemd', 'systemd-sysv', 'udev')),
    # What draws: Debian 12's, and the newest that a release in preparation has.
    'mesa-debian12': Wanted('bookworm', MESA, HAS_LIBRARIES),
    'mesa-newest': Wanted('forky', MESA, HAS_LIBRARIES),
}
BASIC = ('linux-6.1', 'linux-6.12', 'busybox', 'userland')  # without these, no guest


@dataclasses.dataclass(frozen=True)
class Package:
    set: str
    name: str
    version: str
    sha256: str
    size: int
    path: str

    def is_at(self, path):
        return os.path.getsize(path) == self.size and cache.file_digest(path) == self.sha256


class Unavailable(Exception):
    """Packages cannot be had here, for the reason given: a skip, not a failure."""


def say(text):
    """What is done that takes a while, or is not as expected."""
    print(f'# {text}', file=sys.stderr, flush=True)


def _run(command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)


def _complaints(output):
    return ' '.join(line for line in output.splitlines() if re.match(r'[EW]: ', line)) or output


# Mirrors

@functools.cache
def mirrors():
    """Roots of Debian archives, as apt is set up here."""
    if 'GRACEVM_MIRRORS' in os.environ:
        return os.environ['GRACEVM_MIRRORS'].split()
    if not shutil.which('apt-get'):
        raise Unavailable('there is no apt here')
    targets = _run(['apt-get', 'indextargets', '--format', '$(CODENAME) $(REPO_URI)']).stdout
    rows = [line.split() for line in targets.splitlines()]
    roots = {row[1] for row in rows if len(row) == 2 and row[0].split('-')[0] in RELEASES}
    if not roots:
        raise Unavailable('apt has no mirror of Debian here; GRACEVM_MIRRORS may name some')
    return sorted(roots)


# Resolving

class Resolver:
    """apt with indexes of its own, for a machine on which nothing is installed."""

    def __init__(self, release):
        if not os.path.exists(KEYRING):
            raise Unavailable(f'{KEYRING} is missing: package debian-archive-keyring')
        self._folder = tempfile.TemporaryDirectory()  # goes with this object
        folder = self._folder.name
        for name in ('lists/partial', 'cache/archives/partial'):
            os.makedirs(os.path.join(folder, name))
        with open(os.path.join(folder, 'sources.list'), 'w', encoding='utf-8') as file:
            for root in mirrors():
                suites = (['-security'] if 'security' in root else ['', '-updates'])
                file.writelines(f'deb [signed-by={KEYRING}] {root} {release}{suite} main\n'
                                for suite in suites)
        with open(os.path.join(folder, 'status'), 'w', encoding='utf-8'):
            pass
        options = {'Dir::Etc::sourcelist': f'{folder}/sources.list', 'Dir::Etc::sourceparts': '-',
                   'Dir::State::lists': f'{folder}/lists', 'Dir::State::status': f'{folder}/status',
                   'Dir::Cache': f'{folder}/cache', 'APT::Sandbox::User': '',
                   'APT::Architecture': 'amd64', 'Acquire::Languages': 'none'}
        self._options = [*PATIENCE] + [word for key, value in options.items()
                                       for word in ('-o', f'{key}={value}')]
        self._apt('apt-get', 'update', '--error-on=any')

    def _apt(self, program, *words):
        done = _run([program, *self._options, *words])
        if done.returncode != 0:
            raise Unavailable(f'{program} {words[0]}: {_complaints(done.stdout)}')
        return done.stdout

    def resolve(self, name, wanted):
        plan = self._apt('apt-get', 'install', '--simulate', '--no-install-recommends',
                         *wanted.names)
        found = [f'{package}={version}' for package, version
                 in re.findall(r'^Inst (\S+) \((\S+) ', plan, re.M)
                 if re.fullmatch(wanted.only, package)]
        abouts = self._apt('apt-cache', 'show', *found).strip().split('\n\n')
        for about in sorted(abouts):
            fields = dict(re.findall(r'^(\w+): (\S+)', about, re.M))
            yield Package(name, fields['Package'], fields['Version'], fields['SHA256'],
                          int(fields['Size']), fields['Filename'])


@functools.cache
def _resolver(release):
    """One for all sets: the indexes are tens of megabytes."""
    return Resolver(release)


def resolve(names):
    """Packages of the sets @names, as the archive has them now."""
    by_release = collections.defaultdict(list)
    for name in names:
        by_release[SETS[name].release].append(name)
    for release, there in by_release.items():
        for name in there:
            yield from _resolver(release).resolve(name, SETS[name])


def read_lock(path=None):
    with open(path or LOCK, encoding='ascii') as file:
        rows = [line.split() for line in file if not line.startswith('#')]
    return [Package(*row[:4], int(row[4]), row[5]) for row in rows]


def write_lock(packages, path=None, remark=''):
    with open(path or LOCK, 'w', encoding='ascii') as file:
        file.write(LOCK_HEAD + remark)
        file.writelines(' '.join(map(str, dataclasses.astuple(package))) + '\n'
                        for package in packages)


# Downloading

def _download(package, path):
    version = package.version.replace(':', '%3a')
    for arch in ('amd64', 'all'):
        own = f'{ARCHIVES}/{package.name}_{version}_{arch}.deb'
        if os.path.exists(own) and package.is_at(own):
            shutil.copyfile(own, path)
            return
    if not os.path.exists(HELPER):
        raise Unavailable(f'there is no {HELPER}')
    for mirror in mirrors():
        done = _run([HELPER, *PATIENCE, '-o', 'APT::Sandbox::User=', 'download-file',
                     f'{mirror.rstrip("/")}/{package.path}', path, f'SHA256:{package.sha256}'])
        if done.returncode == 0 and package.is_at(path):
            return
        cache.remove(path)
    raise Unavailable(f'{package.name} {package.version} cannot be downloaded: '
                      f'{_complaints(done.stdout)}')


def kept(package):
    """Its path in the cache; what has been damaged there is downloaded again."""
    for _ in range(2):
        path = cache.keep('packages', f'{package.sha256}.deb',
                          functools.partial(_download, package))
        if package.is_at(path):
            return path
        say(f'{path} is damaged: once more')
        cache.remove(path)
    raise Unavailable(f'{package.name} {package.version} is damaged whenever it is kept')


def _is_kept(package):
    return os.path.exists(os.path.join(cache.root(), 'packages', f'{package.sha256}.deb'))


def _download_all(packages):
    """{package: path}, and a line for each that is not here yet."""
    packages = list(packages)
    paths = {}
    for number, package in enumerate(packages, 1):
        if not _is_kept(package):
            say(f'{package.set}: {number} of {len(packages)}: {package.name} {package.version} '
                f'({package.size / 1e6:.1f} MB)')
        paths[package] = kept(package)
    return paths


def _instead(name):
    """The packages that this machine has instead of the set @name of the lock file, and of which
    state of that: (path, packages, digest)."""
    path = os.path.join(cache.root(), f'{name}.txt')
    digest = cache.digest(*(package.sha256 for package in read_lock() if package.set == name))
    if not os.path.exists(path):
        return path, [], digest
    with open(path, encoding='ascii') as file:
        is_current = f'# Instead of {digest}\n' in file
    return path, read_lock(path) if is_current else [], digest


@functools.cache
def fetch(name):
    """{package: path} of the set @name. Raises Unavailable."""
    path, packages, digest = _instead(name)
    try:
        return _download_all(packages or (each for each in read_lock() if each.set == name))
    except Unavailable as error:
        say(error)
        first = error
    try:
        say(f'{name}: not what packages.txt says, but what the mirror has now')
        packages = list(resolve([name]))
        paths = _download_all(packages)
    except Unavailable:
        raise first from None
    write_lock(packages, path, f'# Instead of {digest}\n')
    return paths


def update(names):
    """These sets in the lock file, which stays in the order of SETS."""
    new = list(resolve(names))
    kept_rows = [package for package in read_lock() if package.set not in names]
    write_lock(sorted(kept_rows + new, key=lambda package: list(SETS).index(package.set)))


def main():
    if sys.argv[1:2] == ['--update'] and set(sys.argv[2:]) <= set(SETS):
        update(sys.argv[2:] or list(SETS))
    elif sys.argv[1:]:
        sys.exit(__doc__)
    else:
        for name in SETS:
            for package, path in fetch(name).items():
                print(f'{name:10} {package.name:24} {package.version:24} {path}')


if __name__ == '__main__':
    try:
        main()
    except Unavailable as reason:
        sys.exit(f'packages.py: {reason}')
