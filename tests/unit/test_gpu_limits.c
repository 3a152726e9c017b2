/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest can have of everything, with a renderer that makes nothing of it: what is there is
 * only counted.
 */
#include "hw/gpu/gpu_internal.h"
#include "tests/gpu/fake_renderer.h"
#include "tests/gpu/gpu_scene.h"
#include "util/metric.h"

enum {
    NO_MEMORY = VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY,
    BGRX = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM,
    MOST = PICTURE_SIDE_MAX,
    BATCH = 128, /* in flight */
};

static struct gpu_scene *begin(void) REQUIRES(bql)
{
    const struct gpu_config config = scene_config(true, 1 << 20);

    return gpu_scene_new(&config, &fake_renderer);
}

static uint64_t met(const struct gpu_scene *scene, enum gpu_limit limit)
{
    return load_relaxed(&scene->gpu->stats.limits[limit]);
}

/* Ids from 1 on. */
static void create_many(struct gpu_scene *scene, uint32_t nr) REQUIRES(bql)
{
    unsigned calls[BATCH];

    for (uint32_t first = 1; first <= nr; first += BATCH) {
        uint32_t now = MIN(BATCH, nr - first + 1);

        for (uint32_t i = 0; i < now; i++)
            calls[i] = post(scene, create_2d(first + i, BGRX, 1, 1));
        for (uint32_t i = 0; i < now; i++)
            g_assert_cmphex(finish(scene, calls[i]), ==, VIRTIO_GPU_RESP_OK_NODATA);
    }
}

static void resources_have_a_limit(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();

    for (int round = 0; round < 2; round++) {
        create_many(scene, RESOURCES_MAX);
        g_assert_cmphex(ask(scene, create_2d(RESOURCES_MAX + 1, BGRX, 1, 1)), ==, NO_MEMORY);
        g_assert_cmpuint(met(scene, LIMIT_RESOURCES), ==, 1 + (unsigned)round);
        must(scene, unref_resource(7));
        must(scene, create_2d(RESOURCES_MAX + 1, BGRX, 1, 1));
        scene_reset(scene);
    }
    gpu_scene_free(scene);
}

static void pictures_have_a_limit_together(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();

    g_assert_cmphex(ask(scene, create_2d(1, BGRX, MOST + 1, 1)), ==, NO_MEMORY);
    g_assert_cmphex(ask(scene, create_2d(1, BGRX, 1, MOST + 1)), ==, NO_MEMORY);
    g_assert_cmpuint(met(scene, LIMIT_SIDE), ==, 2);
    for (uint32_t id = 1; id <= 8; id++) /* of 1 GiB */
        must(scene, create_2d(id, BGRX, MOST, MOST));
    g_assert_cmphex(ask(scene, create_2d(9, BGRX, 1, 1)), ==, NO_MEMORY);
    g_assert_cmpuint(met(scene, LIMIT_BYTES), ==, 1);
    must(scene, unref_resource(3));
    must(scene, create_2d(9, BGRX, MOST, MOST));
    scene_reset(scene);
    for (uint32_t id = 1; id <= 8; id++)
        must(scene, create_2d(id, BGRX, MOST, MOST));
    gpu_scene_free(scene);
}

static void blobs_of_the_host_count_as_pictures_do(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();
    static const uint64_t sizes[] = { BYTES_MAX, BYTES_MAX + 4096, UINT64_C(1) << 63,
                                      UINT64_MAX - 4095 };

    must(scene, create_context(1, 0));
    must(scene, host_blob(1, 4096, 1, 1));
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
        g_assert_cmphex(ask(scene, host_blob(2, sizes[i], 1, 2)), ==, NO_MEMORY);
    g_assert_cmpuint(met(scene, LIMIT_BYTES), ==, ARRAY_SIZE(sizes));
    must(scene, host_blob(2, 4096, 1, 2));
    gpu_scene_free(scene);
}

/* Of so many commands the last few are enough. */
static void entries_have_a_limit_together(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();
    const struct virtio_gpu_mem_entry entries[] = { entry(SCENE_DATA, 4096),
                                                    entry(SCENE_DATA + 8192, 4096) };
    uint64_t *used = &scene->gpu->usage.entries;

    must(scene, create_2d(1, BGRX, 8, 8));
    must(scene, create_2d(2, BGRX, 8, 8));
    fetch_add_relaxed(used, ENTRIES_MAX - 3);
    must(scene, attach_backing(1, entries, 2));
    g_assert_cmphex(ask(scene, attach_backing(2, entries, 2)), ==, NO_MEMORY);
    g_assert_cmphex(ask(scene, guest_blob(3, 4096, entries, 2)), ==, NO_MEMORY);
    g_assert_cmpuint(met(scene, LIMIT_ENTRIES), ==, 2);
    must(scene, guest_blob(3, 4096, entries, 1));
    must(scene, detach_backing(1));
    must(scene, attach_backing(2, entries, 2));
    must(scene, unref_resource(2));
    must(scene, attach_backing(1, entries, 2));
    scene_reset(scene);
    must(scene, create_2d(1, BGRX, 8, 8)); /* behind what the reset has had freed */
    g_assert_cmpuint(load_acquire(used), ==, ENTRIES_MAX - 3); /* pairs: freed on its thread */
    (void)fetch_sub(used, ENTRIES_MAX - 3);
    gpu_scene_free(scene);
}

/* Entries that name the same memory many times: what a write takes to be told has a bound. */
static void a_backing_has_a_limit(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();
    const unsigned nr = BACKING_BYTES_MAX / GUEST_RAM + 1;
    g_autofree struct virtio_gpu_mem_entry *entries = g_new(struct virtio_gpu_mem_entry, nr);

    for (unsigned i = 0; i < nr; i++)
        entries[i] = entry(0, GUEST_RAM);
    must(scene, create_2d(1, BGRX, 8, 8));
    g_assert_cmphex(ask(scene, attach_backing(1, entries, nr)), ==, NO_MEMORY);
    g_assert_cmphex(ask(scene, guest_blob(2, 4096, entries, nr)), ==, NO_MEMORY);
    g_assert_cmpuint(met(scene, LIMIT_BACKING), ==, 2);
    must(scene, attach_backing(1, entries, nr - 1));
    gpu_scene_free(scene);
}

static void attached_resources_have_a_limit_together(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();

    must(scene, create_context(1, 0));
    must(scene, create_context(2, 0));
    must(scene, create_2d(1, BGRX, 8, 8));
    must(scene, create_2d(2, BGRX, 8, 8));
    scene->gpu->usage.attached += ATTACHED_MAX - 2;
    must(scene, attach_resource(1, 1));
    must(scene, attach_resource(2, 1));
    g_assert_cmphex(ask(scene, attach_resource(1, 2)), ==, NO_MEMORY);
    g_assert_cmpuint(met(scene, LIMIT_ATTACHED), ==, 1);
    must(scene, detach_resource(2, 1));
    must(scene, attach_resource(1, 2));
    must(scene, unref_resource(1));
    must(scene, attach_resource(2, 2));
    must(scene, destroy_context(1));
    scene_reset(scene);
    g_assert_cmpuint(scene->gpu->usage.attached, ==, ATTACHED_MAX - 2);
    gpu_scene_free(scene);
}

static void screens_have_a_limit_together(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();
    const struct virtio_gpu_rect all = { 0, 0, MOST, MOST }, half = { 0, 0, MOST, MOST / 2 };

    must(scene, create_2d(1, BGRX, MOST, MOST));
    must(scene, set_scanout(0, 1, all));
    g_assert_cmphex(ask(scene, set_scanout(1, 1, rect_of(0, 0, 1, 1))), ==, NO_MEMORY);
    g_assert_cmpuint(met(scene, LIMIT_SCREENS), ==, 1);
    must(scene, set_scanout(0, 1, half)); /* in the place of what it shows */
    must(scene, set_scanout(1, 1, half));
    g_assert_cmphex(ask(scene, set_scanout(1, 1, all)), ==, NO_MEMORY);
    must(scene, set_scanout(0, 0, rect_of(0, 0, 0, 0)));
    must(scene, set_scanout(1, 1, all));
    gpu_scene_free(scene);
}

/* What monitoring sees of them. */
static void limits_that_were_met_are_told(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();
    struct metrics *metrics = metrics_new();
    char *text = NULL;
    size_t size;
    FILE *file = open_memstream(&text, &size);

    gpu_metrics_register(scene->gpu, metrics);
    g_assert_cmphex(ask(scene, create_2d(1, BGRX, MOST + 1, 1)), ==, NO_MEMORY);
    metrics_print(metrics, file);
    (void)fclose(file);
    g_assert_nonnull(strstr(text, "limit=\"side\"} 1\n"));
    free(text);
    metrics_remove(metrics, scene->gpu);
    metrics_free(metrics);
    gpu_scene_free(scene);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(test) g_test_add_func("/gpu_limits/" #test, test)
    ADD(resources_have_a_limit);
    ADD(pictures_have_a_limit_together);
    ADD(blobs_of_the_host_count_as_pictures_do);
    ADD(entries_have_a_limit_together);
    ADD(a_backing_has_a_limit);
    ADD(attached_resources_have_a_limit_together);
    ADD(screens_have_a_limit_together);
    ADD(limits_that_were_met_are_told);
#undef ADD
    return run_with_bql();
}
