/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pixels for both renderers: formats, rows in guest memory, and how they become the screens'
 * a8r8g8b8.
 */
#ifndef HW_GPU_PICTURE_H
#define HW_GPU_PICTURE_H

#include <pixman.h>
#include <stdbool.h>
#include <stdint.h>

#include "hw/gpu/renderer.h"
#include "util/annotate.h"

enum { PICTURE_PIXEL = 4 }; /* bytes, in all of virtio-gpu's formats */

/** pixman's name for one of enum virtio_gpu_formats; false: it is none. */
bool picture_format(uint32_t format, pixman_format_code_t *ret_format) MUST_CHECK;

/* Rows in guest memory. */
struct picture_rows {
    uint64_t offset, stride;
    uint32_t nr;
    size_t size; /* bytes of each, up to the stride or not */
};

/** Whether all of them lie in the first @limit bytes. */
bool picture_rows_fit(const struct picture_rows *rows, uint64_t limit) MUST_CHECK;

/* Where the last row began, so that the next one is not looked for from the start. */
struct picture_cursor {
    const struct iovec *iov;
    unsigned nr_iov;
    size_t base; /* bytes before *iov */
};

/** False: the memory ends before. Offsets do not go down. */
bool picture_read_row(struct picture_cursor *cursor, uint64_t offset, void *ret_row, size_t size)
    MUST_CHECK;

/** All rows of @wanted from @pixels of @format, whose stride is a multiple of 4: a response type.
 */
uint32_t picture_convert(const struct renderer_picture *wanted, pixman_format_code_t format,
                         uint32_t *pixels, uint32_t stride);

/** @wanted, which has a layout, out of the first @size bytes of memory: a response type. */
uint32_t picture_read(const struct iovec *iov, unsigned nr_iov, uint64_t size,
                      const struct renderer_picture *wanted);

#endif
