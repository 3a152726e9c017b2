/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/gpu/virgl_scene.h"
#include "util/annotate.h"

void scene_fence_passed(void *opaque, const struct timeline_id *timeline, uint64_t fence)
{
    struct virgl_scene *scene = opaque;

    g_assert_cmpuint(scene->nr_passed, <, ARRAY_SIZE(scene->passed));
    scene->passed[scene->nr_passed++] = (struct scene_passed){ *timeline, fence };
}

static bool scene_begin_writing(void *opaque)
{
    struct virgl_scene *scene = opaque;

    g_assert_false(scene->is_writing);
    scene->is_writing = !scene->may_not_write;
    scene->nr_writings++;
    return scene->is_writing;
}

static void scene_written(void *opaque, const struct iovec *iov)
{
    struct virgl_scene *scene = opaque;

    g_assert_true(scene->is_writing);
    scene->written = iov;
    scene->nr_written++;
}

static void scene_end_writing(void *opaque)
{
    struct virgl_scene *scene = opaque;

    g_assert_true(scene->is_writing);
    scene->is_writing = false;
}

void scene_stream(struct virgl_scene *scene)
{
    stream_init(&scene->stream, (uint32_t *)scene->words, SCENE_WORDS);
}

struct virgl_scene *scene_new(char **ret_why)
{
    struct virgl_scene *scene = g_new0(struct virgl_scene, 1);
    GError *error = NULL;

    if (THREAD_SANITIZER) {
        *ret_why = g_strdup("the thread sanitizer does not see into GL drivers");
        g_free(scene);
        return NULL;
    }
    scene->host = (struct renderer_host){ scene_fence_passed, scene_begin_writing, scene_written,
                                          scene_end_writing, scene };
    if (renderer_virgl.start(&scene->host, false, &scene->renderer, &scene->caps, &error)) {
        scene_stream(scene);
        return scene;
    }
    *ret_why = g_strdup(error->message);
    g_error_free(error);
    g_free(scene);
    return NULL;
}

struct virgl_scene *scene_begin(void)
{
    g_autofree char *why = NULL;
    struct virgl_scene *scene = scene_new(&why);

    g_assert_cmpstr(why, ==, NULL);
    return scene;
}

bool scene_is_possible(void)
{
    g_autofree char *why = NULL;
    struct virgl_scene *scene = scene_new(&why);

    if (scene)
        scene_free(scene);
    else
        g_print("1..0 # SKIP %s\n", why);
    return scene;
}

void scene_free(struct virgl_scene *scene)
{
    renderer_virgl.stop(scene->renderer);
    g_free(scene);
}

uint32_t scene_context(struct virgl_scene *scene, uint32_t id, uint32_t capset)
{
    const struct virtio_gpu_ctx_create request = {
        .hdr.ctx_id = id, .context_init = capset, .nlen = 4, .debug_name = "test"
    };

    return renderer_virgl.context_create(scene->renderer, &request);
}

uint32_t scene_texture(struct virgl_scene *scene, uint32_t id, uint32_t format, uint32_t side)
{
    const struct virtio_gpu_resource_create_3d request = {
        .resource_id = id,
        .target = STREAM_TARGET_2D,
        .format = format,
        .bind = STREAM_BIND_RENDER_TARGET | STREAM_BIND_SAMPLER_VIEW,
        .width = side,
        .height = side,
        .depth = 1,
        .array_size = 1,
        .flags = VIRTIO_GPU_RESOURCE_FLAG_Y_0_TOP,
    };

    return renderer_virgl.create_3d(scene->renderer, &request);
}

uint32_t scene_submit(struct virgl_scene *scene, uint32_t context)
{
    const uint32_t nr_words = scene->stream.nr_words;

    g_assert_false(scene->stream.is_cut);
    scene_stream(scene);
    return renderer_virgl.submit(scene->renderer, context, (uint32_t *)scene->words, nr_words);
}

uint32_t scene_blob(struct virgl_scene *scene, uint32_t id, uint64_t blob_id, uint64_t size)
{
    const struct virtio_gpu_resource_create_blob request = {
        .hdr.ctx_id = SCENE_CONTEXT,
        .resource_id = id,
        .blob_mem = VIRTIO_GPU_BLOB_MEM_HOST3D,
        .blob_flags = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE,
        .blob_id = blob_id,
        .size = size,
    };

    return renderer_virgl.create_blob(scene->renderer, &request, NULL, 0);
}

uint32_t scene_buffer(struct virgl_scene *scene, uint32_t id, uint32_t buffer_size, uint64_t size)
{
    stream_persistent_buffer(&scene->stream, id, buffer_size);
    (void)scene_submit(scene, SCENE_CONTEXT); /* the blob's is the answer that counts */
    return scene_blob(scene, id, id, size);
}

uint32_t scene_map(struct virgl_scene *scene, uint32_t id, uint64_t size, void **ret_host)
{
    uint32_t map_info = 0;

    return renderer_virgl.map(scene->renderer, id, size, ret_host, &map_info);
}

uint32_t scene_read(struct virgl_scene *scene, uint32_t id, uint32_t x, uint32_t y, uint32_t width,
                    uint32_t height, uint32_t *ret_pixels)
{
    const struct renderer_picture picture = { .resource = id,
                                              .x = x,
                                              .y = y,
                                              .width = width,
                                              .height = height,
                                              .pixels = ret_pixels,
                                              .stride = width * 4 };

    return renderer_virgl.read(scene->renderer, &picture);
}

void scene_set_up(struct virgl_scene *scene, void **ret_vertices)
{
    g_assert_cmphex(scene_context(scene, SCENE_CONTEXT, CAPSET_VIRGL2), ==, 0);
    g_assert_cmphex(scene_texture(scene, SCENE_TARGET, STREAM_B8G8R8A8, SCENE_SIDE), ==, 0);
    renderer_virgl.context_attach(scene->renderer, SCENE_CONTEXT, SCENE_TARGET);
    g_assert_cmphex(scene_buffer(scene, SCENE_BUFFER, SCENE_PAGE, SCENE_PAGE), ==, 0);
    renderer_virgl.context_attach(scene->renderer, SCENE_CONTEXT, SCENE_BUFFER);
    g_assert_cmphex(scene_map(scene, SCENE_BUFFER, SCENE_PAGE, ret_vertices), ==, 0);
    stream_triangle_vertices(*ret_vertices, false);
}

void scene_triangle(struct virgl_scene *scene)
{
    const struct stream_scene triangle = {
        .sub_context = 1,
        .target = SCENE_TARGET,
        .width = SCENE_SIDE,
        .height = SCENE_SIDE,
        .format = STREAM_B8G8R8A8,
        .vertices = SCENE_BUFFER,
    };

    stream_scene_begin(&scene->stream, &triangle);
    stream_scene_draw(&scene->stream);
}

void scene_wait(struct virgl_scene *scene, unsigned nr_passed)
{
    struct pollfd fds[RENDERER_FDS_MAX];

    while (scene->nr_passed < nr_passed) {
        const unsigned nr_fds = renderer_virgl.get_fds(scene->renderer, fds);

        g_assert_cmpint(poll(fds, nr_fds, -1), >=, 0);
        renderer_virgl.poll(scene->renderer);
    }
}
