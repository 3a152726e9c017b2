/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Output of a back end to a descriptor: takes what that takes now, and says when
 * it takes more.
 *
 * Threads: under the BQL.
 */
#ifndef UI_CHAR_OUTPUT_H
#define UI_CHAR_OUTPUT_H

#include "hw/dev/char.h"
#include "ui/char_fd.h"
#include "util/loop.h"

struct char_output {
    struct char_fd fd;
    struct loop_watch *watch; /* NULL: it has always taken all */
    bool is_blocked;
    void (*ready)(struct char_output *output); /* takes some again */
    /* Writing fails; what was to be written is lost. May call char_output_stop(). */
    void (*failed)(struct char_output *output, int error);
};

/** Closes the descriptor. */
void char_output_stop(struct char_output *output) REQUIRES(bql);

/** How many bytes it took: fewer than @size, then ready() follows. */
size_t char_output_write(struct char_output *output, const uint8_t *data, size_t size)
    REQUIRES(bql);

/** struct char_backend's wait(). */
bool char_output_wait(struct char_output *output, int64_t deadline_ns) REQUIRES(bql);

#endif
