/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pictures for screens and cursors. The library reads a rectangle of a texture, top row first
 * whichever way it is stored, in the texture's own format; pixman makes a8r8g8b8 of it. Blobs of
 * guest memory and buffers have no format but the one that the scanout says.
 */
#include <string.h>
#include <virglrenderer.h>

#include "hw/gpu/picture.h"
#include "hw/gpu/virgl.h"

/* The struct has grown in 1.0, under the same soname: there is room behind ours. */
union virgl_info {
    struct virgl_renderer_resource_info info;
    uint8_t room[128];
};

/* Of textures, what virtio has no name for: a guest's GL draws to them all the same. Numbers of
 * virgl's protocol, named like virtio's. Colours of sRGB are shown as they are stored. */
static bool find_format(uint32_t format, pixman_format_code_t *ret_format)
{
    enum { B5G6R5 = 7, R10G10B10A2 = 8, B8G8R8A8_SRGB = 100, B8G8R8X8_SRGB, R8G8B8A8_SRGB = 104 };

    switch (format) {
    case B5G6R5:
        *ret_format = PIXMAN_r5g6b5;
        return true;
    case R10G10B10A2:
        *ret_format = PIXMAN_a2b10g10r10;
        return true;
    case B8G8R8A8_SRGB:
        *ret_format = PIXMAN_a8r8g8b8;
        return true;
    case B8G8R8X8_SRGB:
        *ret_format = PIXMAN_x8r8g8b8;
        return true;
    case R8G8B8A8_SRGB:
        *ret_format = PIXMAN_a8b8g8r8;
        return true;
    default:
        return picture_format(format, ret_format);
    }
}

static bool is_inside(const struct renderer_picture *wanted, uint32_t width, uint32_t height)
{
    return wanted->x <= width && wanted->width <= width - wanted->x && wanted->y <= height &&
           wanted->height <= height - wanted->y;
}

/* Rows of the texture's format, into @pixels of @stride bytes a row. */
static uint32_t read_texture(const struct renderer_picture *wanted, void *pixels, uint32_t stride)
{
    struct virtio_gpu_box box = {
        .x = wanted->x, .y = wanted->y, .w = wanted->width, .h = wanted->height, .d = 1
    };
    struct iovec iov = { .iov_base = pixels, .iov_len = (size_t)stride * wanted->height };

    return virgl_response(virgl_renderer_transfer_read_iov(wanted->resource, 0, 0, stride, 0,
                                                           (struct virgl_box *)&box, 0, &iov, 1));
}

/* What the format has no alpha for is opaque. Eight at a time: gcc does not see to that by itself.
 */
static void make_opaque(const struct renderer_picture *wanted)
{
    typedef uint32_t eight __attribute__((vector_size(32), aligned(4)));
    enum { NR = sizeof(eight) / sizeof(uint32_t) };
    const uint32_t alpha = UINT32_C(0xff) << 24;
    uint32_t *row = wanted->pixels, x;

    for (uint32_t y = 0; y < wanted->height; y++, row += wanted->stride / PICTURE_PIXEL) {
        for (x = 0; x + NR <= wanted->width; x += NR)
            *(eight *)(row + x) |= alpha;
        for (; x < wanted->width; x++)
            row[x] |= alpha;
    }
}

/* The screens' own formats, which Linux's consoles and compositors have, need no second copy. */
static uint32_t show_texture(struct virgl *virgl, pixman_format_code_t format,
                             const struct renderer_picture *wanted)
{
    size_t stride, size;
    uint32_t error;

    if (format == PIXMAN_a8r8g8b8 || format == PIXMAN_x8r8g8b8) {
        error = read_texture(wanted, wanted->pixels, wanted->stride);
        if (!error && format == PIXMAN_x8r8g8b8)
            make_opaque(wanted);
        return error;
    }
    stride = ((size_t)wanted->width * PIXMAN_FORMAT_BPP(format) / 8 + 3) & ~(size_t)3;
    size = stride * wanted->height;
    if (size > virgl->row_size) {
        g_free(virgl->row);
        virgl->row = g_try_malloc(size);
        virgl->row_size = virgl->row ? size : 0;
        if (!virgl->row)
            return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    }
    error = read_texture(wanted, virgl->row, (uint32_t)stride);
    return error ? error : picture_convert(wanted, format, virgl->row, (uint32_t)stride);
}

/* A buffer of the host's that is shown as if it were a picture: mapped for as long as it takes,
 * unless it is. */
static uint32_t show_buffer(struct virgl *virgl, const struct virgl_resource *resource,
                            const struct renderer_picture *wanted)
{
    struct iovec iov = { .iov_base = resource->host, .iov_len = resource->host_size };
    uint32_t map_info, error;

    if (!resource->host) {
        error = virgl_map(virgl, resource->id, resource->blob_size, &iov.iov_base, &map_info);
        if (error)
            return error;
        iov.iov_len = resource->blob_size;
        error = picture_read(&iov, 1, iov.iov_len, wanted);
        virgl_unmap(virgl, resource->id);
        return error;
    }
    return picture_read(&iov, 1, iov.iov_len, wanted);
}

static uint32_t show_host(struct virgl *virgl, const struct virgl_resource *resource,
                          const struct renderer_picture *wanted)
{
    union virgl_info found = { .room = { 0 } };
    const struct virgl_renderer_resource_info *info = &found.info;
    pixman_format_code_t format;

    if (virgl_renderer_resource_get_info((int)wanted->resource, &found.info) != 0)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    if (is_inside(wanted, info->width, info->height) && find_format(info->virgl_format, &format))
        return show_texture(virgl, format, wanted);
    /* The library does not say whether it is one; a texture that is none of ours is not mapped. */
    return resource->is_blob ? show_buffer(virgl, resource, wanted)
                             : VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
}

uint32_t virgl_read(void *renderer, const struct renderer_picture *wanted)
{
    struct virgl *virgl = renderer;
    const struct virgl_resource *resource = virgl_find(virgl, wanted->resource);

    if (!resource)
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    if (resource->is_soft)
        return renderer_2d.read(virgl->soft, wanted);
    if (resource->is_blob ? !wanted->layout : !resource->is_flat)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    if (wanted->width == 0 || wanted->height == 0)
        return 0;
    if (resource->is_blob && resource->blob_mem == VIRTIO_GPU_BLOB_MEM_GUEST)
        return picture_read(resource->iov, resource->nr_iov,
                            MIN(resource->blob_size, resource->backing_size), wanted);
    return show_host(virgl, resource, wanted);
}
