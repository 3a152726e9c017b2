/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * For locked accesses that the host cannot make for us: across two pages, or of a
 * device. Stopped is who is outside the section and knows that it must not enter.
 */
#include "hw/cpu/soft/cpus.h"

void exclusive_enter(struct soft *cpu)
{
    struct exclusive *exclusive = &soft_cpus_of(cpu)->exclusive;

    for (;;) {
        uint32_t ticket;

        store_relaxed(&cpu->is_running, 1);
        /* Pairs with the barriers in exclusive_begin() and code_drops_ask(): either we see what
         * is wanted, or who wants it sees that we run. */
        smp_mb();
        if (likely(!load_acquire(&exclusive->is_wanted)) || cpu->is_exclusive)
            return;
        exclusive_leave(cpu);
        ticket = sequence_prepare(&exclusive->changed);
        if (load_acquire(&exclusive->is_wanted))
            (void)sequence_wait(&exclusive->changed, ticket, DEADLINE_NEVER); /* looks again */
        else
            sequence_cancel(&exclusive->changed);
    }
}

void exclusive_leave(struct soft *cpu)
{
    /* release: what ran in the section comes before what others do because it has ended. */
    store_release(&cpu->is_running, 0);
    smp_mb(); /* pairs with the barrier in exclusive_begin(): no wake-up is lost */
    if (unlikely(load_relaxed(&soft_cpus_of(cpu)->exclusive.is_wanted)))
        sequence_advance(&soft_cpus_of(cpu)->exclusive.changed);
}

static bool others_run(const struct soft *cpu)
{
    const struct cpus *cpus = cpu->cpu.cpus;

    for (unsigned i = 0; i < cpus->nr_cpus; i++)
        if (cpus->cpu[i] != &cpu->cpu && load_acquire(&soft_of(cpus->cpu[i])->is_running))
            return true;
    return false;
}

/* No mutex: the one that has it may take the BQL, for a device. */
static void claim(struct exclusive *exclusive)
{
    for (;;) {
        uint32_t ticket = sequence_prepare(&exclusive->changed), expected = 0;

        if (atomic_cas(&exclusive->is_wanted, &expected, 1)) {
            sequence_cancel(&exclusive->changed);
            return;
        }
        (void)sequence_wait(&exclusive->changed, ticket, DEADLINE_NEVER); /* looks again */
    }
}

void exclusive_begin(struct soft *cpu)
{
    struct exclusive *exclusive = &soft_cpus_of(cpu)->exclusive;

    claim(exclusive);
    smp_mb_after_rmw(); /* pairs with the barriers in exclusive_enter() and exclusive_leave() */
    cpus_post(cpu->cpu.cpus, CPU_EVENT_MAP, &cpu->cpu);
    for (;;) {
        uint32_t ticket = sequence_prepare(&exclusive->changed);

        if (!others_run(cpu)) {
            sequence_cancel(&exclusive->changed);
            break;
        }
        (void)sequence_wait(&exclusive->changed, ticket, DEADLINE_NEVER); /* looks again */
    }
    cpu->is_exclusive = true;
}

void exclusive_end(struct soft *cpu)
{
    struct exclusive *exclusive = &soft_cpus_of(cpu)->exclusive;

    cpu->is_exclusive = false;
    store_release(&exclusive->is_wanted, 0); /* pairs with the acquire in exclusive_enter() */
    sequence_advance(&exclusive->changed);
}
