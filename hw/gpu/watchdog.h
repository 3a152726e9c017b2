/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Looks after the render thread: says in the log when it does not come back from a piece of work,
 * with what, and when it has. Nothing can be done about it; nobody else waits for it.
 */
#ifndef HW_GPU_WATCHDOG_H
#define HW_GPU_WATCHDOG_H

#include <stdint.h>

#include "util/annotate.h"
#include "util/bql.h"

struct metrics;
struct render;
struct watchdog;

/** Before @render is gone. NULL is fine. */
void watchdog_free(struct watchdog *watchdog) REQUIRES(bql);

/** Longer than @limit_ns is too long. */
struct watchdog *watchdog_new(struct render *render, int64_t limit_ns) REQUIRES(bql)
    OWNED_BY(watchdog_free);

/** Pieces of work that have taken too long, those that go on included. Any thread. */
uint64_t watchdog_stalls(const struct watchdog *watchdog);

/**
 * gracevm_gpu_render_* of the device at @place; the samples are @owner's, who removes them before
 * watchdog_free().
 */
void watchdog_metrics_register(struct watchdog *watchdog, struct metrics *metrics,
                               const char *place, const void *owner);

#endif
