/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Where trace_record() puts what it is given: rings of fixed size, one a thread as long as there
 * are enough of them. A full ring loses what comes, and counts it.
 *
 * Threads: trace_record() on any, in signal handlers too; the rest on one at a time.
 * Lifetime: rings are never unmapped, since a thread may always be about to write into one.
 */
#ifndef UTIL_TRACE_RING_H
#define UTIL_TRACE_RING_H

#include <stdbool.h>
#include <stdint.h>

#include "util/event.h"
#include "util/trace.h"

enum {
    TRACE_RINGS = 64,
    /* Stands for a thread's name, in its first two arguments: before the thread's first event. */
    TRACE_POINT_NAME = NR_TRACE_POINTS,
};

struct trace_event {
    uint64_t turn; /* whose the slot is: see trace_ring.c; atomic */
    int64_t at_ns; /* of monotonic_ns() */
    uint64_t args[TRACE_ARGS_MAX];
    uint32_t thread; /* the kernel's number */
    uint32_t point;
};

/** All rings empty, of @nr_events (a power of two) each. 0, or a negative errno. */
int trace_rings_start(unsigned nr_events);

/** The points of @is_on, and no others, are recorded from now on; NULL: none. */
void trace_rings_switch(const uint8_t *is_on);

/** The oldest event of ring @index. */
bool trace_ring_take(unsigned index, struct trace_event *ret_event);

/** How many events ring @index has lost since the last such question, and of which thread last. */
uint64_t trace_ring_take_lost(unsigned index, uint32_t *ret_thread);

/** How many events somebody is just writing into ring @index, when it has been emptied. */
uint64_t trace_ring_nr_unfinished(unsigned index);

/** Set when a ring is half full. */
extern struct event trace_rings_news;

#endif
