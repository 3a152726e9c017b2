/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A character device's two ends: a serial port on this side, and what it is
 * connected to (terminal, file, socket) above, in ui/.
 *
 * Threads: under the BQL.
 */
#ifndef HW_DEV_CHAR_H
#define HW_DEV_CHAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/bql.h"

/* The guest's side: a device that takes bytes. */
struct char_sink {
    /** How many bytes it would take now. */
    size_t (*room)(void *opaque);
    /** At most as many as room() said. */
    void (*receive)(void *opaque, const uint8_t *data, size_t size);
    /** A break condition; room() has said that there is some. NULL is fine. */
    void (*receive_break)(void *opaque);
    void *opaque;
};

/* The host's side, embedded in a back end. */
struct char_backend {
    /** Take up to @size bytes; returns how many. Fewer: it calls `drained` later. Never blocks. */
    size_t (*write)(struct char_backend *backend, const uint8_t *data, size_t size);
    /** The sink has room again. NULL is fine. */
    void (*may_receive)(struct char_backend *backend);
    /** At the end: sleep until write() takes some again. False: not before @deadline_ns, or never.
     * NULL: write() always takes all. */
    bool (*wait)(struct char_backend *backend, int64_t deadline_ns);
    void (*free)(struct char_backend *backend);
    /* Set by the device, zero bytes while there is none: */
    struct char_sink sink;
    void (*drained)(void *opaque); /* write() would take some again */
    void *drained_opaque;
};

#endif
