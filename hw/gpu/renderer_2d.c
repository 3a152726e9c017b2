/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The renderer without OpenGL. It keeps the pictures of 2D resources as the guest's format has
 * them, takes rows over from guest memory when told to, and converts to the screens' format when
 * somebody looks. Blobs are guest memory, and are read where they lie.
 */
#include <pixman.h>

#include "hw/gpu/renderer.h"
#include "util/annotate.h"
#include "util/iov.h"

enum { PIXEL = 4 }; /* bytes, in all of virtio-gpu's formats */

/* Guest memory behind a resource; the pieces stay the device's. */
struct backing {
    const struct iovec *iov; /* NULL: none */
    unsigned nr_iov;
    size_t size;
};

struct picture {
    pixman_image_t *image; /* NULL: a blob */
    uint64_t blob_size;
    struct backing backing;
};

struct renderer {
    GHashTable *pictures; /* by id */
};

/*
 * A format's name has its bytes in the order of their addresses (virtio 1.2, 5.7.6.8); pixman's
 * has them from the most significant one of a word, which on a little-endian host comes last.
 */
static bool find_format(uint32_t format, pixman_format_code_t *ret_format)
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

static struct picture *find(const struct renderer *renderer, uint32_t id)
{
    return g_hash_table_lookup(renderer->pictures, GUINT_TO_POINTER(id));
}

/* ---- Reading guest memory ------------------------------------------------------------------ */

/* Where in the backing the last row began, so that the next one is not looked for from the start.
 */
struct cursor {
    const struct iovec *iov;
    unsigned nr_iov;
    size_t base; /* bytes before *iov */
};

/** False: the backing ends before. Offsets do not go down. */
static bool read_row(struct cursor *cursor, uint64_t offset, void *ret_row, size_t size)
{
    while (cursor->nr_iov > 0 && offset - cursor->base >= cursor->iov->iov_len) {
        cursor->base += cursor->iov->iov_len;
        cursor->iov++;
        cursor->nr_iov--;
    }
    return iov_to_buf(cursor->iov, cursor->nr_iov, offset - cursor->base, ret_row, size) == size;
}

/* Rows in guest memory. */
struct rows {
    uint64_t offset, stride;
    uint32_t nr;
    size_t size; /* bytes of each, up to the stride or not */
};

/* Whether all of them lie in the first @limit bytes. */
static bool rows_fit(const struct rows *rows, uint64_t limit)
{
    uint64_t end;

    return rows->nr == 0 || rows->size == 0 ||
           (!__builtin_mul_overflow(rows->stride, rows->nr - 1, &end) &&
            !__builtin_add_overflow(end, rows->offset, &end) &&
            !__builtin_add_overflow(end, rows->size, &end) && end <= limit);
}

static bool rect_fits(const struct virtio_gpu_rect *rect, uint32_t width, uint32_t height)
{
    return rect->x <= width && rect->width <= width - rect->x && rect->y <= height &&
           rect->height <= height - rect->y;
}

/* ---- Resources ----------------------------------------------------------------------------- */

static void picture_free(void *opaque)
{
    struct picture *picture = opaque;

    if (picture->image)
        pixman_image_unref(picture->image);
    g_free(picture);
}

static uint32_t add(struct renderer *renderer, uint32_t id, struct picture *picture)
{
    if (id == 0 || find(renderer, id)) {
        picture_free(picture);
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    }
    g_hash_table_insert(renderer->pictures, GUINT_TO_POINTER(id), picture);
    return 0;
}

static uint32_t create_2d(void *renderer, const struct virtio_gpu_resource_create_2d *request)
{
    pixman_format_code_t format;
    struct picture *picture;
    pixman_image_t *image;

    if (!find_format(request->format, &format) || request->width == 0 || request->height == 0 ||
        request->width > INT16_MAX || request->height > INT16_MAX)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    image = pixman_image_create_bits(format, (int)request->width, (int)request->height, NULL, 0);
    if (!image)
        return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    picture = g_new0(struct picture, 1);
    picture->image = image;
    return add(renderer, request->resource_id, picture);
}

/* Only guest memory: there is no other where there is no GL. */
static uint32_t create_blob(void *renderer, const struct virtio_gpu_resource_create_blob *request,
                            struct iovec *iov, unsigned nr_iov)
{
    struct picture *picture;
    size_t size;

    if (request->blob_mem != VIRTIO_GPU_BLOB_MEM_GUEST || !iov_size(iov, nr_iov, &size) ||
        size < request->size)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    picture = g_new0(struct picture, 1);
    picture->blob_size = request->size;
    picture->backing = (struct backing){ iov, nr_iov, size };
    return add(renderer, request->resource_id, picture);
}

static void resource_unref(void *opaque, uint32_t id)
{
    struct renderer *renderer = opaque;

    g_hash_table_remove(renderer->pictures, GUINT_TO_POINTER(id));
}

static uint32_t attach_backing(void *renderer, uint32_t id, struct iovec *iov, unsigned nr_iov)
{
    struct picture *picture = find(renderer, id);
    size_t size;

    if (!picture)
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    if (picture->backing.iov)
        return VIRTIO_GPU_RESP_ERR_UNSPEC;
    if (!iov_size(iov, nr_iov, &size))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    picture->backing = (struct backing){ iov, nr_iov, size };
    return 0;
}

static void detach_backing(void *renderer, uint32_t id)
{
    struct picture *picture = find(renderer, id);

    if (picture)
        picture->backing = (struct backing){ NULL, 0, 0 };
}

/* ---- Transfers ------------------------------------------------------------------------------- */

/* The guest's rows are as long as the resource's, from the rectangle's first pixel, which lies at
 * the offset (virtio 1.2, 5.7.6.8). */
static uint32_t to_host_2d(void *renderer, const struct virtio_gpu_transfer_to_host_2d *request)
{
    const struct picture *picture = find(renderer, request->resource_id);
    const struct virtio_gpu_rect *rect = &request->r;
    struct cursor cursor;
    struct rows rows;
    size_t stride;
    uint8_t *row;

    if (!picture)
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    if (!picture->image) /* a blob is its backing: there is nothing to take over */
        return 0;
    if (!rect_fits(rect, (uint32_t)pixman_image_get_width(picture->image),
                   (uint32_t)pixman_image_get_height(picture->image)))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    rows = (struct rows){ .offset = request->offset,
                          .stride = (uint64_t)pixman_image_get_width(picture->image) * PIXEL,
                          .nr = rect->height,
                          .size = (size_t)rect->width * PIXEL };
    if (!rows_fit(&rows, picture->backing.size))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    stride = (size_t)pixman_image_get_stride(picture->image);
    row = (uint8_t *)pixman_image_get_data(picture->image) + rect->y * stride +
          (size_t)rect->x * PIXEL;
    cursor = (struct cursor){ picture->backing.iov, picture->backing.nr_iov, 0 };
    for (uint32_t i = 0; i < rows.nr && rows.size > 0; i++, row += stride) {
        if (!read_row(&cursor, rows.offset + i * rows.stride, row, rows.size))
            return VIRTIO_GPU_RESP_ERR_UNSPEC; /* not after rows_fit() */
    }
    return 0;
}

/* ---- Pictures -------------------------------------------------------------------------------- */

static void convert(pixman_image_t *from, const struct renderer_picture *wanted, uint32_t x,
                    uint32_t y, uint32_t to_row, uint32_t nr_rows, pixman_image_t *to)
{
    pixman_image_composite32(PIXMAN_OP_SRC, from, NULL, to, (int)x, (int)y, 0, 0, 0, (int)to_row,
                             (int)wanted->width, (int)nr_rows);
}

/* Row by row, through one of ours: the guest's can begin anywhere. */
static uint32_t read_blob(const struct picture *picture, const struct renderer_picture *wanted,
                          pixman_image_t *to)
{
    const struct renderer_layout *layout = wanted->layout;
    struct rows rows = { .offset = layout->offset,
                         .stride = layout->stride,
                         .nr = wanted->height,
                         .size = (size_t)wanted->width * PIXEL };
    struct cursor cursor = { picture->backing.iov, picture->backing.nr_iov, 0 };
    pixman_format_code_t format;
    g_autofree uint32_t *row = NULL;
    pixman_image_t *from;

    /* Two numbers of 32 bits, and what is added to a third: no overflow. */
    rows.offset += (uint64_t)wanted->y * layout->stride;
    if (__builtin_add_overflow(rows.offset, (uint64_t)wanted->x * PIXEL, &rows.offset) ||
        !find_format(layout->format, &format) ||
        !rows_fit(&rows, MIN(picture->blob_size, picture->backing.size)))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    row = g_try_malloc(rows.size);
    from =
        row ? pixman_image_create_bits_no_clear(format, (int)wanted->width, 1, row, (int)rows.size)
            : NULL;
    if (!from)
        return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    for (uint32_t i = 0; i < rows.nr; i++) {
        if (!read_row(&cursor, rows.offset + i * rows.stride, row, rows.size))
            break; /* not after rows_fit() */
        convert(from, wanted, 0, 0, i, 1, to);
    }
    pixman_image_unref(from);
    return 0;
}

static uint32_t read_picture(const struct picture *picture, const struct renderer_picture *wanted,
                             pixman_image_t *to)
{
    const struct virtio_gpu_rect rect = { wanted->x, wanted->y, wanted->width, wanted->height };

    if (!picture->image && !wanted->layout)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    if (!picture->image)
        return read_blob(picture, wanted, to);
    if (!rect_fits(&rect, (uint32_t)pixman_image_get_width(picture->image),
                   (uint32_t)pixman_image_get_height(picture->image)))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    convert(picture->image, wanted, wanted->x, wanted->y, 0, wanted->height, to);
    return 0;
}

static uint32_t show(void *renderer, const struct renderer_picture *wanted)
{
    const struct picture *picture = find(renderer, wanted->resource);
    pixman_image_t *to;
    uint32_t result;

    if (!picture)
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    if (wanted->width > INT16_MAX || wanted->height > INT16_MAX || wanted->stride > INT32_MAX)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    if (wanted->width == 0 || wanted->height == 0)
        return 0;
    to = pixman_image_create_bits_no_clear(PIXMAN_a8r8g8b8, (int)wanted->width, (int)wanted->height,
                                           wanted->pixels, (int)wanted->stride);
    if (!to)
        return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    result = read_picture(picture, wanted, to);
    pixman_image_unref(to);
    return result;
}

/* ---- The renderer ---------------------------------------------------------------------------- */

static bool start(const struct renderer_host *host UNUSED, bool want_venus UNUSED,
                  void **ret_renderer, struct renderer_caps *ret_caps, GError **error UNUSED)
{
    struct renderer *renderer = g_new0(struct renderer, 1);

    renderer->pictures = g_hash_table_new_full(NULL, NULL, NULL, picture_free);
    *ret_caps = (struct renderer_caps){ .name = "pixman " PIXMAN_VERSION_STRING };
    *ret_renderer = renderer;
    return true;
}

static void stop(void *opaque)
{
    struct renderer *renderer = opaque;

    g_hash_table_destroy(renderer->pictures);
    g_free(renderer);
}

const struct renderer_ops renderer_2d = {
    .name = "2d",
    .start = start,
    .stop = stop,
    .create_2d = create_2d,
    .create_blob = create_blob,
    .resource_unref = resource_unref,
    .attach_backing = attach_backing,
    .detach_backing = detach_backing,
    .to_host_2d = to_host_2d,
    .read = show,
};
