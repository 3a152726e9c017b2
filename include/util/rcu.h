/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Read-copy-update: readers that cost nothing, reclamation that need not wait long.
 *
 * A reader brackets its use of shared pointers with rcu_read_lock() and
 * rcu_read_unlock(). An updater unlinks an object, and frees it after a *grace
 * period*: when every section that was open at the unlink has been left.
 *
 * A grace period is in one of two states. *Normal*: it only polls; readers pay
 * nothing. *Forced*: each reader still inside an older section is kicked out
 * through its notifiers. Which one is a question of numbers: grace periods are
 * numbered, and all up to the number that force_rcu() raised are forced.
 *
 * docs/rcu.md has the idea, the ordering proof and the usage patterns.
 *
 * Threads: a reader registers first. Everything else may be called from any
 * thread; what waits says so and must not be called inside a read section or
 * with the BQL held. Debug builds (-Ddebug_checks=true) abort on such misuse;
 * release builds count it, log it, and do what the function says.
 */
#ifndef UTIL_RCU_H
#define UTIL_RCU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/annotate.h"
#include "util/atomic.h"
#include "util/rcu_reader.h" /* rcu_read_lock, rcu_read_unlock, guards */

/* ---- Readers -------------------------------------------------------------- */

/**
 * Make the calling thread a reader. Again is fine (counted). Signal handlers
 * that read are blocked around this call and the next, and do not call them.
 */
void rcu_register_thread(void);

/**
 * The calling thread reads no more. Outside a section, its notifiers removed.
 * Waits for a kick that is under way.
 */
void rcu_unregister_thread(void);

/** Read and publish a pointer: acquire and release, so an object's contents come with it. */
#define atomic_rcu_read(pp) load_acquire(pp)
#define atomic_rcu_set(pp, value) store_release(pp, value)

/**
 * Called when a forced grace period needs its thread out of its section: raise
 * a flag, send a signal. From any thread, from several at once, even from the
 * thread itself, possibly again for a section that is being left. Must not
 * block, take a lock other than a leaf, or add and remove notifiers.
 *
 * A thread that was kicked by flag lowers the flag with a full barrier
 * (event_reset, atomic_xchg) *before* it enters its next section: a plain store
 * could wipe out the kick that is meant for that one.
 */
struct rcu_notifier {
    void (*kick)(struct rcu_notifier *notifier);
    struct rcu_notifier *next; /* private */
};

/** Add to, remove from the calling thread's list. After removal no kick is running or will come. */
void rcu_add_force_rcu_notifier(struct rcu_notifier *notifier);
void rcu_remove_force_rcu_notifier(struct rcu_notifier *notifier);

/* ---- Waiting for a grace period ------------------------------------------- */

/** Wait, forced, until every section open now is left. Drives the grace period itself. */
void synchronize_rcu(void);

/**
 * Force every grace period that anybody waits for, running or not yet started;
 * kicks the older readers and returns at once. Without such a wait it changes
 * nothing. May be called anywhere: under the BQL, inside a section.
 */
void force_rcu(void);

/**
 * End outstanding forced grace periods from this thread; true if none is left.
 * Gives up after @budget_ns. It sleeps only for a reader that waits for this
 * processor, or if 100 us are left: a sleep may overrun by the timer's slack,
 * and a membarrier that has begun is not cut short. The rcu thread does the rest.
 * Main loop, outside a section, BQL dropped.
 */
bool rcu_drive_forced(int64_t budget_ns);

/**
 * The main loop promises to call rcu_drive_forced() before it sleeps. Until
 * then what it queues or polls for wakes nobody: the rcu thread would take a
 * processor from the readers, or from this thread. Before it waits elsewhere for
 * what a callback does (in a join, on a condition, on an event) it calls
 * rcu_keep_promise(), which does the wakes. Other threads never depend on it.
 */
void rcu_promise_drive(bool is_promised);
void rcu_keep_promise(void);

/** A point in the stream of grace periods. */
typedef unsigned long rcu_cookie;

/** The end of a full grace period from now on. The first only names it, the second sees to it. */
rcu_cookie get_state_synchronize_rcu(void);
rcu_cookie start_poll_synchronize_rcu(void);

/** Whether it has ended. Never waits; any thread, registered or not, in a section or not. */
bool poll_state_synchronize_rcu(rcu_cookie cookie);

/** synchronize_rcu(), unless @cookie's grace period has ended already. */
void cond_synchronize_rcu(rcu_cookie cookie);

/* ---- Callbacks ------------------------------------------------------------ */

/* Part of an object that is to be freed later. Needs no initialisation; private. */
struct rcu_head {
    struct rcu_head *next;
    void (*func)(struct rcu_head *head);
    unsigned long need; /* the grace period that must end first */
    size_t size_bytes;  /* what the object keeps alive: flood control */
};

/**
 * Run @func(@head) on the rcu thread after a grace period: in the order of the
 * calls, without the BQL, outside any section. It may call call_rcu*() again,
 * not drain_call_rcu(). When too many callbacks are pending, grace periods are
 * forced, and a caller that is outside a section and without the BQL is slowed
 * down (10 ms at most a call, so that a lock it holds cannot deadlock).
 */
void call_rcu1(struct rcu_head *head, void (*func)(struct rcu_head *head));
void call_rcu1_sized(struct rcu_head *head, void (*func)(struct rcu_head *head), size_t size_bytes);

/** The same, but @func runs on the main loop under the BQL. */
void call_rcu1_bql(struct rcu_head *head, void (*func)(struct rcu_head *head), size_t size_bytes);

/* @field must come first in *@ptr, so that @func can take @ptr's own type. Others: call_rcu1(). */
#define RCU_CALL_(call, ptr, func, field)                                                          \
    do {                                                                                           \
        _Static_assert(offsetof(__typeof__(*(ptr)), field) == 0, "the rcu_head comes first");      \
        void (*typed_func_)(__typeof__(*(ptr)) *) = (func);                                        \
        call(&(ptr)->field, (void (*)(struct rcu_head *))(void (*)(void))typed_func_,              \
             sizeof(*(ptr)));                                                                      \
    } while (0)

/** Run @func(@ptr) after a grace period, on the rcu thread, or on the main loop under the BQL. */
#define call_rcu(ptr, func, field) RCU_CALL_(call_rcu1_sized, ptr, func, field)
#define call_rcu_bql(ptr, func, field) RCU_CALL_(call_rcu1_bql, ptr, func, field)

/** g_free(@ptr) after a grace period. @field may be anywhere in the first 4 KiB of *@ptr. */
#define g_free_rcu(ptr, field)                                                                     \
    do {                                                                                           \
        _Static_assert(offsetof(__typeof__(*(ptr)), field) < RCU_FREE_OFFSETS, "field too far");   \
        rcu_free_later(&(ptr)->field, offsetof(__typeof__(*(ptr)), field), sizeof(*(ptr)));        \
    } while (0)

enum { RCU_FREE_OFFSETS = 4096 };
void rcu_free_later(struct rcu_head *head, size_t offset, size_t size_bytes);

/**
 * Wait, forced, until the callbacks that this thread asked for earlier have
 * run, those for the main loop included. Drops the BQL while it waits, if held.
 * Not from a callback.
 */
void drain_call_rcu(void);

/**
 * Run callbacks of call_rcu_bql() whose grace period has ended, for @budget_ns at
 * most; true if more are ready. Main loop, BQL held.
 */
bool rcu_run_bql_callbacks(int64_t budget_ns);

#endif
