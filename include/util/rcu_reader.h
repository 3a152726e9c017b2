/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The read side of RCU: what rcu_read_lock() and rcu_read_unlock() compile to.
 * Include "util/rcu.h"; this file is the part of it that is inlined everywhere.
 *
 * A reader's word `ctr` is 0 outside a section, and inside it the number of the
 * grace period that was newest when it entered. Numbers are odd, so that none
 * is 0. A grace period of number t waits for the readers whose word is older.
 *
 * The pair costs 14 instructions and no locked one. The order that it lacks is
 * made by the other side: a driver runs one membarrier, which is a full barrier
 * at some point of every running thread. Where there is no membarrier (or where
 * it is too dear), RCU_FENCES is set in the numbers, and readers call out to
 * run the barriers themselves.
 */
#ifndef UTIL_RCU_READER_H
#define UTIL_RCU_READER_H

#include <stdbool.h>

#include "util/annotate.h"
#include "util/atomic.h"

#ifdef MUTANTS
#include "util/mutant.h"
#define RCU_MUTANT_(name) MUTANT(name)
#else
#define RCU_MUTANT_(name) 0
#endif

/* The read side as a capability: REQUIRES_SHARED(rcu) says "inside a section". */
extern struct capability rcu;

/* Where a section was entered, for stall reports. */
struct rcu_site {
    const char *file;
    const char *func;
    int line;
};

enum {
    RCU_INSIDE = 1, /* in each number, so that 0 means outside */
    RCU_FENCES = 2, /* in each number of a process whose readers run the barriers themselves */
    RCU_STEP = 4,   /* from one number to the next */

    RCU_WAITED_FOR = 1,     /* in rcu_reader.waiting: a driver sleeps until this section ends */
    RCU_FENCE_AT_EXIT = 2,  /* likewise: always set while RCU_FENCES is */
    RCU_NOT_REGISTERED = 2, /* ctr of a thread that has not registered: neither 0 nor odd */
};

/* A reader may sleep between reading and storing one until it looks like one of the future. */
#define RCU_NUMBERS_WRAP (__SIZEOF_LONG__ < 8)

struct rcu_thread;

/* One per thread. The first line is written by its thread alone, the second mostly by drivers. */
struct rcu_reader {
    unsigned long ctr;           /* written by the thread (atomic), read by drivers */
    unsigned nesting;            /* sections inside the outermost one; the thread's own */
    const struct rcu_site *site; /* of the outermost section; atomic */
    const char *blocked_on;      /* what the thread waits for inside its section; atomic */
    struct rcu_thread *thread;   /* its place in the registry, or NULL; the thread's own */

    CACHE_ALIGNED unsigned waiting; /* RCU_WAITED_FOR, RCU_FENCE_AT_EXIT; atomic */
} CACHE_ALIGNED;

extern __thread struct rcu_reader rcu_reader __attribute__((visibility("hidden")));

/* The newest grace period that has been started; on a line of its own: every reader reads it. */
struct rcu_newest {
    unsigned long number; /* atomic */
} CACHE_ALIGNED;

extern struct rcu_newest rcu_newest __attribute__((visibility("hidden")));

void rcu_enter_slow(void); /* fences, or numbers that wrap */
void rcu_exit_slow(void);  /* fences, or somebody waits for us */
void rcu_enter_unregistered(const struct rcu_site *site) COLD;
void rcu_unlock_unbalanced(void) COLD;

/* Both look at a word of their own by a plain access where it decides, and by an atomic one beside
 * the fast path: a compiler then compares in memory, and does not load for the path not taken. */
static ALWAYS_INLINE void rcu_read_lock_at(const struct rcu_site *site) ACQUIRE_SHARED(rcu)
    NO_THREAD_SAFETY
{
    struct rcu_reader *self = &rcu_reader;

    if (likely(self->ctr == 0)) {
        /* acquire: pairs with the release in gp_start(). A section with number t sees all that
         * was unlinked before t started, so nobody has to wait for it (docs/rcu.md, case 3). */
        unsigned long number = load_acquire(&rcu_newest.number);

        store_relaxed(&self->ctr, number);
        store_relaxed(&self->site, site);
        if (unlikely(number & RCU_FENCES) || RCU_NUMBERS_WRAP)
            rcu_enter_slow();
    } else {
        store_relaxed(&self->nesting, load_relaxed(&self->nesting) + 1);
        if (unlikely(!(load_relaxed(&self->ctr) & RCU_INSIDE)))
            rcu_enter_unregistered(site);
    }
    compiler_barrier(); /* pairs with the membarrier in gp_barrier() */
}

static ALWAYS_INLINE void rcu_read_unlock(void) RELEASE_SHARED(rcu) NO_THREAD_SAFETY
{
    struct rcu_reader *self = &rcu_reader;

    compiler_barrier(); /* pairs with the membarrier in gp_barrier() */
    if (likely(self->nesting == 0) || RCU_MUTANT_(nesting_ignored)) {
#ifdef DEBUG_CHECKS
        if (unlikely(!(self->ctr & RCU_INSIDE)))
            rcu_unlock_unbalanced();
#endif
        /* release: pairs with the acquire of ctr in rcu_registry_scan(): what the section read and
         * wrote comes before what happens after the grace period. */
        if (RCU_MUTANT_(relaxed_unlock))
            store_relaxed(&self->ctr, 0);
        else
            store_release(&self->ctr, 0);
        compiler_barrier(); /* pairs with the membarrier before a driver sleeps */
        if (unlikely(load_relaxed(&self->waiting)))
            rcu_exit_slow();
    } else {
        store_relaxed(&self->nesting, load_relaxed(&self->nesting) - 1);
    }
}

#define RCU_SITE_()                                                                                \
    __extension__({                                                                                \
        static const struct rcu_site site_ = { __FILE__, __func__, __LINE__ };                     \
        &site_;                                                                                    \
    })

/** Enter a section: what is reached through atomic_rcu_read() stays until the matching unlock. */
#define rcu_read_lock() rcu_read_lock_at(RCU_SITE_())

/** A section until the end of the enclosing block. */
#define RCU_READ_GUARD()                                                                           \
    CLEANUP(rcu_guard_end) UNUSED bool rcu_guard_ = rcu_guard_begin(RCU_SITE_())

/** A section around one block: `WITH_RCU_READ() { ... }`. Leaving it by return or break is fine. */
#define WITH_RCU_READ()                                                                            \
    for (CLEANUP(rcu_guard_end) bool rcu_guard_ = rcu_guard_begin(RCU_SITE_()); rcu_guard_;        \
         rcu_guard_ = false)

static ALWAYS_INLINE bool rcu_guard_begin(const struct rcu_site *site) GUARD_ACQUIRE_SHARED(rcu)
    NO_THREAD_SAFETY
{
    rcu_read_lock_at(site);
    return true;
}

static ALWAYS_INLINE void rcu_guard_end(const bool *guard UNUSED) GUARD_RELEASE_SHARED(rcu)
    NO_THREAD_SAFETY
{
    rcu_read_unlock();
}

/** Whether the calling thread is inside a section. */
static ALWAYS_INLINE bool rcu_is_reading(void)
{
    return rcu_reader.ctr & RCU_INSIDE;
}

#endif
