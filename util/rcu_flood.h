/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * How many callbacks are pending, and what happens when it is too many. Private
 * to RCU; docs/rcu.md has the limits.
 */
#ifndef UTIL_RCU_FLOOD_H
#define UTIL_RCU_FLOOD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/rcu_control.h"

/** One more is queued. A full barrier. Says how many are pending; never too many. */
int64_t rcu_count_queued(size_t bytes);

/** @nr have run, or are about to. Lets throttled producers go on. */
void rcu_count_run(unsigned nr, size_t bytes);

/** So many more (or fewer) wait for the main loop alone: no force would hurry them. */
void rcu_count_ready(long nr);

/** Whether a producer that found @pending is to call rcu_flood(). */
bool rcu_is_flood(int64_t pending);

/** Force the grace period @need, and make the caller wait if it may. */
void rcu_flood(unsigned long need);

void rcu_flood_get_stats(struct rcu_stats *ret_stats);

/** In a forked child: so many are on its lists, @ready of them for the main loop. */
void rcu_flood_fork_child(uint64_t nr, uint64_t bytes, uint64_t ready);

#endif
