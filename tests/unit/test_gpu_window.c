/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RESOURCE_MAP_BLOB: what a guest may put where in the window. */
#include "hw/mem/listener.h"
#include "tests/unit/gpu_blobs.h"

static void mapped_blob_is_its_memory(void)
{
    bql_assert_held();
    begin();
    make(5, 2 * PAGE);
    g_assert_true(is_hole(3 * PAGE));
    must_be(map_blob(5, 3 * PAGE), VIRTIO_GPU_RESP_OK_MAP_INFO);
    g_assert_cmpuint(scene->written, ==, sizeof(struct virtio_gpu_resp_map_info));
    g_assert_cmpuint(scene->response.of.map_info.map_info, ==, VIRTIO_GPU_MAP_CACHE_CACHED);
    g_assert_true(shows(3 * PAGE, 5));
    window_write(scene, 4 * PAGE, 0xabcd);
    g_assert_cmphex(((uint32_t *)fake_memory(5))[PAGE / 4], ==, 0xabcd);
    g_assert_true(is_hole(2 * PAGE + PAGE - 4));
    g_assert_true(is_hole(5 * PAGE));
    must(scene, unmap_blob(5));
    g_assert_true(is_hole(3 * PAGE));
    g_assert_cmpuint(stats()->maps, ==, 1);
    g_assert_cmpuint(stats()->refused_maps, ==, 0);
    end();
}

static void place_must_be_in_the_window(void)
{
    bql_assert_held();
    const uint64_t wrong[] = { 1,
                               PAGE / 2,
                               WINDOW,
                               WINDOW - PAGE,
                               WINDOW + PAGE,
                               UINT64_MAX,
                               UINT64_MAX - PAGE + 1,
                               UINT64_MAX - 2 * PAGE + 1,
                               UINT64_C(1) << 63 };

    begin();
    make(5, 2 * PAGE);
    for (unsigned i = 0; i < ARRAY_SIZE(wrong); i++)
        must_be(map_blob(5, wrong[i]), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    must_be(map_blob(5, WINDOW - 2 * PAGE), VIRTIO_GPU_RESP_OK_MAP_INFO);
    make(6, WINDOW + PAGE);
    must_be(map_blob(6, 0), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    g_assert_cmpuint(stats()->refused_maps, ==, ARRAY_SIZE(wrong) + 1);
    end();
}

static void places_do_not_overlap(void)
{
    bql_assert_held();
    static const struct {
        unsigned page, pages;
        bool is_free;
    } cases[] = { { 10, 4, false }, { 13, 1, false }, { 9, 2, false }, { 8, 8, false },
                  { 11, 1, false }, { 13, 4, false }, { 8, 2, true },  { 14, 1, true },
                  { 7, 9, false },  { 0, 64, false }, { 15, 2, true } };

    begin();
    make_mapped(1, 4 * PAGE, 10 * PAGE);
    for (unsigned i = 0; i < ARRAY_SIZE(cases); i++) {
        make(2 + i, cases[i].pages * PAGE);
        must_be(map_blob(2 + i, cases[i].page * PAGE), cases[i].is_free
                                                           ? VIRTIO_GPU_RESP_OK_MAP_INFO
                                                           : VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    }
    g_assert_true(shows(10 * PAGE, 1));
    g_assert_true(shows(8 * PAGE, 8));
    end();
}

static void resource_is_mapped_once(void)
{
    bql_assert_held();
    begin();
    make_mapped(5, PAGE, 0);
    must_be(map_blob(5, PAGE), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    must_be(map_blob(5, 0), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    g_assert_cmpuint(fake_count(FAKE_MAP), ==, 1);
    must(scene, unmap_blob(5));
    must_be(unmap_blob(5), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    must_be(map_blob(5, PAGE), VIRTIO_GPU_RESP_OK_MAP_INFO); /* but again and again */
    g_assert_true(shows(PAGE, 5));
    end();
}

static void not_all_can_be_mapped(void)
{
    bql_assert_held();
    const struct virtio_gpu_mem_entry entries[] = { entry(SCENE_DATA, PAGE) };
    struct message guests = guest_blob(7, PAGE, entries, 1);

    begin();
    must_be(map_blob(5, 0), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
    must_be(unmap_blob(5), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
    must_be(map_blob(0, 0), VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
    must(scene, create_2d(6, VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, 64, 64));
    must_be(map_blob(6, 0), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    must_be(unmap_blob(6), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    guests.request.create_blob.blob_flags = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE;
    must(scene, guests);
    must_be(map_blob(7, 0), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    must(scene, of_blob(create_blob(8, VIRTIO_GPU_BLOB_MEM_HOST3D,
                                    VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE, PAGE),
                        1, 8));
    must_be(map_blob(8, 0), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    g_assert_cmpuint(fake_count(FAKE_MAP), ==, 0);
    end();
}

static void window_can_be_used_up(void)
{
    bql_assert_held();
    enum { EACH = WINDOW / 8 };

    begin();
    for (uint32_t i = 0; i < 8; i++)
        make_mapped(1 + i, EACH, (uint64_t)i * EACH);
    make(9, PAGE);
    for (uint64_t at = 0; at < WINDOW; at += EACH / 2)
        must_be(map_blob(9, at), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    /* Half of it is free, but not in one piece. */
    for (uint32_t i = 0; i < 8; i += 2)
        must(scene, unmap_blob(1 + i));
    make(10, 2 * EACH);
    for (uint64_t at = 0; at <= WINDOW - 2 * EACH; at += EACH)
        must_be(map_blob(10, at), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    must_be(map_blob(9, 2 * EACH), VIRTIO_GPU_RESP_OK_MAP_INFO);
    must(scene, unmap_blob(2));
    must_be(map_blob(10, 0), VIRTIO_GPU_RESP_OK_MAP_INFO);
    g_assert_true(shows(0, 10));
    end();
}

static void four_thousand_blobs_live_side_by_side(void)
{
    bql_assert_held();
    enum { NR = 4096 };
    struct mem_stats before, after;

    begin();
    mem_get_stats(scene->gpu->mem, &before);
    for (uint32_t i = 0; i < NR; i++) {
        uint32_t place = i * 1021 % NR; /* in no order */

        make_mapped(1 + i, PAGE, (uint64_t)place * PAGE);
    }
    for (uint32_t i = 0; i < NR; i += 61)
        g_assert_true(shows((uint64_t)(i * 1021 % NR) * PAGE, 1 + i));
    for (uint32_t i = 0; i < NR; i++)
        must(scene, i % 2 ? unmap_blob(1 + i) : unref_resource(1 + i));
    drain_call_rcu();
    scene_run(scene);
    mem_get_stats(scene->gpu->mem, &after);
    g_assert_cmpuint(after.regions_alive, ==, before.regions_alive);
    g_assert_cmpuint(g_hash_table_size(scene->gpu->resources), ==, NR / 2);
    g_assert_cmpuint(stats()->unmaps, ==, NR);
    g_assert_true(gpu_window_is_idle(scene->gpu));
    end();
}

static void renderer_may_refuse(void)
{
    bql_assert_held();
    begin();
    make(5, PAGE);
    fake_fail_next(FAKE_MAP, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
    must_be(map_blob(5, 0), VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
    fake_fail_next(FAKE_MAP, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    must_be(fenced(map_blob(5, 0), 7), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    g_assert_true(is_hole(0));
    make_mapped(6, PAGE, 0); /* the place is free */
    must(scene, unref_resource(5));
    end();
}

/* The buffer behind the blob is smaller than that: only the renderer can know. */
static void blob_larger_than_its_buffer_is_not_shown(void)
{
    bql_assert_held();
    begin();
    make(5, PAGE);
    gpu_resource_find(scene->gpu, 5)->blob_size = 2 * PAGE;
    must_be(map_blob(5, 0), VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    g_assert_true(is_hole(0));
    end();
}

/* ---- KVM has no slot left, for instance ------------------------------------------------------ */

static unsigned nr_slots;

static bool add_slot(struct mem_listener *listener G_GNUC_UNUSED, const struct range *range,
                     GError **error)
{
    if (range->kind != RANGE_RAM || range->start < SCENE_WINDOW)
        return true;
    if (nr_slots == 0) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOSPC, "no slot is left");
        return false;
    }
    nr_slots--;
    return true;
}

static void del_slot(struct mem_listener *listener G_GNUC_UNUSED, const struct range *range)
{
    if (range->kind == RANGE_RAM && range->start >= SCENE_WINDOW)
        nr_slots++;
}

static struct mem_listener slots = { .name = "slots", .add = add_slot, .del = del_slot };

static void begin_with_slots(unsigned nr) REQUIRES(bql)
{
    begin();
    nr_slots = nr;
    g_assert_true(space_add_listener(scene->guest.scene.space, &slots, NULL));
}

static void end_with_slots(void) REQUIRES(bql)
{
    space_del_listener(scene->guest.scene.space, &slots);
    end();
}

static void map_that_is_refused_is_an_error(void)
{
    bql_assert_held();
    begin_with_slots(1);
    make_mapped(5, PAGE, 0);
    make(6, PAGE);
    must_be(map_blob(6, PAGE), VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
    must_be(fenced(map_blob(6, PAGE), 1), VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
    g_assert_true(is_hole(PAGE));
    g_assert_true(shows(0, 5));
    must(scene, unmap_blob(5));
    must_be(map_blob(6, PAGE), VIRTIO_GPU_RESP_OK_MAP_INFO);
    g_assert_true(shows(PAGE, 6));
    g_assert_cmpuint(stats()->refused_maps, ==, 2);
    g_assert_cmpuint(hist_count(&stats()->stage[STAGE_TOTAL]), ==, 1); /* those were no unmaps */
    end_with_slots();
}

/* Several in one commit, of which one has no room. */
static void one_that_is_refused_takes_no_other_along(void)
{
    bql_assert_held();
    unsigned calls[4], nr_good = 0;

    begin_with_slots(2);
    make_mapped(1, PAGE, 0);
    for (uint32_t i = 2; i < 5; i++)
        make(i, PAGE);
    fake_hold(FAKE_MAP);
    for (uint32_t i = 0; i < 3; i++)
        calls[i] = post(scene, map_blob(2 + i, (1 + i) * PAGE));
    scene_run(scene);
    fake_let_go();
    fake_wait_for(FAKE_MAP, 4);
    for (uint32_t i = 0; i < 3; i++)
        nr_good += finish(scene, calls[i]) == VIRTIO_GPU_RESP_OK_MAP_INFO;
    g_assert_cmpuint(nr_good, ==, 1);
    g_assert_true(shows(0, 1));
    end_with_slots();
}

/* What is under the window would have to be shown again, and cannot. */
static bool refuses;

static bool add_under(struct mem_listener *listener G_GNUC_UNUSED, const struct range *range,
                      GError **error)
{
    if (!refuses || range->start != SCENE_WINDOW || range->ram == NULL)
        return true;
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOSPC, "no room");
    return false;
}

static void del_under(struct mem_listener *listener G_GNUC_UNUSED,
                      const struct range *range G_GNUC_UNUSED)
{
}

static struct mem_listener under = { .name = "under", .add = add_under, .del = del_under };

static void unmap_that_is_refused_is_tried_again(void)
{
    bql_assert_held();
    struct region *ram;

    begin();
    ram = ram_region(&scene->guest.scene, "under the window", WINDOW);
    put_in(scene->guest.scene.root, SCENE_WINDOW, ram, -1);
    g_assert_true(space_add_listener(scene->guest.scene.space, &under, NULL));
    make_mapped(5, PAGE, 0);
    refuses = true;
    must_be(unmap_blob(5), VIRTIO_GPU_RESP_ERR_UNSPEC);
    g_assert_true(shows(0, 5));
    scene_begin_reset(scene);
    for (unsigned i = 0; i < 3; i++) {
        wait_for_grace_period();
        scene_run(scene);
        g_assert_true(shows(0, 5)); /* and so … */
        g_assert_cmphex(virtio_get_status(scene->guest.device), !=, 0);
    }
    refuses = false;
    scene_end_reset(scene);
    g_assert_cmphex(window_read(scene, 0), ==, 0); /* the RAM */
    space_del_listener(scene->guest.scene.space, &under);
    take_out(ram);
    region_unref(ram);
    end();
}

int main(int argc, char **argv)
{
    static const struct named_test tests[] = {
#define TEST(name) { "/gpu_window/" #name, name }
        TEST(mapped_blob_is_its_memory),
        TEST(place_must_be_in_the_window),
        TEST(places_do_not_overlap),
        TEST(resource_is_mapped_once),
        TEST(not_all_can_be_mapped),
        TEST(window_can_be_used_up),
        TEST(four_thousand_blobs_live_side_by_side),
        TEST(renderer_may_refuse),
        TEST(blob_larger_than_its_buffer_is_not_shown),
        TEST(map_that_is_refused_is_an_error),
        TEST(one_that_is_refused_takes_no_other_along),
        TEST(unmap_that_is_refused_is_tried_again),
    };

    return run_tests(argc, argv, tests, ARRAY_SIZE(tests));
}
