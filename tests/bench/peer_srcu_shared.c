/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Our SRCU, in a domain that came too late for slots: sections take the shared, atomic counts. */
#include "util/srcu.h"

static struct srcu_struct domain;

/* Uses up the slots, and leaves them used: peer_srcu begins first. */
static void begin_process(void)
{
    static struct srcu_struct others[SRCU_SLOTS];

    for (int i = 0; i < SRCU_SLOTS; i++)
        init_srcu_struct(&others[i], "filler");
    init_srcu_struct(&domain, "bench without slots");
}

#define PEER_NAME "srcu-shared"
#define PEER_VARIABLE peer_srcu_shared
#include "peer_srcu.h"
