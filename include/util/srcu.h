/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Sleepable RCU: read-copy-update in domains of its own.
 *
 * As with RCU, a reader brackets its use of shared pointers, and an updater
 * unlinks, waits for a grace period, and frees. Differences: each domain waits
 * for its own readers only; a section may sleep; and a domain may be read from
 * signal handlers, even from one that interrupts a reader of the same domain.
 *
 *     int index = srcu_read_lock(&routes);
 *     deliver(atomic_rcu_read(&table), gsi);
 *     srcu_read_unlock(&routes, index);
 *
 * Threads: any may read. One that has registered pays about 11 plain
 * instructions for the pair; others, and domains beyond the fifteenth, some
 * atomic ones. A signal handler needs nothing more than its thread has.
 * What waits says so, and must not be called in a signal handler, inside a
 * section of the same domain or of RCU, or with the BQL held.
 * docs/srcu.md has the reasons, the ordering argument and the limits.
 */
#ifndef UTIL_SRCU_H
#define UTIL_SRCU_H

#include <stdbool.h>

#include "util/annotate.h"
#include "util/srcu_reader.h" /* struct srcu_struct, srcu_read_lock, srcu_read_unlock */

/* ---- Domains -------------------------------------------------------------- */

/** Make @srcu a domain. @name appears in reports and is not copied. */
void init_srcu_struct(struct srcu_struct *srcu, const char *name);

/**
 * End a domain that nobody uses any more; its memory may then be freed.
 * Returns 0; or -EBUSY, and leaves it as it is, when readers are inside or a
 * grace period runs: that is reported by name, and debug builds abort.
 */
int cleanup_srcu_struct(struct srcu_struct *srcu) MUST_CHECK;

/* ---- Readers: srcu_read_lock(), srcu_read_unlock() ------------------------- */

/** A section until the end of the enclosing block. */
#define SRCU_READ_GUARD(srcu)                                                                      \
    CLEANUP(srcu_guard_end) UNUSED struct srcu_guard srcu_guard_ = srcu_guard_begin(srcu)

/**
 * Give the calling thread counts of its own, in all domains there are and will
 * be. Again is fine (counted). Outside of sections; not in a signal handler.
 * rcu_register_thread() does it. A thread that ends gives them back by itself.
 */
void srcu_register_thread(void);
void srcu_unregister_thread(void);

/**
 * A section that belongs to no thread: entered here, left anywhere, by any
 * thread. Costs an atomic operation; misuse checks do not know it.
 */
int srcu_down_read(struct srcu_struct *srcu) MUST_CHECK;
void srcu_up_read(struct srcu_struct *srcu, int index);

/** Whether the calling thread is inside a section of @srcu (srcu_down_read() does not count). */
bool srcu_read_lock_held(const struct srcu_struct *srcu);

/* ---- Waiting for a grace period ------------------------------------------- */

/**
 * Wait until every section of @srcu that is open now has been left. Any number
 * of callers may share one grace period. With no reader inside it costs one
 * membarrier; otherwise it spins for some microseconds, then sleeps until the
 * last reader wakes it. Waiting inside a section of @srcu would never end and
 * aborts, in release builds too.
 */
void synchronize_srcu(struct srcu_struct *srcu) EXCLUDES(srcu);

/* A point in the stream of a domain's grace periods. On 32-bit hosts good for 2^30 of them. */
typedef unsigned long srcu_cookie;

/** The end of a full grace period from now on. It names it only: somebody must wait for one. */
srcu_cookie get_state_synchronize_srcu(const struct srcu_struct *srcu);

/** Whether it has ended. Never waits; any thread, inside a section, in a signal handler. */
bool poll_state_synchronize_srcu(const struct srcu_struct *srcu, srcu_cookie cookie);

/** synchronize_srcu(), unless @cookie's grace period has ended already. */
void cond_synchronize_srcu(struct srcu_struct *srcu, srcu_cookie cookie) EXCLUDES(srcu);

/* ---- What it has done ----------------------------------------------------- */

struct srcu_stats {
    unsigned long grace_periods; /* ended */
    unsigned long sleeps;        /* times that a driver slept */
    unsigned long entered[2];    /* sections, modulo the word; equal to left[] when none is open */
    unsigned long left[2];
    bool has_slots; /* registered threads have counts of their own for it */
};

/** A snapshot; a section left while it is taken may be missing from left[], never the reverse. */
void srcu_get_stats(struct srcu_struct *srcu, struct srcu_stats *ret_stats);

#endif
