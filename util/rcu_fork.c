/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * After fork() the child has one thread. It keeps that thread's registration
 * and the pending callbacks; the rcu thread starts again at the first use.
 * Only RCU's own locks are taken here, under none of which RCU calls anybody, so
 * a fork from anywhere cannot deadlock.
 */
#include "util/rcu_callback.h"
#include "util/rcu_grace.h"
#include "util/rcu_internal.h"
#include "util/rcu_registry.h"

void rcu_fork_prepare(void)
{
    rcu_config_fork_prepare();
    rcu_callback_fork_prepare();
    rcu_registry_fork_prepare();
    rcu_debug_fork_prepare();
}

void rcu_fork_parent(void)
{
    rcu_debug_fork_done();
    rcu_registry_fork_parent();
    rcu_callback_fork_parent();
    rcu_config_fork_done();
}

void rcu_fork_child(void)
{
    if (rcu_config.readers == RCU_READERS_MEMBARRIER && rcu_membarrier_register() != 0)
        rcu_report("rcu: membarrier cannot be registered in a forked child");
    rcu_debug_fork_done();
    rcu_registry_fork_child();
    rcu_grace_fork_child();
    rcu_callback_fork_child();
    rcu_config_fork_done();
}
