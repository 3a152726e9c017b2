/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * virtio-gpu, its control and cursor queues, configuration, resets, window and screens: with the
 * renderer of 2D, or with one that has all of GL's commands and draws nothing. The input's first
 * byte says which.
 */
#include <assert.h>

#include "tests/fuzz/gpu_world.h"
#include "tests/fuzz/target.h"
#include "tests/gpu/fake_renderer.h"
#include "util/log.h"

static void fake_step(struct input *input)
{
    static const uint32_t results[] = { VIRTIO_GPU_RESP_ERR_UNSPEC,
                                        VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY };
    uint8_t kind = take(input);

    if (kind < 64)
        fake_hold_fences();
    else if (kind < 128)
        fake_let_fences_go();
    else
        fake_fail_next(kind % NR_FAKE_OPS, results[kind & 1]);
}

static void fake_calm(void)
{
    fake_let_fences_go();
    for (unsigned op = 0; op < NR_FAKE_OPS; op++)
        fake_fail_next(op, 0);
}

static void fake_serve(struct gpu_scene *scene) NO_THREAD_SAFETY /* a function pointer's */
{
    must(scene, create_context(1, 0));
    must(scene, host_blob(2, 8192, 1, 1));
    must(scene, map_blob(2, 4096));
    window_write(scene, 4096 + 8188, 0xabcdef);
    assert(((uint32_t *)fake_memory(2))[2047] == 0xabcdef);
    must(scene, unmap_blob(2));
    assert(window_read(scene, 4096 + 8188) == UINT32_MAX);
    must(scene, unref_resource(2));
    must(scene, fenced(destroy_context(1), 7));
}

static struct gpu_world *world_for(bool is_fake) REQUIRES(bql)
{
    static struct gpu_world *worlds[2];
    struct gpu_world_ops ops = { .config = scene_config(is_fake, is_fake ? 1 << 20 : 0) };

    if (worlds[is_fake])
        return worlds[is_fake];
    if (is_fake) {
        ops.renderer = &fake_renderer;
        ops.step = fake_step;
        ops.calm = fake_calm;
        ops.serve = fake_serve;
    }
    return worlds[is_fake] = gpu_world_new(&ops, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) NO_THREAD_SAFETY
{
    static bool is_started;
    struct input input = { data, size };

    if (!is_started) {
        assert(util_start(NULL) == 0);
        assert(log_open("/dev/null", NULL)); /* of errors that the input makes */
        is_started = true;
    }
    gpu_world_run(world_for(take(&input) & 1), &input);
    return 0;
}
