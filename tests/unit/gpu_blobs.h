/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * For tests of blobs in the window: a device with a window of WINDOW bytes, the fake renderer, and
 * contexts 1 and 2.
 */
#ifndef TESTS_UNIT_GPU_BLOBS_H
#define TESTS_UNIT_GPU_BLOBS_H

#include "hw/gpu/mapping.h"
#include "hw/mem/dma.h"
#include "tests/gpu/fake_renderer.h"
#include "tests/gpu/gpu_scene.h"
#include "tests/gpu/reader.h"

enum { PAGE = 4096, WINDOW = 16 << 20 };

static struct gpu_scene *scene;

static inline void begin(void) REQUIRES(bql)
{
    const struct gpu_config config = scene_config(true, WINDOW);

    scene = gpu_scene_new(&config, &fake_renderer);
    must(scene, create_context(1, 0));
    must(scene, create_context(2, 0));
}

static inline void end(void) REQUIRES(bql)
{
    gpu_scene_free(scene);
}

static inline void must_be(struct message message, uint32_t type) REQUIRES(bql)
{
    g_assert_cmphex(ask(scene, message), ==, type);
}

static inline void make(uint32_t id, uint64_t size) REQUIRES(bql)
{
    must(scene, host_blob(id, size, 1, id));
}

static inline void make_mapped(uint32_t id, uint64_t size, uint64_t offset) REQUIRES(bql)
{
    make(id, size);
    must_be(map_blob(id, offset), VIRTIO_GPU_RESP_OK_MAP_INFO);
}

static inline const struct gpu_stats *stats(void)
{
    return &scene->gpu->stats;
}

/* Until nothing is on its way: no unmap whose release is not known, no command half freed. */
static inline void settle(void) REQUIRES(bql)
{
    const struct gpu_window *window = scene->gpu->window_map;
    const struct gpu_mapping *mapping;
    bool is_leaving = true;

    while (is_leaving) {
        is_leaving = false;
        list_for_each (mapping, &window->mappings, link)
            is_leaving |= mapping->resource->map_state == MAP_UNMAPPING;
        if (is_leaving)
            (void)loop_iterate(true); /* looked at above */
    }
    while (load_acquire(&scene->gpu->nr_in_flight) != scene_in_flight(scene))
        g_thread_yield(); /* pairs with gpu_command_free() */
}

/* What others do without the BQL. */
static inline void wait_for_grace_period(void) REQUIRES(bql)
{
    bql_unlock();
    synchronize_rcu();
    bql_lock();
}

static inline void wait_for_release(const struct gpu_mapping *mapping) REQUIRES(bql)
{
    while (!load_acquire(&mapping->is_released)) /* pairs with the release of the release */
        wait_for_grace_period();
}

/* A slow disk, that has the first sector of the window in its hands. */
static inline void disk_begin(struct dma_mapping *mapping) REQUIRES(bql)
{
    g_assert_cmpuint(
        dma_map(scene->guest.scene.space, SCENE_WINDOW, 512, DMA_TO_GUEST, "slow disk", mapping),
        ==, 512);
}

/* On its thread, which has no lock. */
static inline void disk_end(struct dma_mapping *mapping) REQUIRES(bql)
{
    memset(mapping->host, 0x55, 512);
    bql_unlock();
    dma_unmap(mapping, 512);
    bql_lock();
}

static inline void check_log(const char *expected)
{
    g_autofree char *log = fake_take_log();

    g_assert_cmpstr(log, ==, expected);
}

/* Whether it is the blob's memory that is at an offset of the window. */
static inline bool shows(uint64_t offset, uint32_t id) REQUIRES(bql)
{
    uint32_t *memory = fake_memory(id);

    *memory = 0x12340000 + id;
    return window_read(scene, offset) == *memory;
}

static inline bool is_hole(uint64_t offset) REQUIRES(bql)
{
    return window_read(scene, offset) == UINT32_MAX;
}

#endif
