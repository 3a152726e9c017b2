#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Require that the torture tests catch every deliberate fault of util/mutant.h.

    run_mutants.py [--tsan] [--only MUTANT] DIRECTORY

DIRECTORY holds the torture programs of a build with -Dmutants=true.
For seeds 1, 2 and 3 each mutant must end in the way that its row names, and
the code as it is must pass the same scenarios. A mutant without a row fails.
Output: Test Anything Protocol.
"""
import argparse
import concurrent.futures
import os
import signal
import subprocess
import sys
from dataclasses import dataclass

SEEDS = (1, 2, 3)
WATCHDOG_MS = 1500  # where a hang is what is looked for
PATIENCE_MS = 20000  # where it is not
PASS_SECONDS = 0.7  # of the code as it is, for each scenario and seed
LIMIT_SECONDS = 60  # for any run: longer than all of the above

FAILS, HANGS, CRASHES, RACES = 'fails', 'hangs', 'crashes', 'races'
ENDS = {1: FAILS, 3: HANGS, 66: RACES, -signal.SIGSEGV: CRASHES, -signal.SIGABRT: CRASHES,
        -signal.SIGBUS: CRASHES}
SKIPPED = 77


@dataclass(frozen=True)
class Row:
    """How a mutant is caught. A run ends as soon as it is."""
    mutant: str
    scenario: str
    ends: tuple
    readers: str = 'auto'
    seconds: float = 6  # a hang must begin a watchdog before the end, where all are let go
    alone: bool = False  # a race between two processors: both are needed
    tsan: bool = False  # only the thread sanitizer sees it (x86 orders stores by itself)
    program: str = 'torture_rcu'

    def patience_ms(self, mutant):
        return WATCHDOG_MS if mutant != 'none' and HANGS in self.ends else PATIENCE_MS


def srcu(mutant, ends=(FAILS,)):
    return Row(mutant, '', ends, seconds=5, program='torture_srcu', alone=True)


def mem(mutant, scenario, ends):
    return Row(mutant, scenario, ends, seconds=8, program='torture_mem', alone=True)


def cpu(mutant, scenario, ends, seconds=20):
    return Row(mutant, scenario, ends, seconds=seconds, program='torture_cpu', alone=True)


def irq(mutant, scenario, ends):
    return Row(mutant, scenario, ends, seconds=10, program='torture_irq', alone=True)


def gpu(mutant, ends=(FAILS,)):
    return Row(mutant, 'storm', ends, seconds=10, program='torture_gpu', alone=True)


ROWS = (
    Row('no_barrier', 'tight', (FAILS,), 'membarrier', 8, alone=True),
    Row('no_reader_fence', 'tight', (FAILS,), 'fences', 8, alone=True),
    Row('mark_no_barrier', 'exit-race', (HANGS,), 'membarrier', 12, alone=True),
    Row('no_exit_fence', 'exit-race', (HANGS,), 'fences', 12, alone=True),
    Row('no_wait', 'pipe', (FAILS,)),
    Row('first_reader_only', 'pipe', (FAILS,)),
    Row('relaxed_unlock', 'pipe', (RACES,), tsan=True),
    Row('nesting_ignored', 'pipe', (FAILS,)),
    Row('truncated_number', 'numbers-2^32', (FAILS,)),
    Row('truncated_number', 'numbers-minus-8', (FAILS,)),
    Row('cookie_too_old', 'cookies', (FAILS,)),
    Row('force_sleeps_on', 'force', (HANGS,)),
    Row('force_is_a_mode', 'lossy', (HANGS,)),
    Row('complete_too_far', 'pipe', (FAILS,)),
    Row('promise_forgotten', 'promise', (HANGS,)),
    Row('put_off_unseen', 'promise', (HANGS,)),
    Row('no_report', 'force', (HANGS,), 'membarrier'),
    Row('no_report', 'force', (HANGS,), 'fences'),
    Row('completion_silent', 'quiet', (HANGS,)),
    Row('late_not_kicked', 'late', (HANGS,)),
    Row('no_rekick', 'lossy', (HANGS,)),
    Row('first_notifier_only', 'force', (HANGS,)),
    Row('unregister_early', 'churn', (FAILS,)),
    Row('notifier_early', 'churn', (FAILS,)),
    Row('callbacks_reversed', 'order', (FAILS,)),
    Row('callback_early', 'pipe', (FAILS,)),
    Row('work_not_signalled', 'order', (HANGS,)),
    Row('drain_early', 'drain', (FAILS,)),
    Row('drain_skips_bql', 'drain', (FAILS,)),
    Row('no_threshold', 'flood', (FAILS,)),
    Row('throttle_sleeps_on', 'flood', (FAILS,), seconds=0.5),
    Row('flood_forces_each', 'flood', (FAILS,)),
    Row('fork_keeps_readers', 'fork', (FAILS, HANGS)),
    Row('fork_keeps_thread', 'fork', (HANGS,)),
    Row('fork_keeps_pushed', 'fork', (FAILS, HANGS)),
    Row('fork_keeps_sentinels', 'fork', (FAILS, HANGS)),
    Row('stall_silent', 'stall', (HANGS,)),
    Row('no_age', 'age', (HANGS,)),
    srcu('srcu_load_add_store'),
    srcu('srcu_one_scan'),
    srcu('srcu_locks_first'),
    srcu('srcu_no_barrier'),
    srcu('srcu_no_wake', (FAILS, HANGS)),  # its watchdog ends it like a failure
    mem('view_without_grace', 'storm', (FAILS, CRASHES)),
    mem('generation_stays', 'storm', (FAILS, CRASHES)),
    mem('changes_one_short', 'storm', (FAILS, CRASHES)),
    mem('dma_without_reference', 'storm', (FAILS, CRASHES)),
    mem('code_gate_no_barrier', 'code-race', (FAILS,)),
    mem('code_gate_logs_late', 'code', (FAILS,)),
    mem('code_gate_forgets_fast', 'code', (FAILS,)),
    cpu('cpu_no_generation_check', 'blob', (FAILS, CRASHES)),
    cpu('cpu_no_reresolve', 'told', (FAILS,)),
    cpu('cpu_remembers_holes', 'told', (FAILS,)),
    cpu('cpu_foreign_tlb_flush', 'patch', (FAILS,)),
    cpu('cpu_mark_keeps_writers', 'code', (FAILS,)),
    cpu('cpu_running_unpublished', 'patch', (FAILS,)),
    cpu('cpu_own_store_runs_on', 'code', (FAILS,)),
    cpu('cpu_unmarked_store_runs_on', 'code', (FAILS,)),
    cpu('cpu_flush_keeps_jumps', 'tlb', (FAILS,)),
    cpu('cpu_lock_beside_others', 'lock', (FAILS,), 2),  # sums are looked at in the end
    cpu('cpu_lossy_kick', 'kick', (HANGS,)),
    cpu('cpu_kick_lowered_late', 'kick', (HANGS,)),
    cpu('cpu_pause_one_short', 'blob', (FAILS,)),
    cpu('cpu_deaf_to_stop', 'lock', (HANGS,)),
    irq('irq_kick_first', 'single', (HANGS,)),
    irq('irq_timer_asleep_awake', 'one-timer', (HANGS,)),
    irq('irq_message_without_grace', 'route', (FAILS, CRASHES)),
    irq('irq_unmask_is_deaf', 'level', (HANGS,)),
    gpu('gpu_answer_at_commit'),
    gpu('gpu_unmap_untold'),
    gpu('gpu_renderer_at_commit', (FAILS, CRASHES)),  # its answer is early as well
    gpu('gpu_fences_overtake'),
    gpu('gpu_context_goes_on'),
    gpu('gpu_reset_without_grace'),
)


def command(directory, row, seed, mutant, seconds):
    patience_ms = row.patience_ms(mutant)
    words = [os.path.join(directory, row.program), '-t', str(seconds), '-s', str(seed),
             '-m', mutant]
    if row.program == 'torture_srcu':
        return words + ['-w', str(patience_ms / 1000)]
    return words + ['-c', row.scenario, '-r', row.readers, '-w', str(patience_ms)]


def run(words):
    """Returns how it ended (None: passed), and what it said."""
    try:
        done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=LIMIT_SECONDS, check=False)
    except subprocess.TimeoutExpired as late:
        return 'never', (late.stdout or b'').decode(errors='replace')
    said = done.stdout.decode(errors='replace')
    if done.returncode == 0:
        return None, said
    if done.returncode == SKIPPED:
        return 'skipped', said
    return ENDS.get(done.returncode, f'status {done.returncode}'), said


@dataclass(frozen=True)
class Case:
    name: str
    words: tuple
    wanted: tuple  # () where it must pass
    alone: bool


def cases(directory, rows):
    unmutated = {}
    for row in rows:
        what = ' '.join((row.program, row.scenario, row.readers)).replace('  ', ' ')
        for seed in SEEDS:
            yield Case(f'{row.mutant}, seed {seed}: {" or ".join(row.ends)} in {what}',
                       tuple(command(directory, row, seed, row.mutant, row.seconds)), row.ends,
                       row.alone)
            unmutated[what, seed] = Case(f'none, seed {seed}: passes in {what}',
                                         tuple(command(directory, row, seed, 'none',
                                                       PASS_SECONDS)), (), row.alone)
    yield from unmutated.values()


class Tap:
    def __init__(self, nr_points):
        self.number = 0
        self.is_failed = False
        print(f'1..{nr_points}', flush=True)

    def point(self, is_good, name, comment='', skip=''):
        self.number += 1
        self.is_failed |= not is_good
        line = f'{"ok" if is_good else "not ok"} {self.number} - {name}'
        print(line + (f' # SKIP {skip}' if skip else ''))
        for said in comment.splitlines() if not is_good else ():
            print(f'# {said}')
        sys.stdout.flush()

    def case(self, case, end, said):
        if end == 'skipped':
            self.point(True, case.name, skip=said.strip().removeprefix('# skipped: '))
            return
        is_good = end in case.wanted if case.wanted else end is None
        self.point(is_good, case.name, f'ended: {end or "passed"}\n{" ".join(case.words)}\n{said}')


def all_mutants(directory):
    """What the program itself knows: it lists them when asked for one that does not exist."""
    listed = subprocess.run([os.path.join(directory, 'torture_rcu'), '-c', 'pipe', '-m', '?'],
                            stderr=subprocess.PIPE, check=False).stderr.decode()
    names = [line.split()[0] for line in listed.splitlines() if line.startswith('  ')]
    return [name for name in names if name != 'none']


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('--tsan', action='store_true', help='a build with the thread sanitizer')
    parser.add_argument('--only', help='one mutant')
    parser.add_argument('directory')
    options = parser.parse_args()

    mutants = all_mutants(options.directory)
    known = {row.mutant for row in ROWS}
    rows = [row for row in ROWS if options.only in (None, row.mutant)]
    here = [row for row in rows if row.tsan == options.tsan]
    elsewhere = [row for row in rows if row.tsan != options.tsan]
    todo = list(cases(options.directory, here))
    tap = Tap(len(todo) + len(elsewhere) + 2)
    tap.point(len(mutants) > 0, 'the program holds mutants', 'build with -Dmutants=true')
    tap.point(set(mutants) == known, 'every mutant has a row, every row a mutant',
              f'without: {sorted(set(mutants) ^ known)}')
    for row in elsewhere:
        reason = 'only the thread sanitizer sees it' if row.tsan else 'runs in the plain build'
        tap.point(True, f'{row.mutant} in {row.program} {row.scenario}', skip=reason)
    for case in (case for case in todo if case.alone):
        tap.case(case, *run(case.words))
    with concurrent.futures.ThreadPoolExecutor(max_workers=2) as pool:
        together = [case for case in todo if not case.alone]
        for case, (end, said) in zip(together, pool.map(run, (c.words for c in together))):
            tap.case(case, end, said)
    return 1 if tap.is_failed else 0


if __name__ == '__main__':
    sys.exit(main())
