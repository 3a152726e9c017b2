/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Grace periods by number, for the rcu thread and the registry. Private to RCU.
 */
#ifndef UTIL_RCU_GRACE_H
#define UTIL_RCU_GRACE_H

#include <stdbool.h>
#include <stdint.h>

#include "util/rcu_control.h"

/** A reader that a driver sleeps on has left. Safe in signal handlers. */
void rcu_news_advance(void);

bool rcu_is_completed(unsigned long number);
bool rcu_is_forced(unsigned long number);

/** The grace period that an updater must see ended; after its unlink. */
unsigned long rcu_need_from_now(void);

/** The same, where the caller's last step was a read-modify-write. */
unsigned long rcu_need_after_rmw(void);

/** Somebody waits for @need: an outstanding grace period that force_rcu() would force. */
void rcu_note_need(unsigned long need);

/**
 * Force all up to @upto and wake sleeping drivers, but start nothing: callbacks
 * that are queued meanwhile still share the grace period. False if they were
 * forced before.
 */
bool rcu_raise_force(unsigned long upto);

/** The newest number that anybody waits for; false if it is completed. */
bool rcu_next_need(unsigned long *ret_need);

/**
 * End grace period @need; false if @deadline_ns came first. Never inside a
 * section. Its age counts from @start_ns on, when the caller began with it.
 */
bool rcu_drive(unsigned long need, int64_t start_ns, int64_t deadline_ns);

/** The number to start from, and whether readers run fences; before the first reader. */
void rcu_grace_set_first(unsigned long first, bool use_fences);
void rcu_grace_get_stats(struct rcu_stats *ret_stats);
void rcu_grace_fork_child(void);

/** How long a kicked reader took to leave: teaches drivers how long to spin. */
void rcu_learn_exit(int64_t took_ns);

#endif
