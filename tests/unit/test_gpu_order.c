/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who waits for an unmap, in which order they go on, and in which order fences are answered. */
#include "tests/unit/gpu_blobs.h"

static const uint32_t words[] = { 1 };
static const struct timeline_id global = { .is_global = true };

/* Blob 5 of context 1, in MAP_UNMAPPING for as long as the reader stays. */
static struct reader *stubborn;
static unsigned unmap;

static void begin_unmapping(void) REQUIRES(bql)
{
    begin();
    make_mapped(5, PAGE, 0);
    stubborn = reader_start(false);
    unmap = post(scene, unmap_blob(5));
    scene_run(scene);
    g_free(fake_take_log());
}

static void end_unmapping(void) REQUIRES(bql)
{
    reader_end(stubborn);
    g_assert_cmphex(finish(scene, unmap), ==, VIRTIO_GPU_RESP_OK_NODATA);
}

static void finish_well(const unsigned *calls, unsigned nr) REQUIRES(bql)
{
    for (unsigned i = 0; i < nr; i++)
        g_assert_cmphex(finish(scene, calls[i]), <, VIRTIO_GPU_RESP_ERR_UNSPEC);
}

/* ---- Waiting --------------------------------------------------------------------------------- */

static void unmap_attach_submit_stay_in_order(void)
{
    bql_assert_held();
    unsigned calls[4];

    begin_unmapping();
    calls[0] = post(scene, attach_resource(1, 5));
    calls[1] = post(scene, submit_3d(1, words, 1)); /* names no resource, but context 1 */
    calls[2] = post(scene, detach_resource(1, 5));
    calls[3] = post(scene, destroy_context(1));
    must(scene, submit_3d(2, words, 1)); /* another context's */
    for (unsigned i = 0; i < 4; i++)
        g_assert_false(is_answered(scene, calls[i]));
    check_log("submit 2");
    g_assert_cmpuint(stats()->waits, ==, 4);
    end_unmapping();
    finish_well(calls, 4);
    check_log("unmap 5; attach 1 5; submit 1; detach 1 5; context_destroy 1");
    end();
}

/* Resource 6 has nothing to do with the unmap, but with a command that waits. */
static void what_a_waiting_command_names_waits_as_well(void)
{
    bql_assert_held();
    unsigned calls[4];

    begin_unmapping();
    make(6, PAGE);
    make(7, PAGE);
    g_free(fake_take_log());
    calls[0] = post(scene, attach_resource(1, 5));
    calls[1] = post(scene, attach_resource(1, 6));  /* for context 1 … */
    calls[2] = post(scene, attach_resource(2, 6));  /* … for resource 6 … */
    calls[3] = post(scene, submit_3d(2, words, 1)); /* … for context 2 */
    must_be(map_blob(7, PAGE), VIRTIO_GPU_RESP_OK_MAP_INFO);
    for (unsigned i = 0; i < 4; i++)
        g_assert_false(is_answered(scene, calls[i]));
    end_unmapping();
    finish_well(calls, 4);
    check_log("map 7; unmap 5; attach 1 5; attach 1 6; attach 2 6; submit 2");
    end();
}

static void map_waits_for_the_unmap_of_the_same(void)
{
    bql_assert_held();
    unsigned calls[6];

    begin_unmapping();
    calls[0] = post(scene, map_blob(5, PAGE));
    calls[1] = post(scene, unmap_blob(5));
    calls[2] = post(scene, map_blob(5, 2 * PAGE));
    calls[3] = post(scene, unref_resource(5));
    calls[4] = post(scene, host_blob(5, 2 * PAGE, 1, 9));
    calls[5] = post(scene, map_blob(5, 0));
    scene_run(scene);
    g_assert_cmpuint(scene_in_flight(scene), ==, 7);
    end_unmapping();
    finish_well(calls, 6);
    check_log("unmap 5; map 5; unmap 5; map 5; unmap 5; unref 5; create_blob 5; map 5");
    g_assert_true(shows(0, 5));
    end();
}

/* MAP_MAPPING: the renderer takes its time. */
static void commands_wait_for_a_map_as_well(void)
{
    bql_assert_held();
    unsigned calls[3];

    begin();
    make(5, PAGE);
    fake_hold(FAKE_MAP);
    calls[0] = post(scene, map_blob(5, 0));
    calls[1] = post(scene, attach_resource(2, 5));
    calls[2] = post(scene, unref_resource(5));
    scene_run(scene);
    fake_wait_until_held(FAKE_MAP);
    g_assert_cmpuint(stats()->waits, ==, 2);
    g_free(fake_take_log());
    fake_let_go();
    finish_well(calls, 3);
    settle();
    fake_wait_for(FAKE_UNREF, 1);
    check_log("map 5; attach 2 5; unmap 5; unref 5");
    end();
}

/* What is on screen 0, and would be next; resource 0: off. */
static uint32_t on_screen(void) REQUIRES(bql)
{
    const struct gpu_resource *resource = scene->gpu->scanouts[0].resource;

    return resource ? resource->id : 0;
}

/* The last one says what is shown, even if one before it waits. */
static void a_scanout_is_set_in_order(void)
{
    bql_assert_held();
    const struct renderer_layout layout = {
        .format = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, .width = 16, .height = 16, .stride = 64
    };
    const struct virtio_gpu_rect all = rect_of(0, 0, 16, 16);
    unsigned calls[4];

    begin_unmapping();
    must(scene, create_2d(6, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, 16, 16));
    calls[0] = post(scene, set_scanout_blob(0, 5, all, &layout)); /* waits */
    calls[1] = post(scene, set_scanout(0, 6, all));
    calls[2] = post(scene, flush_resource(6, all));
    must(scene, set_scanout(1, 0, all)); /* another one's */
    scene_run(scene);
    end_unmapping();
    finish_well(calls, 3);
    g_assert_cmpuint(on_screen(), ==, 6);
    calls[3] = post(scene, map_blob(5, 0));
    calls[0] = post(scene, set_scanout_blob(0, 5, all, &layout)); /* waits for the map */
    calls[1] = post(scene, set_scanout(0, 0, all));
    calls[2] = post(scene, unmap_blob(5));
    finish_well(calls, 4);
    g_assert_cmpuint(on_screen(), ==, 0);
    end();
}

/* What comes in where another one goes out need not wait for the answer to that. */
static void map_waits_for_its_place(void)
{
    bql_assert_held();
    unsigned calls[4], taken;

    begin_unmapping();
    make(6, PAGE);
    make(7, 2 * PAGE);
    make_mapped(8, PAGE, 2 * PAGE);
    calls[0] = post(scene, map_blob(6, 0));
    calls[1] = post(scene, unmap_blob(6));
    calls[2] = post(scene, map_blob(7, 0));
    calls[3] = post(scene, submit_3d(1, words, 1)); /* has nothing to do with it */
    g_assert_cmphex(finish(scene, calls[3]), ==, VIRTIO_GPU_RESP_OK_NODATA);
    taken = post(scene, map_blob(6, 2 * PAGE)); /* in the end: there, 8 stays */
    scene_run(scene);
    g_assert_cmpuint(stats()->waits, ==, 4);
    end_unmapping();
    finish_well(calls, 3);
    g_assert_cmphex(finish(scene, taken), ==, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    g_assert_true(shows(0, 7));
    end();
}

/* A map that fails lets go of those that wait for it. */
static void failed_map_wakes_those_behind_it(void)
{
    bql_assert_held();
    unsigned first, second, unref;

    begin();
    make(5, PAGE);
    fake_hold(FAKE_MAP);
    fake_fail_next(FAKE_MAP, VIRTIO_GPU_RESP_ERR_UNSPEC);
    first = post(scene, map_blob(5, 0));
    second = post(scene, map_blob(5, 0));
    unref = post(scene, unref_resource(5));
    scene_run(scene);
    fake_wait_until_held(FAKE_MAP);
    fake_let_go();
    g_assert_cmphex(finish(scene, first), ==, VIRTIO_GPU_RESP_ERR_UNSPEC);
    g_assert_cmphex(finish(scene, second), ==, VIRTIO_GPU_RESP_OK_MAP_INFO);
    g_assert_cmphex(finish(scene, unref), ==, VIRTIO_GPU_RESP_OK_NODATA);
    end();
}

static void wrong_commands_wait_and_are_wrong(void)
{
    bql_assert_held();
    unsigned calls[3];

    begin_unmapping();
    calls[0] = post(scene, map_blob(5, WINDOW));
    calls[1] = post(scene, host_blob(5, PAGE, 1, 7));
    calls[2] = post(scene, attach_resource(99, 5));
    end_unmapping();
    g_assert_cmphex(finish(scene, calls[0]), ==, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    g_assert_cmphex(finish(scene, calls[1]), ==, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID);
    g_assert_cmphex(finish(scene, calls[2]), ==, VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID);
    end();
}

static void many_may_wait(void)
{
    bql_assert_held();
    enum { NR = CALLS_MAX - 1 };
    unsigned calls[NR];

    begin_unmapping();
    for (unsigned i = 0; i < NR; i++)
        calls[i] = post(scene, i % 2 ? detach_resource(2, 5) : attach_resource(2, 5));
    g_assert_cmpuint(scene_in_flight(scene), ==, NR + 1);
    end_unmapping();
    finish_well(calls, NR);
    g_assert_cmpuint(stats()->waits, ==, NR);
    end();
}

/* The main loop has others to serve. @nr answers of what has waited come in one turn, in order. */
static unsigned turn(unsigned nr_before) REQUIRES(bql)
{
    unsigned nr;

    do
        (void)loop_iterate(true); /* looked at below */
    while ((nr = guest_answers(&scene->guest, QUEUE_CONTROL)) <= nr_before);
    return nr;
}

static void those_that_go_on_are_so_many_a_turn(void)
{
    bql_assert_held();
    enum { BATCH = 64, NR = BATCH + 20 };
    unsigned calls[NR], nr, late, map, away;
    const struct guest_used_entry {
        uint32_t id, length;
    } * used;

    begin_unmapping();
    make(6, PAGE);
    make(7, PAGE);
    used = (const void *)(scene->guest.bytes + GUEST_USED + 4);
    used += scene->guest.queues[QUEUE_CONTROL].taken; /* the ring is larger than this test's */
    for (unsigned i = 0; i < NR; i++)
        calls[i] = post(scene, map_blob(5, WINDOW)); /* wrong: answered when it goes on */
    map = post(scene, map_blob(6, 0));               /* where 5 is … */
    away = post(scene, unmap_blob(6));
    scene_run(scene);
    g_assert_cmpuint(stats()->waits, ==, NR + 2);
    reader_end(stubborn);
    nr = turn(1);
    g_assert_cmpuint(nr, ==, 1 + BATCH);
    late = post(scene, map_blob(7, 0)); /* … and is not any more, but 6 will be */
    gpu_control_queue(scene->gpu);
    g_assert_cmpuint(stats()->waits, ==, NR + 3);
    g_assert_cmpuint(turn(nr), ==, 1 + NR);
    for (unsigned i = 0; i < NR; i++)
        g_assert_cmpuint(used[1 + i].id, ==, scene->calls[calls[i]].head);
    for (unsigned i = 0; i < NR; i++)
        g_assert_cmphex(finish(scene, calls[i]), ==, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    finish_well((const unsigned[]){ unmap, map, away, late }, 4);
    g_assert_true(shows(0, 7));
    end();
}

/* One descriptor, again and again: there is an end to what is kept for it. */
static void too_many_that_wait_are_refused(void)
{
    bql_assert_held();
    struct guest *guest;
    unsigned call;

    begin_unmapping();
    guest = &scene->guest;
    call = post(scene, attach_resource(2, 5));
    scene_run(scene);
    for (unsigned i = 1; i < WAITING_MAX; i++) {
        guest_add(guest, QUEUE_CONTROL, scene->calls[call].head);
        virtio_doorbell(guest->device, QUEUE_CONTROL);
        while (loop_iterate(false))
            continue;
    }
    g_assert_cmpuint(guest_answers(guest, QUEUE_CONTROL), ==, 0);
    g_assert_cmpuint(stats()->waits, ==, WAITING_MAX);
    guest_add(guest, QUEUE_CONTROL, scene->calls[call].head);
    virtio_doorbell(guest->device, QUEUE_CONTROL);
    g_assert_cmphex(finish(scene, call), ==, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
    g_assert_cmpuint(stats()->limits[LIMIT_WAITING], ==, 1);
    scene_begin_reset(scene); /* of the answers to come the scene knows nothing */
    reader_end(stubborn);
    scene_end_reset(scene);
    end();
}

/* ---- Fences ---------------------------------------------------------------------------------- */

static void second_fence_waits_for_the_first(void)
{
    bql_assert_held();
    unsigned first, second, third;

    begin_unmapping();
    first = post(scene, fenced(attach_resource(1, 5), 1)); /* waits for the unmap */
    second = post(scene, fenced(submit_3d(2, words, 1), 2));
    third = post(scene, fenced(get_display_info(), 3)); /* by the main thread, at once */
    must(scene, submit_3d(2, words, 1));                /* unfenced: no order */
    scene_run(scene);
    g_assert_cmpuint(fake_count(FAKE_SUBMIT), ==, 2); /* it has been done … */
    g_assert_false(is_answered(scene, second));       /* … but would stand for the first, too */
    g_assert_false(is_answered(scene, third));
    end_unmapping();
    finish_well((const unsigned[]){ first, second, third }, 3);
    end();
}

static void fenced_unmap_is_in_order_too(void)
{
    bql_assert_held();
    struct reader *reader;
    unsigned first, second, third;

    begin();
    make_mapped(5, PAGE, 0);
    reader = reader_start(false);
    first = post(scene, fenced(unmap_blob(5), 1));
    second = post(scene, fenced(submit_3d(2, words, 1), 2));
    third = post(scene, fenced_on_ring(submit_3d(2, words, 1), 2, 0, 3)); /* another timeline */
    g_assert_cmphex(finish(scene, third), ==, VIRTIO_GPU_RESP_OK_NODATA);
    g_assert_false(is_answered(scene, first));
    g_assert_false(is_answered(scene, second));
    reader_end(reader);
    finish_well((const unsigned[]){ first, second }, 2);
    end();
}

static void fences_are_the_renderers_to_pass(void)
{
    bql_assert_held();
    const struct timeline_id ring = { .context = 2, .ring = 1 };
    unsigned calls[4];

    begin();
    fake_hold_fences();
    calls[0] = post(scene, fenced(submit_3d(1, words, 1), 1));
    calls[1] = post(scene, fenced_on_ring(submit_3d(2, words, 1), 2, 1, 2));
    calls[2] = post(scene, fenced(submit_3d(1, words, 1), 3));
    calls[3] = post(scene, fenced_on_ring(submit_3d(2, words, 1), 2, 1, 4));
    must(scene, submit_3d(1, words, 1));
    for (unsigned i = 0; i < 4; i++)
        g_assert_false(is_answered(scene, calls[i]));
    fake_pass_fences(&ring, 1);
    g_assert_cmphex(finish(scene, calls[1]), ==, VIRTIO_GPU_RESP_OK_NODATA);
    g_assert_false(is_answered(scene, calls[0]));
    g_assert_false(is_answered(scene, calls[3]));
    fake_pass_fences(&global, 2);
    finish_well((const unsigned[]){ calls[0], calls[2] }, 2);
    fake_pass_fences(&ring, 1);
    g_assert_cmphex(finish(scene, calls[3]), ==, VIRTIO_GPU_RESP_OK_NODATA);
    end();
}

/* All up to the one that passed: a renderer may leave out those between. */
static void one_fence_passes_for_all_before_it(void)
{
    bql_assert_held();
    unsigned calls[3];

    begin();
    fake_hold_fences();
    for (unsigned i = 0; i < 3; i++)
        calls[i] = post(scene, fenced(submit_3d(1, words, 1), 1 + i));
    must(scene, submit_3d(1, words, 1));
    gpu_fence_passed(scene->gpu, &global, 2); /* of our own numbers, from 1 on */
    finish_well(calls, 2);
    g_assert_false(is_answered(scene, calls[2]));
    fake_let_fences_go();
    finish_well(calls + 2, 1);
    end();
}

static void errors_are_answered_in_order_without_a_fence(void)
{
    bql_assert_held();
    unsigned first, second, third;

    begin();
    fake_hold_fences();
    first = post(scene, fenced(submit_3d(1, words, 1), 1));
    second = post(scene, fenced(submit_3d(77, words, 1), 2)); /* no such context: at the gate */
    fake_fail_next(FAKE_MAP, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
    make(5, PAGE);
    third = post(scene, fenced(map_blob(5, 0), 3)); /* on the render thread */
    must(scene, submit_3d(1, words, 1));
    g_assert_false(is_answered(scene, second));
    g_assert_false(is_answered(scene, third));
    fake_pass_fences(&global, 1);
    g_assert_cmphex(finish(scene, first), ==, VIRTIO_GPU_RESP_OK_NODATA);
    g_assert_cmphex(finish(scene, second), ==, VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID);
    g_assert_cmphex(finish(scene, third), ==, VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
    end();
}

/* A renderer that makes no fence says that all is done. */
static void fence_that_cannot_be_made_is_passed(void)
{
    bql_assert_held();
    begin();
    fake_hold_fences();
    fake_fail_next(FAKE_FENCE, VIRTIO_GPU_RESP_ERR_UNSPEC);
    must(scene, fenced(submit_3d(1, words, 1), 1));
    end();
}

static void fences_of_a_context_pass_when_it_is_destroyed(void)
{
    bql_assert_held();
    unsigned calls[2];

    begin();
    fake_hold_fences();
    calls[0] = post(scene, fenced_on_ring(submit_3d(2, words, 1), 2, 3, 1));
    calls[1] = post(scene, fenced_on_ring(submit_3d(2, words, 1), 2, 63, 1));
    must(scene, destroy_context(2));
    finish_well(calls, 2);
    end();
}

int main(int argc, char **argv)
{
    static const struct named_test tests[] = {
#define TEST(name) { "/gpu_order/" #name, name }
        TEST(unmap_attach_submit_stay_in_order),
        TEST(what_a_waiting_command_names_waits_as_well),
        TEST(map_waits_for_the_unmap_of_the_same),
        TEST(commands_wait_for_a_map_as_well),
        TEST(map_waits_for_its_place),
        TEST(a_scanout_is_set_in_order),
        TEST(failed_map_wakes_those_behind_it),
        TEST(wrong_commands_wait_and_are_wrong),
        TEST(many_may_wait),
        TEST(those_that_go_on_are_so_many_a_turn),
        TEST(too_many_that_wait_are_refused),
        TEST(second_fence_waits_for_the_first),
        TEST(fenced_unmap_is_in_order_too),
        TEST(fences_are_the_renderers_to_pass),
        TEST(one_fence_passes_for_all_before_it),
        TEST(errors_are_answered_in_order_without_a_fence),
        TEST(fence_that_cannot_be_made_is_passed),
        TEST(fences_of_a_context_pass_when_it_is_destroyed),
    };

    return run_tests(argc, argv, tests, ARRAY_SIZE(tests));
}
