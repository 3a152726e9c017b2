/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * virtio-gpu's window under torture: what its scenarios are, and what draws.
 */
#ifndef TESTS_TORTURE_TORTURE_GPU_H
#define TESTS_TORTURE_TORTURE_GPU_H

#include "hw/gpu/renderer.h"

enum {
    STORM_BLOBS = 12, /* their numbers, from 1; each word of one is its number */
    STORM_BLOB_BYTES = 2 * 4096,
    STORM_CONTEXTS = 2,
    STORM_TIMELINES = 2, /* the global one, and ring 1 of context 2 */
};

/* One at a time. */
extern const struct renderer_ops torture_renderer;

/* On the main thread, whose loop it turns. The BQL is free. */
void gpu_storm_run(void);

#endif
