# SPDX-License-Identifier: GPL-2.0-or-later
"""count.py counts what happened: crashes, time-outs, skips and tests that never ran."""

import sys

import count


def record(result, stdout, returncode=0, command=('a',), stderr=''):
    return {'name': 'gracevm:unit / t', 'result': result, 'stdout': stdout, 'stderr': stderr,
            'returncode': returncode, 'duration': 30.0, 'command': list(command)}


def test(protocol='tap', command=('a',)):
    return {'name': 't', 'cmd': list(command), 'suite': ['gracevm:unit'], 'protocol': protocol}


# what is seen: (tests, records, results)
CASES = {
    'each point counts':
        ([test()], [record('OK', 'ok 1 - a\nok 2 /b/c\n1..2\n')],
         [('pass', 't: a', ''), ('pass', 't: /b/c', '')]),
    'lines may end as on Windows':
        ([test()], [record('OK', 'ok 1 - a\r\n1..1\r\n')], [('pass', 't: a', '')]),
    'a failed point is a failure':
        ([test()], [record('FAIL', '1..2\nnot ok 1 - a\nok 2 - b\n', 1)],
         [('fail', 't: a', ''), ('pass', 't: b', '')]),
    'a failed point counts even if the program claims success':
        ([test()], [record('OK', '1..1\nnot ok 1 - a\n')],
         [('fail', 't: a', '')]),
    'a skipped point gives its reason':
        ([test()], [record('OK', '1..1\nok 1 - a # SKIP no GPU\n')], [('skip', 't: a', 'no GPU')]),
    'a skipped program gives its reason':
        ([test()], [record('SKIP', '1..0 # SKIP no spin\n')], [('skip', 't', 'no spin')]),
    'what was known to fail is a skip, not a pass':
        ([test()], [record('OK', '1..1\nnot ok 1 - a # TO' 'DO later\n')],
         [('skip', 't: a', 'later')]),
    'a crash after good points is a failure':
        ([test()], [record('ERROR', 'ok 1 - a\n', -11)],
         [('pass', 't: a', ''), ('fail', 't', 'killed by signal 11; 1 points until then')]),
    'a crash that names its point counts once':
        ([test()], [record('ERROR', 'not ok 1 - a (killed by a signal)\n', -6)],
         [('fail', 't: a (killed by a signal)', 'killed by signal 6')]),
    'a sanitizer\'s exit after good points is a failure':
        ([test()], [record('ERROR', 'ok 1 - a\n1..1\n', 66)],
         [('pass', 't: a', ''), ('fail', 't', 'exit status 66; 1 points until then')]),
    'a time-out is a failure':
        ([test()], [record('TIMEOUT', 'ok 1 - a\n', -15)],
         [('pass', 't: a', ''),
          ('fail', 't', 'took longer than its limit, stopped after 30 s; 1 points until then')]),
    'a missing plan is a failure':
        ([test()], [record('OK', 'ok 1 - a\n')], [('pass', 't: a', ''),
                                                  ('fail', 't', 'printed no plan')]),
    'too few points are a failure':
        ([test()], [record('OK', '1..3\nok 1 - a\n')],
         [('pass', 't: a', ''), ('fail', 't', 'planned 3 points, ran 1')]),
    'an empty program is a failure':
        ([test()], [record('ERROR', '', 1)],
         [('fail', 't', 'exit status 1; 0 points until then')]),
    'what led to a failed point is said':
        ([test()], [record('FAIL', '# old\nok 1 - a\n# one\n\n# two\nnot ok 2 - b\n1..2\n', 1,
                           stderr='a\ttab\n')],
         [('pass', 't: a', ''), ('fail', 't: b', ''), ('said', '# one', ''), ('said', '# two', ''),
          ('said', 'a tab', '')]),
    'of what led to no point the end is said':
        ([test('exitcode')], [record('FAIL', '\n'.join(map(str, range(99))), 1)],
         [('fail', 't', 'exit status 1'), *(('said', str(i), '') for i in range(87, 99))]),
    'bailing out is a failure':
        ([test()], [record('ERROR', 'ok 1 - a\nBail out! no memory\n', 1)],
         [('pass', 't: a', ''), ('fail', 't', 'bailed out: no memory')]),
    'points of subtests do not count':
        ([test()], [record('OK', '1..1\n    ok 1 - inner\nok 1 - a\n')], [('pass', 't: a', '')]),
    'a test without a result was not run':
        ([test(), test(command=('b',))], [record('OK', 'ok 1 - a\n1..1\n')],
         [('pass', 't: a', ''), ('fail', 't', 'was not run')]),
    'a result without a test is a failure':
        ([], [record('OK', 'ok 1 - a\n1..1\n')],
         [('fail', 'gracevm:unit / t', 'ran, but is in no list of tests')]),
    'a plain program counts by its status':
        ([test('exitcode')], [record('OK', 'ok 1 - not TAP\n')], [('pass', 't', '')]),
    'a plain program that crashed is a failure':
        ([test('exitcode')], [record('FAIL', '', -11)], [('fail', 't', 'killed by signal 11')]),
    'a plain program that skips gives its last line':
        ([test('exitcode')], [record('SKIP', 'a\nno wine\n', 77)], [('skip', 't', 'no wine')]),
    'an interrupted test is a failure':
        ([test('exitcode')], [record('INTERRUPT', '', -15)], [('fail', 't', 'was interrupted')]),
    'tests behind a wrapper and with more arguments are found':
        ([test(command=('x.exe', '-a'))],
         [record('OK', 'ok 1 - a\n1..1\n', command=('wine', 'x.exe', '-a', '-t', '600'))],
         [('pass', 't: a', '')]),
}


def empty_suites_are_failures():
    return list(count.empty_suites([test()], ['unit', 'torture'])) == [
        ('fail', 'suite torture', 'has no tests in this build')]


def main():
    print(f'1..{len(CASES) + 1}')
    nr_failed = 0
    for number, (name, (tests, records, wanted)) in enumerate(CASES.items(), 1):
        got = list(count.results(tests, records))
        if got != wanted:
            nr_failed += 1
            print(f'#  got: {got}\n# want: {wanted}\nnot ok {number} - {name}')
        else:
            print(f'ok {number} - {name}')
    is_right = empty_suites_are_failures()
    print(f'{"ok" if is_right else "not ok"} {len(CASES) + 1} - a suite without tests is a failure')
    return 1 if nr_failed or not is_right else 0


if __name__ == '__main__':
    sys.exit(main())
