/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kicks at processors that spin with interrupts off, one or two at a time: the last must bring its
 * processor out, or nothing ever does.
 */
#include <glib.h>
#include <sched.h>

#include "hw/cpu/backend.h"
#include "tests/torture/cpu_machine.h"

enum { PATIENCE = 4000 }; /* looks, until the processor may need ours */

static struct kicked_cpu {
    CACHE_ALIGNED struct cpu_work work[2];
    uint64_t nr_asked;
    uint64_t nr_done; /* atomic */
} kicked[GUEST_CPUS];

static unsigned nr_kickers; /* atomic: the next one's processor */
static uint64_t nr_waits;   /* grace periods that somebody has waited for; atomic */

static void do_work(struct cpu *cpu, struct cpu_work *work)
{
    struct kicked_cpu *kicked_cpu = &kicked[cpu->index];

    torture_check(work == &kicked_cpu->work[0] || work == &kicked_cpu->work[1]);
    torture_check(!rcu_is_reading() && !bql_is_mine());
    store_release(&kicked_cpu->nr_done, kicked_cpu->nr_done + 1); /* it may be asked for again */
}

static void ask(struct cpu *cpu, struct kicked_cpu *kicked_cpu, unsigned which)
{
    kicked_cpu->work[which].fn = do_work;
    kicked_cpu->nr_asked++;
    cpu_post_work(cpu, &kicked_cpu->work[which]);
}

/* The end of the scenario does not end the wait: without its kick the work is never done. */
static void wait_until_done(const struct kicked_cpu *kicked_cpu)
{
    for (unsigned i = 0; load_acquire(&kicked_cpu->nr_done) != kicked_cpu->nr_asked; i++) {
        cpu_relax(); /* pairs with the release in do_work() */
        if (i > PATIENCE)
            sched_yield();
    }
}

static void spin_cycles(unsigned nr)
{
    for (; nr > 0; nr--)
        __asm__ volatile("");
}

/* Twice in a row: the second finds the processor anywhere on its way out and in again. */
static void ask_twice(struct worker *worker)
{
    const unsigned index = fetch_add_relaxed(&nr_kickers, 1) % guest.nr_cpus;
    struct cpu *cpu = guest.cpus->cpu[index];

    while (torture_go_on(worker)) {
        ask(cpu, &kicked[index], 0);
        if (!torture_one_in(worker, 8)) {
            spin_cycles(torture_below(worker, 3000));
            ask(cpu, &kicked[index], 1);
        }
        wait_until_done(&kicked[index]);
        spin_cycles(torture_below(worker, 3000));
    }
}

/* Each grace period needs the processors out once, and their kick is all that brings them out. */
static void wait_for_grace(struct worker *worker)
{
    while (torture_go_on(worker)) {
        synchronize_rcu();
        if (fetch_add_relaxed(&nr_waits, 1) > 20)
            store_relaxed(&guest.has_met, true);
    }
}

static void start(struct worker *worker)
{
    static const char *const spins[] = { spin_program, spin_count_program, spin_string_program,
                                         spin_fault_program };
    const char *programs[GUEST_CPUS] = { NULL };

    for (unsigned i = 0; i < 2; i++)
        programs[i] = spins[torture_below(worker, ARRAY_SIZE(spins))];
    guest_start(worker, programs);
}

static void check_counts(void)
{
    for (unsigned i = 0; i < guest.nr_cpus; i++) {
        const struct cpu_stats *stats = &guest.cpus->cpu[i]->stats;

        torture_check(kicked[i].nr_asked == kicked[i].nr_done);
        /* Or for both; and what comes before the first run needs none. */
        torture_check(stats->exits[CPU_EXIT_KICKED] + 1 >= kicked[i].nr_done / 2);
        torture_check(stats->exits[CPU_EXIT_HALTED] == 0);
    }
}

/*
 * Nobody else kicks, and a kick that has been lost is not repeated: of those of a grace period
 * RCU would do that, so work and grace periods have runs of their own.
 */
static void run_with(void (*work)(struct worker *), unsigned nr)
{
    guest_make();
    nr_kickers = 0;
    for (unsigned i = 0; i < GUEST_CPUS; i++)
        kicked[i].nr_asked = kicked[i].nr_done = 0;
    torture_join_one(torture_spawn("start", start, NULL, WORKER_READS));
    store_relaxed(&guest.has_met, work == ask_twice);
    for (unsigned i = 0; i < nr; i++)
        torture_spawn("kicker", work, NULL, WORKER_READS | WORKER_WATCHED);
    torture_join();
    guest_stop();
    check_counts();
    if (work == ask_twice)
        torture_note("%llu and %llu kicks", (unsigned long long)kicked[0].nr_done,
                     (unsigned long long)kicked[1].nr_done);
    guest_end();
}

void kick_run(void)
{
    const int64_t part_ns = torture.run_ns / 5;
    struct rcu_stats before, after;

    torture_restart_clock(part_ns * 4);
    run_with(ask_twice, 2);
    torture_restart_clock(part_ns);
    nr_waits = 0;
    rcu_get_stats(&before);
    run_with(wait_for_grace, 1);
    rcu_get_stats(&after);
    torture_note("%llu grace periods waited for, %llu kicks, %llu of them repeated",
                 (unsigned long long)nr_waits, (unsigned long long)(after.kicks - before.kicks),
                 (unsigned long long)(after.rekicks - before.rekicks));
}
