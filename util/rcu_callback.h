/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The rcu thread and its queues, for the other files of RCU. Private to it.
 */
#ifndef UTIL_RCU_CALLBACK_H
#define UTIL_RCU_CALLBACK_H

#include <stdbool.h>

#include "util/rcu_control.h"

/** The rcu thread is wanted: start it if need be, wake it if it sleeps. */
void rcu_thread_wake(void);
bool rcu_is_rcu_thread(void);
void rcu_callback_get_stats(struct rcu_stats *ret_stats);
void rcu_callback_fork_prepare(void);
void rcu_callback_fork_parent(void);
void rcu_callback_fork_child(void);

#endif
