/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The rcu thread: drives what nobody else drives, and runs callbacks. Private to
 * RCU. It starts at the first use, and again in a forked child.
 */
#ifndef UTIL_RCU_WORKER_H
#define UTIL_RCU_WORKER_H

#include <stdbool.h>

#include "util/rcu.h"

/** There is work for it: start it, or wake it, unless this thread has promised to drive. */
void rcu_thread_wake(void);

/** The same, around a push: what the first says keeps others from relying on a put-off wake. */
void rcu_thread_before_push(void);
void rcu_thread_after_push(bool was_empty);

/** Whether it could be started so far. */
bool rcu_thread_is_started(void);

bool rcu_is_rcu_thread(void);
bool rcu_is_in_callback(void);

/** On the rcu thread: bring the counts of what it has run up to date. */
void rcu_worker_count(void);

/** Callbacks whose grace period is over and that wait for the main loop; sleep until there are. */
void rcu_wait_for_ready(void);

void rcu_worker_fork_prepare(void);
void rcu_worker_fork_parent(void);

/** The child's list of callbacks that wait for the main loop, to sift; then its end is found. */
struct rcu_head **rcu_worker_fork_ready(void);
void rcu_worker_fork_child(void);

#endif
