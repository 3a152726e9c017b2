/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A socket at which all metrics are read (docs/metrics.md): whoever connects gets Prometheus's
 * text once. To a request of HTTP it is an answer of HTTP/1.0; to anything else, to a client that
 * says nothing for a moment, and at the end of what it says, plain text.
 *
 * Nobody is waited for: a client that does not read or does not end is dropped after a while, and
 * when there are too many, the oldest one.
 *
 * Threads: under the BQL on the main thread.
 */
#ifndef UI_METRICS_SERVER_H
#define UI_METRICS_SERVER_H

#include <glib.h>

#include "util/bql.h"
#include "util/metric.h"

struct metrics_server; /* opaque */

void metrics_server_free(struct metrics_server *server) REQUIRES(bql); /* NULL is fine */

/** @spec as the value of -metrics. @metrics must stay. Errors of use: KEYVAL_ERROR. */
struct metrics_server *metrics_server_new(struct metrics *metrics, const char *spec, GError **error)
    OWNED_BY(metrics_server_free) REQUIRES(bql);

#endif
