/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/rcu_flood.h"
#include "util/event.h"
#include "util/rcu_grace.h"
#include "util/rcu_internal.h"
#include "util/rcu_worker.h"
#include "util/trace.h"

enum { THROTTLE_MS = 10 }; /* a producer's longest wait: it may hold a lock that a callback wants */

/* Written by producers; atomic. */
static struct {
    uint64_t callbacks;
    uint64_t bytes;
    int64_t peak;
} CACHE_ALIGNED queued;

/* Written by whoever runs callbacks; atomic. */
static struct {
    uint64_t callbacks;
    uint64_t bytes;
    uint64_t ready;          /* those that wait for the main loop alone */
    struct sequence drained; /* half of what was pending has gone: producers go on */
} CACHE_ALIGNED done;

/* What is done first, so that the difference is not negative. */
static uint64_t pending_callbacks(void)
{
    uint64_t run = load_acquire(&done.callbacks); /* keeps the second load second */

    return load_relaxed(&queued.callbacks) - run;
}

static uint64_t pending_bytes(void)
{
    uint64_t freed = load_acquire(&done.bytes); /* likewise */

    return load_relaxed(&queued.bytes) - freed;
}

static bool is_above(unsigned callbacks, size_t bytes)
{
    return pending_callbacks() > callbacks || pending_bytes() > bytes;
}

/* Producers that were made to wait go on waiting. */
static bool is_above_half(void)
{
    return is_above(rcu_config.throttle_callbacks / 2, rcu_config.throttle_bytes / 2);
}

static void raise_peak(int64_t pending)
{
    int64_t peak = load_relaxed(&queued.peak);

    while (pending > peak && !atomic_cas(&queued.peak, &peak, pending))
        continue;
}

int64_t rcu_count_queued(size_t bytes)
{
    int64_t pending; /* below 0 if we slept before the second load */

    fetch_add_relaxed(&queued.bytes, bytes);
    pending = (int64_t)(fetch_add(&queued.callbacks, 1) + 1 - load_relaxed(&done.callbacks));
    if (unlikely(pending > load_relaxed(&queued.peak)))
        raise_peak(pending);
    return pending;
}

void rcu_count_run(unsigned nr, size_t bytes)
{
    fetch_add_relaxed(&done.bytes, bytes);
    fetch_add(&done.callbacks, nr); /* full barrier: pairs with sequence_prepare() in throttle() */
    smp_mb_after_rmw();
    if (unlikely(load_relaxed(&done.drained.sleepers)) && !is_above_half() &&
        !MUTANT(throttle_sleeps_on))
        sequence_advance(&done.drained);
}

void rcu_count_ready(long nr)
{
    fetch_add_relaxed(&done.ready, (uint64_t)nr);
}

bool rcu_is_flood(int64_t pending)
{
    return pending > (int64_t)rcu_config.force_callbacks ||
           pending_bytes() > rcu_config.force_bytes;
}

/* Wait until half of what is pending has gone, if this thread may wait at all. */
static void throttle(void)
{
    int64_t until_ns = monotonic_ns() + THROTTLE_MS * NS_PER_MS;
    enum wait_result result = WOKEN;

    if (rcu_is_reading() || rcu_is_rcu_thread() || rcu_is_in_callback() || rcu_host_bql_is_mine())
        return;
    rcu_count(&rcu_counters.throttles);
    TRACE1(rcu_throttle, pending_callbacks());
    while (result == WOKEN && is_above_half()) {
        uint32_t ticket =
            sequence_prepare(&done.drained); /* full barrier: pairs with rcu_count_run() */

        if (is_above_half())
            result = sequence_wait(&done.drained, ticket, until_ns);
        else
            sequence_cancel(&done.drained);
    }
}

COLD void rcu_flood(unsigned long need)
{
    if (MUTANT(no_threshold))
        return;
    rcu_keep_promise(); /* too many to put it off */
    /* Not started here: those that follow share it, until the rcu thread gets to it. */
    if (MUTANT(flood_forces_each))
        force_rcu();
    if (pending_callbacks() > rcu_config.force_callbacks + load_relaxed(&done.ready) ||
        pending_bytes() > rcu_config.force_bytes)
        (void)rcu_raise_force(need); /* false: another producer was first */
    if (is_above(rcu_config.throttle_callbacks, rcu_config.throttle_bytes))
        throttle();
}

void rcu_flood_get_stats(struct rcu_stats *ret_stats)
{
    ret_stats->callbacks_run = load_relaxed(&done.callbacks);
    ret_stats->callbacks_queued = load_relaxed(&queued.callbacks);
    ret_stats->callbacks_peak = (uint64_t)load_relaxed(&queued.peak);
}

void rcu_flood_fork_child(uint64_t nr, uint64_t bytes, uint64_t ready)
{
    done.callbacks = queued.callbacks - nr;
    done.bytes = queued.bytes - bytes;
    done.ready = ready;
    done.drained = SEQUENCE_INIT; /* the sleepers are in the parent */
}
