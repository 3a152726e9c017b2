/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Template: one flavour of liburcu, its read side inlined. Included once by each
 * flavour's file, which has included the flavour's own header under
 * _LGPL_SOURCE, URCU_API_MAP and URCU_INLINE_SMALL_FUNCTIONS, and defined PEER_NAME,
 * PEER_VARIABLE and, for qsbr, PEER_QUIESCENT(), PEER_ONLINE(), PEER_OFFLINE().
 */
#define PEER_LOCK() rcu_read_lock()
#define PEER_UNLOCK() rcu_read_unlock()
#define PEER_CALL(head, func, size) call_rcu(head, func)
#ifndef PEER_QUIESCENT
#define PEER_QUIESCENT() (void)0
#define PEER_ONLINE() (void)0
#define PEER_OFFLINE() (void)0
#endif

#include "peer_loops.h"

#include "peer_callbacks.h"

static void begin_thread(void)
{
    rcu_register_thread();
    PEER_OFFLINE();
}

static void end_thread(void)
{
    PEER_ONLINE();
    rcu_unregister_thread();
}

static void begin_process(void)
{
    struct stamp stamp;

    begin_thread();
    loop_call_stamp(&stamp);
    rcu_barrier();
    end_thread();
}

static const struct peer flavour = {
    .name = PEER_NAME,
    .begin_process = begin_process,
    .begin_thread = begin_thread,
    .end_thread = end_thread,
    .pairs = loop_pairs,
    .short_sections = loop_short_sections,
    .long_sections = loop_long_sections,
    .synchronize = synchronize_rcu,
    .call_stamp = loop_call_stamp,
    .flood = loop_flood,
};

const struct peer *const PEER_VARIABLE = &flavour;
