/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/gpu/picture.h"
#include "util/iov.h"

/*
 * A format's name has its bytes in the order of their addresses (virtio 1.2, 5.7.6.8); pixman's
 * has them from the most significant one of a word, which on a little-endian host comes last.
 */
bool picture_format(uint32_t format, pixman_format_code_t *ret_format)
{
    static const struct {
        uint32_t ours;
        pixman_format_code_t pixmans;
    } formats[] = {
        { VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, PIXMAN_a8r8g8b8 },
        { VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, PIXMAN_x8r8g8b8 },
        { VIRTIO_GPU_FORMAT_A8R8G8B8_UNORM, PIXMAN_b8g8r8a8 },
        { VIRTIO_GPU_FORMAT_X8R8G8B8_UNORM, PIXMAN_b8g8r8x8 },
        { VIRTIO_GPU_FORMAT_R8G8B8A8_UNORM, PIXMAN_a8b8g8r8 },
        { VIRTIO_GPU_FORMAT_X8B8G8R8_UNORM, PIXMAN_r8g8b8x8 },
        { VIRTIO_GPU_FORMAT_A8B8G8R8_UNORM, PIXMAN_r8g8b8a8 },
        { VIRTIO_GPU_FORMAT_R8G8B8X8_UNORM, PIXMAN_x8b8g8r8 },
    };
    _Static_assert(G_BYTE_ORDER == G_LITTLE_ENDIAN, "else the table is the other way round");

    for (size_t i = 0; i < G_N_ELEMENTS(formats); i++) {
        if (formats[i].ours != format)
            continue;
        *ret_format = formats[i].pixmans;
        return true;
    }
    return false;
}

bool picture_read_row(struct picture_cursor *cursor, uint64_t offset, void *ret_row, size_t size)
{
    while (cursor->nr_iov > 0 && offset - cursor->base >= cursor->iov->iov_len) {
        cursor->base += cursor->iov->iov_len;
        cursor->iov++;
        cursor->nr_iov--;
    }
    return iov_to_buf(cursor->iov, cursor->nr_iov, offset - cursor->base, ret_row, size) == size;
}

bool picture_rows_fit(const struct picture_rows *rows, uint64_t limit)
{
    uint64_t end;

    return rows->nr == 0 || rows->size == 0 ||
           (!__builtin_mul_overflow(rows->stride, rows->nr - 1, &end) &&
            !__builtin_add_overflow(end, rows->offset, &end) &&
            !__builtin_add_overflow(end, rows->size, &end) && end <= limit);
}

static pixman_image_t *open_target(const struct renderer_picture *wanted)
{
    return pixman_image_create_bits_no_clear(PIXMAN_a8r8g8b8, (int)wanted->width,
                                             (int)wanted->height, wanted->pixels,
                                             (int)wanted->stride);
}

static bool has_size(const struct renderer_picture *wanted)
{
    return wanted->width <= INT16_MAX && wanted->height <= INT16_MAX && wanted->stride <= INT32_MAX;
}

uint32_t picture_convert(const struct renderer_picture *wanted, pixman_format_code_t format,
                         uint32_t *pixels, uint32_t stride)
{
    pixman_image_t *from, *to;

    if (!has_size(wanted) || stride > INT32_MAX)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    from = pixman_image_create_bits_no_clear(format, (int)wanted->width, (int)wanted->height,
                                             pixels, (int)stride);
    to = open_target(wanted);
    if (from && to)
        pixman_image_composite32(PIXMAN_OP_SRC, from, NULL, to, 0, 0, 0, 0, 0, 0,
                                 (int)wanted->width, (int)wanted->height);
    if (from)
        pixman_image_unref(from);
    if (to)
        pixman_image_unref(to);
    return from && to ? 0 : VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
}

/* Row by row, through one of ours: the guest's can begin anywhere. */
static uint32_t read_rows(const struct iovec *iov, unsigned nr_iov, const struct picture_rows *rows,
                          const struct renderer_picture *wanted, pixman_format_code_t format)
{
    struct picture_cursor cursor = { iov, nr_iov, 0 };
    g_autofree uint32_t *row = g_try_malloc(rows->size);
    struct renderer_picture one = *wanted;
    uint32_t error = 0;

    if (!row)
        return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    one.height = 1;
    for (uint32_t i = 0; i < rows->nr && !error; i++) {
        if (!picture_read_row(&cursor, rows->offset + i * rows->stride, row, rows->size))
            return VIRTIO_GPU_RESP_ERR_UNSPEC; /* not after picture_rows_fit() */
        error = picture_convert(&one, format, row, (uint32_t)rows->size);
        one.pixels += one.stride / PICTURE_PIXEL;
    }
    return error;
}

uint32_t picture_read(const struct iovec *iov, unsigned nr_iov, uint64_t size,
                      const struct renderer_picture *wanted)
{
    const struct renderer_layout *layout = wanted->layout;
    struct picture_rows rows = { .offset = layout->offset,
                                 .stride = layout->stride,
                                 .nr = wanted->height,
                                 .size = (size_t)wanted->width * PICTURE_PIXEL };
    pixman_format_code_t format;

    if (wanted->width == 0 || wanted->height == 0)
        return 0;
    /* Two numbers of 32 bits, and what is added to a third: no overflow. */
    rows.offset += (uint64_t)wanted->y * layout->stride;
    if (__builtin_add_overflow(rows.offset, (uint64_t)wanted->x * PICTURE_PIXEL, &rows.offset) ||
        !picture_format(layout->format, &format) || !picture_rows_fit(&rows, size) ||
        !has_size(wanted))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    return read_rows(iov, nr_iov, &rows, wanted, format);
}
