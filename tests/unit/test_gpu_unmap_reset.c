/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A reset, or the end of a context, in each stage of a map and an unmap; and what outlives it. */
#include "tests/unit/gpu_blobs.h"

static const uint32_t words[] = { 1 };

/* What the next driver has: nothing of before. */
static void check_as_new(void) REQUIRES(bql)
{
    g_assert_cmpuint(g_hash_table_size(scene->gpu->resources), ==, 0);
    g_assert_cmpuint(g_hash_table_size(scene->gpu->contexts), ==, 0);
    must(scene, create_context(1, 0));
    must(scene, create_context(2, 0));
    make_mapped(5, PAGE, 0);
    g_assert_true(shows(0, 5));
    must(scene, submit_3d(1, words, 1));
    must(scene, fenced(unmap_blob(5), 1));
    g_assert_true(is_hole(0));
    must(scene, fenced(unref_resource(5), 2));
}

static void end_reset(void) REQUIRES(bql)
{
    scene_end_reset(scene);
    g_assert_true(is_hole(0));
    scene_start(scene, UINT64_MAX);
    check_as_new();
    end();
}

static bool is_reset(void) REQUIRES(bql)
{
    while (loop_iterate(false))
        continue; /* the rings may have answers of before it */
    return virtio_get_status(scene->guest.device) == 0;
}

/* ---- Stages of a map ------------------------------------------------------------------------- */

static void reset_while_the_renderer_maps(void)
{
    bql_assert_held();
    begin();
    make(5, PAGE);
    fake_hold(FAKE_MAP);
    (void)post(scene, map_blob(5, 0));
    (void)post(scene, unref_resource(5)); /* waits */
    scene_run(scene);
    fake_wait_until_held(FAKE_MAP);
    g_free(fake_take_log());
    scene_begin_reset(scene);
    g_assert_true(is_reset()); /* nothing of it is in the window: the renderer is not waited for */
    fake_let_go();
    fake_wait_for(FAKE_UNREF, 1);
    fake_wait_for(FAKE_CONTEXT_DESTROY, 2);
    g_assert_cmpuint(fake_count(FAKE_UNMAP), ==, 1);
    end_reset();
}

/* Rendered, and the fence is not passed. */
static void reset_while_a_map_waits_for_its_fence(void)
{
    bql_assert_held();
    begin();
    make(5, PAGE);
    fake_hold_fences();
    (void)post(scene, fenced(map_blob(5, 0), 1));
    scene_run(scene);
    fake_wait_for(FAKE_FENCE, 1);
    scene_begin_reset(scene);
    g_assert_true(is_reset());
    fake_let_fences_go(); /* of which nobody wants to know any more */
    end_reset();
}

/* finish() is due: the main thread has not had its turn. */
static void reset_before_a_map_is_shown(void)
{
    bql_assert_held();
    begin();
    make(5, PAGE);
    fake_hold(FAKE_MAP);
    (void)post(scene, map_blob(5, 0));
    scene_run(scene);
    fake_let_go();
    fake_wait_for(FAKE_MAP, 1);
    scene_begin_reset(scene);
    g_assert_true(is_hole(0));
    end_reset();
}

/* ---- Stages of an unmap ---------------------------------------------------------------------- */

static void reset_with_blobs_in_the_window(void)
{
    bql_assert_held();
    struct mem_stats before, after;

    begin();
    for (uint32_t i = 0; i < 16; i++)
        make_mapped(10 + i, PAGE, (uint64_t)i * PAGE);
    settle();
    mem_get_stats(scene->gpu->mem, &before);
    scene_begin_reset(scene);
    mem_get_stats(scene->gpu->mem, &after);
    g_assert_cmpuint(after.commits - before.commits, ==, 1);
    end_reset();
}

static void reset_waits_for_readers(void)
{
    bql_assert_held();
    struct reader *stubborn;

    begin();
    make_mapped(5, PAGE, 0);
    stubborn = reader_start(false);
    scene_begin_reset(scene);
    g_assert_true(is_hole(0));
    reader_wait_kicked(stubborn); /* a reset forces, too */
    g_assert_false(is_reset());
    g_assert_true(fake_is_mapped(5));
    reader_end(stubborn);
    end_reset();
}

static void reset_in_the_grace_period(bool is_fenced, bool is_unref) REQUIRES(bql)
{
    struct message message = is_unref ? unref_resource(5) : unmap_blob(5);
    struct reader *stubborn;

    begin();
    make_mapped(5, PAGE, 0);
    make_mapped(6, PAGE, PAGE);
    stubborn = reader_start(false);
    (void)post(scene, is_fenced ? fenced(message, 1) : message);
    (void)post(scene, attach_resource(1, 5)); /* waits */
    (void)post(scene, fenced(submit_3d(2, words, 1), 2));
    scene_run(scene);
    scene_begin_reset(scene);
    g_assert_false(is_reset());
    reader_end(stubborn);
    end_reset();
}

static void reset_in_the_grace_period_of_an_unmap(void)
{
    bql_assert_held();
    reset_in_the_grace_period(false, false);
    reset_in_the_grace_period(true, false);
}

static void reset_in_the_grace_period_of_an_unref(void)
{
    bql_assert_held();
    reset_in_the_grace_period(false, true);
    reset_in_the_grace_period(true, true);
}

/* The answer is in the used ring, and the main thread has not seen the news. */
static void reset_between_release_and_news(void)
{
    bql_assert_held();
    struct reader *stubborn;
    struct gpu_mapping *mapping;

    begin();
    make_mapped(5, PAGE, 0);
    stubborn = reader_start(false);
    (void)post(scene, unref_resource(5));
    scene_run(scene);
    mapping = gpu_resource_find(scene->gpu, 5)->mapping;
    reader_end(stubborn);
    wait_for_release(mapping);
    scene_begin_reset(scene);
    end_reset();
}

/* The same, and its interrupt is still to come. The next driver is not told of it. */
static void reset_between_a_quiet_answer_and_its_interrupt(void)
{
    bql_assert_held();
    struct reader *stubborn;
    unsigned before;

    begin();
    make_mapped(5, PAGE, 0);
    stubborn = reader_start(false);
    (void)post(scene, unmap_blob(5));
    (void)post(scene, unref_resource(5)); /* waits */
    scene_run(scene);
    before = load_relaxed(&scene->guest.nr_interrupts);
    reader_end(stubborn);
    fake_wait_for(FAKE_UNMAP, 1); /* which is queued behind the answer */
    g_assert_cmpuint(guest_answers(&scene->guest, QUEUE_CONTROL), ==, 1);
    scene_begin_reset(scene);
    scene_end_reset(scene);
    scene_start(scene, UINT64_MAX);
    scene_run(scene);
    g_assert_cmpuint(load_relaxed(&scene->guest.nr_interrupts), ==, before);
    g_assert_cmpuint(guest_answers(&scene->guest, QUEUE_CONTROL), ==, 0);
    check_as_new();
    end();
}

static void reset_while_the_renderer_unmaps(bool is_fenced, bool is_unref) REQUIRES(bql)
{
    struct message message = is_unref ? unref_resource(5) : unmap_blob(5);

    begin();
    make_mapped(5, PAGE, 0);
    fake_hold(FAKE_UNMAP);
    (void)post(scene, is_fenced ? fenced(message, 1) : message);
    scene_run(scene);
    fake_wait_until_held(FAKE_UNMAP);
    scene_begin_reset(scene);
    while (!is_reset())
        (void)loop_iterate(true); /* it does not wait for the renderer: else this would not end */
    fake_let_go();
    end_reset();
}

static void reset_while_the_renderer_unmaps_does_not_wait(void)
{
    bql_assert_held();
    reset_while_the_renderer_unmaps(false, false);
    reset_while_the_renderer_unmaps(true, false);
    reset_while_the_renderer_unmaps(false, true);
    reset_while_the_renderer_unmaps(true, true);
}

/* VIRTIO_F_RING_RESET: the queue alone. What it had is done all the same, and seen by nobody. */
static void queue_is_reset_alone(void)
{
    bql_assert_held();
    struct virtq *queue;
    struct reader *stubborn;

    begin();
    queue = virtio_queue(scene->guest.device, QUEUE_CONTROL);
    make_mapped(5, PAGE, 0);
    stubborn = reader_start(false);
    fake_hold_fences();
    (void)post(scene, unmap_blob(5));
    (void)post(scene, fenced(attach_resource(1, 5), 1)); /* waits */
    (void)post(scene, fenced(submit_3d(2, words, 1), 2));
    scene_run(scene);
    scene->guest.device->accepted |= VIRTIO_F_RING_RESET; /* which the scene does not */
    virtq_reset(queue);
    g_assert_true(virtq_is_resetting(queue));
    reader_end(stubborn);
    fake_let_fences_go();
    while (virtq_is_resetting(queue))
        (void)loop_iterate(false); /* looked at above */
    memset(scene->calls, 0, sizeof(scene->calls));
    guest_setup_queue(&scene->guest, QUEUE_CONTROL);
    must(scene, fenced(submit_3d(1, words, 1), 1));
    must_be(map_blob(5, 0), VIRTIO_GPU_RESP_OK_MAP_INFO); /* it is the same device */
    g_assert_true(shows(0, 5));
    end();
}

/* ---- Orphans --------------------------------------------------------------------------------- */

static void disk_keeps_its_orphan_and_nothing_else(void)
{
    bql_assert_held();
    struct dma_mapping mapping;
    unsigned create, map;

    begin();
    make_mapped(5, PAGE, 0);
    make_mapped(6, PAGE, PAGE);
    disk_begin(&mapping);
    scene_begin_reset(scene);
    scene_end_reset(scene); /* which does not wait for the disk */
    while (fake_memory(6))
        (void)loop_iterate(false); /* the other one goes */
    g_assert_true(fake_is_mapped(5));
    scene_start(scene, UINT64_MAX);
    must(scene, create_context(1, 0));
    must(scene, create_context(2, 0));
    create = post(scene, host_blob(5, 2 * PAGE, 2, 1)); /* the renderer has one of that number */
    map = post(scene, map_blob(5, 0));
    make_mapped(7, PAGE, 2 * PAGE); /* context 1 does not wait */
    make_mapped(6, PAGE, 0);        /* the place is free: nobody is in the old view any more */
    g_assert_false(is_answered(scene, create));
    disk_end(&mapping);
    g_assert_cmphex(finish(scene, create), ==, VIRTIO_GPU_RESP_OK_NODATA);
    g_assert_cmphex(finish(scene, map), ==, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER); /* 6 is there */
    g_assert_cmphex(*(uint32_t *)fake_memory(5), ==, 0);
    g_assert_true(shows(0, 6));
    g_assert_cmpuint(g_hash_table_size(scene->gpu->orphans), ==, 0);
    end();
}

static void orphan_outlives_several_resets(void)
{
    bql_assert_held();
    struct dma_mapping mapping;

    begin();
    make_mapped(5, PAGE, 0);
    disk_begin(&mapping);
    for (unsigned i = 0; i < 3; i++) {
        scene_reset(scene);
        must(scene, create_context(1, 0));
        (void)post(scene, host_blob(5, PAGE, 1, 1)); /* waits, and is forgotten */
        scene_run(scene);
        g_assert_cmpuint(g_hash_table_size(scene->gpu->orphans), ==, 1);
    }
    scene_begin_reset(scene);
    disk_end(&mapping);
    end_reset();
}

/* The device goes while a disk has one of its blobs: it waits for that. */
static void device_ends_behind_its_orphans(void)
{
    bql_assert_held();
    struct dma_mapping mapping;

    begin();
    make_mapped(5, PAGE, 0);
    disk_begin(&mapping);
    scene_reset(scene);
    disk_end(&mapping);
    end();
}

/* ---- The end of a context -------------------------------------------------------------------- */

static void context_ends_in_each_stage(void)
{
    bql_assert_held();
    static const enum fake_op stages[] = { FAKE_MAP, FAKE_UNMAP, FAKE_UNREF };

    for (unsigned i = 0; i < ARRAY_SIZE(stages); i++) {
        unsigned calls[6];

        begin();
        make(5, PAGE);
        must(scene, attach_resource(1, 5));
        fake_hold(stages[i]);
        calls[0] = post(scene, map_blob(5, 0));
        calls[1] = post(scene, fenced_on_ring(submit_3d(1, words, 1), 1, 0, 9));
        calls[2] = post(scene, unmap_blob(5));
        calls[3] = post(scene, fenced(destroy_context(1), 10));
        calls[4] = post(scene, unref_resource(5));
        calls[5] = post(scene, create_context(1, 0)); /* the next of that number */
        scene_run(scene);
        fake_let_go();
        for (unsigned j = 0; j < 6; j++)
            g_assert_cmphex(finish(scene, calls[j]), <, VIRTIO_GPU_RESP_ERR_UNSPEC);
        end();
    }
}

static void context_ends_in_the_grace_period(void)
{
    bql_assert_held();
    struct reader *stubborn;
    unsigned unmap, attach, destroy;

    begin();
    make_mapped(5, PAGE, 0);
    must(scene, attach_resource(1, 5));
    stubborn = reader_start(false);
    unmap = post(scene, unmap_blob(5));
    must(scene, destroy_context(1)); /* it names no resource, and nothing of it waits */
    attach = post(scene, attach_resource(2, 5));
    destroy = post(scene, destroy_context(2)); /* here something does */
    g_assert_false(is_answered(scene, destroy));
    reader_end(stubborn);
    g_assert_cmphex(finish(scene, unmap), ==, VIRTIO_GPU_RESP_OK_NODATA);
    g_assert_cmphex(finish(scene, attach), ==, VIRTIO_GPU_RESP_OK_NODATA);
    g_assert_cmphex(finish(scene, destroy), ==, VIRTIO_GPU_RESP_OK_NODATA);
    end();
}

int main(int argc, char **argv)
{
    static const struct named_test tests[] = {
#define TEST(name) { "/gpu_unmap_reset/" #name, name }
        TEST(reset_while_the_renderer_maps),
        TEST(reset_while_a_map_waits_for_its_fence),
        TEST(reset_before_a_map_is_shown),
        TEST(reset_with_blobs_in_the_window),
        TEST(reset_waits_for_readers),
        TEST(reset_in_the_grace_period_of_an_unmap),
        TEST(reset_in_the_grace_period_of_an_unref),
        TEST(reset_between_release_and_news),
        TEST(reset_between_a_quiet_answer_and_its_interrupt),
        TEST(reset_while_the_renderer_unmaps_does_not_wait),
        TEST(queue_is_reset_alone),
        TEST(disk_keeps_its_orphan_and_nothing_else),
        TEST(orphan_outlives_several_resets),
        TEST(device_ends_behind_its_orphans),
        TEST(context_ends_in_each_stage),
        TEST(context_ends_in_the_grace_period),
    };

    return run_tests(argc, argv, tests, ARRAY_SIZE(tests));
}
