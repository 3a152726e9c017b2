/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Our RCU. */
#include "util/rcu.h"

#define PEER_LOCK() rcu_read_lock()
#define PEER_UNLOCK() rcu_read_unlock()
#define PEER_QUIESCENT() (void)0
#define PEER_ONLINE() (void)0
#define PEER_OFFLINE() (void)0
#define PEER_CALL(head, func, size) call_rcu1_sized(head, func, size)

#include "peer_loops.h"

#include "peer_callbacks.h"

static void begin_process(void)
{
    struct stamp stamp;

    rcu_register_thread();
    loop_call_stamp(&stamp);
    drain_call_rcu();
    rcu_unregister_thread();
}

static const struct peer own = {
    .name = "rcu",
    .begin_process = begin_process,
    .begin_thread = rcu_register_thread,
    .end_thread = rcu_unregister_thread,
    .pairs = loop_pairs,
    .short_sections = loop_short_sections,
    .long_sections = loop_long_sections,
    .synchronize = synchronize_rcu,
    .call_stamp = loop_call_stamp,
    .flood = loop_flood,
};

const struct peer *const peer_own = &own;
