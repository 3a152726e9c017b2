# SPDX-License-Identifier: GPL-2.0-or-later
"""Archives in the form that Linux unpacks into its first root: cpio, "newc", of files that need
not exist here (Documentation/driver-api/early-userspace/buffer-format.rst). The same calls make the
same bytes: no times, no owners but root, inode numbers by order.
"""

import stat

ALIGN = 4


def _padded(data):
    return data + bytes(-len(data) % ALIGN)


class Archive:
    """Entries appear in the order of the calls; a folder comes before what it holds."""

    def __init__(self):
        self._parts = []
        self._seen = set()

    def _entry(self, path, mode, data=b'', device=(0, 0)):
        name = path.strip('/').encode() + b'\0'
        fields = (len(self._seen) + 1, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(name), 0)
        head = b'070701' + b''.join(b'%08X' % field for field in fields)
        self._parts += [_padded(head + name), _padded(data)]
        self._seen.add(path.strip('/'))

    def _parents(self, path):
        parts = path.strip('/').split('/')[:-1]
        for end in range(1, len(parts) + 1):
            self.folder('/'.join(parts[:end]))

    def folder(self, path, mode=0o755):
        if path.strip('/') not in self._seen:
            self._parents(path)
            self._entry(path, stat.S_IFDIR | mode)

    def file(self, path, data, mode=0o644):
        self._parents(path)
        self._entry(path, stat.S_IFREG | mode, data)

    def link(self, path, target):
        self._parents(path)
        self._entry(path, stat.S_IFLNK | 0o777, target.encode())

    def character_device(self, path, major, minor, mode=0o600):
        self._parents(path)
        self._entry(path, stat.S_IFCHR | mode, device=(major, minor))

    def finish(self):
        """The whole archive."""
        self._entry('TRAILER!!!', 0)
        return b''.join(self._parts)
