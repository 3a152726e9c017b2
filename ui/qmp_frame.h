/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Where in a stream of bytes JSON values begin and end (RFC 8259): a value may come in pieces, and
 * several at once. Only objects and arrays; what is in them is for a parser to check.
 *
 * What cannot be a value is told once, and skipped up to the end of its line.
 */
#ifndef UI_QMP_FRAME_H
#define UI_QMP_FRAME_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

enum {
    QMP_VALUE_MAX = 1 << 20, /* bytes */
    QMP_DEPTH_MAX = 64,      /* values within values */
};

enum qmp_framed {
    QMP_FRAMED_MORE,  /* there is no whole value yet */
    QMP_FRAMED_VALUE, /* it is in text */
    QMP_FRAMED_GARBAGE,
    QMP_FRAMED_TOO_LONG,
    QMP_FRAMED_TOO_DEEP,
};

struct qmp_frame {
    GString *text;
    size_t value_max; /* QMP_VALUE_MAX; may be set to another one */
    unsigned depth;   /* 0: between values */
    bool is_in_string, is_escaped;
    bool is_skipping; /* to the end of the line */
};

void qmp_frame_fini(struct qmp_frame *frame);
void qmp_frame_init(struct qmp_frame *frame);

/**
 * Look at up to @size bytes. Returns how many have been used: all, if *@ret_framed is
 * QMP_FRAMED_MORE; else call again with the rest. A value stays in text until the next call.
 */
size_t qmp_frame_feed(struct qmp_frame *frame, const char *bytes, size_t size,
                      enum qmp_framed *ret_framed);

#endif
