/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A virtio-gpu and everybody around it that a fuzzer's input can be: a driver, processors that look
 * into the window, devices that hold its memory, viewers of its screens. The device stays from
 * input to input, since making it takes longer than an input.
 *
 * Checked: each chain that a driver without faults of its own has sent is answered once, or was
 * dropped by a reset. Whatever came before, the device can be reset; then nothing is left of all
 * that the guest has made, by the limits' accounts and by the memory map's, and it does what an
 * honest driver asks. The address sanitizer sees the rest.
 */
#ifndef TESTS_FUZZ_GPU_WORLD_H
#define TESTS_FUZZ_GPU_WORLD_H

#include "tests/fuzz/gpu_input.h"
#include "tests/gpu/gpu_scene.h"

struct gpu_world;

struct gpu_world_ops {
    const struct renderer_ops *renderer; /* NULL: as @config says */
    struct gpu_config config;
    /** What only this renderer can do to the device. NULL: nothing. */
    void (*step)(struct input *input);
    /** And now not any more. NULL: nothing. */
    void (*calm)(void);
    /** The words of a SUBMIT_3D; NULL: as the input says. */
    void (*submit)(struct input *input, struct message *message);
    /** The honest driver's part with this renderer. NULL: none. */
    void (*serve)(struct gpu_scene *scene);
};

/** NULL and an error: it cannot be had here. */
struct gpu_world *gpu_world_new(const struct gpu_world_ops *ops, GError **error) REQUIRES(bql);

/** One input. */
void gpu_world_run(struct gpu_world *world, struct input *input) REQUIRES(bql);

#endif
