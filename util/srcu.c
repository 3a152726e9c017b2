/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Grace periods of a domain.
 *
 * A section that may not have seen the updater's unlink counted itself in
 * before the driver's membarrier. Both indexes are summed after it, so one of
 * the two sums of locks has that section; and a section counted as left has its
 * lock counted, because unlocks are summed first. Equal sums so mean that every
 * such section has been left. docs/srcu.md has the argument in full.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "util/srcu_internal.h"
#include "util/trace.h"

/* About what going to sleep and being woken costs (research/rcu.md section 2: 3 to 25 us). */
#define SPIN_NS (10 * NS_PER_US)

/* Sections may sleep, so a long grace period is no error by itself; it is reported, from here on
 * after each doubling. Nothing depends on it: a driver is always woken. */
#define STALL_NS (10 * NS_PER_S)

/* ---- Domains -------------------------------------------------------------- */

void init_srcu_struct(struct srcu_struct *srcu, const char *name)
{
    memset(srcu, 0, sizeof(*srcu));
    srcu->name = name;
    pthread_mutex_init(&srcu->driving, NULL);
    srcu_registry_add(srcu);
}

static unsigned long sections_open(const struct srcu_struct *srcu, int index)
{
    unsigned long unlocks = srcu_sum(srcu, index, SRCU_UNLOCKS);

    return srcu_sum(srcu, index, SRCU_LOCKS) - unlocks;
}

int cleanup_srcu_struct(struct srcu_struct *srcu)
{
    unsigned long open;

    if (pthread_mutex_trylock(&srcu->driving) != 0) {
        rcu_misuse("srcu \"%s\": cleanup while a grace period runs", srcu->name);
        return -EBUSY;
    }
    rcu_barrier_everywhere(); /* pairs with readers' compiler barriers: every lock is visible */
    open = sections_open(srcu, 0) + sections_open(srcu, 1);
    pthread_mutex_unlock(&srcu->driving);
    if (open != 0) {
        rcu_misuse("srcu \"%s\": cleanup with %lu sections open", srcu->name, open);
        return -EBUSY;
    }
    srcu_registry_remove(srcu);
    pthread_mutex_destroy(&srcu->driving);
    return 0;
}

void srcu_fork_child_domain(struct srcu_struct *srcu)
{
    pthread_mutex_init(&srcu->driving, NULL); /* its holder does not exist here */
    if (srcu->progress & 1)
        srcu->progress--; /* nobody drives it any more: the next one does all of it */
}

/* ---- Drivers -------------------------------------------------------------- */

static void barrier_in_readers(void)
{
    if (!MUTANT(srcu_no_barrier))
        rcu_barrier_everywhere();
}

/* Whether each section counted in, when we look, has been counted out before. */
static bool has_left(const struct srcu_struct *srcu, int index)
{
    unsigned long unlocks;

    if (MUTANT(srcu_locks_first)) {
        unsigned long locks = srcu_sum(srcu, index, SRCU_LOCKS);

        SRCU_WINDOW();
        return srcu_sum(srcu, index, SRCU_UNLOCKS) == locks;
    }
    unlocks = srcu_sum(srcu, index, SRCU_UNLOCKS);
    SRCU_WINDOW();
    return srcu_sum(srcu, index, SRCU_LOCKS) == unlocks;
}

static void report_stall(const struct srcu_struct *srcu, int index, int64_t age_ns)
{
    rcu_report("srcu \"%s\": a grace period has waited %" PRId64 " ms for %lu sections to be left",
               srcu->name, age_ns / NS_PER_MS, sections_open(srcu, index));
}

static unsigned waiting_one(int index)
{
    return index == 0 ? 1u : 1u << 16;
}

void srcu_wake(unsigned offset, int index)
{
    struct srcu_hub *hub = srcu_hub_at(offset);

    if (MUTANT(srcu_no_wake))
        return;
    /* Readers of the other index, the busy one, leave the driver asleep. */
    if (load_relaxed(&hub->waiting) & waiting_one(index) * 0xffffu)
        sequence_advance(&hub->news);
}

/*
 * A reader counts itself out, then looks whether anybody waits; we say that we
 * wait, then look at the counts; the membarrier is a full barrier in between,
 * here and at some point of every reader. So either the reader's look finds us
 * waiting, and its news ends our sleep, or our look finds it gone.
 */
static void sleep_until_left(struct srcu_struct *srcu, int index)
{
    struct srcu_hub *hub = srcu_hub_at(srcu->offset);
    int64_t start_ns = monotonic_ns();
    int64_t patience_ns = STALL_NS;

    fetch_add(&hub->waiting, waiting_one(index));
    barrier_in_readers(); /* pairs with the compiler barrier at the end of srcu_read_unlock() */
    for (;;) {
        uint32_t ticket = sequence_prepare(&hub->news);

        if (has_left(srcu, index)) {
            sequence_cancel(&hub->news);
            break;
        }
        fetch_add_relaxed(&srcu->sleeps, 1);
        if (sequence_wait(&hub->news, ticket, deadline_after_ns(start_ns, patience_ns)) ==
            TIMED_OUT) {
            report_stall(srcu, index, monotonic_ns() - start_ns);
            patience_ns *= 2;
        }
    }
    fetch_sub(&hub->waiting, waiting_one(index));
}

static void wait_until_left(struct srcu_struct *srcu, int index)
{
    int64_t end_ns;

    if (has_left(srcu, index))
        return;
    end_ns = monotonic_ns() + SPIN_NS;
    do {
        cpu_relax();
        if (has_left(srcu, index))
            return;
    } while (monotonic_ns() < end_ns);
    sleep_until_left(srcu, index);
}

/* One grace period. The caller holds srcu->driving. */
static void drive(struct srcu_struct *srcu)
{
    int old = (int)load_relaxed(&srcu->index); /* only drivers write it */
    unsigned long running = load_relaxed(&srcu->progress) + 1;
    int64_t start_ns = monotonic_ns();

    TRACE2(srcu_start, srcu, running / 2 + 1);
    store_relaxed(&srcu->progress, running);

    /* Pairs with the compiler barrier at the end of srcu_read_lock(): a section that counted
     * itself in after it sees all that was done before us. It also keeps the store above in front
     * of the sums: pairs with the barrier in get_state_synchronize_srcu(). */
    barrier_in_readers();

    /* Late readers of the last flip first: nobody new comes to this index, so it drains. */
    if (!MUTANT(srcu_one_scan))
        wait_until_left(srcu, !old);

    /* release: pairs with the acquire in srcu_read_lock(): a section with the new index, for which
     * we do not wait, sees what was unlinked. Now the old index drains. */
    store_release(&srcu->index, (unsigned)!old);
    wait_until_left(srcu, old);

    /* release: pairs with the acquire in poll_state_synchronize_srcu() */
    store_release(&srcu->progress, running + 1);
    TRACE3(srcu_end, srcu, running / 2 + 1, monotonic_ns() - start_ns);
}

static void check_may_wait(const struct srcu_struct *srcu)
{
    rcu_assert_may_wait("synchronize_srcu");
    if (srcu_read_lock_held(srcu)) {
        rcu_misuse("srcu \"%s\": waiting for a grace period inside a section", srcu->name);
        abort(); /* to return would free what others read; to wait would never end */
    }
}

/* ---- Waiting -------------------------------------------------------------- */

srcu_cookie get_state_synchronize_srcu(const struct srcu_struct *srcu)
{
    /* The unlink, then the look: pairs with the barrier in drive(). A grace period that we find
     * not started has its membarrier after the unlink. One that runs may be past it: not that. */
    smp_mb();
    return (load_acquire(&srcu->progress) + 3) & ~1ul;
}

bool poll_state_synchronize_srcu(const struct srcu_struct *srcu, srcu_cookie cookie)
{
    /* acquire: pairs with the release at the end of drive(), and so with each reader's unlock */
    return (long)(load_acquire(&srcu->progress) - cookie) >= 0;
}

void cond_synchronize_srcu(struct srcu_struct *srcu, srcu_cookie cookie)
{
    check_may_wait(srcu);
    if (poll_state_synchronize_srcu(srcu, cookie))
        return;
    /* Whoever waits here while others drive mostly finds the work done. */
    pthread_mutex_lock(&srcu->driving);
    while (!poll_state_synchronize_srcu(srcu, cookie))
        drive(srcu);
    pthread_mutex_unlock(&srcu->driving);
}

void synchronize_srcu(struct srcu_struct *srcu)
{
    cond_synchronize_srcu(srcu, get_state_synchronize_srcu(srcu));
}

void srcu_get_stats(struct srcu_struct *srcu, struct srcu_stats *ret_stats)
{
    ret_stats->grace_periods = load_relaxed(&srcu->progress) / 2;
    ret_stats->sleeps = load_relaxed(&srcu->sleeps);
    ret_stats->has_slots = srcu->offset != 0;
    for (int i = 0; i < 2; i++) {
        ret_stats->left[i] = srcu_sum(srcu, i, SRCU_UNLOCKS);
        ret_stats->entered[i] = srcu_sum(srcu, i, SRCU_LOCKS);
    }
}
