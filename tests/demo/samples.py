# SPDX-License-Identifier: GPL-2.0-or-later
"""Results in the form in which ./demo writes them, for its tests: made up, of about the size that a
quiet machine's are; and the table that they give."""

import copy

HOST = {'queue': 6.0, 'commit': 20.0, 'grace': 30.0, 'respond': 2.2, 'renderer': 56.0,
        'total': 60.0}


def figures(p50, tail=8.0):
    """In microseconds, around the median @p50."""
    quantiles = [p50 * (0.5 + percent / 100) for percent in range(90)]
    quantiles += [p50 * (1.4 + (tail - 1.4) * (percent - 89) / 11) for percent in range(90, 101)]
    return {'n': 300, 'p50': p50, 'p90': quantiles[90], 'p99': quantiles[99], 'max': quantiles[100],
            'quantiles': quantiles, 'dropped': 0}


def _load(unmap, nothing, grace):
    host = {stage: figures(us) for stage, us in (HOST | {'grace': grace}).items()}
    host['total'] = figures(HOST['total'] - HOST['grace'] + grace)
    return {'inside': {'unmap': figures(unmap), 'nothing': figures(nothing)}, 'host': host}


def _side(key, title, force, fps, idle, busy, spinning):
    pictures = {name: f'{key}-{name}.png' for name in ('kmscube', 'glmark2', 'persist', 'unmap')}
    return {'key': key, 'title': title, 'force': force, 'accel': 'soft', 'boot_s': 7.5, 'fps': fps,
            'commands': [['gracevm', '-smp', '2']], 'complaints': [], 'pictures': pictures,
            'loads': {'idle': _load(*idle), 'busy': _load(*busy)},
            'spinning': _load(*spinning)}


_RESULTS = {
    'format': 1, 'complete': True, 'when': '2026-11-27T20:30:55+0000', 'seconds': 80.5, 'words': [],
    'gracevm': {'version': 'gracevm 0.1.0', 'commit': ''}, 'fallback': '', 'notes': [], 'kib': 64,
    'host': {'processor': 'AMD EPYC', 'cores': 2, 'load': 0.1, 'has_gpu': False},
    'guest': 'Debian 12, Linux 6.1.0-56-amd64, Mesa 22.3.6', 'packages': ['kmscube 0.0.0'],
    'sides': [
        _side('forced', 'forced', True,
              {'kmscube': {'idle': 236.3}, 'glmark2': {'idle': 148},
               'persist': {'idle': 118.4, 'busy': 99.96}},
              (268.0, 212.0, 30.0), (221.4, 165.0, 33.0), (91.0, 76.0, 26.0)),
        _side('lazy', 'not forced', False, {'persist': {'idle': 98.5, 'busy': 14.4}},
              (309.0, 241.0, 45.0), (1854.0, 209.0, 1147.0), (100300.0, 72.0, 100200.0)),
    ],
}

TABLE = """\
                                               forced                        not forced
                                              idle            busy            idle            busy
frames per second
  kmscube                                      236               -               -               -
  glmark2, its score                           148               -               -               -
  four new persistent buffers each             118             100            98.5            14.4
64 KiB unmapped, microseconds: median (99th percentile)
 the guest measures
  unmap                                 268 (1983)      221 (1638)      309 (2287)    1854 (13720)
  a command that does nothing           212 (1569)      165 (1221)      241 (1783)      209 (1547)
 the machine measures
  1 queue: taken up                     6.0 (44.4)      6.0 (44.4)      6.0 (44.4)      6.0 (44.4)
  2 commit: out of the map              20.0 (148)      20.0 (148)      20.0 (148)      20.0 (148)
  3 grace period: nobody looks          30.0 (222)      33.0 (244)      45.0 (333)     1147 (8488)
  5 respond: the guest is told          2.2 (16.3)      2.2 (16.3)      2.2 (16.3)      2.2 (16.3)
  all that the guest waits for          60.0 (444)      63.0 (466)      75.0 (555)     1177 (8710)
  6 renderer, meanwhile                 56.0 (414)      56.0 (414)      56.0 (414)      56.0 (414)
 a guest without a system, a processor of which spins, interrupts off
  unmap                                          -      91.0 (673)               - 100300 (742220)

By gracevm's interpreter, beside a processor that spins with interrupts off, an unmap takes 91.0
us, and 100300 us when nobody forces it: 1102 times as long.

These are figures of one run on this machine (AMD EPYC, 2 cores, load 0.1 at the start), with the
guest run by gracevm's own interpreter, not KVM, and no GPU (Mesa draws on the processor): compare
the columns with each other, not with figures of another machine; what forcing gains is about the
interpreter, and says nothing of KVM.
"""


def results():
    return copy.deepcopy(_RESULTS)


def bare():
    """The same without a Debian guest."""
    found = results()
    found |= {'fallback': 'no network', 'guest': 'a guest without a system', 'packages': []}
    for side in found['sides']:
        side |= {'fps': {}, 'pictures': {}}
    return found
