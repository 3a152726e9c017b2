/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What virglrenderer writes of guest memory by itself, for streams and when it looks for fences. */
#include <string.h>

#include "tests/gpu/virgl_scene.h"

static const struct timeline_id global = { .is_global = true };

/* The device hears of it, and may forbid it. */
static void what_a_stream_writes_of_guest_memory_is_told(void)
{
    const struct stream_box box = { 0, 0, 0, SCENE_SIDE, 1, 1 };
    uint32_t memory[SCENE_SIDE * SCENE_SIDE] = { 0 };
    struct iovec iov = { memory, sizeof(memory) };
    struct virgl_scene *scene = scene_begin();
    void *vertices;

    scene_set_up(scene, &vertices);
    scene_triangle(scene);
    g_assert_cmphex(scene_submit(scene, SCENE_CONTEXT), ==, 0);
    g_assert_cmphex(renderer_virgl.attach_backing(scene->renderer, SCENE_TARGET, &iov, 1), ==, 0);
    stream_transfer(&scene->stream, SCENE_TARGET, &box, 0, STREAM_TO_HOST);
    g_assert_cmphex(scene_submit(scene, SCENE_CONTEXT), ==, 0);
    g_assert_cmpuint(scene->nr_writings, ==, 0);
    memset(memory, 0x11, sizeof(memory));
    scene->may_not_write = true;
    stream_transfer(&scene->stream, SCENE_TARGET, &box, 0, STREAM_FROM_HOST);
    g_assert_cmphex(scene_submit(scene, SCENE_CONTEXT), ==, VIRTIO_GPU_RESP_ERR_UNSPEC);
    g_assert_cmphex(memory[0], ==, 0x11111111);
    scene->may_not_write = false;
    stream_transfer(&scene->stream, SCENE_TARGET, &box, 0, STREAM_FROM_HOST);
    g_assert_cmphex(scene_submit(scene, SCENE_CONTEXT), ==, 0);
    g_assert_cmphex(memory[0], ==, 0);
    g_assert_cmpuint(scene->nr_writings, ==, 2);
    g_assert_cmpuint(scene->nr_written, ==, 1);
    g_assert_true(scene->written == &iov && !scene->is_writing);
    scene_free(scene);
}

/* Its result is written when it is asked for, or when the library looks, until there are none. */
static void results_of_queries_are_told(void)
{
    enum { OCCLUSION = 0, DONE = 1, HANDLE = 77, RESULTS = 20 };
    const struct virtio_gpu_resource_create_3d request = { .resource_id = RESULTS,
                                                           .target = STREAM_TARGET_BUFFER,
                                                           .format = STREAM_R8,
                                                           .bind = STREAM_BIND_CUSTOM,
                                                           .width = 64,
                                                           .height = 1,
                                                           .depth = 1,
                                                           .array_size = 1 };
    uint32_t memory[16];
    struct iovec iov = { memory, sizeof(memory) };
    struct virgl_scene *scene = scene_begin();
    struct stream *stream = &scene->stream;
    void *vertices;

    memset(memory, 0x11, sizeof(memory));
    scene_set_up(scene, &vertices);
    g_assert_cmphex(renderer_virgl.create_3d(scene->renderer, &request), ==, 0);
    g_assert_cmphex(renderer_virgl.attach_backing(scene->renderer, RESULTS, &iov, 1), ==, 0);
    g_assert_cmphex(memory[0], ==, 0); /* what the library had in its place till then */
    renderer_virgl.context_attach(scene->renderer, SCENE_CONTEXT, RESULTS);
    renderer_virgl.poll(scene->renderer);
    g_assert_cmpuint(scene->nr_writings, ==, 0);
    scene_triangle(scene);
    stream_begin(stream, STREAM_CREATE_OBJECT, STREAM_QUERY, 4);
    stream_put(stream, HANDLE);
    stream_put(stream, OCCLUSION);
    stream_put(stream, 0);
    stream_put(stream, RESULTS);
    stream_begin(stream, STREAM_BEGIN_QUERY, STREAM_NO_OBJECT, 1);
    stream_put(stream, HANDLE);
    stream_scene_draw(stream);
    stream_begin(stream, STREAM_END_QUERY, STREAM_NO_OBJECT, 1);
    stream_put(stream, HANDLE);
    stream_begin(stream, STREAM_GET_QUERY_RESULT, STREAM_NO_OBJECT, 2);
    stream_put(stream, HANDLE);
    stream_put(stream, 0); /* later will do */
    g_assert_cmphex(scene_submit(scene, SCENE_CONTEXT), ==, 0);
    g_assert_cmpuint(scene->nr_written, ==, 1);
    g_assert_true(scene->written == &iov);
    g_assert_true(renderer_virgl.fence(scene->renderer, &global, 1)); /* then it looks */
    scene->may_not_write = true;
    renderer_virgl.poll(scene->renderer);
    g_assert_cmpuint(scene->nr_written, ==, 1);
    g_assert_cmpuint(memory[0], !=, DONE);
    scene->may_not_write = false;
    scene_wait(scene, 1);
    g_assert_cmpuint(memory[0], ==, DONE);
    g_assert_cmpuint(scene->nr_written, >, 1);
    g_assert_cmpuint(memory[2], >, 100); /* pixels of the triangle */
    renderer_virgl.resource_unref(scene->renderer, RESULTS);
    renderer_virgl.context_destroy(scene->renderer, SCENE_CONTEXT);
    scene->nr_writings = 0;
    renderer_virgl.poll(scene->renderer);
    g_assert_cmpuint(scene->nr_writings, ==, 0);
    scene_free(scene);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (!scene_is_possible())
        return 0;
#define ADD(test) g_test_add_func("/virgl_stream/" #test, test)
    ADD(what_a_stream_writes_of_guest_memory_is_told);
    ADD(results_of_queries_are_told);
#undef ADD
    return g_test_run();
}
