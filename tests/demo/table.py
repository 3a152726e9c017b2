# SPDX-License-Identifier: GPL-2.0-or-later
"""The results as tables for a person: text of at most 100 columns for two sides."""

import textwrap

NAME_COLUMNS, COLUMNS = 34, 16
LINE_COLUMNS = 98
LOADS = ('idle', 'busy')
LEAST_FOR_P99 = 100  # of fewer it would be the largest
FPS = {'kmscube': 'kmscube', 'glmark2': 'glmark2, its score',
       'persist': 'four new persistent buffers each'}
INSIDE = {'unmap': 'unmap', 'nothing': 'a command that does nothing'}
HOST = {'queue': '1 queue: taken up', 'commit': '2 commit: out of the map',
        'grace': '3 grace period: nobody looks', 'respond': '5 respond: the guest is told',
        'total': 'all that the guest waits for', 'renderer': '6 renderer, meanwhile'}


def number(value):
    return f'{value:.1f}' if round(value, 1) < 100 else f'{value:.0f}'


def _latency(figures):
    if not figures:
        return '-'
    if figures['n'] < LEAST_FOR_P99:
        return number(figures['p50'])
    return f'{number(figures["p50"])} ({number(figures["p99"])})'


def _row(name, cells):
    return (f'{name:{NAME_COLUMNS}}' + ''.join(f'{cell:>{COLUMNS}}' for cell in cells)).rstrip()


def _columns(results):
    return [(side, load) for side in results['sides'] for load in LOADS]


def _heads(results):
    titles = ''.join(f'{side["title"]:^{2 * COLUMNS}}' for side in results['sides'])
    return [(' ' * NAME_COLUMNS + titles).rstrip(),
            _row('', [load for _, load in _columns(results)])]


def _fps(results):
    for name, text in FPS.items():
        found = [side['fps'].get(name, {}).get(load) for side, load in _columns(results)]
        if any(found):
            yield _row(f'  {text}', [number(fps) if fps else '-' for fps in found])


def _latencies(results, where, names):
    rows = []
    for name, text in names.items():
        found = [side['loads'][load][where].get(name) for side, load in _columns(results)]
        if any(found):
            rows.append(_row(f'  {text}', [_latency(figures) for figures in found]))
    return rows


def headline(results):
    """What an unmap costs beside a processor that nothing interrupts, forced and not."""
    forced, lazy = (side['spinning']['inside']['unmap']['p50'] for side in results['sides'][:2])
    text = ("By gracevm's interpreter, beside a processor that spins with interrupts off, an unmap "
            f'takes {number(forced)} us, and {number(lazy)} us when nobody forces it')
    return text + (f': {lazy / forced:.0f} times as long.' if lazy >= 2 * forced else '.')


def meaning(results):
    """One sentence: what the figures mean, and what they do not."""
    host, accel = results['host'], results['sides'][0]['accel']
    by = 'by KVM' if accel == 'kvm' else "by gracevm's own interpreter, not KVM"
    gpu = 'a GPU of the host' if host['has_gpu'] else 'no GPU (Mesa draws on the processor)'
    text = (f'These are figures of one run on this machine ({host["processor"]}, {host["cores"]} '
            f'cores, load {host["load"]} at the start), with the guest run {by}, and {gpu}: '
            'compare the columns with each other, not with figures of another machine')
    if accel == 'kvm':
        return text + ('; under KVM a processor that runs the guest holds nothing up, so that '
                       'forcing has little to gain.')
    return text + '; what forcing gains is about the interpreter, and says nothing of KVM.'


def render(results):
    fps, lines = list(_fps(results)), _heads(results)
    if fps:
        lines += ['frames per second', *fps]
    lines += [f'{results["kib"]} KiB unmapped, microseconds: median (99th percentile)',
              ' the guest measures', *_latencies(results, 'inside', INSIDE)]
    host = _latencies(results, 'host', HOST)
    if host:
        lines += [' the machine measures', *host]
    if not results['fallback']:
        found = [side.get('spinning') if load == 'busy' else None
                 for side, load in _columns(results)]
        lines += [' a guest without a system, a processor of which spins, interrupts off',
                  _row('  unmap', [_latency(figures and figures['inside']['unmap'])
                                   for figures in found])]
    for text in (headline(results), meaning(results)):
        if text:
            lines += ['', *textwrap.wrap(text, LINE_COLUMNS)]
    return '\n'.join([*lines, ''])
