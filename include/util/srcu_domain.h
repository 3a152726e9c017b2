/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What an SRCU domain is made of. All of it is private to SRCU: users embed a
 * struct srcu_struct and take its address. Include "util/srcu.h".
 */
#ifndef UTIL_SRCU_DOMAIN_H
#define UTIL_SRCU_DOMAIN_H

#include <pthread.h>

#include "util/annotate.h"
#include "util/event.h"

enum {
    SRCU_SLOTS = 16,      /* per thread; slot 0 stays unused, for domains that have none */
    SRCU_SLOT_BYTES = 64, /* one offset finds a domain's slot in a thread, and its hub */

    /* srcu_slot.how */
    SRCU_SHARED = 0, /* not registered, or slot 0: take the domain's shared counts */
    SRCU_FREE = 1,   /* registered; the grace period's membarrier makes the order */
    SRCU_FENCED = 2, /* registered; the reader makes the order */
};

/* Sections entered and left. They only grow, but for wrap-around, which does no harm. */
struct srcu_counts {
    unsigned long lock[2];
    unsigned long unlock[2];
};

/* One thread's share of a domain; written by that thread and its signal handlers alone. */
struct srcu_slot {
    struct srcu_counts counts; /* atomic */
    unsigned how;              /* read by that thread only */
} __attribute__((aligned(SRCU_SLOT_BYTES)));

/*
 * What a reader touches after it has counted itself out. Static, since the
 * domain may be gone by then. Domains without a slot all use the first one.
 */
struct srcu_hub {
    unsigned waiting;          /* drivers asleep: of index 0, + 65536 times of index 1; atomic */
    struct sequence news;      /* readers that have left */
    struct srcu_counts folded; /* of threads that are gone; guarded by the registry lock */
} __attribute__((aligned(SRCU_SLOT_BYTES)));

_Static_assert(sizeof(struct srcu_slot) == SRCU_SLOT_BYTES, "slots and hubs share offsets");
_Static_assert(sizeof(struct srcu_hub) == SRCU_SLOT_BYTES, "slots and hubs share offsets");

extern __thread struct srcu_slot srcu_slots[SRCU_SLOTS]
    __attribute__((visibility("hidden"), tls_model("local-exec")));
extern struct srcu_hub srcu_hubs[SRCU_SLOTS] __attribute__((visibility("hidden")));

/* A domain. Private, but for its address. */
struct CAPABILITY("srcu domain") srcu_struct {
    unsigned index;  /* which counts a new section takes; atomic, written by drivers */
    unsigned offset; /* of its slot and its hub; 0: it has none */
    const char *name;
    char readers_end_here[CACHE_LINE]; /* what follows is written by updaters and slow readers */

    struct srcu_counts shared; /* sections of who has no slot; atomic */
    struct srcu_counts handed; /* sections that belong to no thread; atomic */
    unsigned long progress;    /* grace periods ended, times 2; odd while one runs; atomic */
    unsigned long sleeps;      /* times that a driver slept; atomic */
    pthread_mutex_t driving;   /* held by the driver of a grace period */
    struct srcu_struct *next;  /* all domains; guarded by the registry lock */
};

#endif
