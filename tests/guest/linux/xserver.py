# SPDX-License-Identifier: GPL-2.0-or-later
"""An X server without a screen, whose picture can be looked at."""

import os
import shutil
import subprocess
import tempfile

import pictures
import tap

SIZE = '1280x1024x24'


class Server:
    """A context: Xvfb while it lasts."""

    def __init__(self):
        if not shutil.which('Xvfb'):
            raise tap.Skip('no X server to open a window on: package xvfb')
        self._folder = tempfile.mkdtemp(prefix='gracevm-x-')
        reader, writer = os.pipe()
        try:
            self._process = subprocess.Popen(
                ['Xvfb', '-displayfd', str(writer), '-screen', '0', SIZE, '-nolisten', 'tcp',
                 '-fbdir', self._folder], pass_fds=(writer,), stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        finally:
            os.close(writer)
        with open(reader, encoding='ascii') as file:
            number = file.readline().strip()  # when it is ready
        if not number:
            self.__exit__()
            raise tap.Skip('Xvfb does not start')
        self.environment = {'DISPLAY': f':{number}', 'SDL_VIDEODRIVER': 'x11'}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()
        shutil.rmtree(self._folder)

    def picture(self):
        with open(os.path.join(self._folder, 'Xvfb_screen0'), 'rb') as file:
            return pictures.read_xwd(file.read())
