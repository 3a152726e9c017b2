# SPDX-License-Identifier: GPL-2.0-or-later
"""A group of tests: each option of -help with values that cannot be. What is refused is named, with
the documented exit status, and in few words."""

import os
import re

import tool
from tool import FAILED, USAGE, Failure

LONG = 'x' * 100000  # the system takes up to 128 KiB in one argument
STRANGE = b'\xff\xfe\x1b[31m'
NUMBERS = ('x', '-1', '1.5', '1e3', ' 1', '0x', '99999999999999999999999', '1,1')

# Values that are refused, and what the message has beside the option's name: (value, status,
# text…), or (value, text…) for wrong use. None: any text is right.
ROWS = {
    'name': [('guest=a,guest=b', 'guest'), ('colour=red', 'colour')],
    'accel': [('steam', "'steam'"), ('softt', "did you mean 'soft'"), ('kvm:steam', "'kvm:steam'")],
    'machine': [('q36', 'q36'), ('q35,acel=kvm', "did you mean 'accel'"),
                ('q35,accel=steam', 'steam'), ('q35,q35', 'q35')],
    'M': [('q36', 'q36')],
    'cpu': [('pentium', "'pentium'"), ('hosts', "did you mean 'host'")],
    'smp': [(number, number.split(',')[0]) for number in NUMBERS] + [
        ('0', '0'), ('65', '65'), ('cpu=2', "did you mean 'cpus'"), ('cpus=', 'cpus='),
        ('2,cpus=3', 'twice')],
    'm': [(number, number.split(',')[0]) for number in NUMBERS] + [
        ('0', '0'), ('1M', '16M'), ('513G', '512G'), ('17592186044416T', '17592186044416T'),
        ('20000K', '20000K'), ('1Q', '1Q'), ('1GG', '1GG'), ('sise=1G', "did you mean 'size'")],
    'kernel': [('{folder}', FAILED, 'is a directory'), ('{fifo}', FAILED, '{fifo}'),
               ('/dev/zero', FAILED, '/dev/zero'), ('{none}', FAILED, 'No such file'),
               ('{file}', FAILED, '{file}'), ('{empty}', FAILED, 'is empty')],
    'initrd': [('{folder}', FAILED, 'is a directory'), ('{fifo}', FAILED, '{fifo}'),
               ('/dev/zero', FAILED, '/dev/zero'), ('{none}', FAILED, 'No such file'),
               ('{empty}', FAILED, 'is empty')],
    'append': None,
    'drive': [('id=d', 'file'), ('file={file}', 'id'), ('file={file},id=d,if=ide', 'ide'),
              ('file={file},id=d,format=qcow2', 'qcow2'), ('file={file},id=d,red=on', "'red'"),
              ('file={file},id=d,readonly=maybe', 'maybe'), ('{file}', '{file}'),
              ('file={file},,id=d', 'id'),
              ('file={folder},id=d', FAILED, '{folder}'), ('file={fifo},id=d', FAILED, '{fifo}'),
              ('file=/dev/zero,id=d', FAILED, '/dev/zero'),
              ('file={none},id=d', FAILED, 'No such file'),
              ('file={empty},id=d', FAILED, '{empty}'), ('file={file},id=d', "'d'")],
    'device': [('floppy', "'floppy'"), ('virtio-blk', "did you mean 'virtio-blk-pci'"),
               ('virtio-rng-pci,colour=red', "'colour'"), ('virtio-rng-pci,addr=0', 'addr=0'),
               ('virtio-rng-pci,addr=32', 'addr=32'), ('virtio-rng-pci,addr=x', 'addr=x'),
               ('virtio-blk-pci', 'drive'), ('virtio-blk-pci,drive=d', 'drive=d'),
               ('virtio-gpu-pci,xres=0', 'xres=0'), ('virtio-gpu-pci,yres=-1', 'yres=-1'),
               ('virtio-gpu-pci,xres=99999999999999999999', 'xres=99999999999999999999'),
               ('virtio-gpu-pci,max_outputs=17', 'max_outputs=17'),
               ('virtio-gpu-pci,edid=perhaps', 'edid=perhaps'),
               ('virtio-gpu-gl-pci,blob=on,hostmem=3M', 'hostmem=3M'),
               ('virtio-gpu-gl-pci,blob=on,hostmem=1', 'hostmem=1'),
               ('virtio-gpu-gl-pci,blob=on,hostmem=9999T', 'hostmem=9999T'),
               ('virtio-gpu-gl-pci,hostmem=256M', 'blob=on'),
               ('virtio-gpu-gl-pci,venus=on', 'venus=on'),
               ('virtio-keyboard-pci,serial=' + 'k' * 128, '127'),
               ('floppy,help', "'floppy'")],
    'serial': [('serial', "'serial'"), ('stdio:x', 'stdio:x'), ('file:', 'file:'),
               ('file:{folder}', FAILED, 'Is a directory'), ('file:{none}/x', FAILED, '{none}/x'),
               ('file:{fifo}', FAILED, 'nobody reads'), ('unix:', 'unix:'),
               ('unix:{none}', FAILED, '{none}'), ('unix:{file},server=on', FAILED, 'no socket'),
               ('unix:{none},serve=on', 'serve=on'), ('unix:{none},wait=maybe', 'maybe'),
               ('unix:/' + 'l' * 108 + ',server=on', FAILED, 'longer')],
    'display': [('gtk', 'gtk'), ('sdl,gl=perhaps', 'perhaps'), ('none,gl=on', 'gl=on'),
                ('sdl,colour=red', "'colour'"), ('sdl', FAILED, 'virtio-gpu-pci')],
    'vga': [('std', "'std'")],
    'nic': [('tap', 'tap'), ('user,mac=xx', 'mac=xx'), ('user,hostfwd=tcp:', 'hostfwd'),
            ('user,hostfwd=tcp:127.0.0.1:99999-:22', '99999'), ('user,colour=red', 'colour')],
    'netdev': [('tap,id=n', 'tap'), ('user', 'id'), ('user,id=n,colour=red', 'colour'),
               ('user,id=n,hostfwd=x', 'hostfwd'), ('user,id=n', 'n')],
    'monitor': [('stdio', "'stdio'")],
    'qmp': [('tcp:1', 'tcp:1'), ('unix:,server=on', 'path'), ('unix:{none}', 'server=on'),
            ('unix:{none},server=maybe', 'maybe'), ('unix:{none},server=on,red', 'red'),
            ('unix:{file},server=on', FAILED, 'no socket'),
            ('unix:{none}/x,server=on,wait=off', FAILED, '{none}/x')],
    'metrics': [('tcp:1', 'tcp:1'), ('unix:', 'unix:'), ('unix:{none},wait=maybe', 'maybe'),
                ('unix:{file}', FAILED, 'no socket'), ('unix:{none}/x', FAILED, '{none}/x')],
    'trace': [('nosuch', 'nosuch'), ('file={folder}', FAILED, '{folder}'),
              ('file={none}/x', FAILED, '{none}/x'), ('file={fifo}', FAILED, '{fifo}'),
              ('colour=red', "'colour'"), ('file=', FAILED, '-trace')],
    'rcu': [('force', None), ('force=maybe', 'maybe'), ('forced=on', "did you mean 'force'"),
            ('force=on,force=off', 'twice')],
    'd': [('nosuch', "'nosuch'"), ('cpu,nosuch', "'nosuch'"), ('cpu,', "''"), (',', "''")],
    'D': [('{folder}', FAILED, '{folder}'), ('{none}/x', FAILED, '{none}/x'),
          ('{fifo}', FAILED, 'nobody reads')],
    'stats': [('{folder}', FAILED, '{folder}'), ('{none}/x', FAILED, '{none}/x'),
              ('{fifo}', FAILED, 'nobody reads')],
}
MAY_BE_EMPTY = {'append'}
TWICE = {  # options that are given twice, and which of them counts
    ('-m', '64M', '-m', '32M'): tool.OK,
    ('-serial', 'none', '-serial', 'none'): USAGE,
    ('-qmp', 'unix:{none},server=on,wait=off', '-qmp', 'unix:{none}2,server=on,wait=off'): USAGE,
    ('-drive', 'file={file},id=d', '-drive', 'file={file},id=d'): USAGE,
    ('-device', 'virtio-rng-pci,id=a', '-device', 'virtio-rng-pci,id=a'): USAGE,
    ('-device', 'virtio-rng-pci,addr=5', '-device', 'virtio-rng-pci,addr=5'): USAGE,
    ('-device', 'virtio-gpu-gl-pci', '-device', 'virtio-gpu-gl-pci'): USAGE,
}
LONE = {  # words in place of an option
    ('-nosuch',): ('-nosuch', USAGE),
    ('-kernal', 'x'): ("did you mean -kernel", USAGE),
    ('--kernel=x',): ('--kernel=x', USAGE),
    ('disk.img',): ("'disk.img'", USAGE),
    ('',): ("''", USAGE),
    ('-',): ("'-'", USAGE),
    ('--',): ("'--'", USAGE),
    ('-' + LONG,): ('there is no option', USAGE),
    (b'-' + STRANGE,): ('\\xff\\xfe\\x1b', USAGE),
}


def options_of(program):
    """{name: whether it has a value} of all that -help lists."""
    end = tool.run([program, '-help'])
    rows = re.findall(r'^  -(\S+) (\S*)', end.output.decode(), re.M)
    if end.status != 0 or len(rows) < 20:
        raise end.failure('-help does not list the options')
    return {name: bool(argument) for name, argument in rows}


class _Places:
    """Files that are not what an option wants; {names} of them in values."""

    def __init__(self, folder):
        self.names = {name: os.path.join(folder, name)
                      for name in ('file', 'empty', 'fifo', 'none', 'folder')}
        tool.write(self.names['file'], bytes(4096))
        tool.write(self.names['empty'])
        os.mkdir(self.names['folder'])
        os.mkfifo(self.names['fifo'])

    def put(self, text):
        return re.sub(r'\{(\w+)\}', lambda match: self.names[match.group(1)], text)


def _try(the_tool, option, places, row):
    value, *rest = row
    status = rest.pop(0) if isinstance(rest[0], int) else USAGE
    words = the_tool.words('power', f'-{option}', places.put(value))
    end = tool.run(words)
    if rest == [None]:
        end.check(tool.OK)
        return
    shown = '-accel' if 'accel=' in value else '-machine' if option == 'M' else f'-{option}'
    end.check(status, shown, *map(places.put, rest))
    end.check_refusal(status)


def _rows(the_tool, option):
    with tool.folder() as folder:
        places = _Places(folder)
        for row in ROWS[option] or ():
            _try(the_tool, option, places, row)


def _generic(the_tool, option):
    """Values that no option has; where any text is right, another option is what is wrong."""
    tool.run([the_tool.path, f'-{option}']).check(USAGE, f'-{option} needs a value')
    if option not in MAY_BE_EMPTY:
        end = tool.run(the_tool.words('power', f'-{option}', ''))
        end.check(USAGE, f'-{option}', 'empty').check_refusal(USAGE)
    for value in (LONG, STRANGE, b'=', b',', b'\n'):
        with tool.folder() as folder:
            words = [the_tool.path, '-accel', 'soft', '-m', '32M', '-nodefaults', '-smp', '1']
            words += ['-kernel', the_tool.payload] if option != 'append' else []
            end = tool.run([*words, f'-{option}', value, *LAST.get(option, ())], cwd=folder)
            end.check_refusal(USAGE, FAILED)


# What makes it end where the value is right.
LAST = {'name': ('-vga', 'x'), 'D': ('-vga', 'x'), 'stats': ('-vga', 'x')}


def _all_have_rows(the_tool):
    with_value = {name for name, has_value in options_of(the_tool.path).items() if has_value}
    if with_value != set(ROWS):
        raise Failure(f'options without rows, and rows without options: '
                              f'{sorted(with_value ^ set(ROWS))}')


def _lone(the_tool):
    for words, (named, status) in LONE.items():
        tool.run([the_tool.path, *words]).check(status, named).check_refusal(status)
    tool.run([the_tool.path]).check(USAGE, '-kernel is missing').check_refusal(USAGE)
    tool.run([the_tool.path, '--version']).check(tool.OK)


def _twice(the_tool):
    with tool.folder() as folder:
        places = _Places(folder)
        for words, status in TWICE.items():
            tool.run(the_tool.words('power', *map(places.put, words))).check(status)


def _long_command_line(the_tool):
    end = tool.run(the_tool.words('power', '-append', LONG))
    end.check(FAILED, '-append').check_refusal(FAILED)


def _unreadable(the_tool):
    """Files of somebody else's; root may read them all, and is nobody here."""
    with tool.folder() as folder:
        path = tool.write(os.path.join(folder, 'secret'), bytes(4096))
        os.chmod(path, 0)
        os.chmod(folder, 0o711)
        nobody = tool.nobody(the_tool) if os.getuid() == 0 else {}
        for words in (('-kernel', path), ('-initrd', path), ('-drive', f'file={path},id=d'),
                      ('-D', path), ('-serial', f'file:{path}'), ('-stats', f'{folder}/stats')):
            if words[0] == '-stats' and not nobody:
                continue
            end = tool.run(the_tool.words('power', *words), **nobody)
            end.check(FAILED, words[0], 'ermission denied').check_refusal(FAILED)


def options(the_tool):
    names = [name for name, has_value in options_of(the_tool.path).items() if has_value]
    tests = {'every option has rows here': lambda: _all_have_rows(the_tool)}
    for name in names:
        if ROWS.get(name):
            tests[f'-{name} with wrong values'] = lambda name=name: _rows(the_tool, name)
        tests[f'-{name} with what no option takes'] = lambda name=name: _generic(the_tool, name)
    return tests | {
        'what is no option': lambda: _lone(the_tool),
        'options given twice': lambda: _twice(the_tool),
        'a command line that is too long': lambda: _long_command_line(the_tool),
        'files that may not be read or written': lambda: _unreadable(the_tool),
    }
