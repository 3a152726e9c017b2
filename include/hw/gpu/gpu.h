/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * virtio-gpu (virtio 1.2, 5.7): 2D, and with virglrenderer OpenGL, blobs and a
 * window of host-visible memory. docs/gpu.md tells how it works.
 *
 * A stated limit: a hostile stream of GL commands can crash virglrenderer inside
 * this process. All else that a guest sends is checked.
 *
 * Threads: under the BQL on the main thread, except where said.
 */
#ifndef HW_GPU_GPU_H
#define HW_GPU_GPU_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "util/bql.h"

struct console;
struct display;
struct gpu;
struct metrics;
struct space;
struct virtio_device;

enum { GPU_SCANOUTS_MAX = 16 };
#define GPU_HOSTMEM_MIN (UINT64_C(1) << 20)
#define GPU_HOSTMEM_MAX (UINT64_C(1) << 36)

struct gpu_config {
    bool has_gl;   /* virgl; only one device of a process can have it */
    bool has_blob; /* blob resources */
    bool has_venus;
    bool has_edid;
    uint64_t hostmem;       /* bytes of the host-visible window, a power of two; 0: none */
    unsigned nr_scanouts;   /* 1 to GPU_SCANOUTS_MAX */
    unsigned width, height; /* of the first screen, preferred */
};

/** NULL and an error: no GL here, or another device has it. Starts the render thread. */
struct gpu *gpu_new(struct space *memory, struct display *display, const struct gpu_config *config,
                    GError **error) MUST_CHECK REQUIRES(bql);

/** After its transport is gone. Not where gpu_settle() is false. NULL is fine. */
void gpu_free(struct gpu *gpu) REQUIRES(bql);

struct virtio_device *gpu_device(struct gpu *gpu);

/** Its screen of that number, from 0; NULL: it has none. */
struct console *gpu_console(struct gpu *gpu, unsigned head) REQUIRES(bql);

/**
 * Whether the render thread has not come back from one command for longer than GPU_STUCK_NS: it
 * cannot be ended, what it uses cannot be freed; the process can only leave by _exit().
 */
bool gpu_is_stuck(struct gpu *gpu) REQUIRES(bql);
#define GPU_STUCK_NS INT64_C(5000000000)

/**
 * At the end: reset the device and end its render thread, when that has done what it had; the main
 * loop runs meanwhile. False: it is stuck. After it, what is asked of the device has no answers.
 */
bool gpu_settle(struct gpu *gpu) MUST_CHECK REQUIRES(bql);

/** Let the main loop run until the reset that was begun has ended. False: as above. */
bool gpu_wait_for_reset(struct gpu *gpu) MUST_CHECK REQUIRES(bql);

/** Each one JSON object, no newline. Stages of an unmap; resources, window, contexts. */
void gpu_print_latency_json(struct gpu *gpu, FILE *out) REQUIRES(bql);
void gpu_print_latency_buckets_json(struct gpu *gpu, FILE *out) REQUIRES(bql); /* and these */
void gpu_print_resources_json(struct gpu *gpu, FILE *out) REQUIRES(bql);

/** gracevm_gpu_*. */
void gpu_metrics_register(struct gpu *gpu, struct metrics *metrics);

#endif
