# SPDX-License-Identifier: GPL-2.0-or-later
"""The folder with the results, and the form of the JSON file in it.

All is made in another folder first, and is there together or not at all: what an interrupted run
had until then is thrown away, and the results of an earlier run stay.
"""

import json
import os
import re

import stages

FORMAT = 1
JSON, TABLE, PLOT = 'results.json', 'table.txt', 'latency.svg'
OURS = re.compile(r'(results\.json|table\.txt|latency\.svg|(forced|lazy|qemu)-\w+\.png)')
WORKLOADS = ('kmscube', 'glmark2', 'persist', 'unmap')  # each has a picture
PERCENTILES = ('p50', 'p90', 'p99', 'max')
TOP = ('format', 'complete', 'when', 'seconds', 'words', 'gracevm', 'host', 'guest', 'packages',
       'fallback', 'notes', 'kib', 'sides')


def write(folder, results, table, plot):
    """Into @folder, beside the pictures that are there already."""
    for name, text in ((JSON, json.dumps(results, indent=1) + '\n'), (TABLE, table), (PLOT, plot)):
        with open(os.path.join(folder, name), 'w', encoding='utf-8') as file:
            file.write(text)


def publish(new, folder):
    """What is in @new replaces what an earlier run has left in @folder, and nothing else there. The
    JSON file goes first and comes last: where it is, all is of one run."""
    os.makedirs(folder, exist_ok=True)
    old = sorted(filter(OURS.fullmatch, os.listdir(folder)), key=lambda name: name != JSON)
    for name in old:
        os.unlink(os.path.join(folder, name))
    for name in sorted(os.listdir(new), key=lambda name: name == JSON):
        os.replace(os.path.join(new, name), os.path.join(folder, name))


# What a reader may rely on

def _of_figures(where, figures):
    for key in ('n', *PERCENTILES):
        if not figures.get(key, 0) > 0:
            yield f'{where}: {key} is {figures.get(key)}'
    ordered = [figures.get(key, 0) for key in PERCENTILES]
    if ordered != sorted(ordered):
        yield f'{where}: {ordered} do not grow'


def _of_side(side, results):
    name, is_bare = side.get('key'), bool(results['fallback'])
    for key in ('title', 'accel', 'commands', 'fps', 'loads', 'pictures', 'complaints'):
        if key not in side:
            yield f'{name}: {key} is missing'
            return
    for load in ('idle', 'busy'):
        found = side['loads'].get(load, {'inside': {}, 'host': {}})
        for workload in ('unmap', 'nothing'):
            yield from _of_figures(f'{name}, {load}, {workload}', found['inside'].get(workload, {}))
        for stage in stages.STAGES if name != 'qemu' else ():
            yield from _of_figures(f'{name}, {load}, stage {stage}', found['host'].get(stage, {}))
        if not is_bare and not side['fps'].get('persist', {}).get(load, 0) > 0:
            yield f'{name}, {load}: no frames of persist'
    if name != 'qemu':
        yield from _of_figures(f'{name}, spinning',
                               side.get('spinning', {}).get('inside', {}).get('unmap', {}))
    if not is_bare and name != 'lazy':
        for workload in ('kmscube', 'glmark2'):
            if not side['fps'].get(workload, {}).get('idle', 0) > 0:
                yield f'{name}: no frames of {workload}'
        for workload in WORKLOADS if not (name == 'qemu' and side.get('no_pictures')) else ():
            if workload not in side['pictures']:
                yield f'{name}: no picture of {workload}'


def problems(results):
    """What a whole file of results would have and @results has not."""
    missing = [key for key in TOP if key not in results]
    if missing:
        return [f'{key} is missing' for key in missing]
    found = [] if results['complete'] is True else ['it does not say that it is complete']
    if results['format'] != FORMAT:
        found.append(f'format {results["format"]}')
    keys = [side.get('key') for side in results['sides']]
    if keys[:2] != ['forced', 'lazy'] or keys[2:] not in ([], ['qemu']):
        found.append(f'sides are {keys}')
    for side in results['sides']:
        found += _of_side(side, results)
    return found
