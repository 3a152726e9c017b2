# SPDX-License-Identifier: GPL-2.0-or-later
"""Counts what `meson test` ran, so that nothing can be missing from the sum.

    count.py BUILD_DIR LOG_BASE SUITE...

Reads BUILD_DIR/meson-logs/LOG_BASE.json, and from Meson's own list which tests of the suites
there are. Prints one line per result, fields separated by tabs:

    pass NUMBER
    fail WHAT WHY
    said LINE         of what a failed program printed: the lines before its end, or before a
                      point that is not ok; they follow its failures
    skip WHAT WHY

and on standard error all that the failed ones said. A point of a TAP program counts as one test. A
program that ended badly counts as a failure even if each point that it came to print was fine,
and so does a test that has no result at all.
"""

import json
import os
import re
import sys

POINT = re.compile(r'(not )?ok\b[ \t]*(\d+)?[ \t]*(?:-[ \t]*)?([^#\n]*)'
                   r'(?:#[ \t]*(SKIP|TO' r'DO)\S*[ \t]*(.*))?', re.I)
PLAN = re.compile(r'1\.\.(\d+)(?:[ \t]*#[ \t]*SKIP\S*[ \t]*(.*))?$', re.I)
BAIL = re.compile(r'Bail out!\s*(.*)')
NO_REASON = 'it gave no reason'
MOST_SAID, MOST_COLUMNS = 12, 400  # of what a failed program said


def tidy(text):
    """One line without tabs, for the fields of a result."""
    return ' '.join(text.split())


def last_line(record):
    said = (record.get('stderr') or '').strip() or (record.get('stdout') or '').strip()
    return tidy(said.rsplit('\n', 1)[-1])[:200]


def how_it_ended(record):
    code = record.get('returncode', 0)
    words = {'TIMEOUT': f'took longer than its limit, stopped after {record["duration"]:.0f} s',
             'INTERRUPT': 'was interrupted',
             'UNEXPECTEDPASS': 'passed where a failure was expected'}
    if record['result'] in words:
        return words[record['result']]
    if code < 0 or code > 128:
        return f'killed by signal {-code if code < 0 else code - 128}'
    if code:
        return f'exit status {code}'
    return 'broke the Test Anything Protocol (fewer or more points than planned?)'


def why_not_ok(record):
    """For a failed point, what its program's end adds to "not ok"."""
    is_usual = record.get('returncode', 0) in (0, 1) and record['result'] in ('OK', 'FAIL', 'ERROR')
    return '' if is_usual else how_it_ended(record)


def tap_results(name, record):
    """Results of a TAP program: one per point, and one for the program if it ended badly."""
    nr_points = nr_failed = 0
    plan = None
    for line in (record.get('stdout') or '').splitlines():
        point, planned, bail = POINT.match(line), PLAN.match(line), BAIL.match(line)
        if planned and plan is None:
            plan = int(planned.group(1))
            if plan == 0:
                yield 'skip', name, tidy(planned.group(2) or NO_REASON)
        elif bail:
            nr_failed += 1
            yield 'fail', name, tidy('bailed out: ' + bail.group(1))
        elif point:
            nr_points += 1
            bad, _, title, directive, why = point.groups()
            title = f'{name}: {tidy(title) or nr_points}'
            if directive:
                yield 'skip', title, tidy(why) or NO_REASON
            elif bad:
                nr_failed += 1
                yield 'fail', title, why_not_ok(record)
            else:
                yield 'pass', title, ''
    if nr_failed:
        return
    if record['result'] not in ('OK', 'SKIP'):
        yield 'fail', name, f'{how_it_ended(record)}; {nr_points} points until then'
    elif plan is None:
        yield 'fail', name, 'printed no plan'
    elif plan != nr_points:
        yield 'fail', name, f'planned {plan} points, ran {nr_points}'


def plain_results(name, record):
    """Results of a program that says all by its exit status."""
    if record['result'] in ('OK', 'EXPECTEDFAIL'):
        yield 'pass', name, ''
    elif record['result'] == 'SKIP':
        yield 'skip', name, last_line(record) or NO_REASON
    else:
        yield 'fail', name, how_it_ended(record)


def results_of(test, record):
    count = tap_results if test['protocol'] == 'tap' else plain_results
    return list(count(test['name'], record))


def print_output(record):
    """Meson's own log leaves out what a failing TAP program says; ours does not."""
    print(f'==== {" ".join(record["command"])}\n{record.get("stdout") or ""}'
          f'---- standard error\n{record.get("stderr") or ""}', file=sys.stderr)


def is_of_protocol(line):
    return any(kind.match(line) for kind in (POINT, PLAN, BAIL))


def before_failed_points(said):
    """The comments that lead up to points which are not ok."""
    comments = []
    for line in said:
        point = POINT.match(line)
        if point and point.group(1):
            yield from comments[-MOST_SAID:]
        comments = [] if is_of_protocol(line) else [*comments, line]


def what_it_said(record):
    """Where only the sum is seen, a failure must be understood from these lines."""
    said = (record.get('stdout') or '').splitlines()
    shown = list(before_failed_points(said))
    shown = shown or [line for line in said if not is_of_protocol(line)][-MOST_SAID:]
    shown += (record.get('stderr') or '').splitlines()[-MOST_SAID:]
    return [('said', line.replace('\t', ' ')[:MOST_COLUMNS], '') for line in shown if line.strip()]


def results(tests, records):
    """Results of @tests, as Meson lists them, from the @records of a run."""
    left = list(records)
    for test in tests:
        found = next((r for r in left if r['name'].split(' / ')[-1] == test['name'] and
                      r['command'][-len(test['cmd']):] == test['cmd']), None)
        # --test-args of ./check --soak come after the command that Meson lists.
        found = found or next((r for r in left if r['name'].split(' / ')[-1] == test['name'] and
                               test['cmd'][0] in r['command']), None)
        if found is None:
            yield 'fail', test['name'], 'was not run'
            continue
        left.remove(found)
        counted = results_of(test, found)
        if any(kind == 'fail' for kind, _, _ in counted):
            print_output(found)
            counted += what_it_said(found)
        yield from counted
    for record in left:
        yield 'fail', record['name'], 'ran, but is in no list of tests'


def suites_of(test):
    return {suite.split(':')[-1] for suite in test['suite']}


def empty_suites(tests, suites):
    """A suite that should be run and has no test: as bad as a test that was not run."""
    for suite in suites:
        if not any(suite in suites_of(test) for test in tests):
            yield 'fail', f'suite {suite}', 'has no tests in this build'


def read_records(path):
    if not os.path.exists(path):
        return []
    with open(path, encoding='utf-8', errors='replace') as file:
        return [json.loads(line) for line in file if line.strip()]


def main(build_dir, log_base, suites):
    with open(os.path.join(build_dir, 'meson-info/intro-tests.json'), encoding='utf-8') as file:
        tests = [test for test in json.load(file) if suites_of(test) & set(suites)]
    records = read_records(os.path.join(build_dir, 'meson-logs', log_base + '.json'))
    nr_passed = 0
    for kind, what, why in [*empty_suites(tests, suites), *results(tests, records)]:
        if kind == 'pass':
            nr_passed += 1
        else:
            print(kind, what, why, sep='\t')
    print('pass', nr_passed, sep='\t')


if __name__ == '__main__':
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
