/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "hw/gpu/renderer.h"
#include "util/atomic.h"

/* What both renderers do alike: renderer_virgl has a build of its own. */
#ifndef TESTED
#define TESTED renderer_2d
#endif

enum { ID = 7, WIDTH = 5, HEIGHT = 4, PIECES = 64 };

/* A renderer, and guest memory in pieces that each have a page of their own, so that a sanitizer
 * sees what reaches beyond. */
struct setting {
    void *renderer;
    struct iovec iov[PIECES];
    unsigned nr_iov;
};

static struct setting begin(void)
{
    struct setting setting = { .nr_iov = 0 };
    struct renderer_caps caps;
    g_autoptr(GError) error = NULL;

    g_assert_true(TESTED.start(NULL, false, &setting.renderer, &caps, &error));
    g_assert_no_error(error);
    g_assert_cmpint(caps.has_gl, ==, TESTED.map != NULL);
    g_assert_cmpint(caps.nr_capsets > 0, ==, caps.has_gl);
    return setting;
}

static void forget_memory(struct setting *setting)
{
    for (unsigned i = 0; i < setting->nr_iov; i++)
        g_free(setting->iov[i].iov_base);
    setting->nr_iov = 0;
}

static void end(struct setting *setting)
{
    TESTED.stop(setting->renderer);
    forget_memory(setting);
}

/* @size bytes, of @first, @first + 1 …, in pieces of @piece. */
static void remember(struct setting *setting, size_t size, size_t piece, uint8_t first)
{
    forget_memory(setting);
    for (size_t at = 0; at < size; at += piece) {
        struct iovec *iov = &setting->iov[setting->nr_iov++];

        g_assert_cmpuint(setting->nr_iov, <=, PIECES);
        iov->iov_len = MIN(piece, size - at);
        iov->iov_base = g_malloc(iov->iov_len);
        for (size_t i = 0; i < iov->iov_len; i++)
            ((uint8_t *)iov->iov_base)[i] = (uint8_t)(first + at + i);
    }
}

static uint32_t create(struct setting *setting, uint32_t format, uint32_t width, uint32_t height)
{
    const struct virtio_gpu_resource_create_2d request = {
        .resource_id = ID, .format = format, .width = width, .height = height
    };

    return TESTED.create_2d(setting->renderer, &request);
}

static void must_create(struct setting *setting, uint32_t format, uint32_t width, uint32_t height)
{
    g_assert_cmphex(create(setting, format, width, height), ==, 0);
}

static void attach(struct setting *setting)
{
    g_assert_cmphex(TESTED.attach_backing(setting->renderer, ID, setting->iov, setting->nr_iov), ==,
                    0);
}

static uint32_t transfer(struct setting *setting, uint32_t x, uint32_t y, uint32_t width,
                         uint32_t height, uint64_t offset)
{
    const struct virtio_gpu_transfer_to_host_2d request = { .resource_id = ID,
                                                            .r = { x, y, width, height },
                                                            .offset = offset };

    return TESTED.to_host_2d(setting->renderer, &request);
}

static uint32_t create_blob(struct setting *setting, uint64_t size)
{
    const struct virtio_gpu_resource_create_blob request = {
        .resource_id = ID,
        .blob_mem = VIRTIO_GPU_BLOB_MEM_GUEST,
        .size = size,
    };

    return TESTED.create_blob(setting->renderer, &request, setting->iov, setting->nr_iov);
}

static uint32_t look(struct setting *setting, const struct renderer_layout *layout, uint32_t x,
                     uint32_t y, uint32_t width, uint32_t height, uint32_t *ret_pixels)
{
    const struct renderer_picture picture = { .resource = ID,
                                              .layout = layout,
                                              .x = x,
                                              .y = y,
                                              .width = width,
                                              .height = height,
                                              .pixels = ret_pixels,
                                              .stride = width * 4 };

    return TESTED.read(setting->renderer, &picture);
}

/* ---- 2D resources -------------------------------------------------------------------------- */

static const struct {
    uint32_t format, pixel; /* that the bytes 1, 2, 3, 4 are */
} formats[] = {
    { VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, 0x04030201 },
    { VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, 0xff030201 },
    { VIRTIO_GPU_FORMAT_A8R8G8B8_UNORM, 0x01020304 },
    { VIRTIO_GPU_FORMAT_X8R8G8B8_UNORM, 0xff020304 },
    { VIRTIO_GPU_FORMAT_R8G8B8A8_UNORM, 0x04010203 },
    { VIRTIO_GPU_FORMAT_X8B8G8R8_UNORM, 0xff040302 },
    { VIRTIO_GPU_FORMAT_A8B8G8R8_UNORM, 0x01040302 },
    { VIRTIO_GPU_FORMAT_R8G8B8X8_UNORM, 0xff010203 },
};

static void bytes_of_each_format_are_its_colours(void)
{
    for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
        const struct renderer_layout layout = { formats[i].format, 1, 1, 4, 0 };
        struct setting setting = begin();
        uint32_t pixel;

        must_create(&setting, formats[i].format, 1, 1);
        remember(&setting, 4, 4, 1);
        attach(&setting);
        g_assert_cmphex(transfer(&setting, 0, 0, 1, 1, 0), ==, 0);
        g_assert_cmphex(look(&setting, NULL, 0, 0, 1, 1, &pixel), ==, 0);
        g_assert_cmphex(pixel, ==, formats[i].pixel);
        TESTED.resource_unref(setting.renderer, ID);
        g_assert_cmphex(create_blob(&setting, 4), ==, 0);
        g_assert_cmphex(look(&setting, &layout, 0, 0, 1, 1, &pixel), ==, 0);
        g_assert_cmphex(pixel, ==, formats[i].pixel);
        end(&setting);
    }
}

static void a_new_picture_is_black(void)
{
    struct setting setting = begin();
    uint32_t pixels[WIDTH * HEIGHT];

    must_create(&setting, VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, WIDTH, HEIGHT);
    g_assert_cmphex(look(&setting, NULL, 0, 0, WIDTH, HEIGHT, pixels), ==, 0);
    for (unsigned i = 0; i < ARRAY_SIZE(pixels); i++)
        g_assert_cmphex(pixels[i], ==, 0);
    end(&setting);
}

static uint32_t word_at(unsigned byte)
{
    const uint8_t bytes[4] = { (uint8_t)byte, (uint8_t)(byte + 1), (uint8_t)(byte + 2),
                               (uint8_t)(byte + 3) };
    uint32_t word;

    memcpy(&word, bytes, sizeof(word));
    return word;
}

/* Pixel by pixel against the specification's rule, however the memory is cut. */
static void transfers_take_rows_of_the_resources_width(void)
{
    static const size_t pieces[] = { 1, 3, 4, 7, 20, 64 };
    enum { X = 1, Y = 2, W = 3, H = 2, OFFSET = 5 };

    for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
        struct setting setting = begin();
        uint32_t pixels[WIDTH * HEIGHT];

        must_create(&setting, VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, WIDTH, HEIGHT);
        remember(&setting, 60, pieces[i], 0x80);
        attach(&setting);
        g_assert_cmphex(transfer(&setting, X, Y, W, H, OFFSET), ==, 0);
        g_assert_cmphex(look(&setting, NULL, 0, 0, WIDTH, HEIGHT, pixels), ==, 0);
        for (unsigned y = 0; y < HEIGHT; y++) {
            for (unsigned x = 0; x < WIDTH; x++) {
                bool is_inside = x - X < W && y - Y < H;

                g_assert_cmphex(
                    pixels[y * WIDTH + x], ==,
                    is_inside ? word_at(0x80 + OFFSET + (y - Y) * WIDTH * 4 + (x - X) * 4) : 0);
            }
        }
        g_assert_cmphex(look(&setting, NULL, X, Y, 1, 2, pixels), ==, 0);
        g_assert_cmphex(pixels[0], ==, word_at(0x80 + OFFSET));
        g_assert_cmphex(pixels[1], ==, word_at(0x80 + OFFSET + WIDTH * 4));
        end(&setting);
    }
}

static void what_has_no_alpha_is_opaque(void)
{
    enum { WIDE = 19, ROWS = 2 };
    struct setting setting = begin();
    uint32_t pixels[WIDE * ROWS];

    must_create(&setting, VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, WIDE, ROWS);
    remember(&setting, sizeof(pixels), 64, 1);
    attach(&setting);
    g_assert_cmphex(transfer(&setting, 0, 0, WIDE, ROWS, 0), ==, 0);
    g_assert_cmphex(look(&setting, NULL, 0, 0, WIDE, ROWS, pixels), ==, 0);
    for (unsigned i = 0; i < ARRAY_SIZE(pixels); i++)
        g_assert_cmphex(pixels[i], ==, word_at(1 + i * 4) | 0xff000000);
    g_assert_cmphex(look(&setting, NULL, 9, 1, 9, 1, pixels), ==, 0);
    for (unsigned i = 0; i < 9; i++)
        g_assert_cmphex(pixels[i], ==, word_at(1 + (WIDE + 9 + i) * 4) | 0xff000000);
    end(&setting);
}

static void rows_beyond_the_backing_are_refused_whole(void)
{
    static const struct {
        uint32_t width, height;
        uint64_t offset;
        bool is_good;
    } cases[] = {
        { WIDTH, HEIGHT, 0, true },
        { WIDTH, HEIGHT, 1, false },
        { 1, 1, 76, true },
        { 1, 1, 77, false },
        { 1, 2, 56, true },
        { 1, 2, 57, false },
        { 2, 1, 76, false },
        { 1, 1, 80, false },
        { 1, 1, UINT64_MAX, false },
        { 1, 1, UINT64_MAX - 3, false },
        { 1, HEIGHT, UINT64_MAX - 60, false },
        { 1, 1, UINT64_C(1) << 32, false },
        { 0, 1, UINT64_MAX, true }, /* nothing is read */
        { 1, 0, UINT64_MAX, true },
    };
    struct setting setting = begin();
    uint32_t pixels[WIDTH * HEIGHT];

    must_create(&setting, VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, WIDTH, HEIGHT);
    remember(&setting, WIDTH * HEIGHT * 4, 16, 1);
    attach(&setting);
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        g_assert_cmphex(transfer(&setting, 0, 0, cases[i].width, cases[i].height, cases[i].offset),
                        ==, cases[i].is_good ? 0 : VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    g_assert_cmphex(look(&setting, NULL, 0, 0, WIDTH, HEIGHT, pixels), ==, 0);
    g_assert_cmphex(pixels[WIDTH * HEIGHT - 1], ==, word_at(1 + 76)); /* of the first case */
    end(&setting);
}

static void rectangles_outside_the_picture_are_refused(void)
{
    static const struct virtio_gpu_rect rects[] = {
        { WIDTH, 0, 1, 1 },      { 0, HEIGHT, 1, 1 },     { 0, 0, WIDTH + 1, 1 },
        { 0, 0, 1, HEIGHT + 1 }, { UINT32_MAX, 0, 1, 1 }, { 0, UINT32_MAX, 1, 1 },
        { 1, 1, UINT32_MAX, 1 }, { 1, 1, 1, UINT32_MAX }, { 2, 0, WIDTH - 1, 1 },
        { UINT32_MAX, 0, 2, 1 }, { 0, UINT32_MAX, 1, 2 },
    };
    struct setting setting = begin();
    uint32_t pixels[WIDTH * HEIGHT];

    must_create(&setting, VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, WIDTH, HEIGHT);
    remember(&setting, WIDTH * HEIGHT * 4, 16, 1);
    attach(&setting);
    for (size_t i = 0; i < ARRAY_SIZE(rects); i++) {
        const struct virtio_gpu_rect *rect = &rects[i];

        g_assert_cmphex(transfer(&setting, rect->x, rect->y, rect->width, rect->height, 0), ==,
                        VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
        g_assert_cmphex(look(&setting, NULL, rect->x, rect->y, rect->width, rect->height, pixels),
                        ==, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    }
    end(&setting);
}

static void what_is_detached_is_not_read(void)
{
    struct setting setting = begin();

    must_create(&setting, VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, WIDTH, HEIGHT);
    g_assert_cmphex(transfer(&setting, 0, 0, 1, 1, 0), ==, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    remember(&setting, WIDTH * HEIGHT * 4, 16, 1);
    attach(&setting);
    g_assert_cmphex(TESTED.attach_backing(setting.renderer, ID, setting.iov, setting.nr_iov), ==,
                    VIRTIO_GPU_RESP_ERR_UNSPEC);
    g_assert_cmphex(transfer(&setting, 0, 0, 1, 1, 0), ==, 0);
    TESTED.detach_backing(setting.renderer, ID);
    forget_memory(&setting);
    g_assert_cmphex(transfer(&setting, 0, 0, 1, 1, 0), ==, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
    remember(&setting, WIDTH * HEIGHT * 4, 16, 1);
    attach(&setting);
    g_assert_cmphex(transfer(&setting, 0, 0, 1, 1, 0), ==, 0);
    end(&setting);
}

static void what_does_not_exist_is_an_error(void)
{
    enum { BAD_ID = VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID };
    enum { BAD = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER };
    struct setting setting = begin();
    uint32_t pixel;

    g_assert_cmphex(transfer(&setting, 0, 0, 1, 1, 0), ==, BAD_ID);
    g_assert_cmphex(look(&setting, NULL, 0, 0, 1, 1, &pixel), ==, BAD_ID);
    g_assert_cmphex(TESTED.attach_backing(setting.renderer, ID, NULL, 0), ==, BAD_ID);
    TESTED.detach_backing(setting.renderer, ID);
    TESTED.resource_unref(setting.renderer, ID);
    g_assert_cmphex(create(&setting, 0, 1, 1), ==, BAD);
    g_assert_cmphex(create(&setting, 5, 1, 1), ==, BAD);
    g_assert_cmphex(create(&setting, UINT32_MAX, 1, 1), ==, BAD);
    g_assert_cmphex(create(&setting, VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, 0, 1), ==, BAD);
    g_assert_cmphex(create(&setting, VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, 1, 0), ==, BAD);
    g_assert_cmphex(create(&setting, VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, UINT32_MAX, 1), ==, BAD);
    must_create(&setting, VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, 1, 1);
    g_assert_cmphex(create(&setting, VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, 1, 1), ==, BAD_ID);
    end(&setting);
}

/* ---- Blobs --------------------------------------------------------------------------------- */

static void a_blob_is_read_where_it_lies(void)
{
    const struct renderer_layout layout = { VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, 3, 2, 17, 5 };
    static const size_t pieces[] = { 1, 3, 8, 40 };

    for (size_t i = 0; i < ARRAY_SIZE(pieces); i++) {
        struct setting setting = begin();
        uint32_t pixels[6];

        remember(&setting, 40, pieces[i], 0);
        g_assert_cmphex(create_blob(&setting, 40), ==, 0);
        g_assert_cmphex(look(&setting, &layout, 0, 0, 3, 2, pixels), ==, 0);
        for (unsigned pixel = 0; pixel < 6; pixel++)
            g_assert_cmphex(pixels[pixel], ==, word_at(5 + pixel / 3 * 17 + pixel % 3 * 4));
        g_assert_cmphex(transfer(&setting, 0, 0, 3, 2, 0), ==, 0); /* nothing to do */
        memset(setting.iov[0].iov_base, 0xaa, setting.iov[0].iov_len);
        g_assert_cmphex(look(&setting, &layout, 2, 1, 1, 1, pixels), ==, 0);
        g_assert_cmphex(pixels[0], ==, pieces[i] == 40 ? 0xaaaaaaaa : word_at(5 + 17 + 8));
        end(&setting);
    }
}

static void what_lies_outside_a_blob_is_refused(void)
{
    enum { RGB = VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, GOOD = 0 };
    enum { BAD = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER };
    static const struct {
        struct renderer_layout layout;
        uint32_t width, height, result;
    } cases[] = {
        { { RGB, 1, 1, 4, 36 }, 1, 1, GOOD },
        { { RGB, 1, 1, 4, 37 }, 1, 1, BAD },
        { { RGB, 1, 2, 20, 16 }, 1, 2, GOOD },
        { { RGB, 1, 2, 21, 16 }, 1, 2, BAD },
        { { RGB, 1, 2, 20, 16 }, 1, 3, BAD },
        { { RGB, 1, 4, 0, 36 }, 1, 4, GOOD }, /* rows on each other */
        { { RGB, 1, 1, 4, UINT32_MAX }, 1, 1, BAD },
        { { RGB, 1, 2, UINT32_MAX, 0 }, 1, 2, BAD },
        { { RGB, 1, 2, UINT32_MAX, UINT32_MAX }, 1, 2, BAD },
        { { 0, 1, 1, 4, 0 }, 1, 1, BAD },
        { { RGB, 16384, 1, 4, 0 }, 16384, 1, BAD },
    };
    g_autofree uint32_t *pixels = g_new(uint32_t, 16384);
    struct setting setting = begin();

    remember(&setting, 64, 16, 0);
    g_assert_cmphex(create_blob(&setting, 65), ==, BAD);
    g_assert_cmphex(create_blob(&setting, UINT64_MAX), ==, BAD);
    g_assert_cmphex(create_blob(&setting, 40), ==, GOOD); /* the rest is none of it */
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        g_assert_cmphex(
            look(&setting, &cases[i].layout, 0, 0, cases[i].width, cases[i].height, pixels), ==,
            cases[i].result);
    g_assert_cmphex(look(&setting, &cases[0].layout, UINT32_MAX, UINT32_MAX, 1, 1, pixels), ==,
                    BAD);
    g_assert_cmphex(look(&setting, NULL, 0, 0, 1, 1, pixels), ==, BAD);
    end(&setting);
}

/* Whether there is one here. */
static bool can_start(void)
{
    g_autoptr(GError) error = NULL;
    struct renderer_caps caps;
    void *renderer;

    if (THREAD_SANITIZER && TESTED.map) {
        g_print("1..0 # SKIP the thread sanitizer does not see into GL drivers\n");
        return false;
    }
    if (!TESTED.start(NULL, false, &renderer, &caps, &error)) {
        g_print("1..0 # SKIP %s\n", error->message);
        return false;
    }
    TESTED.stop(renderer);
    return true;
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    if (!can_start())
        return 0;
#define ADD(test) g_test_add_func("/renderer_2d/" #test, test)
    ADD(bytes_of_each_format_are_its_colours);
    ADD(a_new_picture_is_black);
    ADD(transfers_take_rows_of_the_resources_width);
    ADD(what_has_no_alpha_is_opaque);
    ADD(rows_beyond_the_backing_are_refused_whole);
    ADD(rectangles_outside_the_picture_are_refused);
    ADD(what_is_detached_is_not_read);
    ADD(what_does_not_exist_is_an_error);
    ADD(a_blob_is_read_where_it_lies);
    ADD(what_lies_outside_a_blob_is_refused);
#undef ADD
    return g_test_run();
}
