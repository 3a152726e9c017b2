/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Events as lines of Chrome's "Trace Event Format", each ending in ",\n".
 */
#ifndef UTIL_TRACE_JSON_H
#define UTIL_TRACE_JSON_H

#include <glib.h>

#include "util/trace_ring.h"

/** How the file begins, and how it ends: with @lost events that are not in it. */
void trace_json_begin(GString *out);
void trace_json_end(GString *out, int64_t now_ns, uint64_t nr_events, uint64_t lost);

/** @event, a point's or a thread's name. */
void trace_json_event(GString *out, const struct trace_event *event);

/** @nr events of @thread are missing before @now_ns. */
void trace_json_lost(GString *out, uint32_t thread, int64_t now_ns, uint64_t nr);

#endif
