/* SPDX-License-Identifier: GPL-2.0-or-later */
/* RESOURCE_UNMAP_BLOB, stage by stage: who is waited for, who answers when, and who is not held up.
 */
#include "tests/unit/gpu_blobs.h"

static enum gpu_map_state state_of(uint32_t id) REQUIRES(bql)
{
    return gpu_resource_find(scene->gpu, id)->map_state;
}

/* ---- 2, 3: commit and grace ------------------------------------------------------------------ */

static void answer_waits_for_all_readers(void)
{
    bql_assert_held();
    struct reader *stubborn;
    unsigned unmap;

    begin();
    make_mapped(5, PAGE, 0);
    stubborn = reader_start(false); /* interrupts off, on the mapping, and deaf */
    unmap = post(scene, unmap_blob(5));
    scene_run(scene);
    g_assert_true(is_hole(0)); /* it is out of the map, but who is inside may still use it */
    reader_wait_kicked(stubborn);
    g_assert_false(is_answered(scene, unmap));
    g_assert_true(fake_is_mapped(5));
    g_assert_cmpint(state_of(5), ==, MAP_UNMAPPING);
    reader_end(stubborn);
    g_assert_cmphex(finish(scene, unmap), ==, VIRTIO_GPU_RESP_OK_NODATA);
    end();
}

/* Nothing else would let it end: the reader leaves only when it is kicked. */
static void spinning_processor_is_kicked_out(void)
{
    bql_assert_held();
    struct reader *spinning;

    begin();
    make_mapped(5, PAGE, 0);
    spinning = reader_start(true);
    must(scene, unmap_blob(5));
    reader_end(spinning);
    end();
}

static void disk_that_is_at_it_is_waited_for(void)
{
    bql_assert_held();
    struct dma_mapping mapping;
    unsigned unmap;

    begin();
    make_mapped(5, PAGE, 0);
    disk_begin(&mapping);
    unmap = post(scene, unmap_blob(5));
    scene_run(scene);
    wait_for_grace_period();                   /* no reader is in the old view … */
    g_assert_false(is_answered(scene, unmap)); /* … but this is no reader */
    g_assert_true(fake_is_mapped(5));
    disk_end(&mapping); /* the answer comes from there */
    g_assert_cmphex(finish(scene, unmap), ==, VIRTIO_GPU_RESP_OK_NODATA);
    g_assert_cmphex(*(uint32_t *)fake_memory(5), ==, 0x55555555);
    end();
}

/* ---- 5, 6: answer and renderer --------------------------------------------------------------- */

static void unfenced_answer_does_not_wait_for_the_renderer(void)
{
    bql_assert_held();
    begin();
    make_mapped(5, PAGE, 0);
    g_free(fake_take_log());
    fake_hold(FAKE_SUBMIT);
    (void)post(scene, submit_3d(2, (const uint32_t[]){ 1 }, 1));
    scene_run(scene);
    fake_wait_until_held(FAKE_SUBMIT); /* ten seconds of drawing */
    must(scene, unmap_blob(5));
    check_log("");
    fake_let_go();
    fake_wait_for(FAKE_UNMAP, 1);
    check_log("submit 2; unmap 5");
    end();
}

static void fenced_answer_comes_behind_the_renderer(void)
{
    bql_assert_held();
    unsigned unmap;

    begin();
    make_mapped(5, PAGE, 0);
    fake_hold(FAKE_UNMAP);
    unmap = post(scene, fenced(unmap_blob(5), 77));
    scene_run(scene);
    fake_wait_until_held(FAKE_UNMAP); /* so it is released */
    g_assert_false(is_answered(scene, unmap));
    fake_let_go();
    g_assert_cmphex(finish(scene, unmap), ==, VIRTIO_GPU_RESP_OK_NODATA);
    g_assert_false(fake_is_mapped(5));
    end();
}

/* The answer says that the place is free: it is, even for who is quicker than the main thread. */
static void place_is_free_with_the_answer(void)
{
    bql_assert_held();
    begin();
    make(5, 4 * PAGE);
    make(6, 4 * PAGE);
    for (unsigned i = 0; i < 50; i++) {
        must_be(map_blob(5, i % 3 * PAGE), VIRTIO_GPU_RESP_OK_MAP_INFO);
        must(scene, unmap_blob(5));
        must_be(map_blob(6, i % 2 * PAGE), VIRTIO_GPU_RESP_OK_MAP_INFO);
        must(scene, unmap_blob(6));
    }
    end();
}

/* Seen by the answer's own thread: the main loop does not turn in between. */
static void place_is_free_before_the_main_thread_knows(void)
{
    bql_assert_held();
    struct gpu_mapping *mapping;
    struct reader *stubborn;
    unsigned unmap, map;

    begin();
    make_mapped(5, PAGE, 0);
    make(6, 4 * PAGE);
    stubborn = reader_start(false);
    unmap = post(scene, unmap_blob(5));
    scene_run(scene);
    mapping = gpu_resource_find(scene->gpu, 5)->mapping;
    reader_end(stubborn);
    wait_for_release(mapping);
    map = post(scene, map_blob(6, 0));
    gpu_control_queue(scene->gpu); /* before the news of the release */
    g_assert_cmphex(finish(scene, map), ==, VIRTIO_GPU_RESP_OK_MAP_INFO);
    g_assert_cmphex(finish(scene, unmap), ==, VIRTIO_GPU_RESP_OK_NODATA);
    g_assert_true(shows(0, 6));
    end();
}

static void changes_of_one_turn_are_one_commit(void)
{
    bql_assert_held();
    unsigned calls[8];
    struct mem_stats before, after;

    begin();
    for (uint32_t i = 0; i < 8; i++)
        make(1 + i, PAGE);
    fake_hold(FAKE_MAP);
    mem_get_stats(scene->gpu->mem, &before);
    for (uint32_t i = 0; i < 8; i++)
        calls[i] = post(scene, map_blob(1 + i, (uint64_t)i * PAGE));
    scene_run(scene);
    fake_let_go();
    fake_wait_for(FAKE_MAP, 8);
    fake_hold(FAKE_UNMAP);
    for (uint32_t i = 0; i < 8; i++)
        g_assert_cmphex(finish(scene, calls[i]), ==, VIRTIO_GPU_RESP_OK_MAP_INFO);
    for (uint32_t i = 0; i < 8; i++)
        calls[i] = post(scene, unmap_blob(1 + i));
    for (uint32_t i = 0; i < 8; i++)
        g_assert_cmphex(finish(scene, calls[i]), ==, VIRTIO_GPU_RESP_OK_NODATA);
    mem_get_stats(scene->gpu->mem, &after);
    /* The last of the maps may have been rendered a moment later. */
    g_assert_cmpuint(after.commits - before.commits, <=, 3);
    fake_let_go();
    end();
}

/* ---- 5: interrupts ----------------------------------------------------------------------------
 */

/* Blob 5 waits for its release, and what was sent behind its unmap with it. */
static unsigned begin_release(struct reader **ret_stubborn, struct message behind,
                              unsigned *ret_call) REQUIRES(bql)
{
    unsigned unmap;

    begin();
    make_mapped(5, PAGE, 0);
    *ret_stubborn = reader_start(false);
    unmap = post(scene, unmap_blob(5));
    if (ret_call)
        *ret_call = post(scene, behind);
    scene_run(scene);
    return unmap;
}

static unsigned nr_interrupts(void)
{
    return load_relaxed(&scene->guest.nr_interrupts);
}

/* The main loop does not turn: this thread does nothing but wait. */
static void unmap_alone_is_answered_where_it_is_released(void)
{
    bql_assert_held();
    struct reader *stubborn;
    unsigned unmap = begin_release(&stubborn, unmap_blob(0), NULL), before = nr_interrupts();

    reader_end(stubborn);
    while (nr_interrupts() == before)
        g_thread_yield();
    g_assert_cmpuint(guest_answers(&scene->guest, QUEUE_CONTROL), ==, 1);
    g_assert_cmphex(finish(scene, unmap), ==, VIRTIO_GPU_RESP_OK_NODATA);
    end();
}

/* As Linux does it. The renderer stands: neither answer is behind it. */
static void unmap_and_unref_behind_it_are_one_interrupt(void)
{
    bql_assert_held();
    struct reader *stubborn;
    unsigned unref, unmap = begin_release(&stubborn, unref_resource(5), &unref), before;

    fake_hold(FAKE_UNMAP);
    before = nr_interrupts();
    reader_end(stubborn);
    fake_wait_until_held(FAKE_UNMAP); /* which was queued behind the answer … */
    g_assert_cmpuint(guest_answers(&scene->guest, QUEUE_CONTROL), ==, 1);
    g_assert_cmpuint(nr_interrupts(), ==, before); /* … of which the driver has not been told */
    g_assert_cmphex(finish(scene, unmap), ==, VIRTIO_GPU_RESP_OK_NODATA);
    g_assert_cmphex(finish(scene, unref), ==, VIRTIO_GPU_RESP_OK_NODATA);
    g_assert_cmpuint(nr_interrupts(), ==, before + 1);
    fake_let_go();
    end();
}

/* Where what waits goes on to the renderer, the driver is not left waiting for that. */
static void unmap_is_told_before_the_renderer_has_done_what_waits(void)
{
    bql_assert_held();
    struct reader *stubborn;
    unsigned attach, unmap = begin_release(&stubborn, attach_resource(2, 5), &attach);

    fake_hold(FAKE_CONTEXT_ATTACH);
    reader_end(stubborn);
    fake_wait_for(FAKE_UNMAP, 1);
    while (state_of(5) == MAP_UNMAPPING)
        (void)loop_iterate(true); /* the news of the release: looked at above */
    g_assert_true(is_answered(scene, unmap));
    g_assert_false(is_answered(scene, attach));
    fake_let_go();
    g_assert_cmphex(finish(scene, attach), ==, VIRTIO_GPU_RESP_OK_NODATA);
    g_assert_cmphex(finish(scene, unmap), ==, VIRTIO_GPU_RESP_OK_NODATA);
    end();
}

/* ---- RESOURCE_UNREF of what is mapped -------------------------------------------------------- */

static void unref_of_a_mapped_blob_unmaps_it_first(void)
{
    bql_assert_held();
    struct reader *stubborn;
    unsigned unref, create;

    begin();
    make_mapped(5, PAGE, 0);
    g_free(fake_take_log());
    stubborn = reader_start(false);
    unref = post(scene, unref_resource(5));
    create = post(scene, host_blob(5, PAGE, 1, 6)); /* its successor waits */
    scene_run(scene);
    g_assert_false(is_answered(scene, unref));
    g_assert_false(is_answered(scene, create));
    check_log("");
    reader_end(stubborn);
    g_assert_cmphex(finish(scene, unref), ==, VIRTIO_GPU_RESP_OK_NODATA);
    g_assert_cmphex(finish(scene, create), ==, VIRTIO_GPU_RESP_OK_NODATA);
    check_log("unmap 5; unref 5; create_blob 5");
    must_be(map_blob(5, 0), VIRTIO_GPU_RESP_OK_MAP_INFO);
    end();
}

static void fenced_unref_of_a_mapped_blob_is_answered_when_it_is_gone(void)
{
    bql_assert_held();
    unsigned unref;

    begin();
    make_mapped(5, PAGE, 0);
    fake_hold(FAKE_UNREF);
    unref = post(scene, fenced(unref_resource(5), 78));
    scene_run(scene);
    while (gpu_resource_find(scene->gpu, 5))
        (void)loop_iterate(true); /* the news of the release: looked at above */
    fake_wait_until_held(FAKE_UNREF);
    g_assert_false(is_answered(scene, unref));
    fake_let_go();
    g_assert_cmphex(finish(scene, unref), ==, VIRTIO_GPU_RESP_OK_NODATA);
    g_assert_null(fake_memory(5));
    end();
}

/* With the answer its bytes are given back, which the main thread counts. */
static void unref_is_answered_when_it_counts_no_more(void)
{
    bql_assert_held();
    uint64_t *bytes;
    struct reader *stubborn;
    unsigned unref;

    begin();
    make_mapped(5, PAGE, 0);
    make_mapped(6, PAGE, PAGE);
    bytes = &scene->gpu->usage.bytes;
    *bytes += BYTES_MAX - 2 * PAGE;
    must_be(host_blob(7, PAGE, 1, 7), VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY);
    stubborn = reader_start(false);
    unref = post(scene, unref_resource(5));
    scene_run(scene);
    reader_end(stubborn);
    fake_wait_for(FAKE_UNMAP, 1); /* it has been released, and the main loop has not turned */
    g_assert_cmpuint(guest_answers(&scene->guest, QUEUE_CONTROL), ==, 0);
    g_assert_cmphex(finish(scene, unref), ==, VIRTIO_GPU_RESP_OK_NODATA);
    g_assert_cmpuint(*bytes, ==, BYTES_MAX - PAGE);
    make(7, PAGE);
    must(scene, unmap_blob(6));
    must(scene, unref_resource(6)); /* answered at once */
    make(6, PAGE);
    *bytes -= BYTES_MAX - 2 * PAGE;
    end();
}

/* The guest uses its pages for something else as soon as it has the answer. */
static void unref_gives_memory_back_when_the_renderer_has_let_go(void)
{
    bql_assert_held();
    const struct virtio_gpu_mem_entry entries[] = { entry(SCENE_DATA, PAGE) };
    struct message both = of_blob(guest_blob(5, PAGE, entries, 1), 1, 5);
    unsigned unref;

    begin();
    both.request.create_blob.blob_mem = VIRTIO_GPU_BLOB_MEM_HOST3D_GUEST;
    both.request.create_blob.blob_flags = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE;
    must(scene, both);
    must_be(map_blob(5, 0), VIRTIO_GPU_RESP_OK_MAP_INFO);
    fake_hold(FAKE_UNMAP);
    unref = post(scene, unref_resource(5));
    scene_run(scene);
    fake_wait_until_held(FAKE_UNMAP);
    g_assert_false(is_answered(scene, unref));
    fake_let_go();
    g_assert_cmphex(finish(scene, unref), ==, VIRTIO_GPU_RESP_OK_NODATA);
    end();
}

/* ---- Others go on ---------------------------------------------------------------------------- */

static void others_are_not_held_up(void)
{
    bql_assert_held();
    const uint32_t words[] = { 1 };
    struct reader *stubborn;
    unsigned unmap;

    begin();
    make_mapped(5, PAGE, 0);
    make_mapped(6, PAGE, PAGE);
    must(scene, create_2d(7, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, 64, 64));
    must(scene, set_scanout(0, 7, rect_of(0, 0, 64, 64)));
    stubborn = reader_start(false);
    unmap = post(scene, unmap_blob(5));
    scene_run(scene);
    must(scene, submit_3d(2, words, 1));
    must(scene, fenced(submit_3d(1, words, 1), 1)); /* its own context as well: it names no 5 */
    must(scene, get_display_info());
    must(scene, flush_resource(7, rect_of(0, 0, 64, 64)));
    must(scene, move_cursor(0, 3, 4));
    make(8, PAGE);
    must_be(map_blob(8, 2 * PAGE), VIRTIO_GPU_RESP_OK_MAP_INFO);
    g_assert_true(shows(PAGE, 6));
    g_assert_false(is_answered(scene, unmap));
    reader_end(stubborn);
    g_assert_cmphex(finish(scene, unmap), ==, VIRTIO_GPU_RESP_OK_NODATA);
    end();
}

static void what_is_on_a_screen_may_be_unmapped(void)
{
    bql_assert_held();
    const struct renderer_layout layout = { VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, 32, 32, 128, 0 };

    begin();
    make_mapped(5, PAGE, 0);
    must(scene, set_scanout_blob(0, 5, rect_of(0, 0, 32, 32), &layout));
    must(scene, flush_resource(5, rect_of(0, 0, 32, 32)));
    must(scene, unmap_blob(5));
    must(scene, flush_resource(5, rect_of(0, 0, 32, 32)));
    g_assert_cmphex(scene_pixel(scene, 0, 1, 1), ==, 5);
    must_be(map_blob(5, 0), VIRTIO_GPU_RESP_OK_MAP_INFO);
    must(scene, unref_resource(5));
    end();
}

/* ---- A command's own buffers in what it unmaps ----------------------------------------------- */

/* The answer has nowhere to go, but nothing waits for it for ever. */
static void command_that_lies_in_its_blob_holds_up_nothing(void)
{
    bql_assert_held();
    struct guest *guest = &scene->guest;
    struct message message = unmap_blob(5);
    struct guest_buffer buffers[2];
    uint32_t written;

    begin();
    guest = &scene->guest;
    make_mapped(5, PAGE, 0);
    buffers[0] = (struct guest_buffer){ SCENE_WINDOW, (uint32_t)message.size, false };
    buffers[1] = (struct guest_buffer){ SCENE_WINDOW + 512, 64, true };
    memcpy(fake_memory(5), &message.request, message.size);
    (void)guest_send(guest, QUEUE_CONTROL, buffers, 2);
    while (guest_answers(guest, QUEUE_CONTROL) == 0)
        (void)loop_iterate(true); /* looked at above */
    (void)guest_take(guest, QUEUE_CONTROL, &written);
    g_assert_true(is_hole(0));
    g_assert_cmpuint(load_relaxed(&guest->device->guest_errors), ==, 1);
    end();
}

/* ---- What is told of it ---------------------------------------------------------------------- */

static char *text_of(void (*print)(struct gpu *gpu, FILE *out)) NO_THREAD_SAFETY /* calls it */
{
    char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    print(scene->gpu, out);
    fclose(out);
    return text;
}

static void stages_are_measured(void)
{
    bql_assert_held();
    char *text;

    begin();
    make(5, PAGE);
    for (unsigned i = 0; i < 10; i++) {
        must_be(map_blob(5, 0), VIRTIO_GPU_RESP_OK_MAP_INFO);
        must(scene, i % 2 ? unmap_blob(5) : fenced(unmap_blob(5), i + 1));
    }
    settle();
    must(scene, fenced(submit_3d(1, (const uint32_t[]){ 1 }, 1), 100)); /* behind the last unmap */
    for (unsigned i = 0; i < NR_GPU_STAGES; i++)
        g_assert_cmpuint(hist_count(&stats()->stage[i]), ==, 10);
    g_assert_cmpuint(hist_min(&stats()->stage[STAGE_TOTAL]), >=,
                     hist_min(&stats()->stage[STAGE_GRACE]));
    text = text_of(gpu_print_latency_json);
    g_assert_nonnull(strstr(text, "\"maps\":10,\"unmaps\":10,\"refused-maps\":0,"));
    g_assert_nonnull(strstr(text, "\"unmap\":{\"queue\":{\"count\":10"));
    g_assert_nonnull(strstr(text, "\"total\":{\"count\":10"));
    g_assert_null(strstr(text, "buckets"));
    free(text);
    text = text_of(gpu_print_latency_buckets_json);
    g_assert_nonnull(strstr(text, "\"unmap\":{\"queue\":{\"count\":10"));
    g_assert_nonnull(strstr(text, "},\"buckets\":{\"queue\":[["));
    g_assert_true(g_str_has_suffix(text, "]]}}"));
    free(text);
    end();
}

static void resources_are_told(void)
{
    bql_assert_held();
    char *text;

    begin();
    make_mapped(5, PAGE, 3 * PAGE);
    must(scene, create_2d(4, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, 8, 4));
    must(scene, attach_resource(2, 5));
    settle();
    text = text_of(gpu_print_resources_json);
    g_assert_cmpstr(
        text, ==,
        "{\"resources\":["
        "{\"id\":4,\"kind\":\"picture\",\"bytes\":128,\"width\":8,\"height\":4,\"format\":2,"
        "\"has-backing\":false,\"map\":\"none\"},"
        "{\"id\":5,\"kind\":\"host3d-blob\",\"bytes\":4096,\"has-backing\":false,"
        "\"map\":\"mapped\",\"offset\":12288}],\"unlisted\":0,"
        "\"contexts\":[{\"id\":1,\"capset\":0,\"resources\":0,\"bytes\":0},"
        "{\"id\":2,\"capset\":0,\"resources\":1,\"bytes\":4096}],"
        "\"window\":{\"bytes\":16777216,\"taken\":4096,\"places\":1,\"blobs\":["
        "{\"offset\":12288,\"bytes\":4096,\"resource\":5,\"map\":\"mapped\"}]},\"orphans\":0,"
        "\"bytes\":4224,\"in-flight\":0,\"limits\":{"
        "\"resources\":{\"max\":65536,\"is-bytes\":false,\"used\":2,\"refused\":0},"
        "\"bytes\":{\"max\":8589934592,\"is-bytes\":true,\"used\":4224,\"refused\":0},"
        "\"contexts\":{\"max\":256,\"is-bytes\":false,\"used\":2,\"refused\":0},"
        "\"entries\":{\"max\":4194304,\"is-bytes\":false,\"used\":0,\"refused\":0},"
        "\"backing\":{\"max\":4294967296,\"is-bytes\":true,\"refused\":0},"
        "\"payload\":{\"max\":134217728,\"is-bytes\":true,\"used\":0,\"refused\":0},"
        "\"side\":{\"max\":16384,\"is-bytes\":false,\"refused\":0},"
        "\"attached\":{\"max\":1048576,\"is-bytes\":false,\"used\":1,\"refused\":0},"
        "\"screens\":{\"max\":1073741824,\"is-bytes\":true,\"refused\":0},"
        "\"waiting\":{\"max\":1024,\"is-bytes\":false,\"refused\":0}}}");
    free(text);
    end();
}

int main(int argc, char **argv)
{
    static const struct named_test tests[] = {
#define TEST(name) { "/gpu_unmap/" #name, name }
        TEST(answer_waits_for_all_readers),
        TEST(spinning_processor_is_kicked_out),
        TEST(disk_that_is_at_it_is_waited_for),
        TEST(unfenced_answer_does_not_wait_for_the_renderer),
        TEST(fenced_answer_comes_behind_the_renderer),
        TEST(place_is_free_with_the_answer),
        TEST(place_is_free_before_the_main_thread_knows),
        TEST(changes_of_one_turn_are_one_commit),
        TEST(unmap_alone_is_answered_where_it_is_released),
        TEST(unmap_and_unref_behind_it_are_one_interrupt),
        TEST(unmap_is_told_before_the_renderer_has_done_what_waits),
        TEST(unref_of_a_mapped_blob_unmaps_it_first),
        TEST(unref_is_answered_when_it_counts_no_more),
        TEST(fenced_unref_of_a_mapped_blob_is_answered_when_it_is_gone),
        TEST(unref_gives_memory_back_when_the_renderer_has_let_go),
        TEST(others_are_not_held_up),
        TEST(what_is_on_a_screen_may_be_unmapped),
        TEST(command_that_lies_in_its_blob_holds_up_nothing),
        TEST(stages_are_measured),
        TEST(resources_are_told),
    };

    return run_tests(argc, argv, tests, ARRAY_SIZE(tests));
}
