/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A reader-writer lock: what readers that run together pay. "Synchronize" is a writer's turn. */
#include <pthread.h>

static pthread_rwlock_t lock = PTHREAD_RWLOCK_INITIALIZER;

#define PEER_LOCK() pthread_rwlock_rdlock(&lock)
#define PEER_UNLOCK() pthread_rwlock_unlock(&lock)
#define PEER_QUIESCENT() (void)0
#define PEER_ONLINE() (void)0
#define PEER_OFFLINE() (void)0

#include "peer_loops.h"

static void synchronize(void)
{
    pthread_rwlock_wrlock(&lock);
    pthread_rwlock_unlock(&lock);
}

static const struct peer rwlock = {
    .name = "rwlock",
    .pairs = loop_pairs,
    .short_sections = loop_short_sections,
    .long_sections = loop_long_sections,
    .synchronize = synchronize,
};

const struct peer *const peer_rwlock = &rwlock;
