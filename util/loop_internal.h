/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Between the main loop and its timers.
 */
#ifndef UTIL_LOOP_INTERNAL_H
#define UTIL_LOOP_INTERNAL_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/bql.h"

/** If the loop sleeps and would not wake by @deadline_ns on its own, wake it. */
void loop_wake_before(int64_t deadline_ns) REQUIRES(bql);

/** When the earliest timer is due; DEADLINE_NEVER without one. */
int64_t loop_timers_next(void) REQUIRES(bql);

/** The source that runs timers; the caller attaches it. */
GSource *loop_timers_source_new(void) REQUIRES(bql);

/** Disarm all. */
void loop_timers_fini(void) REQUIRES(bql);

/** A turn that takes longer lets other sources wait for what it still has: docs/locking.md. */
#define LOOP_BATCH_NS NS_PER_MS

#endif
