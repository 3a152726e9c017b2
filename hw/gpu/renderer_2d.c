/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The renderer without OpenGL. It keeps the pictures of 2D resources as the guest's format has
 * them, takes rows over from guest memory when told to, and converts to the screens' format when
 * somebody looks. Blobs are guest memory, and are read where they lie.
 */
#include "hw/gpu/picture.h"
#include "hw/gpu/renderer.h"
#include "util/annotate.h"
#include "util/iov.h"

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

static struct picture *find(const struct renderer *renderer, uint32_t id)
{
    return g_hash_table_lookup(renderer->pictures, GUINT_TO_POINTER(id));
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

    if (!picture_format(request->format, &format) || request->width == 0 || request->height == 0 ||
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

/* ---- Transfers ----------------------------------------------------------------------------- */

/* The guest's rows are as long as the resource's, from the rectangle's first pixel, which lies at
 * the offset (virtio 1.2, 5.7.6.8). */
static uint32_t to_host_2d(void *renderer, const struct virtio_gpu_transfer_to_host_2d *request)
{
    const struct picture *picture = find(renderer, request->resource_id);
    const struct virtio_gpu_rect *rect = &request->r;
    struct picture_cursor cursor;
    struct picture_rows rows;
    size_t stride;
    uint8_t *row;

    if (!picture)
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    if (!picture->image) /* a blob is its backing: there is nothing to take over */
        return 0;
    if (!rect_fits(rect, (uint32_t)pixman_image_get_width(picture->image),
                   (uint32_t)pixman_image_get_height(picture->image)))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    rows = (struct picture_rows){ .offset = request->offset,
                                  .stride = (uint64_t)pixman_image_get_width(picture->image) *
                                            PICTURE_PIXEL,
                                  .nr = rect->height,
                                  .size = (size_t)rect->width * PICTURE_PIXEL };
    if (!picture_rows_fit(&rows, picture->backing.size))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    stride = (size_t)pixman_image_get_stride(picture->image);
    row = (uint8_t *)pixman_image_get_data(picture->image) + rect->y * stride +
          (size_t)rect->x * PICTURE_PIXEL;
    cursor = (struct picture_cursor){ picture->backing.iov, picture->backing.nr_iov, 0 };
    for (uint32_t i = 0; i < rows.nr && rows.size > 0; i++, row += stride) {
        if (!picture_read_row(&cursor, rows.offset + i * rows.stride, row, rows.size))
            return VIRTIO_GPU_RESP_ERR_UNSPEC; /* not after picture_rows_fit() */
    }
    return 0;
}

/* ---- Pictures ------------------------------------------------------------------------------ */

/* Out of the picture that we keep. */
static uint32_t show_image(pixman_image_t *image, const struct renderer_picture *wanted)
{
    const struct virtio_gpu_rect rect = { wanted->x, wanted->y, wanted->width, wanted->height };
    const uint32_t stride = (uint32_t)pixman_image_get_stride(image);
    uint32_t *pixels = pixman_image_get_data(image);

    if (!rect_fits(&rect, (uint32_t)pixman_image_get_width(image),
                   (uint32_t)pixman_image_get_height(image)))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    if (wanted->width == 0 || wanted->height == 0)
        return 0;
    pixels += (size_t)wanted->y * stride / PICTURE_PIXEL + wanted->x;
    return picture_convert(wanted, pixman_image_get_format(image), pixels, stride);
}

static uint32_t show(void *renderer, const struct renderer_picture *wanted)
{
    const struct picture *picture = find(renderer, wanted->resource);

    if (!picture)
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    if (picture->image)
        return show_image(picture->image, wanted);
    if (!wanted->layout)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    return picture_read(picture->backing.iov, picture->backing.nr_iov,
                        MIN(picture->blob_size, picture->backing.size), wanted);
}

/* ---- The renderer -------------------------------------------------------------------------- */

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
