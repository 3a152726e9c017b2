/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Bytes into a file of the user's choice.
 *
 * A regular file appears whole or not at all, under its name only when it is complete, and a link
 * to one stays a link. What is no regular file (a pipe, a terminal, /dev/null) is written to: it is
 * not replaced, and who does not read is not waited for without end.
 *
 * Threads: any.
 */
#ifndef UI_SAVE_H
#define UI_SAVE_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

#include "util/annotate.h"

/* How long a pipe may take nothing. */
#define SAVE_PATIENCE_NS INT64_C(5000000000)

/**
 * Errors name @path. @hurry_fd becomes readable when a pipe is not to be waited for any more; -1:
 * there is none.
 */
bool save_bytes(const char *path, const void *bytes, size_t size, int hurry_fd, GError **error)
    MUST_CHECK;

/** Whether save_bytes() is likely to work, for what is saved much later. Changes nothing. */
bool save_is_possible(const char *path, GError **error) MUST_CHECK;

#endif
