/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What the files of the RCU core share. In the order in which to read them:
 * rcu_config.c (choices, host, statistics), rcu_registry.c (threads, kicks),
 * rcu_grace.c (numbers and drivers), rcu_queue.c (lists of callbacks), rcu_flood.c
 * (how many), rcu_worker.c (the rcu thread), rcu_callback.c (call_rcu, drain), with
 * rcu_report.c (stalls, misuse) and rcu_fork.c beside them.
 */
#ifndef UTIL_RCU_INTERNAL_H
#define UTIL_RCU_INTERNAL_H

#include <pthread.h>
#include <sys/types.h>

#include "util/clock.h"
#include "util/event.h"
#include "util/mutant.h"
#include "util/rcu.h"
#include "util/rcu_control.h"

/* ---- Numbers --------------------------------------------------------------
 * 64 bits do not wrap in practice, 32 bits do: both compare by difference, and
 * tests start just below the end of the range.
 */
static inline bool number_before(unsigned long a, unsigned long b)
{
    if (MUTANT(truncated_number))
        return (unsigned)a < (unsigned)b;
    return (long)(a - b) < 0;
}

static inline bool numbers_wrap(void)
{
    return RCU_NUMBERS_WRAP;
}

/* The section with word @ctr was open when grace period @target started. */
static inline bool section_is_older(unsigned long ctr, unsigned long target)
{
    return (ctr & RCU_INSIDE) && number_before(ctr, target);
}

static inline int64_t earliest_ns(int64_t a_ns, int64_t b_ns)
{
    return a_ns < b_ns ? a_ns : b_ns;
}

/* ---- rcu_config.c --------------------------------------------------------- */

extern struct rcu_config rcu_config;
extern const struct rcu_host *rcu_host; /* never NULL; its members may be */

/* Counters of struct rcu_stats; relaxed atomics. */
extern struct rcu_counters {
    uint64_t forces, kicks, rekicks, barriers, sleeps, reports, stalls, misuses, throttles;
} rcu_counters;

static inline void rcu_count(uint64_t *counter)
{
    fetch_add_relaxed(counter, 1);
}

static inline bool rcu_host_bql_is_mine(void)
{
    bool (*is_mine)(void) = load_acquire(&rcu_host)->bql_is_mine; /* pairs with rcu_set_host() */

    return is_mine && is_mine();
}

extern bool rcu_is_settled; /* atomic */
void rcu_settle(void) COLD;

/** Settle the configuration at first use. */
static inline void rcu_init(void)
{
    if (unlikely(!load_acquire(&rcu_is_settled))) /* pairs with the release in settle_locked() */
        rcu_settle();
}

/** A full barrier in every running thread of the process (or in this one, with fence readers). */
void rcu_barrier_everywhere(void);

void rcu_config_fork_prepare(void);
void rcu_config_fork_done(void);

/** Register the process for expedited membarriers: at start, and in a forked child. */
int rcu_membarrier_register(void) MUST_CHECK;

/* ---- rcu_fork.c ----------------------------------------------------------- */

void rcu_fork_prepare(void);
void rcu_fork_parent(void);
void rcu_fork_child(void);

/* ---- rcu_report.c --------------------------------------------------------- */

void rcu_report(const char *format, ...) PRINTF_LIKE(1, 2);

/**
 * A wrong use of the interface: one report; debug builds add the stack and
 * abort, release builds count it and return.
 */
void rcu_misuse(const char *format, ...) PRINTF_LIKE(1, 2) COLD;

/** Before @what waits for a grace period: inside a section, or with the BQL held, is misuse. */
void rcu_assert_may_wait(const char *what);

void rcu_report_stall(unsigned long target, int64_t age_ns) COLD;

/* Debug builds: remembers pending callbacks, to catch one that is queued twice. */
#ifdef DEBUG_CHECKS
void rcu_debug_queued(struct rcu_head *head);
void rcu_debug_taken(struct rcu_head *head);
void rcu_debug_fork_prepare(void);
void rcu_debug_fork_done(void);
#else
static inline void rcu_debug_queued(struct rcu_head *head UNUSED)
{
}

static inline void rcu_debug_taken(struct rcu_head *head UNUSED)
{
}

static inline void rcu_debug_fork_prepare(void)
{
}

static inline void rcu_debug_fork_done(void)
{
}
#endif

#endif
