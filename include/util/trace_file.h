/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Trace points recorded into a file that Perfetto and chrome://tracing open: Chrome's "Trace
 * Event Format", one event a line (docs/tracing.md).
 *
 * Recording threads put events into rings and never wait; one thread writes them down. What did
 * not fit is counted, and said in the file and in the log.
 *
 * Threads: one at a time, without the BQL. One file a program.
 */
#ifndef UTIL_TRACE_FILE_H
#define UTIL_TRACE_FILE_H

#include <glib.h>
#include <stdbool.h>
#include <stdio.h>

#include "util/trace.h"

/* What is to be recorded. All zero bytes: nothing. */
struct trace_selection {
    uint8_t is_on[NR_TRACE_POINTS];
};

/**
 * Add the points whose names match @pattern ('*', '?', '[…]'); with a '-' before it take them
 * away. False: there is no such name (KEYVAL_ERROR).
 */
bool trace_select(struct trace_selection *selection, const char *pattern, GError **error)
    MUST_CHECK;

/** A line a point: name, arguments, what it is. */
void trace_print_points(FILE *out);

struct trace_file; /* opaque */

/** Record no more, write all down, free. False: something is missing in the file, and what. */
bool trace_file_close(struct trace_file *file, GError **error) MUST_CHECK; /* NULL is fine */

/** From now on what is selected is recorded. The file must be ours alone, and no pipe. */
struct trace_file *trace_file_open(const char *path, const struct trace_selection *selection,
                                   GError **error) OWNED_BY(trace_file_close);

#endif
