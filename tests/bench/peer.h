/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * One scheme under test: ours, each flavour of liburcu, ck_epoch, two locks.
 *
 * Every scheme has its own translation unit, made from the same template
 * (peer_loops.h, peer_callbacks.h): the members are whole loops, so that the
 * read side is inlined in them and no call is measured.
 *
 * Every thread that runs loops is registered with all schemes from its start,
 * and is idle in all but the one it runs; that costs a grace period a line each.
 */
#ifndef TESTS_BENCH_PEER_H
#define TESTS_BENCH_PEER_H

#include <stdint.h>

#include "other.h"

/* A callback's way to tell when it ran. */
struct stamp {
    int64_t ran_ns; /* atomic; 0 before */
};

struct flood {
    unsigned long nr; /* objects */
    /* results */
    int64_t queued_ns; /* the producer's own time, malloc included */
    int64_t done_ns;   /* until the last callback has run */
    unsigned long peak_pending;
};

/*
 * A loop of four cycles a turn takes up to 1.6 times as long when it starts at
 * another place in its line of code (measured: liburcu-memb 0.60 to 0.97 ns).
 * So there are eight copies of it, 8 bytes further along each, and the batches
 * go through them: a scheme is its code, not where the linker put it.
 */
enum { PLACEMENTS = 8 };

struct peer {
    const char *name;
    void (*begin_process)(void); /* starts helper threads; before anything is pinned */
    void (*begin_thread)(void);
    void (*end_thread)(void);

    /* Lock and unlock @n times, nothing inside; @placement: below PLACEMENTS. */
    void (*pairs)(unsigned long n, unsigned placement);
    void (*short_sections)(struct other *other);
    void (*long_sections)(struct other *other); /* of other->section_ns, one after the other */

    void (*synchronize)(void); /* for locks: take and drop the write lock */
    /* NULL where a scheme has no callbacks of its own: */
    void (*call_stamp)(struct stamp *stamp); /* a callback that stamps and frees */
    void (*flood)(struct flood *flood);
};

/* NULL where it was not found at build time. */
extern const struct peer *const peer_own;
extern const struct peer *const peer_memb;
extern const struct peer *const peer_mb;
extern const struct peer *const peer_qsbr;
extern const struct peer *const peer_bp;
extern const struct peer *const peer_ck;
extern const struct peer *const peer_mutex;
extern const struct peer *const peer_rwlock;

/* SRCU, for the benchmark of that name; not among the peers below. */
extern const struct peer *const peer_srcu;
extern const struct peer *const peer_srcu_shared; /* a domain for which threads have no slots */

enum { NR_PEERS = 8 };

/** The @index-th scheme, ours first; NULL where it was not found at build time. */
const struct peer *peer_at(int index);

void peers_begin_process(void);
void peers_begin_thread(void);
void peers_end_thread(void);

#endif
