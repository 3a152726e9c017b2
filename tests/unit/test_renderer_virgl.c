/* SPDX-License-Identifier: GPL-2.0-or-later */
/* renderer_virgl on whatever OpenGL is here: what only it does. test_renderer_2d.c has the rest. */
#include <glib.h>
#include <string.h>

#include "tests/gpu/virgl_scene.h"
#include "util/annotate.h"
#include "util/keyval.h"

enum {
    BAD = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER,
    BAD_RESOURCE = VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID,
    BAD_CONTEXT = VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID,
    BLUE = 0xff0000ff,
    RED = 0xffff0000,
    GREEN = 0xff00ff00,
};

static const struct timeline_id global = { .is_global = true };
static const struct timeline_id ring_0 = { .context = SCENE_CONTEXT };

static void check_triangle(struct virgl_scene *scene, uint32_t colour)
{
    uint32_t pixels[SCENE_SIDE * SCENE_SIDE];

    g_assert_cmphex(scene_read(scene, SCENE_TARGET, 0, 0, SCENE_SIDE, SCENE_SIDE, pixels), ==, 0);
    g_assert_cmphex(pixels[0], ==, BLUE);
    g_assert_cmphex(pixels[SCENE_SIDE - 1], ==, BLUE);
    g_assert_cmphex(pixels[(SCENE_SIDE - 1) * SCENE_SIDE], ==, BLUE);
    g_assert_cmphex(pixels[SCENE_SIDE * SCENE_SIDE - 1], ==, BLUE);
    g_assert_cmphex(pixels[SCENE_SIDE / 2 * SCENE_SIDE + SCENE_SIDE / 2], ==, colour);
}

/* Whether the context draws: the scene is set up. */
static void draw_and_check(struct virgl_scene *scene)
{
    scene_triangle(scene);
    g_assert_cmphex(scene_submit(scene, SCENE_CONTEXT), ==, 0);
    check_triangle(scene, RED);
}

/* ---- Start -------------------------------------------------------------------------------------
 */

static void capsets_are_there(void)
{
    struct virgl_scene *scene = scene_begin();

    g_assert_true(scene->caps.has_gl);
    g_assert_nonnull(strstr(scene->caps.name, "OpenGL"));
    g_assert_cmpuint(scene->caps.nr_capsets, ==, 2);
    for (unsigned i = 0; i < 2; i++) {
        const struct renderer_capset *capset = &scene->caps.capsets[i];
        uint32_t version;

        g_assert_cmpuint(capset->id, ==, i ? CAPSET_VIRGL2 : CAPSET_VIRGL);
        g_assert_cmpuint(capset->max_version, ==, i ? 2 : 1);
        g_assert_cmpuint(capset->size, >=, i ? 1376 : 308); /* virglrenderer 0.10.4 */
        memcpy(&version, capset->bytes, sizeof(version));
        g_assert_cmpuint(version, ==, capset->max_version);
    }
    scene_free(scene);
}

static void one_renderer_in_a_process(void)
{
    const struct renderer_host host = { .fence_passed = scene_fence_passed };
    struct virgl_scene *scene = scene_begin();
    struct renderer_caps caps;
    GError *error = NULL;
    void *renderer;

    g_assert_false(renderer_virgl.start(&host, false, &renderer, &caps, &error));
    g_assert_error(error, KEYVAL_ERROR, KEYVAL_ERROR_USAGE); /* two devices are asked for */
    g_assert_nonnull(strstr(error->message, "another device"));
    g_error_free(error);
    scene_free(scene);
    scene_free(scene_begin()); /* and then the next one */
}

static void venus_is_refused_and_gl_goes_on(void)
{
    struct renderer_host host = { .fence_passed = scene_fence_passed };
    struct renderer_caps caps;
    GError *error = NULL;
    void *renderer;

    g_assert_true(renderer_virgl.start(&host, true, &renderer, &caps, &error));
    g_assert_cmpuint(caps.nr_capsets, >=, 2);
    for (unsigned i = 2; i < caps.nr_capsets; i++) { /* where it is new enough */
        g_assert_cmpuint(caps.capsets[i].id, ==, CAPSET_VENUS);
        g_assert_cmpuint(*(uint32_t *)caps.capsets[i].bytes, >=, 1);
    }
    renderer_virgl.stop(renderer);
}

/* In a new process, whose libEGL looks at @variable when it is loaded. */
static void check_refusal(const char *variable, const char *value, const char *wanted)
{
    g_autofree char *why = NULL;

    if (g_test_subprocess()) {
        g_setenv(variable, value, TRUE);
        g_assert_null(scene_new(&why));
        g_printerr("%s\n", why);
        return;
    }
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_passed();
    g_test_trap_assert_stderr(wanted);
}

static void without_an_egl_driver_it_says_what_is_missing(void)
{
    check_refusal("__EGL_VENDOR_LIBRARY_FILENAMES", "/nonexistent",
                  "*EGL_MESA_platform_surfaceless*");
}

static void without_a_gl_driver_it_says_what_is_missing(void)
{
    if (g_test_subprocess()) /* Mesa 25's drivers are in a library */
        g_setenv("GALLIUM_DRIVER", "nonexistent", TRUE);
    check_refusal("LIBGL_DRIVERS_PATH", "/nonexistent", "*eglInitialize*libgl1-mesa-dri*");
}

static void without_a_thread_for_fences_it_says_why(void)
{
    check_refusal("VIRGL_DISABLE_MT", "1", "*VIRGL_DISABLE_MT is set*");
}

static void what_is_left_is_let_go_at_the_end(void)
{
    for (unsigned i = 0; i < 3; i++) {
        struct virgl_scene *scene = scene_begin();
        void *vertices;

        scene_set_up(scene, &vertices);
        draw_and_check(scene);
        scene_free(scene); /* mapped, attached, and alive */
    }
}

/* ---- Contexts and streams ----------------------------------------------------------------------
 */

static void a_triangle_is_drawn_from_mapped_memory(void)
{
    struct virgl_scene *scene = scene_begin();
    void *vertices;

    scene_set_up(scene, &vertices);
    scene_triangle(scene);
    g_assert_cmphex(scene_submit(scene, SCENE_CONTEXT), ==, 0);
    check_triangle(scene, RED);
    stream_triangle_vertices(vertices, true); /* coherent: no transfer says so */
    stream_scene_draw(&scene->stream);
    g_assert_cmphex(scene_submit(scene, SCENE_CONTEXT), ==, 0);
    check_triangle(scene, GREEN);
    scene_free(scene);
}

static void contexts_have_ids_capsets_and_names(void)
{
    struct virtio_gpu_ctx_create long_name = { .hdr.ctx_id = 5, .nlen = UINT32_MAX };
    struct virgl_scene *scene = scene_begin();

    memset(long_name.debug_name, 'x', sizeof(long_name.debug_name));
    g_assert_cmphex(scene_context(scene, 0, CAPSET_VIRGL2), ==, BAD_CONTEXT);
    g_assert_cmphex(scene_context(scene, 1, 0), ==, 0);
    g_assert_cmphex(scene_context(scene, 1, 0), ==, BAD_CONTEXT);
    g_assert_cmphex(scene_context(scene, 2, CAPSET_VIRGL), ==, 0);
    g_assert_cmphex(scene_context(scene, 3, CAPSET_VENUS), ==, BAD);
    g_assert_cmphex(scene_context(scene, 3, 63), ==, BAD);
    g_assert_cmphex(scene_context(scene, UINT32_MAX, CAPSET_VIRGL2), ==, 0);
    g_assert_cmphex(renderer_virgl.context_create(scene->renderer, &long_name), ==, 0);
    renderer_virgl.context_destroy(scene->renderer, 1);
    renderer_virgl.context_destroy(scene->renderer, 1);
    g_assert_cmphex(scene_context(scene, 1, CAPSET_VIRGL), ==, 0);
    stream_nop(&scene->stream);
    g_assert_cmphex(scene_submit(scene, UINT32_MAX), ==, 0);
    stream_nop(&scene->stream);
    g_assert_cmphex(scene_submit(scene, 77), ==, BAD_CONTEXT);
    scene_free(scene);
}

static void an_error_breaks_one_context_for_good(void)
{
    struct virgl_scene *scene = scene_begin();
    void *vertices;

    scene_set_up(scene, &vertices);
    g_assert_cmphex(scene_context(scene, 4, CAPSET_VIRGL2), ==, 0);
    stream_surface(&scene->stream, 1, 999, STREAM_B8G8R8A8); /* of no resource */
    g_assert_cmphex(scene_submit(scene, 4), ==, BAD);
    stream_nop(&scene->stream);
    g_assert_cmphex(scene_submit(scene, 4), ==, BAD);
    draw_and_check(scene);
    renderer_virgl.context_destroy(scene->renderer, 4);
    g_assert_cmphex(scene_context(scene, 4, CAPSET_VIRGL2), ==, 0);
    stream_nop(&scene->stream);
    g_assert_cmphex(scene_submit(scene, 4), ==, 0);
    scene_free(scene);
}

static void words_that_are_no_stream_are_refused(void)
{
    static const uint32_t bad[][2] = {
        { 0xffffffff, 0xffffffff },
        { 0x000000fe, 0 }, /* no such command */
        { 0x0000ff01, 0 }, /* an object of no kind */
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct virgl_scene *scene = scene_begin();

        g_assert_cmphex(scene_context(scene, SCENE_CONTEXT, CAPSET_VIRGL2), ==, 0);
        stream_put(&scene->stream, bad[i][0]);
        stream_put(&scene->stream, bad[i][1]);
        g_assert_cmphex(scene_submit(scene, SCENE_CONTEXT), ==, BAD);
        g_assert_cmphex(renderer_virgl.submit(scene->renderer, SCENE_CONTEXT, NULL, 0), ==, BAD);
        scene_free(scene);
    }
}

/* ---- Blobs -------------------------------------------------------------------------------------
 */

static void only_what_the_buffer_has_is_mapped(void)
{
    static const struct {
        uint32_t buffer;
        uint64_t blob, mapped;
        bool is_good;
    } cases[] = {
        { 4096, 4096, 4096, true },
        { 8192, 4096, 4096, true }, /* the rest is not mapped */
        { 1 << 20, 1 << 20, 1 << 20, true },
        { 100, 4096, 4096, false }, /* behind it is our heap */
        { 4096, 1 << 20, 1 << 20, false },
        { 4095, 4096, 4096, false },
        { 4097, 8192, 8192, false },
        { 8192, 4097, 4097, false }, /* no pages */
        { 4096, 100, 100, false },
        { 4096, 4096, 0, false },
    };
    struct virgl_scene *scene = scene_begin();

    g_assert_cmphex(scene_context(scene, SCENE_CONTEXT, CAPSET_VIRGL2), ==, 0);
    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint32_t id = 100 + i, map_info = 0;
        void *host = NULL;

        g_assert_cmphex(scene_buffer(scene, id, cases[i].buffer, cases[i].blob), ==, 0);
        g_assert_cmphex(renderer_virgl.map(scene->renderer, id, cases[i].mapped, &host, &map_info),
                        ==, cases[i].is_good ? 0 : BAD);
        if (cases[i].is_good) {
            g_assert_cmphex((uintptr_t)host % SCENE_PAGE, ==, 0);
            g_assert_cmpuint(map_info, ==, VIRTIO_GPU_MAP_CACHE_CACHED);
            memset(host, 0xaa, cases[i].mapped);
            renderer_virgl.unmap(scene->renderer, id);
        } else {
            g_assert_null(host);
        }
        renderer_virgl.resource_unref(scene->renderer, id);
    }
    scene_free(scene);
}

static void what_is_no_buffer_is_not_mapped(void)
{
    struct virgl_scene *scene = scene_begin();
    void *host;

    g_assert_cmphex(scene_context(scene, SCENE_CONTEXT, CAPSET_VIRGL2), ==, 0);
    g_assert_cmphex(scene_map(scene, 1, SCENE_PAGE, &host), ==, BAD_RESOURCE);
    g_assert_cmphex(scene_texture(scene, SCENE_TARGET, STREAM_B8G8R8A8, SCENE_SIDE), ==, 0);
    g_assert_cmphex(scene_map(scene, SCENE_TARGET, SCENE_PAGE, &host), ==, BAD);
    g_assert_cmphex(scene_blob(scene, 20, 12345, SCENE_PAGE), !=, 0); /* nobody made it */
    g_assert_cmphex(scene_map(scene, 20, SCENE_PAGE, &host), ==, BAD_RESOURCE);
    /* Made with an error: the library has a blob, which has no memory. */
    (void)scene_buffer(scene, 21, 0, SCENE_PAGE);
    g_assert_cmphex(scene_map(scene, 21, SCENE_PAGE, &host), !=, 0);
    scene_free(scene);
}

static void mapped_once_and_mapped_again(void)
{
    struct virgl_scene *scene = scene_begin();
    void *host, *again;

    scene_set_up(scene, &host);
    g_assert_cmphex(scene_map(scene, SCENE_BUFFER, SCENE_PAGE, &again), ==, BAD);
    memset(host, 0x5a, SCENE_PAGE);
    renderer_virgl.unmap(scene->renderer, SCENE_BUFFER);
    renderer_virgl.unmap(scene->renderer, SCENE_BUFFER);
    g_assert_cmphex(scene_map(scene, SCENE_BUFFER, SCENE_PAGE, &again), ==, 0);
    for (unsigned i = 0; i < SCENE_PAGE; i++)
        g_assert_cmphex(((uint8_t *)again)[i], ==, 0x5a);
    renderer_virgl.resource_unref(scene->renderer, SCENE_BUFFER); /* mapped: it unmaps first */
    g_assert_cmphex(scene_map(scene, SCENE_BUFFER, SCENE_PAGE, &again), ==, BAD_RESOURCE);
    g_assert_cmphex(scene_buffer(scene, SCENE_BUFFER, SCENE_PAGE, SCENE_PAGE), ==, 0);
    scene_free(scene);
}

static void memory_outlives_the_context_that_made_it(void)
{
    struct virgl_scene *scene = scene_begin();
    uint8_t *host;

    scene_set_up(scene, (void **)&host);
    draw_and_check(scene);
    renderer_virgl.context_destroy(scene->renderer, SCENE_CONTEXT);
    memset(host, 0x77, SCENE_PAGE);
    g_assert_cmphex(host[SCENE_PAGE - 1], ==, 0x77);
    renderer_virgl.unmap(scene->renderer, SCENE_BUFFER);
    renderer_virgl.resource_unref(scene->renderer, SCENE_BUFFER);
    scene_free(scene);
}

static void blobs_of_guest_memory(void)
{
    static uint8_t pages[2][SCENE_PAGE];
    struct iovec iov[] = { { pages[0], SCENE_PAGE }, { pages[1], SCENE_PAGE } };
    struct virtio_gpu_resource_create_blob request = { .resource_id = 30,
                                                       .blob_mem = VIRTIO_GPU_BLOB_MEM_GUEST,
                                                       .size = 2 * SCENE_PAGE };
    struct virgl_scene *scene = scene_begin();
    void *host;

    g_assert_cmphex(scene_context(scene, SCENE_CONTEXT, CAPSET_VIRGL2), ==, 0);
    g_assert_cmphex(renderer_virgl.create_blob(scene->renderer, &request, iov, 2), ==, 0);
    g_assert_cmphex(renderer_virgl.create_blob(scene->renderer, &request, iov, 2), ==,
                    BAD_RESOURCE);
    g_assert_cmphex(scene_map(scene, 30, SCENE_PAGE, &host), ==, BAD);
    renderer_virgl.context_attach(scene->renderer, SCENE_CONTEXT, 30);
    renderer_virgl.detach_backing(scene->renderer, 30);
    g_assert_cmphex(renderer_virgl.attach_backing(scene->renderer, 30, iov, 2), ==, 0);
    renderer_virgl.resource_unref(scene->renderer, 30);
    /* Of both: a buffer of the host's, and pages of the guest's. */
    stream_persistent_buffer(&scene->stream, 5, 2 * SCENE_PAGE);
    g_assert_cmphex(scene_submit(scene, SCENE_CONTEXT), ==, 0);
    request.hdr.ctx_id = SCENE_CONTEXT;
    request.resource_id = 31;
    request.blob_mem = VIRTIO_GPU_BLOB_MEM_HOST3D_GUEST;
    request.blob_id = 5;
    g_assert_cmphex(renderer_virgl.create_blob(scene->renderer, &request, iov, 2), ==, 0);
    renderer_virgl.resource_unref(scene->renderer, 31);
    scene_free(scene);
}

static void a_blobs_buffer_can_be_looked_at(void)
{
    const struct renderer_layout layout = { STREAM_B8G8R8A8, 4, 2, 64, 16 };
    struct virgl_scene *scene = scene_begin();
    uint32_t pixels[8], *host;
    struct renderer_picture picture = { .resource = SCENE_BUFFER,
                                        .layout = &layout,
                                        .width = 4,
                                        .height = 2,
                                        .pixels = pixels,
                                        .stride = 16 };

    scene_set_up(scene, (void **)&host);
    for (unsigned i = 0; i < SCENE_PAGE / 4; i++)
        host[i] = i;
    for (unsigned is_mapped = 2; is_mapped-- > 0;) {
        g_assert_cmphex(renderer_virgl.read(scene->renderer, &picture), ==, 0);
        for (unsigned i = 0; i < 8; i++)
            g_assert_cmphex(pixels[i], ==, 4 + i / 4 * 16 + i % 4);
        renderer_virgl.unmap(scene->renderer, SCENE_BUFFER);
    }
    picture.layout = NULL;
    g_assert_cmphex(renderer_virgl.read(scene->renderer, &picture), ==, BAD);
    scene_free(scene);
}

/* ---- Transfers and formats ---------------------------------------------------------------------
 */

/* One row of the guest's memory to the host, and back. */
static void transfers_go_both_ways(void)
{
    uint32_t memory[SCENE_SIDE * SCENE_SIDE];
    struct iovec iov = { memory, sizeof(memory) };
    struct virtio_gpu_transfer_host_3d request = { .hdr.ctx_id = SCENE_CONTEXT,
                                                   .box = { 8, 4, 0, 2, 2, 1 },
                                                   .offset = 16,
                                                   .resource_id = SCENE_TARGET,
                                                   .stride = 32 };
    struct virgl_scene *scene = scene_begin();
    uint32_t pixels[4];
    void *vertices;

    scene_set_up(scene, &vertices);
    g_assert_cmphex(renderer_virgl.to_host_3d(scene->renderer, &request), ==, BAD); /* no backing */
    for (unsigned i = 0; i < ARRAY_SIZE(memory); i++)
        memory[i] = 0xff000000 + i;
    g_assert_cmphex(renderer_virgl.attach_backing(scene->renderer, SCENE_TARGET, &iov, 1), ==, 0);
    g_assert_cmphex(renderer_virgl.attach_backing(scene->renderer, SCENE_TARGET, &iov, 1), ==,
                    VIRTIO_GPU_RESP_ERR_UNSPEC);
    g_assert_cmphex(renderer_virgl.to_host_3d(scene->renderer, &request), ==, 0);
    g_assert_cmphex(scene_read(scene, SCENE_TARGET, 8, 4, 2, 2, pixels), ==, 0);
    g_assert_cmphex(pixels[0], ==, 0xff000004);
    g_assert_cmphex(pixels[1], ==, 0xff000005);
    g_assert_cmphex(pixels[2], ==, 0xff00000c);
    g_assert_cmphex(pixels[3], ==, 0xff00000d);
    request.offset = 1024;
    g_assert_cmphex(renderer_virgl.from_host_3d(scene->renderer, &request), ==, 0);
    g_assert_cmphex(memory[256], ==, 0xff000004);
    g_assert_cmphex(memory[256 + 9], ==, 0xff00000d);
    g_assert_cmphex(memory[256 + 2], ==, 0xff000000 + 256 + 2);
    scene_free(scene);
}

static void transfers_beyond_the_resource_break_nothing(void)
{
    static const struct {
        struct virtio_gpu_box box;
        uint64_t offset;
        uint32_t level, stride, layer_stride;
    } cases[] = {
        { { 0, 0, 0, SCENE_SIDE + 1, 1, 1 }, 0, 0, 0, 0 },
        { { 1, 0, 0, SCENE_SIDE, 1, 1 }, 0, 0, 0, 0 },
        { { UINT32_MAX, 0, 0, 2, 1, 1 }, 0, 0, 0, 0 },
        { { 0, 1, 0, 1, SCENE_SIDE, 1 }, 0, 0, 0, 0 },
        { { 0, 0, 1, 1, 1, 1 }, 0, 0, 0, 0 },
        { { 0, 0, 0, 1, 1, 2 }, 0, 0, 0, 0 },
        { { 0, 0, 0, 0, 1, 1 }, 0, 0, 0, 0 },
        { { 0, 0, 0, 1, 1, 0 }, 0, 0, 0, 0 },
        { { 0, 0, 0, 1, 1, 1 }, 0, 1, 0, 0 },
        { { 0, 0, 0, 1, 1, 1 }, 0, UINT32_MAX, 0, 0 },
        { { 0, 0, 0, 1, 1, 1 }, SCENE_PAGE, 0, 0, 0 },
        { { 0, 0, 0, 1, 1, 1 }, UINT64_MAX, 0, 0, 0 },
        { { 0, 0, 0, 1, 2, 1 }, 0, 0, SCENE_PAGE, 0 },
        { { 0, 0, 0, 1, 2, 1 }, 0, 0, UINT32_MAX, UINT32_MAX },
        { { 0, 0, 0, 2, 1, 1 }, SCENE_PAGE - 4, 0, 0, 0 }, /* ends behind */
        { { 0, 0, 0, SCENE_SIDE, SCENE_SIDE, 1 }, 0, 0, 0, 0 },
        { { 0, 0, 0, 4, 4, 1 }, 0, 0, 1, 0 }, /* rows over each other */
    };
    g_autofree uint8_t *memory = g_malloc0(SCENE_PAGE); /* a sanitizer watches its ends */
    struct iovec iov = { memory, SCENE_PAGE };

    for (unsigned context = 0; context <= SCENE_CONTEXT; context += SCENE_CONTEXT) {
        struct virgl_scene *scene = scene_begin();
        void *vertices;

        scene_set_up(scene, &vertices);
        g_assert_cmphex(renderer_virgl.attach_backing(scene->renderer, SCENE_TARGET, &iov, 1), ==,
                        0);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
            const struct virtio_gpu_transfer_host_3d request = {
                .hdr.ctx_id = context,
                .box = cases[i].box,
                .offset = cases[i].offset,
                .level = cases[i].level,
                .stride = cases[i].stride,
                .layer_stride = cases[i].layer_stride,
                .resource_id = SCENE_TARGET,
            };

            g_assert_cmphex(renderer_virgl.to_host_3d(scene->renderer, &request), !=, 0);
            g_assert_cmphex(renderer_virgl.from_host_3d(scene->renderer, &request), !=, 0);
            if (context == 0 || i < 14) /* those we find ourselves */
                draw_and_check(scene);
        }
        scene_free(scene);
    }
}

/* Reads the whole buffer @id into more memory than it has bytes: the rest stays as it was. */
static void check_bytes_of_buffer(struct virgl_scene *scene, uint32_t id)
{
    const struct virtio_gpu_transfer_host_3d whole = { .hdr.ctx_id = SCENE_CONTEXT,
                                                       .box = { 0, 0, 0, SCENE_PAGE, 1, 1 },
                                                       .resource_id = id };
    g_autofree uint8_t *memory = g_malloc(4 * SCENE_PAGE);
    struct iovec iov = { memory, 4 * SCENE_PAGE };

    memset(memory, 0xa5, 4 * SCENE_PAGE);
    renderer_virgl.context_attach(scene->renderer, SCENE_CONTEXT, id);
    g_assert_cmphex(renderer_virgl.attach_backing(scene->renderer, id, &iov, 1), ==, 0);
    g_assert_cmphex(renderer_virgl.from_host_3d(scene->renderer, &whole), ==, 0);
    g_assert_cmphex(memory[SCENE_PAGE - 1], ==, 0);
    for (size_t i = SCENE_PAGE; i < (size_t)4 * SCENE_PAGE; i++)
        g_assert_cmphex(memory[i], ==, 0xa5);
    renderer_virgl.detach_backing(scene->renderer, id);
}

/* To the library, a buffer of four bytes a pixel has four times its memory in transfers. */
static void buffers_are_of_bytes(void)
{
    const struct virtio_gpu_resource_create_3d request = { .resource_id = 7,
                                                           .target = STREAM_TARGET_BUFFER,
                                                           .format = STREAM_B8G8R8A8,
                                                           .bind = STREAM_BIND_VERTEX_BUFFER,
                                                           .width = SCENE_PAGE,
                                                           .height = 1,
                                                           .depth = 1,
                                                           .array_size = 1 };
    struct virgl_scene *scene = scene_begin();
    void *vertices;
    uint32_t at;

    scene_set_up(scene, &vertices);
    g_assert_cmphex(renderer_virgl.create_3d(scene->renderer, &request), ==, 0);
    check_bytes_of_buffer(scene, 7);
    stream_nop(&scene->stream);
    at = scene->stream.nr_words;
    stream_buffer(&scene->stream, 6, SCENE_PAGE, STREAM_BIND_VERTEX_BUFFER, 0);
    g_assert_cmphex(scene->stream.words[at + 2], ==, STREAM_R8);
    scene->stream.words[at + 2] = STREAM_B8G8R8A8;
    g_assert_cmphex(scene_submit(scene, SCENE_CONTEXT), ==, 0);
    g_assert_cmphex(scene_blob(scene, 8, 6, SCENE_PAGE), ==, 0);
    check_bytes_of_buffer(scene, 8);
    draw_and_check(scene);
    scene_free(scene);
}

static void the_top_row_comes_first(void)
{
    static const uint32_t flags[] = { 0, VIRTIO_GPU_RESOURCE_FLAG_Y_0_TOP };
    struct virgl_scene *scene = scene_begin();

    for (uint32_t i = 0; i < ARRAY_SIZE(flags); i++) {
        const struct virtio_gpu_resource_create_3d request = { .resource_id = 1 + i,
                                                               .target = STREAM_TARGET_2D,
                                                               .format = STREAM_B8G8R8A8,
                                                               .bind = STREAM_BIND_RENDER_TARGET,
                                                               .width = 2,
                                                               .height = 3,
                                                               .depth = 1,
                                                               .array_size = 1,
                                                               .flags = flags[i] };
        const struct virtio_gpu_transfer_host_3d whole = { .box = { 0, 0, 0, 2, 3, 1 },
                                                           .resource_id = 1 + i };
        uint32_t memory[6] = { 1, 2, 3, 4, 5, 6 }, pixels[4] = { 0 };
        struct iovec iov = { memory, sizeof(memory) };

        g_assert_cmphex(renderer_virgl.create_3d(scene->renderer, &request), ==, 0);
        g_assert_cmphex(renderer_virgl.attach_backing(scene->renderer, 1 + i, &iov, 1), ==, 0);
        g_assert_cmphex(renderer_virgl.to_host_3d(scene->renderer, &whole), ==, 0);
        g_assert_cmphex(scene_read(scene, 1 + i, 0, 0, 2, 2, pixels), ==, 0);
        for (uint32_t j = 0; j < 4; j++)
            g_assert_cmphex(pixels[j], ==, 1 + j);
        g_assert_cmphex(scene_read(scene, 1 + i, 1, 2, 1, 1, pixels), ==, 0);
        g_assert_cmphex(pixels[0], ==, 6);
        renderer_virgl.resource_unref(scene->renderer, 1 + i);
    }
    scene_free(scene);
}

static void other_formats_are_shown_too(void)
{
    static const struct {
        uint32_t format, bytes, value, pixel;
    } cases[] = {
        { 7, 2, 0xf81f, 0xffff00ff },       /* B5G6R5: magenta */
        { 8, 4, 0xc00003ff, 0xffff0000 },   /* R10G10B10A2: red in the low bits */
        { 100, 4, 0x80112233, 0x80112233 }, /* B8G8R8A8_SRGB: as it is */
        { 104, 4, 0x80332211, 0x80112233 }, /* R8G8B8A8_SRGB */
    };
    struct virgl_scene *scene = scene_begin();
    struct virtio_gpu_transfer_host_3d request = { .box = { 0, 0, 0, 1, 1, 1 } };

    for (uint32_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint32_t value = cases[i].value, pixel = 0;
        struct iovec iov = { &value, cases[i].bytes };

        request.resource_id = 40 + i;
        g_assert_cmphex(scene_texture(scene, 40 + i, cases[i].format, 1), ==, 0);
        g_assert_cmphex(renderer_virgl.attach_backing(scene->renderer, 40 + i, &iov, 1), ==, 0);
        g_assert_cmphex(renderer_virgl.to_host_3d(scene->renderer, &request), ==, 0);
        g_assert_cmphex(scene_read(scene, 40 + i, 0, 0, 1, 1, &pixel), ==, 0);
        g_assert_cmphex(pixel, ==, cases[i].pixel);
        renderer_virgl.resource_unref(scene->renderer, 40 + i);
    }
    g_assert_cmphex(scene_texture(scene, 50, STREAM_R32G32B32A32_FLOAT, 4), ==, 0);
    g_assert_cmphex(scene_read(scene, 50, 0, 0, 1, 1, &request.level), ==, BAD);
    scene_free(scene);
}

static void resources_have_one_id_each(void)
{
    struct virgl_scene *scene = scene_begin();

    g_assert_cmphex(scene_texture(scene, 0, STREAM_B8G8R8A8, 4), ==, BAD_RESOURCE);
    g_assert_cmphex(scene_texture(scene, 1, STREAM_B8G8R8A8, 4), ==, 0);
    g_assert_cmphex(scene_texture(scene, 1, STREAM_B8G8R8A8, 4), ==, BAD_RESOURCE);
    g_assert_cmphex(scene_texture(scene, 2, UINT32_MAX, 4), ==, BAD);
    g_assert_cmphex(scene_texture(scene, 2, 0, 4), ==, BAD);
    g_assert_cmphex(scene_texture(scene, 2, STREAM_B8G8R8A8, 0), ==, BAD);
    g_assert_cmphex(scene_texture(scene, UINT32_MAX, STREAM_B8G8R8A8, 4), ==, 0);
    renderer_virgl.resource_unref(scene->renderer, UINT32_MAX);
    renderer_virgl.resource_unref(scene->renderer, UINT32_MAX);
    renderer_virgl.context_attach(scene->renderer, SCENE_CONTEXT, 1); /* no such context */
    renderer_virgl.context_detach(scene->renderer, SCENE_CONTEXT, 1);
    scene_free(scene);
}

/* ---- Fences ------------------------------------------------------------------------------------
 */

static void global_fences_pass_in_order(void)
{
    struct virgl_scene *scene = scene_begin();
    const uint64_t first = UINT64_C(1) << 40; /* they are longer than the library's */
    uint64_t last = 0;
    void *vertices;

    scene_set_up(scene, &vertices);
    for (uint64_t i = 0; i < 8; i++) {
        scene_triangle(scene);
        g_assert_cmphex(scene_submit(scene, SCENE_CONTEXT), ==, 0);
        g_assert_true(renderer_virgl.fence(scene->renderer, &global, first + i));
    }
    for (unsigned told = 0; last < first + 7; told++) {
        scene_wait(scene, told + 1);
        g_assert_true(scene->passed[told].timeline.is_global);
        g_assert_cmpuint(scene->passed[told].fence, >, last);
        last = scene->passed[told].fence;
    }
    g_assert_cmpuint(last, ==, first + 7);
    scene_free(scene);
}

static void a_contexts_first_ring_has_fences(void)
{
    struct virgl_scene *scene = scene_begin();
    void *vertices;

    scene_set_up(scene, &vertices);
    scene_triangle(scene);
    g_assert_cmphex(scene_submit(scene, SCENE_CONTEXT), ==, 0);
    g_assert_true(renderer_virgl.fence(scene->renderer, &ring_0, UINT64_MAX - 1));
    scene_wait(scene, 1);
    g_assert_false(scene->passed[0].timeline.is_global);
    g_assert_cmpuint(scene->passed[0].timeline.context, ==, SCENE_CONTEXT);
    g_assert_cmpuint(scene->passed[0].timeline.ring, ==, 0);
    g_assert_cmpuint(scene->passed[0].fence, ==, UINT64_MAX - 1);
    scene_free(scene);
}

static void fences_that_cannot_be_are_refused(void)
{
    struct virgl_scene *scene = scene_begin();
    struct timeline_id timeline = { .context = 99 };

    g_assert_cmphex(scene_context(scene, SCENE_CONTEXT, CAPSET_VIRGL2), ==, 0);
    g_assert_false(renderer_virgl.fence(scene->renderer, &timeline, 1)); /* no such context */
    timeline = (struct timeline_id){ .context = SCENE_CONTEXT, .ring = 64 };
    g_assert_false(renderer_virgl.fence(scene->renderer, &timeline, 2));
    timeline = (struct timeline_id){ .context = 0 };
    g_assert_false(renderer_virgl.fence(scene->renderer, &timeline, 3));
    g_assert_cmpuint(scene->nr_passed, ==, 0);
    scene_free(scene);
}

static void a_contexts_fences_pass_with_its_end(void)
{
    struct virgl_scene *scene = scene_begin();
    void *vertices;

    scene_set_up(scene, &vertices);
    scene_triangle(scene);
    g_assert_cmphex(scene_submit(scene, SCENE_CONTEXT), ==, 0);
    g_assert_true(renderer_virgl.fence(scene->renderer, &ring_0, 6));
    g_assert_true(renderer_virgl.fence(scene->renderer, &ring_0, 7));
    renderer_virgl.context_destroy(scene->renderer, SCENE_CONTEXT);
    g_assert_cmpuint(scene->nr_passed, >=, 1);
    g_assert_cmpuint(scene->passed[scene->nr_passed - 1].fence, ==, 7);
    /* The next of that id begins anew. */
    g_assert_cmphex(scene_context(scene, SCENE_CONTEXT, CAPSET_VIRGL2), ==, 0);
    scene->nr_passed = 0;
    g_assert_true(renderer_virgl.fence(scene->renderer, &ring_0, 8));
    scene_wait(scene, 1);
    g_assert_cmpuint(scene->passed[0].fence, ==, 8);
    scene_free(scene);
}

static void a_broken_context_has_fences(void)
{
    struct virgl_scene *scene = scene_begin();

    g_assert_cmphex(scene_context(scene, SCENE_CONTEXT, CAPSET_VIRGL2), ==, 0);
    stream_put(&scene->stream, UINT32_MAX);
    g_assert_cmphex(scene_submit(scene, SCENE_CONTEXT), ==, BAD);
    if (renderer_virgl.fence(scene->renderer, &ring_0, 5)) {
        scene_wait(scene, 1);
        g_assert_cmpuint(scene->passed[0].fence, ==, 5);
    }
    g_assert_true(renderer_virgl.fence(scene->renderer, &global, 6));
    scene_wait(scene, scene->nr_passed + 1);
    g_assert_cmpuint(scene->passed[scene->nr_passed - 1].fence, ==, 6);
    scene_free(scene);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (!g_test_subprocess() && !scene_is_possible())
        return 0;
#define ADD(test) g_test_add_func("/renderer_virgl/" #test, test)
    ADD(capsets_are_there);
    ADD(one_renderer_in_a_process);
    ADD(venus_is_refused_and_gl_goes_on);
    ADD(without_an_egl_driver_it_says_what_is_missing);
    ADD(without_a_gl_driver_it_says_what_is_missing);
    ADD(without_a_thread_for_fences_it_says_why);
    ADD(what_is_left_is_let_go_at_the_end);
    ADD(a_triangle_is_drawn_from_mapped_memory);
    ADD(contexts_have_ids_capsets_and_names);
    ADD(an_error_breaks_one_context_for_good);
    ADD(words_that_are_no_stream_are_refused);
    ADD(only_what_the_buffer_has_is_mapped);
    ADD(what_is_no_buffer_is_not_mapped);
    ADD(mapped_once_and_mapped_again);
    ADD(memory_outlives_the_context_that_made_it);
    ADD(blobs_of_guest_memory);
    ADD(a_blobs_buffer_can_be_looked_at);
    ADD(transfers_go_both_ways);
    ADD(transfers_beyond_the_resource_break_nothing);
    ADD(buffers_are_of_bytes);
    ADD(the_top_row_comes_first);
    ADD(other_formats_are_shown_too);
    ADD(resources_have_one_id_each);
    ADD(global_fences_pass_in_order);
    ADD(a_contexts_first_ring_has_fences);
    ADD(fences_that_cannot_be_are_refused);
    ADD(a_contexts_fences_pass_with_its_end);
    ADD(a_broken_context_has_fences);
#undef ADD
    return g_test_run();
}
