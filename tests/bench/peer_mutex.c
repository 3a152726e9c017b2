/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A plain mutex: what a reader pays without RCU. "Synchronize" is one turn of the writer. */
#include <pthread.h>

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

#define PEER_LOCK() pthread_mutex_lock(&lock)
#define PEER_UNLOCK() pthread_mutex_unlock(&lock)
#define PEER_QUIESCENT() (void)0
#define PEER_ONLINE() (void)0
#define PEER_OFFLINE() (void)0

#include "peer_loops.h"

static void synchronize(void)
{
    pthread_mutex_lock(&lock);
    pthread_mutex_unlock(&lock);
}

static const struct peer mutex = {
    .name = "mutex",
    .pairs = loop_pairs,
    .short_sections = loop_short_sections,
    .long_sections = loop_long_sections,
    .synchronize = synchronize,
};

const struct peer *const peer_mutex = &mutex;
