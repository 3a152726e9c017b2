/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Template: SRCU over one domain, `domain`. Included once by each variant's
 * file, which has defined that, begin_process(), PEER_NAME and PEER_VARIABLE.
 */
#define PEER_LOCK() int index_ = srcu_read_lock(&domain)
#define PEER_UNLOCK() srcu_read_unlock(&domain, index_)
#define PEER_QUIESCENT() (void)0
#define PEER_ONLINE() (void)0
#define PEER_OFFLINE() (void)0

#include "peer_loops.h"

static void synchronize(void)
{
    synchronize_srcu(&domain);
}

static const struct peer srcu = {
    .name = PEER_NAME,
    .begin_process = begin_process,
    .begin_thread = srcu_register_thread,
    .end_thread = srcu_unregister_thread,
    .pairs = loop_pairs,
    .short_sections = loop_short_sections,
    .long_sections = loop_long_sections,
    .synchronize = synchronize,
};

const struct peer *const PEER_VARIABLE = &srcu;
