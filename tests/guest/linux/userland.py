# SPDX-License-Identifier: GPL-2.0-or-later
"""A Debian 12 with systemd, as a folder: its packages, and by hand what their scripts would have
set up. It boots to multi-user and lets root log in on the serial port, password "root".
"""

import os

import archive

PASSWORD = 'root'
# SHA-256 of the above, with salt and rounds such that an emulated login takes no second.
PASSWORD_HASH = '$5$rounds=1000$gracevm$yUk25oTB8oSXCmE8Ke9OcEmAOQ9PCbpjlG/zWwILC21'
# Users and groups that the packages' scripts would have made.
GROUPS = ('systemd-journal systemd-network systemd-resolve messagebus input sgx kvm render '
          'netdev').split()
USERS = ('systemd-network', 'messagebus')
FIRST_ID = 990
# Of use to a person only.
LEFT_OUT = tuple(f'usr/share/{name}/' for name in
                 'doc man info locale lintian bug i18n bash-completion zsh'.split())

FILES = {
    'etc/hostname': 'guest\n',
    'etc/hosts': '127.0.0.1 localhost guest\n',
    'etc/fstab': '/dev/vda / ext4 defaults 0 1\n',
    'etc/machine-id': '67726163657667726163657667726163\n',
    'etc/nsswitch.conf': 'passwd: files\ngroup: files\nshadow: files\nhosts: files\n',
    'etc/environment': '',
    'etc/inputrc': 'set enable-bracketed-paste off\n',
    # An emulated processor that shares a busy core is slow, and nothing is wrong with that.
    'etc/systemd/system.conf.d/slow.conf':
        '[Manager]\nDefaultTimeoutStartSec=900\nDefaultTimeoutStopSec=900\n',
    'etc/pam.d/common-auth': 'auth required pam_unix.so\n',
    'etc/pam.d/common-account': 'account required pam_unix.so\n',
    'etc/pam.d/common-password': 'password required pam_unix.so sha256\n',
    'etc/pam.d/common-session': 'session required pam_unix.so\nsession optional pam_systemd.so\n',
    'etc/pam.d/common-session-noninteractive': 'session required pam_unix.so\n',
    'root/.profile': "PS1='guest# '\nexport SYSTEMD_PAGER=cat SYSTEMD_COLORS=0\n",
}
LINKS = {
    'etc/alternatives/awk': '/usr/bin/mawk',
    'usr/bin/awk': '/etc/alternatives/awk',
    'etc/systemd/system/default.target': '/lib/systemd/system/multi-user.target',
    'var/run': '/run',
    'var/lock': '/run/lock',
}


def _read(tree, path):
    with open(os.path.join(tree, path), encoding='utf-8') as file:
        return file.read()


def _write(tree, path, text, mode=0o644):
    full = os.path.join(tree, path)
    os.makedirs(os.path.dirname(full), exist_ok=True)
    with open(full, 'w', encoding='utf-8') as file:
        file.write(text)
    os.chmod(full, mode)


def _accounts(tree):
    passwd = _read(tree, 'usr/share/base-passwd/passwd.master')
    group = _read(tree, 'usr/share/base-passwd/group.master')
    ids = {name: FIRST_ID - at for at, name in enumerate(GROUPS)}
    group += ''.join(f'{name}:x:{number}:\n' for name, number in ids.items())
    passwd += ''.join(f'{name}:*:{ids[name]}:{ids[name]}::/:/usr/sbin/nologin\n' for name in USERS)
    passwd = passwd.replace(':*:', ':x:')
    names = [line.split(':')[0] for line in passwd.splitlines()]
    shadow = ''.join(f'{name}:{PASSWORD_HASH if name == "root" else "*"}:19000:0:99999:7:::\n'
                     for name in names)
    _write(tree, 'etc/passwd', passwd)
    _write(tree, 'etc/group', group.replace(':*:', ':x:'))
    _write(tree, 'etc/shadow', shadow, 0o600)


def make(packages, tree):
    """The files @packages as a system in the new folder @tree."""
    os.makedirs(tree)
    archive.merge_usr(tree)
    for package in packages:
        archive.unpack(package, tree, lambda path: not path.startswith(LEFT_OUT))
    for path, text in FILES.items():
        _write(tree, path, text)
    _write(tree, 'etc/profile', _read(tree, 'usr/share/base-files/profile'))
    _accounts(tree)
    for path, target in LINKS.items():
        full = os.path.join(tree, path)
        os.makedirs(os.path.dirname(full), exist_ok=True)
        if not os.path.lexists(full):
            os.symlink(target, full)
