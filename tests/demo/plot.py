# SPDX-License-Identifier: GPL-2.0-or-later
"""A picture of how long unmaps took, as SVG: which share of them had ended after which time, on a
logarithmic axis. On the left what the guest measures, on the right what the machine does.
"""

import math
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 1080, 580
LEFT, TOP, PANEL_WIDTH, PANEL_HEIGHT, GAP = 74, 92, 458, 340, 60
PANELS = (('inside', 'unmap', 'The guest measures: from the command to its answer'),
          ('host', 'total', 'The machine measures: from the command taken up to its answer'))
# Told apart without colours too: busy is a solid line, idle a dashed one. Colours: Okabe and Ito.
COLOURS = {'forced': '#0072b2', 'lazy': '#d55e00', 'qemu': '#009e73'}
DASHES = {'idle': '7 4', 'busy': ''}
DOTS = '2 4'
GREY, INK, FAINT = '#8a8a8a', '#222222', '#dddddd'
PERCENTS = (0, 25, 50, 75, 100)


def curve(figures):
    """[(microseconds, percent)]: through all quantiles, or through those that there are."""
    if 'quantiles' in figures:
        points = [(value, percent) for percent, value in enumerate(figures['quantiles'])]
    else:
        points = [(figures['p50'], 50), (figures['p90'], 90), (figures['p99'], 99),
                  (figures['max'], 100)]
    return [(max(value, 0.1), percent) for value, percent in points]


def kinds(side, results):
    """(what it is called, its dashes, its figures) of each load of @side."""
    for load, dashes in DASHES.items():
        yield load, dashes, side['loads'][load]
    if 'spinning' in side and not results['fallback']:
        yield 'interrupts off', DOTS, side['spinning']


def _curves(results, where, name):
    """(colour, dashes, figures) of each curve of a panel; what does nothing is grey, and behind."""
    for side in results['sides']:
        for load, dashes in DASHES.items():
            found = side['loads'][load][where]
            if where == 'inside' and side['key'] == 'forced' and 'nothing' in found:
                yield GREY, dashes, found['nothing']
    for side in results['sides']:
        for _, dashes, found in kinds(side, results):
            if name in found[where]:
                yield COLOURS[side['key']], dashes, found[where][name]


def decades(results):
    """The powers of ten between which all is, of microseconds."""
    values = [value for where, name, _ in PANELS for _, _, figures in
              _curves(results, where, name) for value, _ in curve(figures)]
    low = math.floor(math.log10(min(values)))
    return low, max(low + 1, math.ceil(math.log10(max(values))))


def unit(power):
    """10 ** @power microseconds, as one says it."""
    for least, name in ((6, 's'), (3, 'ms'), (0, 'µs'), (-3, 'ns')):
        if power >= least:
            return f'{10 ** (power - least)} {name}'
    return f'1e{power} µs'


class Drawing:
    def __init__(self):
        self.parts = []

    def line(self, x1, y1, x2, y2, colour, width=1.0):
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
                          f'stroke="{colour}" stroke-width="{width}"/>')

    def text(self, x, y, text, size=13, anchor='start', colour=INK, weight='normal'):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" '
                          f'text-anchor="{anchor}" font-weight="{weight}">{escape(text)}</text>')

    def path(self, points, colour, dashes, width):
        where = ' '.join(f'{x:.1f},{y:.1f}' for x, y in points)
        style = f' stroke-dasharray="{dashes}"' if dashes else ''
        self.parts.append(f'<polyline points="{where}" fill="none" stroke="{colour}" '
                          f'stroke-width="{width}" stroke-linejoin="round"{style}/>')

    def dot(self, x, y, colour):
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>')


class Panel:
    """Where microseconds and percents are."""

    def __init__(self, drawing, left, low, high):
        self.drawing, self.left, self.low, self.high = drawing, left, low, high

    def x(self, us):
        share = (math.log10(us) - self.low) / (self.high - self.low)
        return self.left + PANEL_WIDTH * min(1, max(0, share))

    @staticmethod
    def y(percent):
        return TOP + PANEL_HEIGHT * (1 - percent / 100)

    def axes(self, title, has_label):
        draw, right = self.drawing, self.left + PANEL_WIDTH
        draw.text(self.left, TOP - 14, title, 14)
        for percent in PERCENTS:
            draw.line(self.left, self.y(percent), right, self.y(percent), FAINT)
            draw.text(self.left - 8, self.y(percent) + 4, f'{percent} %', 12, 'end')
        for power in range(self.low, self.high + 1):
            x = self.x(10 ** power)
            draw.line(x, TOP, x, self.y(0), FAINT)
            draw.text(x, self.y(0) + 18, unit(power), 12, 'middle')
            for step in range(2, 10 if power < self.high else 0):
                draw.line(self.x(step * 10 ** power), self.y(0), self.x(step * 10 ** power),
                          self.y(0) + 4, GREY)
        draw.line(self.left, self.y(0), right, self.y(0), INK)
        draw.line(self.left, TOP, self.left, self.y(0), INK)
        draw.text(self.left + PANEL_WIDTH / 2, self.y(0) + 38, 'time, on a logarithmic axis', 12,
                  'middle')
        if has_label:
            middle = TOP + PANEL_HEIGHT / 2
            draw.parts.append(f'<text transform="translate(18 {middle}) rotate(-90)" '
                              'font-size="12" text-anchor="middle" '
                              f'fill="{INK}">share of unmaps that had ended</text>')

    def curve(self, colour, dashes, figures):
        """With its median as a dot."""
        points = [(self.x(us), self.y(percent)) for us, percent in curve(figures)]
        self.drawing.path(points, colour, dashes, 1.5 if colour == GREY else 2.5)
        if colour != GREY:
            self.drawing.dot(self.x(figures['p50']), self.y(50), colour)


def _legend(draw, results):
    y = TOP + PANEL_HEIGHT + 72
    columns = [[(COLOURS[side['key']], dashes, f'{side["title"]}, {kind}: median '
                 + say_us(found['inside']['unmap']['p50']))
                for kind, dashes, found in kinds(side, results) if 'unmap' in found['inside']]
               for side in results['sides']]
    columns.append([(GREY, dashes, f'a command that does nothing, {load}')
                    for load, dashes in DASHES.items()])
    width = (WIDTH - LEFT) // len(columns)
    for x, line, (colour, dashes, text) in (
            (LEFT + width * column, y + 22 * row, entry)
            for column, entries in enumerate(columns) for row, entry in enumerate(entries)):
        draw.path([(x, line - 4), (x + 34, line - 4)], colour, dashes, 2.5)
        draw.text(x + 42, line, text, 13)


def say_us(us):
    """With a unit in which it is easily read."""
    for factor, name in ((1e6, 's'), (1e3, 'ms')):
        if us >= factor:
            return f'{us / factor:.3g} {name}'
    return f'{us:.3g} µs'


def render(results):
    """The SVG file's text."""
    low, high = decades(results)
    draw = Drawing()
    host = results['host']
    draw.text(LEFT, 30, f'Unmapping {results["kib"]} KiB of GPU memory: how long it takes', 20,
              weight='bold')
    draw.text(LEFT, 52, f'{results["guest"]}; {host["processor"]}, {host["cores"]} cores; '
              f'accel {results["sides"][0]["accel"]}; {results["when"]}', 12, colour='#555555')
    for number, (where, name, title) in enumerate(PANELS):
        panel = Panel(draw, LEFT + number * (PANEL_WIDTH + GAP), low, high)
        panel.axes(title, number == 0)
        for colour, dashes, figures in _curves(results, where, name):
            panel.curve(colour, dashes, figures)
    _legend(draw, results)
    body = '\n'.join(draw.parts)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
            f'viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">\n'
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n{body}\n</svg>\n')
