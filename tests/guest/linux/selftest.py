#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""That the driver of the Linux tests sees what it is there to see: shell scripts stand in for
machines that misbehave. Also what is made by hand here, against the tools that read it. Output: the
Test Anything Protocol.
"""

import contextlib
import gzip
import hashlib
import os
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import zlib

sys.dont_write_bytecode = True  # the tree may be read-only

import archive  # noqa: E402
import cache  # noqa: E402
import cpio  # noqa: E402
import desktop  # noqa: E402
import gpu_images  # noqa: E402
import images  # noqa: E402
import kernel  # noqa: E402
import machine  # noqa: E402
import packages  # noqa: E402
import pictures  # noqa: E402
import tap  # noqa: E402
from machine import Failure, Machine, Program  # noqa: E402

SELF = Program('gracevm')


def _script(text):
    return Machine(['sh', '-c', text])


def _fails(what, text, check):
    """check(machine) must fail, and say @what."""
    try:
        with _script(text) as running:
            check(running)
    except Failure as failure:
        if what not in str(failure):
            raise Failure(f'it failed, but not because of "{what}": {failure}') from failure
        return
    raise Failure(f'"{text}" was not found out')


def _wants(pattern, within=machine.DEADLINE_S):
    return lambda running: running.expect(pattern, within)


def _ends(status=0):
    return lambda running: machine.check_end(SELF, running, status)


def good_run():
    with _script('echo ready; read word; echo "got $word"; exit 3') as running:
        running.expect('ready')
        running.send('this\n')
        running.expect('got this')
        end = machine.check_end(SELF, running, 3)
    if end.wall <= 0 or end.max_rss_kib <= 0 or 'ready' not in end.output:
        raise Failure(f'{end}')


def what_is_behind_is_not_found_again():
    with _script('echo one; echo two; read x') as running:
        running.expect('two')
        try:
            running.expect('one', within=0.2)
        except Failure:
            return
    raise Failure('"one" came before "two"')


def nothing_is_left_running():
    with _script('sleep 1000') as running:
        pid = running.pid
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return
    raise Failure('the process is still there')


DRIVER = '''
import sys, time
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import machine
machine.end_in_order()
with machine.Machine(['sh', '-c', 'echo $$ $PWD/; exec sleep 1000']) as running:
    running.expect('/$')
    print(running.output.strip(), flush=True)
    time.sleep(1000)
'''


def _driver_ends_by(number):
    """Returns the folder of the machine that a driver had when it was sent the signal."""
    words = [sys.executable, '-c', DRIVER, os.path.dirname(os.path.abspath(__file__))]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as driver:
        pid, folder = driver.stdout.readline().split()
        life = os.pidfd_open(int(pid))
        driver.send_signal(number)
        has_ended = select.select([life], [], [], machine.DEADLINE_S)[0]
        os.close(life)
    if not has_ended:
        raise Failure('the machine goes on without its driver')
    return folder


def killed_drivers_leave_no_machine():
    shutil.rmtree(_driver_ends_by(signal.SIGKILL))


def ended_drivers_leave_nothing():
    folder = _driver_ends_by(signal.SIGTERM)
    if os.path.exists(folder):
        raise Failure(f'{folder} is left')


COUNTS = '''
import signal, time
signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
print("ready", flush=True)
for number in 1, 2:
    time.sleep(0.1)
    signal.sigwait({signal.SIGTERM})
    print("signal", number, flush=True)
'''


def signals_do_not_merge():
    with Machine([sys.executable, '-c', COUNTS]) as running:
        running.until_it_cares(signal.SIGTERM)
        running.signal(signal.SIGTERM)
        running.signal(signal.SIGTERM)
        running.expect('signal 2', within=30)
        machine.check_end(SELF, running)


def cpu_time_is_its_own():
    busy = 'i=0; while [ $i -lt 20000 ]; do i=$((i + 1)); done; echo done; read x'
    with _script(busy) as running:
        running.expect('done')
        if not 0 < running.cpu_seconds() < 100:
            raise Failure(f'{running.cpu_seconds()} s of processor time')


def archives_are_read_by_cpio():
    if not shutil.which('cpio'):
        raise tap.Skip('no cpio to read it')
    made = cpio.Archive()
    made.file('a/b/file', b'12345', 0o755)
    made.link('a/link', 'b/file')
    made.folder('empty')
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(['cpio', '-i', '--quiet'], input=made.finish(), cwd=folder, check=True)
        with open(os.path.join(folder, 'a/link'), 'rb') as file:
            if file.read() != b'12345' or not os.access(file.name, os.X_OK):
                raise Failure('not what was put in')


def kernels_are_repacked():
    """A bzImage of nothing but a header and a payload, through each method and back."""
    elf = b'\x7fELF' + bytes(range(256)) * 64
    image = bytearray(1024)
    image[kernel.MAGIC:kernel.MAGIC + 4] = b'HdrS'
    image[kernel.SETUP_SECTS] = 1
    old = gzip.compress(elf)
    image[kernel.PAYLOAD_OFFSET + 4:kernel.PAYLOAD_OFFSET + 8] = len(old).to_bytes(4, 'little')
    image = bytes(image) + old + b'what comes behind'
    for method in kernel.COMPRESS:
        if kernel.vmlinux(kernel.repack(image, elf, method)) != elf:
            raise Failure(f'{method}: not what was put in')


PIXELS = [[(x * y % 256, (x * 7 + y) % 256, 255 - x) for x in range(9)] for y in range(10)]


def _png(filters):
    """PIXELS as a PNG file; each row by the next of @filters (PNG 1.2, 6)."""
    def chunk(kind, data):
        check = struct.pack('>I', zlib.crc32(kind + data))
        return struct.pack('>I', len(data)) + kind + data + check
    flat = [[0] * 3 * len(PIXELS[0])] + [[value for pixel in row for value in pixel]
                                        for row in PIXELS]
    packed = bytearray()
    for at, above in enumerate(flat[:-1]):
        kind, line = filters[at % len(filters)], flat[at + 1]
        packed.append(kind)
        for i, value in enumerate(line):
            a, b, c = (line[i - 3] if i > 2 else 0), above[i], (above[i - 3] if i > 2 else 0)
            distances = [abs(b - c), abs(a - c), abs(a + b - 2 * c)]
            nearest = (a, b, c)[distances.index(min(distances))]
            packed.append((value - (0, a, b, (a + b) >> 1, nearest)[kind]) % 256)
    header = struct.pack('>IIBBBBB', len(PIXELS[0]), len(PIXELS), 8, 2, 0, 0, 0)
    return (pictures.PNG_SIGNATURE + chunk(b'IHDR', header) +
            chunk(b'IDAT', zlib.compress(bytes(packed))) + chunk(b'IEND', b''))


def pictures_are_read():
    for filters in ((0,), (1,), (2,), (3,), (4,), (4, 3, 2, 1, 0)):
        if pictures.read_png(_png(filters)).rows != PIXELS:
            raise Failure(f'a PNG with filters {filters} is read differently')
    picture = pictures.Picture(PIXELS)
    if picture.box(PIXELS[3][5], 0) != (5, 3, 6, 4) or picture.share(PIXELS[3][5], 0) != 1 / 90:
        raise Failure('a pixel is not where it is')


def members_stay_in_their_root():
    for name in ('../out', './usr/../../out'):
        try:
            archive.place(name)
        except ValueError:
            continue
        raise Failure(f'{name} was let out')
    if archive.place('./bin/sh') != 'usr/bin/sh' or archive.place('./etc/x') != 'etc/x':
        raise Failure('a member is not where it belongs')


@contextlib.contextmanager
def _cache_in(folder):
    before = os.environ.get('XDG_CACHE_HOME')
    os.environ['XDG_CACHE_HOME'] = folder
    try:
        yield
    finally:
        del os.environ['XDG_CACHE_HOME']
        if before is not None:
            os.environ['XDG_CACHE_HOME'] = before


def things_are_made_of_things():
    """Once each, although the one asks for the other while it is made."""
    made = []

    def inner(path):
        made.append('inner')
        with open(path, 'w', encoding='ascii') as file:
            file.write('x')

    def outer(path):
        made.append('outer')
        shutil.copy(cache.keep('kind', 'inner', inner), path)
    with tempfile.TemporaryDirectory() as folder, _cache_in(folder):
        first, second = cache.keep('kind', 'outer', outer), cache.keep('kind', 'outer', outer)
        if first != second or made != ['outer', 'inner'] or os.path.getsize(first) != 1:
            raise Failure(f'made: {made}')


def _thing(name, size, age_s):
    """A file of the cache that was asked for so long ago."""
    path = cache.keep('images', name, lambda path: _fill(path, size))
    then = time.time() - age_s
    os.utime(path, (then, then))
    return path


def _fill(path, size):
    with open(path, 'wb') as file:
        file.write(bytes(size))


@contextlib.contextmanager
def _with(module, **values):
    """These names of the module, for a while."""
    before = {name: getattr(module, name) for name in values}
    vars(module).update(values)
    try:
        yield
    finally:
        vars(module).update(before)


def _check_there(there, gone):
    wrong = [path for path in there if not os.path.exists(path)] + \
            [path for path in gone if os.path.exists(path)]
    if wrong:
        raise Failure(f'wrongly there or gone: {wrong}')


MIB, DAY_S = 1 << 20, 24 * 3600


def old_things_are_dropped():
    with tempfile.TemporaryDirectory() as folder, _cache_in(folder):
        old, recent = _thing('old', 1, 31 * DAY_S), _thing('recent', 1, 29 * DAY_S)
        unfinished = os.path.join(folder, 'gracevm/images/.new-killed')
        os.mkdir(unfinished)
        os.utime(unfinished, (0, 0))
        _fill(os.path.join(folder, 'gracevm/locks/images-gone'), 0)
        new = _thing('new', 1, 0)
        _check_there([recent, new], [old, unfinished])
        locks = sorted(os.listdir(os.path.join(folder, 'gracevm/locks')))
        if locks != ['images-new', 'images-recent', 'tidy-all']:
            raise Failure(f'locks that are left: {locks}')


def too_much_is_dropped():
    """The longest unused first, and nothing of today, even if that is too much."""
    with tempfile.TemporaryDirectory() as folder, _cache_in(folder):
        ages = {'a': 3 * DAY_S, 'b': 2 * DAY_S, 'c': DAY_S}
        paths = {name: _thing(name, MIB, age) for name, age in ages.items()}
        with _with(cache, LIMIT_BYTES=3 * MIB + MIB // 2):
            new = _thing('new', MIB, 0)
        _check_there([paths['b'], paths['c'], new], [paths['a']])
        with _with(cache, LIMIT_BYTES=0):
            newest = _thing('newest', MIB, 0)
        _check_there([new, newest], [paths['b'], paths['c']])


def what_is_made_or_asked_for_is_not_dropped():
    """Another program has the lock, or had it after the decision."""
    with tempfile.TemporaryDirectory() as folder, _cache_in(folder):
        path = _thing('old', 1, 31 * DAY_S)
        with cache._alone('images', 'old'):
            cache.tidy()
        _check_there([path], [])
        cache._drop('images', 'old', path, os.lstat(path).st_mtime)
        _check_there([path], [])
        cache.tidy()
        _check_there([], [path])


LOCKER = '''
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, sys.argv[1])
import cache
with cache._alone("images", "thing"):
    print("locked", flush=True)
'''


def _until_it_waits(program, lock):
    """For that file, which this program has locked."""
    inode = str(os.stat(lock).st_ino)
    while True:
        with open('/proc/locks', encoding='ascii') as file:
            rows = [line.split() for line in file]
        if any(row[1] == '->' and row[5] == str(program.pid) and row[6].endswith(':' + inode)
               for row in rows):
            return
        if select.select([program.stdout], [], [], machine.POLL_S)[0]:
            raise Failure(f'it did not wait, and said: {program.stdout.readline()}')


def dropped_locks_lock_nobody():
    """Who waited for a lock whose file has gone since waits for the new one."""
    words = [sys.executable, '-c', LOCKER, os.path.dirname(os.path.abspath(__file__))]
    with tempfile.TemporaryDirectory() as folder, _cache_in(folder), contextlib.ExitStack() as ends:
        lock = cache._lock_path('images', 'thing')
        old, new = (ends.enter_context(contextlib.ExitStack()) for _ in range(2))
        old.enter_context(cache._alone('images', 'thing'))
        waiter = ends.enter_context(subprocess.Popen(words, stdout=subprocess.PIPE, text=True))
        ends.callback(waiter.kill)
        _until_it_waits(waiter, lock)
        os.unlink(lock)
        new.enter_context(cache._alone('images', 'thing'))
        old.close()
        _until_it_waits(waiter, lock)
        new.close()
        if waiter.stdout.readline() != 'locked\n':
            raise Failure('it did not get the lock')


def damaged_downloads_are_refused():
    with tempfile.NamedTemporaryFile() as file:
        file.write(b'package')
        file.flush()
        digest = cache.file_digest(file.name)
        good = packages.Package('set', 'name', '1', digest, 7, 'path')
        bad = packages.Package('set', 'name', '1', digest[::-1], 7, 'path')
        short = packages.Package('set', 'name', '1', digest, 8, 'path')
        if not good.is_at(file.name) or bad.is_at(file.name) or short.is_at(file.name):
            raise Failure('a digest or a size was not compared')


def damaged_packages_are_had_again():
    """What was damaged behind the download's back."""
    data, downloads = b'package', []

    def download(_, path):
        downloads.append(path)
        with open(path, 'wb') as file:
            file.write(data)
    with tempfile.TemporaryDirectory() as folder, _cache_in(folder):
        good = os.path.join(folder, 'good')
        download(None, good)
        package = packages.Package('set', 'name', '1', cache.file_digest(good), 7, 'path')
        with _with(packages, _download=download):
            path = packages.kept(package)
            with open(path, 'wb') as file:
                file.write(b'damaged')
            if not package.is_at(packages.kept(package)) or len(downloads) != 3:
                raise Failure('the damaged package was taken')


def _package(set_name, data):
    digest = hashlib.sha256(data).hexdigest()
    return packages.Package(set_name, data.decode(), '1', digest, len(data), 'path')


@contextlib.contextmanager
def _mirror(folder, has):
    """packages.py with a lock file of one package "locked", and a mirror that has packages of these
    names; how often it was asked what is new is counted."""
    asked = []

    def download(package, path):
        if package.name not in has:
            raise packages.Unavailable(f'no {package.name}')
        with open(path, 'wb') as file:
            file.write(package.name.encode())

    def resolve(names):
        asked.append(names)
        if not has:
            raise packages.Unavailable('no network')
        return [_package(names[0], name.encode()) for name in has]
    lock = os.path.join(folder, 'packages.txt')
    packages.write_lock([_package('set', b'locked')], lock)
    with _cache_in(folder), _with(packages, _download=download, resolve=resolve, LOCK=lock,
                                  fetch=packages.fetch.__wrapped__,
                                  say=lambda text: None):
        yield asked


def _fetched():
    return [package.name for package in packages.fetch('set')]


def locked_packages_are_taken():
    with tempfile.TemporaryDirectory() as folder, _mirror(folder, ['locked', 'newer']) as asked:
        if _fetched() != ['locked'] or asked:
            raise Failure('not what the lock file says')


def what_the_mirror_dropped_has_a_successor():
    """Which is asked for once, until the lock file is another."""
    with tempfile.TemporaryDirectory() as folder:
        with _mirror(folder, ['newer']) as asked:
            if _fetched() != ['newer'] or _fetched() != ['newer'] or len(asked) != 1:
                raise Failure(f'not the successor, or asked for {len(asked)} times')
        with _mirror(folder, []):
            if _fetched() != ['newer']:
                raise Failure('what is kept needs no network')
        with _mirror(folder, ['new-lock']):
            packages.write_lock([_package('set', b'new-lock')], packages.LOCK)
            if _fetched() != ['new-lock']:
                raise Failure('not what the new lock file says')


def nothing_is_there_without_network():
    with tempfile.TemporaryDirectory() as folder, _mirror(folder, []):
        try:
            _fetched()
        except packages.Unavailable as error:
            if 'no locked' in str(error):
                return
    raise Failure('not said, or not why')


def images_follow_what_they_are_made_of():
    """The name of an image: another for another package, and the same for the same."""
    def name(data):
        with _with(packages, fetch=lambda name: {_package(name, data): 'path'}), \
                _with(cache, keep=lambda kind, name, make: name):
            return gpu_images.disk('debian12')
    if name(b'one') != name(b'one') or name(b'one') == name(b'two'):
        raise Failure('the name of an image does not say what it is made of')


def _says(status, what, *words):
    done = subprocess.run(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != status or what not in done.stdout:
        raise Failure(f'{" ".join(words)}: status {done.returncode}: {done.stdout}')


def kernels_are_read_out_of_disks():
    """The newest with its initrd, from the whole disk; a disk without one is refused."""
    with tempfile.TemporaryDirectory() as folder:
        tree, disk, made = (os.path.join(folder, name) for name in ('tree', 'disk', 'made'))
        os.makedirs(os.path.join(tree, 'boot'))
        images.file_system(tree, 8, disk)
        _says(1, 'no vmlinuz-*', desktop.TAKER, disk, made)
        for name in ('vmlinuz-6.1.0-9', 'vmlinuz-6.1.0-10', 'initrd.img-6.1.0-10'):
            with open(os.path.join(tree, 'boot', name), 'w', encoding='ascii') as file:
                file.write(name)
        images.file_system(tree, 8, disk)
        _says(0, 'root=/dev/vda', desktop.TAKER, disk, made)
        for name in ('vmlinuz', 'initrd.img'):
            if images.read(os.path.join(made, name)) != f'{name}-6.1.0-10'.encode():
                raise Failure(f'{name} is not of the newest kernel')


def makers_of_disks_refuse_bad_words():
    _says(2, 'unknown option: --desk', desktop.MAKER, '--desk', 'x')
    _says(2, '--size 1X', desktop.MAKER, '--size', '1X', 'x')
    _says(2, 'a value must follow', desktop.MAKER, '--suite')
    _says(2, 'where to?', desktop.MAKER)
    _says(2, 'Usage', desktop.TAKER, 'x')
    _says(1, '/dev/null is no disk', desktop.TAKER, '/dev/null', 'x')


TESTS = {
    'a good run: output, input, status, figures': good_run,
    'what is behind is not found again': what_is_behind_is_not_found_again,
    'the end of a test is the end of its machine': nothing_is_left_running,
    'a driver that is killed leaves no machine': killed_drivers_leave_no_machine,
    'a driver that is ended leaves nothing': ended_drivers_leave_nothing,
    'two signals are two': signals_do_not_merge,
    'processor time while it runs': cpu_time_is_its_own,
    'a hang ends with what was said':
        lambda: _fails('so far', 'echo so far; sleep 1000', _wants('never', within=0.5)),
    'an early end is told': lambda: _fails('it ended before', 'echo bye', _wants('never')),
    'a wrong status is told': lambda: _fails('exit status 4, not 0', 'exit 4', _ends()),
    'a signal is no status': lambda: _fails('exit status -11', 'kill -SEGV $$', _ends(3)),
    'a process left behind is told':
        lambda: _fails('left a process', 'sleep 1000 >/dev/null 2>&1 & exit 0', _ends()),
    'a file left behind is told': lambda: _fails('left files', 'mktemp', _ends()),
    'user space that hits #UD is told':
        lambda: _fails('the guest said', 'echo "traps: sh[7] trap invalid opcode ip:1"', _ends()),
    'an unstable clock is told':
        lambda: _fails('the guest said', 'echo "tsc: Marking TSC unstable due to x"', _ends()),
    'archives are read by cpio': archives_are_read_by_cpio,
    'kernels are repacked': kernels_are_repacked,
    'pictures are read': pictures_are_read,
    'members of packages stay in their root': members_stay_in_their_root,
    'things are made of things, once': things_are_made_of_things,
    'what was not asked for in a month is dropped': old_things_are_dropped,
    'what is too much is dropped': too_much_is_dropped,
    'what is made or asked for is not dropped': what_is_made_or_asked_for_is_not_dropped,
    'a dropped lock locks nobody': dropped_locks_lock_nobody,
    'packages are what the lock file says': locked_packages_are_taken,
    'what a mirror has dropped has a successor': what_the_mirror_dropped_has_a_successor,
    'without network and cache a reason is given': nothing_is_there_without_network,
    'images follow what they are made of': images_follow_what_they_are_made_of,
    'kernels are read out of disks': kernels_are_read_out_of_disks,
    'makers of disks refuse bad words': makers_of_disks_refuse_bad_words,
    'damaged downloads are refused': damaged_downloads_are_refused,
    'damaged packages are downloaded again': damaged_packages_are_had_again,
}

if __name__ == '__main__':
    sys.exit(0 if tap.run(TESTS) else 1)
