# SPDX-License-Identifier: GPL-2.0-or-later
"""Pictures as tests look at them: read from PNG files, or from the memory of a virtual X server."""

import collections
import dataclasses
import struct
import zlib

PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'
CHANNELS = {0: 1, 2: 3, 6: 4}  # by the colour type: grey, RGB, RGBA; 8 bits each
XWD_WORDS = 25  # of the header of an X window dump, version 7
XWD_COLOUR_BYTES = 12


@dataclasses.dataclass(frozen=True)
class Picture:
    """@rows: a list of lists of (red, green, blue), from the top."""
    rows: list

    @property
    def width(self):
        return len(self.rows[0])

    @property
    def height(self):
        return len(self.rows)

    def part(self, left, top, right, bottom):
        return Picture([row[left:right] for row in self.rows[top:bottom]])

    def share(self, colour, tolerance):
        """Which part of all pixels is that colour, up to @tolerance in each channel."""
        counts = collections.Counter(pixel for row in self.rows for pixel in row)
        near = sum(count for pixel, count in counts.items() if is_near(pixel, colour, tolerance))
        return near / (self.width * self.height)

    def nr_colours(self):
        return len({pixel for row in self.rows for pixel in row})

    def box(self, colour, tolerance):
        """(left, top, right, bottom) of what has that colour; None: nothing has."""
        where = [(x, y) for y, row in enumerate(self.rows) for x, pixel in enumerate(row)
                 if is_near(pixel, colour, tolerance)]
        if not where:
            return None
        columns, lines = zip(*where)
        return min(columns), min(lines), max(columns) + 1, max(lines) + 1


def is_near(one, other, tolerance):
    return all(abs(a - b) <= tolerance for a, b in zip(one, other))


def _paeth(left, above, corner):
    """PNG 1.2, 6.6"""
    guess = left + above - corner
    return min((left, above, corner), key=lambda value: abs(guess - value))


def _unfilter(kind, line, above, step):
    for at, value in enumerate(line):
        left = line[at - step] if at >= step else 0
        corner = above[at - step] if at >= step else 0
        add = (0, left, above[at], (left + above[at]) // 2, _paeth(left, above[at], corner))[kind]
        line[at] = (value + add) & 0xff


def _unfiltered(data, height, stride, step):
    above = bytearray(stride)
    for y in range(height):
        kind = data[y * (stride + 1)]
        line = bytearray(data[y * (stride + 1) + 1:(y + 1) * (stride + 1)])
        if kind:
            _unfilter(kind, line, above, step)
        yield line
        above = line


def _parts(data):
    """(width, height, channels, the lines as they were filtered, one after the other)."""
    if not data.startswith(PNG_SIGNATURE):
        raise ValueError('no PNG file')
    at, packed = len(PNG_SIGNATURE), b''
    while at < len(data):
        length, kind = struct.unpack_from('>I4s', data, at)
        body = data[at + 8:at + 8 + length]
        if kind == b'IHDR':
            width, height, depth, colour, _, _, interlace = struct.unpack('>IIBBBBB', body)
        elif kind == b'IDAT':
            packed += body
        at += 12 + length
    if depth != 8 or interlace or colour not in CHANNELS:
        raise ValueError('a PNG of another form than is read here')
    return width, height, CHANNELS[colour], zlib.decompress(packed)


def filtered_lines(data):
    """Of a PNG file: as many as it is high. Which of them differ from those of another picture is
    seen without undoing what the filter has done, which takes long."""
    width, height, step, filtered = _parts(data)
    stride = width * step + 1
    return [filtered[y * stride:(y + 1) * stride] for y in range(height)]


def read_png(data):
    """Of 8 bits a channel, not interlaced."""
    width, height, step, filtered = _parts(data)
    rows = []
    for line in _unfiltered(filtered, height, width * step, step):
        channels = [line[channel::step] for channel in ((0, 1, 2) if step >= 3 else (0, 0, 0))]
        rows.append(list(zip(*channels)))
    return Picture(rows)


def read_xwd(data):
    """What Xvfb -fbdir keeps in its file (X11/XWDFile.h): 32 bits a pixel, blue first."""
    header = struct.unpack_from(f'>{XWD_WORDS}I', data)
    size, width, height, bits, stride, colours = (header[0], header[4], header[5], header[11],
                                                  header[12], header[19])
    if bits != 32:
        raise ValueError(f'{bits} bits a pixel')
    at = size + colours * XWD_COLOUR_BYTES
    rows = []
    for y in range(height):
        line = data[at + y * stride:at + y * stride + width * 4]
        rows.append(list(zip(line[2::4], line[1::4], line[0::4])))
    return Picture(rows)
