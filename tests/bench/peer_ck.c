/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Concurrency Kit's epochs. Its callbacks run when the caller polls, so it has none of its own. */
#include <assert.h>
#include <ck_epoch.h>
#include <pthread.h>
#include <stdlib.h>

static ck_epoch_t epoch;
static __thread ck_epoch_record_t *record;

#define PEER_LOCK() ck_epoch_begin(record, NULL)
#define PEER_UNLOCK() ck_epoch_end(record, NULL)
#define PEER_QUIESCENT() (void)0
#define PEER_ONLINE() (void)0
#define PEER_OFFLINE() (void)0

#include "peer_loops.h"

static void begin_process(void)
{
    ck_epoch_init(&epoch);
}

static void begin_thread(void)
{
    record = ck_epoch_recycle(&epoch, NULL);
    if (!record) {
        record = aligned_alloc(CK_MD_CACHELINE, sizeof(*record));
        assert(record);
        ck_epoch_register(&epoch, record, NULL);
    }
}

static void end_thread(void)
{
    ck_epoch_unregister(record); /* kept on ck's list, for ck_epoch_recycle() */
    record = NULL;
}

static void synchronize(void)
{
    ck_epoch_synchronize(record);
}

static const struct peer ck = {
    .name = "ck_epoch",
    .begin_process = begin_process,
    .begin_thread = begin_thread,
    .end_thread = end_thread,
    .pairs = loop_pairs,
    .short_sections = loop_short_sections,
    .long_sections = loop_long_sections,
    .synchronize = synchronize,
};

const struct peer *const peer_ck = &ck;
