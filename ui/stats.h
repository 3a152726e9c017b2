/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What has been measured, as JSON: for QMP, and at the program's end (-stats).
 *
 * Threads: under the BQL on the main thread.
 */
#ifndef UI_STATS_H
#define UI_STATS_H

#include <glib.h>
#include <stdbool.h>
#include <stdio.h>

#include "util/bql.h"

struct machine;

/** RCU's counters and histograms, in nanoseconds: one object, no newline. */
void stats_print_rcu(FILE *out);

/**
 * {"rcu": …, "bql": …, "gpu": …, "gpu-resources": …, "metrics": …} into the file @path; without a
 * GPU, its two are null. Metrics are all that -metrics shows.
 */
bool stats_write(struct machine *machine, const char *path, GError **error)
    MUST_CHECK REQUIRES(bql);

#endif
