/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Our SRCU, in a domain for which registered threads have slots of their own. */
#include "util/srcu.h"

static struct srcu_struct domain;

static void begin_process(void)
{
    init_srcu_struct(&domain, "bench");
}

#define PEER_NAME "srcu"
#define PEER_VARIABLE peer_srcu
#include "peer_srcu.h"
