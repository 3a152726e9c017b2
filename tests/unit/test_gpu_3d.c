/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Contexts, their streams and transfers, and what becomes of what a renderer cannot do. What is
 * drawn with OpenGL: test_virgl*.c.
 */
#include "hw/gpu/gpu_internal.h"
#include "hw/mem/code_gate.h"
#include "tests/gpu/fake_renderer.h"
#include "tests/gpu/gpu_scene.h"

/* What a driver sees, from the specification (virtio 1.2, 5.7). */
enum {
    OK = VIRTIO_GPU_RESP_OK_NODATA,
    UNSPEC = VIRTIO_GPU_RESP_ERR_UNSPEC,
    NO_MEMORY = VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY,
    BAD_ID = VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
    BAD_CONTEXT = VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID,
    BAD = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
    TARGET_2D = 2,
    BGRA = VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM,
    SIDE = 16,
    BYTES = SIDE * SIDE * 4,
};

static const struct virtio_gpu_box all = { 0, 0, 0, SIDE, SIDE, 1 };
static const uint32_t words[] = { 7, 8, 9 };

static struct gpu_scene *begin(void) REQUIRES(bql)
{
    const struct gpu_config config = scene_config(true, 0);

    return gpu_scene_new(&config, &fake_renderer);
}

/* Context 1 with resource 5, which has a backing. */
static struct gpu_scene *begin_with_picture(void) REQUIRES(bql)
{
    const struct virtio_gpu_mem_entry memory = entry(SCENE_DATA, BYTES);
    struct gpu_scene *scene = begin();

    must(scene, create_context(1, 0));
    must(scene, create_3d(5, TARGET_2D, BGRA, 2, SIDE, SIDE));
    must(scene, attach_backing(5, &memory, 1));
    must(scene, attach_resource(1, 5));
    return scene;
}

/* A buffer may be wider than a picture; that does not pass its backing by. */
static void transfers_of_wide_buffers_stay_in_the_backing(void)
{
    bql_assert_held();
    const struct virtio_gpu_mem_entry memory = entry(SCENE_DATA, BYTES);
    struct gpu_scene *scene = begin();

    must(scene, create_3d(5, 0, BGRA, 1 << 4, UINT32_C(1) << 30, 1));
    must(scene, attach_backing(5, &memory, 1));
    g_assert_cmphex(ask(scene, to_host_2d(5, rect_of(0, 0, UINT32_C(1) << 30, 1), 0)), ==, BAD);
    g_assert_cmphex(ask(scene, to_host_2d(5, rect_of(0, 0, BYTES / 4 + 1, 1), 0)), ==, BAD);
    must(scene, to_host_2d(5, rect_of(0, 0, BYTES / 4, 1), 0));
    must(scene, create_3d(6, 0, BGRA, 1 << 4, UINT32_C(1) << 31, UINT32_MAX));
    must(scene, attach_backing(6, &memory, 1));
    g_assert_cmphex(ask(scene, to_host_2d(6, rect_of(0, 0, 1, (UINT32_C(1) << 31) + 1), 0)), ==,
                    BAD);
    gpu_scene_free(scene);
}

/* Since the last time, once all is answered. */
static void assert_done(const char *expected)
{
    g_autofree char *log = fake_take_log();

    g_assert_cmpstr(log, ==, expected);
}

/* ---- What it can do -------------------------------------------------------------------------- */

static void capsets_are_the_renderers(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();
    const struct virtio_gpu_resp_capset_info *info = &scene->response.of.capset_info;

    g_assert_cmpuint(scene_config_word(scene, 12), ==, 2);
    g_assert_cmphex(ask(scene, get_capset_info(1)), ==, VIRTIO_GPU_RESP_OK_CAPSET_INFO);
    g_assert_cmpuint(info->capset_id, ==, VIRTIO_GPU_CAPSET_VIRGL2);
    g_assert_cmpuint(info->capset_max_version, ==, 2);
    g_assert_cmpuint(info->capset_max_size, ==, 64);
    g_assert_cmphex(ask(scene, get_capset_info(2)), ==, BAD);
    g_assert_cmphex(ask(scene, get_capset_info(UINT32_MAX)), ==, BAD);
    g_assert_cmphex(ask(scene, get_capset(2, 2)), ==, VIRTIO_GPU_RESP_OK_CAPSET);
    g_assert_cmpuint(scene->written, ==, sizeof(struct virtio_gpu_ctrl_hdr) + 64);
    g_assert_cmphex(scene->response.bytes[sizeof(struct virtio_gpu_ctrl_hdr) + 63], ==, 0x22);
    g_assert_cmphex(ask(scene, get_capset(2, 3)), ==, BAD);
    g_assert_cmphex(ask(scene, get_capset(3, 1)), ==, BAD);
    g_assert_cmphex(ask(scene, get_capset(0, 0)), ==, BAD);
    gpu_scene_free(scene);
}

/* ---- Contexts -------------------------------------------------------------------------------- */

static void contexts_that_cannot_be_are_refused(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();
    struct message message = create_context(1, 0);

    must(scene, message);
    g_assert_cmphex(ask(scene, message), ==, BAD_CONTEXT); /* there is one */
    g_assert_cmphex(ask(scene, create_context(0, 0)), ==, BAD_CONTEXT);
    g_assert_cmphex(ask(scene, destroy_context(0)), ==, BAD_CONTEXT);
    g_assert_cmphex(ask(scene, destroy_context(2)), ==, BAD_CONTEXT);
    g_assert_cmphex(ask(scene, create_context(2, 3)), ==, BAD); /* no such capset */
    message = create_context(2, 0);
    message.request.ctx_create.context_init = 0x102;
    g_assert_cmphex(ask(scene, message), ==, BAD);
    message = create_context(2, 0);
    message.request.ctx_create.nlen = 65;
    g_assert_cmphex(ask(scene, message), ==, BAD);
    must(scene, create_context(2, VIRTIO_GPU_CAPSET_VIRGL2));
    must(scene, destroy_context(1));
    must(scene, create_context(1, 0));
    gpu_scene_free(scene);
}

static void capset_of_a_context_is_nothing_without_the_feature(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();

    scene_begin_reset(scene);
    scene_end_reset(scene);
    scene_start(scene, ~(UINT64_C(1) << VIRTIO_GPU_F_CONTEXT_INIT));
    must(scene, create_context(1, 0xee));
    g_assert_cmphex(ask(scene, fenced_on_ring(submit_3d(1, words, 1), 1, 0, 5)), ==, BAD);
    must(scene, fenced(submit_3d(1, words, 1), 6));
    gpu_scene_free(scene);
}

static void contexts_have_a_limit(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();

    for (uint32_t id = 1; id <= CONTEXTS_MAX; id++)
        must(scene, create_context(id, 0));
    g_assert_cmphex(ask(scene, create_context(CONTEXTS_MAX + 1, 0)), ==, NO_MEMORY);
    g_assert_cmpuint(scene->gpu->stats.limits[LIMIT_CONTEXTS], ==, 1);
    must(scene, destroy_context(77));
    must(scene, create_context(CONTEXTS_MAX + 1, 0));
    gpu_scene_free(scene);
}

static void resources_are_attached_and_detached(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();

    must(scene, create_context(1, 0));
    must(scene, create_3d(5, TARGET_2D, BGRA, 2, SIDE, SIDE));
    g_assert_cmphex(ask(scene, attach_resource(2, 5)), ==, BAD_CONTEXT);
    g_assert_cmphex(ask(scene, attach_resource(1, 6)), ==, BAD_ID);
    g_assert_cmphex(ask(scene, detach_resource(1, 5)), ==, BAD_ID);
    g_assert_cmphex(ask(scene, detach_resource(2, 5)), ==, BAD_CONTEXT);
    g_free(fake_take_log());
    must(scene, attach_resource(1, 5));
    must(scene, attach_resource(1, 5)); /* again */
    must(scene, detach_resource(1, 5));
    assert_done("attach 1 5; attach 1 5; detach 1 5");
    g_assert_cmphex(ask(scene, detach_resource(1, 5)), ==, BAD_ID);
    must(scene, attach_resource(1, 5));
    must(scene, unref_resource(5));
    must(scene, create_3d(5, TARGET_2D, BGRA, 2, SIDE, SIDE)); /* not the one that was attached */
    g_assert_cmphex(ask(scene, detach_resource(1, 5)), ==, BAD_ID);
    g_assert_cmpuint(scene->gpu->usage.attached, ==, 0);
    gpu_scene_free(scene);
}

/* ---- Streams --------------------------------------------------------------------------------- */

static void streams_are_the_contexts(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();
    const uint32_t bad[] = { NO_MEMORY };

    must(scene, create_context(1, 0));
    g_free(fake_take_log());
    must(scene, submit_3d(1, words, 3));
    g_assert_cmpuint(fake_last_submit(), ==, 7);
    assert_done("submit 1");
    must(scene, submit_3d(1, NULL, 0)); /* only about its fence */
    assert_done("");
    g_assert_cmphex(ask(scene, submit_3d(1, bad, 1)), ==, NO_MEMORY); /* the renderer says */
    g_assert_cmphex(ask(scene, submit_3d(2, words, 1)), ==, BAD_CONTEXT);
    g_assert_cmphex(ask(scene, submit_3d(0, words, 1)), ==, BAD_CONTEXT);
    gpu_scene_free(scene);
}

static void streams_that_are_not_there_are_refused(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();
    struct message message = submit_3d(1, words, 3);

    must(scene, create_context(1, 0));
    g_free(fake_take_log());
    message.request.submit.size = 11; /* no words */
    g_assert_cmphex(ask(scene, message), ==, BAD);
    message.request.submit.size = 16;
    g_assert_cmphex(ask(scene, message), ==, BAD);
    message.request.submit.size = SUBMIT_BYTES_MAX;
    g_assert_cmphex(ask(scene, message), ==, BAD);
    message.request.submit.size = SUBMIT_BYTES_MAX + 4;
    g_assert_cmphex(ask(scene, message), ==, NO_MEMORY);
    message.request.submit.size = UINT32_MAX - 3;
    g_assert_cmphex(ask(scene, message), ==, NO_MEMORY);
    g_assert_cmpuint(scene->gpu->stats.limits[LIMIT_PAYLOAD], ==, 2);
    assert_done("");
    message.request.submit.size = 8; /* more than that is no harm */
    must(scene, message);
    g_assert_cmpuint(load_relaxed(&scene->gpu->usage.payload_bytes), ==, 0);
    gpu_scene_free(scene);
}

static void rings_that_cannot_be_are_refused(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();
    const struct message message = submit_3d(1, words, 1);

    must(scene, create_context(1, 0));
    must(scene, fenced_on_ring(message, 1, 0, 1));
    must(scene, fenced_on_ring(message, 1, 63, 2));
    g_assert_cmphex(ask(scene, fenced_on_ring(message, 1, 64, 3)), ==, BAD); /* with its fence */
    g_assert_cmphex(ask(scene, fenced_on_ring(message, 1, 255, 4)), ==, BAD);
    g_assert_cmphex(ask(scene, fenced_on_ring(message, 0, 1, 5)), ==, BAD);
    g_assert_cmphex(ask(scene, fenced_on_ring(message, 2, 1, 6)), ==, BAD_CONTEXT);
    gpu_scene_free(scene);
}

/* ---- Transfers ------------------------------------------------------------------------------- */

static void transfers_need_what_they_are_between(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin_with_picture();

    must(scene, create_context(2, 0));
    must(scene, create_3d(6, TARGET_2D, BGRA, 2, SIDE, SIDE));
    must(scene, attach_resource(1, 6));
    g_free(fake_take_log());
    must(scene, to_host_3d(1, 5, all, 0));
    must(scene, from_host_3d(1, 5, all, 0));
    must(scene, from_host_3d(0, 5, all, 0)); /* the device's own */
    assert_done("to_host 5; from_host 5; from_host 5");
    g_assert_cmphex(ask(scene, to_host_3d(1, 6, all, 0)), ==, BAD); /* no backing */
    g_assert_cmphex(ask(scene, from_host_3d(1, 6, all, 0)), ==, BAD);
    g_assert_cmphex(ask(scene, to_host_3d(1, 7, all, 0)), ==, BAD_ID);
    g_assert_cmphex(ask(scene, to_host_3d(2, 5, all, 0)), ==, BAD_ID); /* not attached */
    g_assert_cmphex(ask(scene, to_host_3d(3, 5, all, 0)), ==, BAD_CONTEXT);
    must(scene, detach_backing(5));
    g_assert_cmphex(ask(scene, from_host_3d(1, 5, all, 0)), ==, BAD);
    assert_done("detach_backing 5");
    gpu_scene_free(scene);
}

static void memory_is_given_back_behind_its_last_use(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin_with_picture();
    unsigned detach, unref;

    fake_hold(FAKE_FROM_HOST);
    (void)post(scene, from_host_3d(1, 5, all, 0));
    scene_run(scene);
    fake_wait_until_held(FAKE_FROM_HOST);
    detach = post(scene, detach_backing(5));
    unref = post(scene, unref_resource(5));
    g_assert_false(is_answered(scene, detach));
    g_assert_false(is_answered(scene, unref));
    fake_let_go();
    g_assert_cmphex(finish(scene, detach), ==, OK);
    g_assert_cmphex(finish(scene, unref), ==, OK);
    g_assert_cmpuint(load_relaxed(&scene->gpu->usage.entries), ==, 0);
    gpu_scene_free(scene);
}

/* ---- What the renderer cannot make ----------------------------------------------------------- */

static void assert_cannot_be_made(struct gpu_scene *scene, enum fake_op op, struct message message)
    REQUIRES(bql)
{
    fake_fail_next(op, NO_MEMORY);
    g_assert_cmphex(ask(scene, message), ==, NO_MEMORY);
    must(scene, message); /* its number can be used at once */
}

static void what_is_not_made_is_not_there(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();

    assert_cannot_be_made(scene, FAKE_CONTEXT_CREATE, create_context(1, 0));
    assert_cannot_be_made(scene, FAKE_CREATE_2D, create_2d(2, BGRA, 1, 1));
    assert_cannot_be_made(scene, FAKE_CREATE_3D, create_3d(3, TARGET_2D, BGRA, 2, 1, 1));
    assert_cannot_be_made(scene, FAKE_CREATE_BLOB, host_blob(4, 4096, 1, 1));
    g_assert_cmpuint(scene->gpu->usage.bytes, ==, 4 + 4 + 4096);
    gpu_scene_free(scene);
}

/* The driver does not wait for answers. */
static void commands_behind_what_is_not_made_fail(void)
{
    bql_assert_held();
    const struct virtio_gpu_mem_entry memory = entry(SCENE_DATA, BYTES);
    struct gpu_scene *scene = begin();
    unsigned calls[8];

    fake_hold(FAKE_CONTEXT_CREATE);
    fake_fail_next(FAKE_CONTEXT_CREATE, NO_MEMORY);
    fake_fail_next(FAKE_CREATE_3D, UNSPEC);
    calls[0] = post(scene, create_context(1, 0));
    calls[1] = post(scene, create_3d(5, TARGET_2D, BGRA, 2, SIDE, SIDE));
    calls[2] = post(scene, attach_backing(5, &memory, 1));
    calls[3] = post(scene, attach_resource(1, 5));
    calls[4] = post(scene, to_host_3d(1, 5, all, 0));
    calls[5] = post(scene, submit_3d(1, words, 1));
    calls[6] = post(scene, fenced(unref_resource(5), 1)); /* before it knows */
    calls[7] = post(scene, fenced(destroy_context(1), 2));
    scene_run(scene);
    fake_let_go();
    g_assert_cmphex(finish(scene, calls[0]), ==, NO_MEMORY);
    g_assert_cmphex(finish(scene, calls[1]), ==, UNSPEC);
    g_assert_cmphex(finish(scene, calls[2]), ==, BAD_ID);
    g_assert_cmphex(finish(scene, calls[3]), ==, BAD_CONTEXT);
    g_assert_cmphex(finish(scene, calls[4]), ==, BAD_ID);
    g_assert_cmphex(finish(scene, calls[5]), ==, BAD_CONTEXT);
    g_assert_cmphex(finish(scene, calls[6]), ==, OK);
    g_assert_cmphex(finish(scene, calls[7]), ==, OK);
    assert_done("context_create 1; create_3d 5");
    must(scene, create_context(1, 0));
    must(scene, create_3d(5, TARGET_2D, BGRA, 2, SIDE, SIDE));
    gpu_scene_free(scene);
}

static void refused_backing_is_none(void)
{
    bql_assert_held();
    const struct virtio_gpu_mem_entry memory = entry(SCENE_DATA, BYTES);
    const uint64_t *entries;
    struct gpu_scene *scene = begin();
    unsigned calls[4];

    entries = &scene->gpu->usage.entries;
    must(scene, create_context(1, 0));
    must(scene, create_3d(5, TARGET_2D, BGRA, 2, SIDE, SIDE));
    must(scene, attach_resource(1, 5));
    fake_fail_next(FAKE_ATTACH_BACKING, NO_MEMORY);
    g_assert_cmphex(ask(scene, attach_backing(5, &memory, 1)), ==, NO_MEMORY);
    g_assert_cmpuint(load_relaxed(entries), ==, 0);
    g_assert_cmphex(ask(scene, from_host_3d(1, 5, all, 0)), ==, BAD);
    fake_hold(FAKE_ATTACH_BACKING); /* the driver does not wait for answers */
    fake_fail_next(FAKE_ATTACH_BACKING, NO_MEMORY);
    calls[0] = post(scene, attach_backing(5, &memory, 1));
    calls[1] = post(scene, from_host_3d(1, 5, all, 0));
    calls[2] = post(scene, detach_backing(5));
    calls[3] = post(scene, attach_backing(5, &memory, 1));
    scene_run(scene);
    fake_let_go();
    g_assert_cmphex(finish(scene, calls[0]), ==, NO_MEMORY);
    for (unsigned i = 1; i < 4; i++)
        g_assert_cmphex(finish(scene, calls[i]), ==, OK);
    g_assert_cmpuint(load_relaxed(entries), ==, 1);
    must(scene, from_host_3d(1, 5, all, 0));
    fake_fail_next(FAKE_ATTACH_BACKING, NO_MEMORY);
    must(scene, detach_backing(5));
    calls[0] = post(scene, attach_backing(5, &memory, 1));
    calls[1] = post(scene, unref_resource(5)); /* before it knows */
    g_assert_cmphex(finish(scene, calls[0]), ==, NO_MEMORY);
    g_assert_cmphex(finish(scene, calls[1]), ==, OK);
    gpu_scene_free(scene);
}

/* What is the host's alone has none; what is in both may have its shadow changed. */
static void backings_of_blobs_are_the_guests(void)
{
    bql_assert_held();
    const struct virtio_gpu_mem_entry memory = entry(SCENE_DATA, 8192);
    const struct virtio_gpu_mem_entry small = entry(SCENE_DATA, 4096);
    struct message both = of_blob(guest_blob(6, 8192, &memory, 1), 1, 6);
    struct gpu_scene *scene = begin();

    both.request.create_blob.blob_mem = VIRTIO_GPU_BLOB_MEM_HOST3D_GUEST;
    must(scene, create_context(1, 0));
    must(scene, host_blob(5, 8192, 1, 5));
    g_assert_cmphex(ask(scene, attach_backing(5, &memory, 1)), ==, BAD);
    g_assert_cmphex(ask(scene, detach_backing(5)), ==, BAD);
    must(scene, both);
    must(scene, attach_resource(1, 6));
    g_assert_cmphex(ask(scene, attach_backing(6, &memory, 1)), ==, BAD);
    must(scene, detach_backing(6));
    g_assert_cmphex(ask(scene, to_host_3d(1, 6, all, 0)), ==, BAD);
    g_assert_cmphex(ask(scene, attach_backing(6, &small, 1)), ==, BAD);
    must(scene, attach_backing(6, &memory, 1));
    must(scene, to_host_3d(1, 6, all, 0));
    must(scene, unref_resource(6));
    gpu_scene_free(scene);
}

static void failed_creation_does_not_end_its_successor(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();
    unsigned first, unref, second;

    fake_hold(FAKE_CREATE_3D);
    fake_fail_next(FAKE_CREATE_3D, UNSPEC);
    first = post(scene, create_3d(5, TARGET_2D, BGRA, 2, SIDE, SIDE));
    unref = post(scene, unref_resource(5));
    second = post(scene, create_3d(5, TARGET_2D, BGRA, 2, SIDE, SIDE));
    scene_run(scene);
    fake_let_go();
    g_assert_cmphex(finish(scene, first), ==, UNSPEC);
    g_assert_cmphex(finish(scene, unref), ==, OK);
    g_assert_cmphex(finish(scene, second), ==, OK);
    must(scene, unref_resource(5));
    gpu_scene_free(scene);
}

static void sizes_have_limits(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin();
    struct message message = create_3d(5, TARGET_2D, BGRA, 2, PICTURE_SIDE_MAX, PICTURE_SIDE_MAX);
    struct virtio_gpu_resource_create_3d *request = &message.request.create_3d;

    request->array_size = 9; /* GiB */
    g_assert_cmphex(ask(scene, message), ==, NO_MEMORY);
    request->array_size = UINT32_MAX;
    g_assert_cmphex(ask(scene, message), ==, NO_MEMORY);
    request->array_size = 1;
    request->depth = 0;
    g_assert_cmphex(ask(scene, message), ==, BAD);
    request->depth = 1;
    request->nr_samples = 33;
    g_assert_cmphex(ask(scene, message), ==, BAD);
    request->nr_samples = 16;
    g_assert_cmphex(ask(scene, message), ==, NO_MEMORY);
    request->nr_samples = 0;
    request->last_level = 16;
    g_assert_cmphex(ask(scene, message), ==, BAD);
    request->last_level = 0;
    request->target = 0; /* a buffer: bytes */
    request->height = 1;
    request->width = UINT32_MAX;
    must(scene, message);
    g_assert_cmpuint(scene->gpu->usage.bytes, ==, UINT32_MAX);
    gpu_scene_free(scene);
}

/* ---- Who waits for whom ---------------------------------------------------------------------- */

static void what_is_known_is_said_while_the_renderer_works(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin_with_picture();
    unsigned submit;

    fake_hold(FAKE_SUBMIT);
    submit = post(scene, submit_3d(1, words, 1));
    scene_run(scene);
    fake_wait_until_held(FAKE_SUBMIT);
    g_assert_cmphex(ask(scene, get_display_info()), ==, VIRTIO_GPU_RESP_OK_DISPLAY_INFO);
    g_assert_cmphex(ask(scene, get_edid(0)), ==, VIRTIO_GPU_RESP_OK_EDID);
    g_assert_cmphex(ask(scene, get_capset_info(0)), ==, VIRTIO_GPU_RESP_OK_CAPSET_INFO);
    g_assert_cmphex(ask(scene, get_capset(1, 1)), ==, VIRTIO_GPU_RESP_OK_CAPSET);
    g_assert_cmphex(ask(scene, assign_uuid(5)), ==, VIRTIO_GPU_RESP_OK_RESOURCE_UUID);
    must(scene, set_scanout(0, 5, rect_of(0, 0, SIDE, SIDE)));
    must(scene, move_cursor(0, 1, 1));
    g_assert_false(is_answered(scene, submit));
    fake_let_go();
    g_assert_cmphex(finish(scene, submit), ==, OK);
    gpu_scene_free(scene);
}

/* ---- Reset ----------------------------------------------------------------------------------- */

static void reset_does_not_wait_for_a_stream(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin_with_picture();
    unsigned call;

    g_free(fake_take_log());
    fake_hold(FAKE_SUBMIT);
    (void)post(scene, submit_3d(1, words, 1));
    (void)post(scene, submit_3d(1, words, 2));
    (void)post(scene, create_3d(6, TARGET_2D, BGRA, 2, SIDE, SIDE));
    scene_run(scene);
    fake_wait_until_held(FAKE_SUBMIT);
    scene_reset(scene);
    call = post(scene, create_3d(5, TARGET_2D, BGRA, 2, SIDE, SIDE));
    g_assert_false(is_answered(scene, call));
    fake_let_go();
    g_assert_cmphex(finish(scene, call), ==, OK);
    g_assert_cmphex(ask(scene, submit_3d(1, words, 1)), ==, BAD_CONTEXT);
    g_assert_cmpuint(fake_count(FAKE_SUBMIT), ==, 1); /* nobody waits for the second one */
    gpu_scene_free(scene);
}

/* Code that lies there is not kept; neither where a new backing may be written at once. */
static void what_a_stream_writes_passes_the_code_gate(void)
{
    bql_assert_held();
    const struct virtio_gpu_mem_entry memory = entry(SCENE_DATA, BYTES);
    const uint32_t writes[] = { FAKE_WRITES, 5 };
    struct gpu_scene *scene = begin_with_picture();
    struct ram *ram = gpu_resource_find(scene->gpu, 5)->backing->ram[0];
    const uint64_t page = SCENE_DATA / RAM_PAGE;
    uint64_t ticket;

    g_assert_false(code_gate_mark(ram, page, 1, &ticket));
    must(scene, submit_3d(1, words, 1));
    g_assert_cmpuint(code_gate_marks(ram, page), ==, 1);
    must(scene, submit_3d(1, writes, 2));
    g_assert_cmphex(scene->guest.bytes[SCENE_DATA], ==, 0x77);
    g_assert_cmpuint(code_gate_marks(ram, page), ==, 0);
    must(scene, detach_backing(5));
    g_assert_false(code_gate_mark(ram, page, 1, &ticket));
    must(scene, attach_backing(5, &memory, 1));
    g_assert_cmpuint(code_gate_marks(ram, page), ==, 0);
    gpu_scene_free(scene);
}

static void reset_waits_for_a_stream_that_writes(void)
{
    bql_assert_held();
    const uint32_t writes[] = { FAKE_WRITES, 5 };
    struct gpu_scene *scene = begin_with_picture();

    scene->guest.bytes[SCENE_DATA] = 0;
    fake_hold(FAKE_SUBMIT);
    (void)post(scene, submit_3d(1, writes, 2));
    (void)post(scene, submit_3d(1, writes, 2));
    scene_run(scene);
    fake_wait_until_held(FAKE_SUBMIT);
    scene_begin_reset(scene);
    scene_run(scene);
    g_assert_cmpuint(virtio_get_status(scene->guest.device), !=, 0);
    fake_let_go();
    scene_end_reset(scene);
    g_assert_cmphex(scene->guest.bytes[SCENE_DATA], ==, 0x77);
    scene->guest.bytes[SCENE_DATA] = 0;
    scene_start(scene, UINT64_MAX);
    must(scene, create_context(1, 0)); /* behind the second one, which is not done any more */
    g_assert_cmpuint(fake_count(FAKE_SUBMIT), ==, 1);
    g_assert_cmphex(scene->guest.bytes[SCENE_DATA], ==, 0);
    gpu_scene_free(scene);
}

static void reset_waits_for_what_is_written_into_memory(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin_with_picture();

    fake_hold(FAKE_FROM_HOST);
    (void)post(scene, from_host_3d(1, 5, all, 0));
    (void)post(scene, from_host_3d(1, 5, all, 0));
    scene_run(scene);
    fake_wait_until_held(FAKE_FROM_HOST);
    scene_begin_reset(scene);
    scene_run(scene);
    g_assert_cmpuint(virtio_get_status(scene->guest.device), !=, 0);
    fake_let_go();
    scene_end_reset(scene);
    scene_start(scene, UINT64_MAX);
    must(scene, create_context(1, 0)); /* behind the second one, which is not done any more */
    g_assert_cmpuint(fake_count(FAKE_FROM_HOST), ==, 1);
    gpu_scene_free(scene);
}

static void device_settles_when_its_renderer_has_come_back(void)
{
    bql_assert_held();
    struct gpu_scene *scene = begin_with_picture();

    for (unsigned i = 0; i < 20; i++)
        (void)post(scene, fenced(submit_3d(1, words, 1), i));
    g_assert_true(gpu_settle(scene->gpu));
    g_assert_false(gpu_is_stuck(scene->gpu));
    g_assert_cmpuint(load_relaxed(&scene->gpu->nr_in_flight), ==, 0);
    gpu_scene_free(scene);
}

static void add_tests(void)
{
#define ADD(test) g_test_add_func("/gpu_3d/" #test, test)
    ADD(capsets_are_the_renderers);
    ADD(contexts_that_cannot_be_are_refused);
    ADD(capset_of_a_context_is_nothing_without_the_feature);
    ADD(contexts_have_a_limit);
    ADD(resources_are_attached_and_detached);
    ADD(streams_are_the_contexts);
    ADD(streams_that_are_not_there_are_refused);
    ADD(rings_that_cannot_be_are_refused);
    ADD(transfers_of_wide_buffers_stay_in_the_backing);
    ADD(transfers_need_what_they_are_between);
    ADD(memory_is_given_back_behind_its_last_use);
    ADD(what_is_not_made_is_not_there);
    ADD(commands_behind_what_is_not_made_fail);
    ADD(refused_backing_is_none);
    ADD(backings_of_blobs_are_the_guests);
    ADD(failed_creation_does_not_end_its_successor);
    ADD(sizes_have_limits);
    ADD(what_is_known_is_said_while_the_renderer_works);
    ADD(reset_does_not_wait_for_a_stream);
    ADD(what_a_stream_writes_passes_the_code_gate);
    ADD(reset_waits_for_a_stream_that_writes);
    ADD(reset_waits_for_what_is_written_into_memory);
    ADD(device_settles_when_its_renderer_has_come_back);
#undef ADD
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_tests();
    return run_with_bql();
}
