/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The big lock around device models.
 *
 * It is fair: threads get it in the order in which they asked. Whoever gives it
 * back and asks again stands behind everybody who was waiting, so a main loop
 * that relocks at once cannot starve a vCPU. Waiters spin for a moment if they
 * are next, then sleep.
 *
 * Wrong use, that is locking twice and unlocking what another thread holds,
 * aborts in every build: to go on would be a deadlock or a broken lock. Debug
 * builds also print the stack with which the holder took it.
 *
 * Threads: any; not in signal handlers. Rules: docs/locking.md. Nobody waits for
 * a grace period or joins a thread while holding it.
 * After fork() the child must not use it, unless the forking thread held it.
 */
#ifndef UTIL_BQL_H
#define UTIL_BQL_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "util/annotate.h"
#include "util/hist.h"
#include "util/lock.h"

/* What REQUIRES(bql) and GUARDED_BY(bql) name; not the lock itself. */
extern struct capability bql;

void bql_lock(void) ACQUIRE(bql);
void bql_unlock(void) RELEASE(bql);

/** Whether the calling thread holds it. */
bool bql_is_mine(void);

/** First line of what is called through a pointer with the BQL held. Aborts in every build. */
void bql_assert_held(void) ASSERT_HELD(bql);

/** How many threads stand in line. */
unsigned bql_waiters(void) REQUIRES(bql);

/**
 * Give the BQL back, sleep until condition_broadcast() or @deadline_ns, and get
 * in line for it again. TIMED_OUT is never early. Look in a loop, as with any
 * condition; whoever changes what is waited for holds the BQL.
 */
enum wait_result bql_wait(struct condition *condition, int64_t deadline_ns) REQUIRES(bql);

/** Held until the end of the enclosing block. Not together with bql_lock() in one function. */
#define BQL_GUARD() CLEANUP(bql_guard_end) UNUSED bool bql_guard_ = bql_guard_begin()

/** Held around one block: `WITH_BQL() { ... }`. Leaving it by return or break is fine. */
#define WITH_BQL()                                                                                 \
    for (CLEANUP(bql_guard_end) bool bql_guard_ = bql_guard_begin(); bql_guard_; bql_guard_ = false)

static inline bool bql_guard_begin(void) GUARD_ACQUIRE(bql) NO_THREAD_SAFETY
{
    bql_lock();
    return true;
}

static inline void bql_guard_end(const bool *guard UNUSED) GUARD_RELEASE(bql) NO_THREAD_SAFETY
{
    bql_unlock();
}

/* ---- What it has measured ---------------------------------------------------- */

enum { BQL_NAMES_MAX = 64 }; /* threads with further names are counted together, as "others" */

/* By thread name: threads of one name share it, and it stays after the last has ended. */
struct bql_account {
    const char *name;
    struct hist wait;         /* ns from asking to getting, of every acquisition; 0: it was free */
    struct hist hold;         /* ns from getting to giving back */
    uint64_t contended;       /* acquisitions that had to wait; atomic */
    uint64_t slept;           /* of those, acquisitions that slept; atomic */
    struct bql_account *next; /* private */
};

/** Call @visit for each account, in no particular order. Any thread, no lock needed. */
void bql_for_each_account(void (*visit)(const struct bql_account *account, void *arg), void *arg);

/** One JSON object, no newline: thread names, each with "wait", "hold", "contended", "slept". */
void bql_print_json(FILE *out);

#endif
