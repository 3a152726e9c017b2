/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What the files of the RCU core share. Floors among them, lowest first:
 * rcu_config.c (choices, host, statistics), rcu_registry.c (threads, kicks),
 * rcu_grace.c (numbers and drivers), rcu_callback.c (queues, rcu thread), with
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

/** Register the process for expedited membarriers: at start, and in a forked child. */
int rcu_membarrier_register(void) MUST_CHECK;

/* ---- rcu_registry.c ------------------------------------------------------- */

enum { RCU_STACK_FRAMES = 16 };

/* A registered thread. Thread-local, so that it needs no memory; pinned while a driver uses it. */
struct rcu_thread {
    struct rcu_thread *next; /* guarded by the registry lock */
    struct rcu_reader *reader;
    struct rcu_notifier *notifiers; /* changed by the thread itself; atomic */
    uint32_t pins;                  /* kicks under way, and PIN_AWAITED; atomic */
    const uint32_t *cpu;            /* where the kernel says the thread runs; may be NULL */
    pthread_t handle;
    pid_t tid;
    unsigned registrations;

    /* Kicks of the current section; atomic, written by drivers. */
    unsigned long kicked_section; /* its number, 0: none */
    int64_t first_kick_ns;
    int64_t next_kick_ns;
    unsigned nr_kicks;

    /* Debug builds: where the thread blocked inside its section. */
    void *blocked_stack[RCU_STACK_FRAMES];
    int blocked_frames;
};

struct rcu_scan {
    unsigned older;        /* readers inside an older section */
    unsigned newly_marked; /* of those, the ones that were not asked to report before */
    bool worth_spinning;   /* one of them was last seen on another processor */
    int64_t next_kick_ns;  /* the earliest time at which one of them is to be kicked again */
};

/**
 * Look at every reader. With @skip, that thread's own section does not count
 * (a misuse survived). With @mark, each older one is asked to report its exit.
 */
struct rcu_scan rcu_registry_scan(unsigned long target, const struct rcu_thread *skip, bool mark);

/** Kick the readers inside a section older than @target whose kick is due. */
void rcu_registry_kick(unsigned long target);

/** Call @visit for each thread that is inside a section older than @target; registry locked. */
void rcu_registry_visit(unsigned long target,
                        void (*visit)(const struct rcu_thread *thread, void *opaque), void *opaque);

unsigned rcu_registry_count(void);
struct rcu_thread *rcu_registry_self(void);

/** For fork: lock; unlock in the parent, keep only the calling thread in the child. */
void rcu_registry_fork_prepare(void);
void rcu_registry_fork_parent(void);
void rcu_registry_fork_child(void);

/* ---- rcu_grace.c ---------------------------------------------------------- */

/* Advanced by readers that report, by forces, and by every grace period's end. */
extern struct sequence rcu_news;

bool rcu_is_completed(unsigned long number);
bool rcu_is_forced(unsigned long number);

/** The grace period that an updater must see ended; after its unlink. */
unsigned long rcu_need_from_now(void);

/** The same, where the caller's last step was a read-modify-write. */
unsigned long rcu_need_after_rmw(void);

/** Somebody waits for @need: an outstanding grace period that force_rcu() would force. */
void rcu_note_need(unsigned long need);

/** Force all up to @upto, kick, and wake sleeping drivers. False if they were forced before. */
bool rcu_raise_force(unsigned long upto);

/** The newest number that anybody waits for; false if it is completed. */
bool rcu_next_need(unsigned long *ret_need);

/** End grace period @target; false if @deadline_ns came first. Never inside a section. */
bool rcu_drive(unsigned long target, int64_t deadline_ns);

/** The number to start from, and whether readers run fences; before the first reader. */
void rcu_grace_set_first(unsigned long first, bool use_fences);
void rcu_grace_get_stats(struct rcu_stats *ret_stats);
void rcu_grace_fork_child(void);

/** What @thread's kick to exit took: teaches drivers how long to spin. */
void rcu_learn_exit(int64_t took_ns);

/* ---- rcu_callback.c ------------------------------------------------------- */

/** The rcu thread is wanted: start it if need be, wake it if it sleeps. */
void rcu_thread_wake(void);
bool rcu_is_rcu_thread(void);
void rcu_callback_get_stats(struct rcu_stats *ret_stats);
void rcu_callback_fork_prepare(void);
void rcu_callback_fork_parent(void);
void rcu_callback_fork_child(void);

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
