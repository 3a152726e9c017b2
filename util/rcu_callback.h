/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Callbacks, as a fork sees them. Private to RCU.
 */
#ifndef UTIL_RCU_CALLBACK_H
#define UTIL_RCU_CALLBACK_H

void rcu_callback_fork_prepare(void);
void rcu_callback_fork_parent(void);
void rcu_callback_fork_child(void);

#endif
