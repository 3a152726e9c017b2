/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Transfers between a resource and its backing. What the library finds wrong with one breaks the
 * context in which it is done; context 0, which all 2D commands share, must never be broken, so
 * what can be checked is checked here first.
 */
#include <virglrenderer.h>

#include "hw/gpu/virgl.h"

enum { TARGET_3D = 3 }; /* of virgl's protocol: PIPE_TEXTURE_3D; others have layers */

static uint32_t at_level(uint32_t size, uint32_t level)
{
    const uint32_t smaller = level < 32 ? size >> level : 0;

    return smaller ? smaller : 1;
}

static bool is_inside(uint32_t at, uint32_t size, uint32_t of)
{
    return size > 0 && at <= of && size <= of - at;
}

static bool box_fits(const struct virgl_resource *resource, const struct virtio_gpu_box *box,
                     uint32_t level)
{
    const uint32_t layers = resource->target == TARGET_3D ? at_level(resource->depth, level)
                                                          : MAX(resource->array_size, 1);

    return level <= resource->last_level &&
           is_inside(box->x, box->w, at_level(resource->width, level)) &&
           is_inside(box->y, box->h, at_level(resource->height, level)) &&
           is_inside(box->z, box->d, layers);
}

/* Whether the last row begins inside the backing; where it ends, the library knows by the format.
 */
static bool backing_reaches(const struct virgl_resource *resource,
                            const struct virtio_gpu_transfer_host_3d *request)
{
    const struct virtio_gpu_box *box = &request->box;
    const uint64_t rows = (uint64_t)request->stride * (box->h - 1);
    const uint64_t layers = (uint64_t)request->layer_stride * (box->d - 1);
    uint64_t last;

    return !__builtin_add_overflow(rows, layers, &last) &&
           !__builtin_add_overflow(last, request->offset, &last) && last < resource->backing_size;
}

/* Of blobs we do not know the size: it is the command stream that made them. They have no
 * transfers but in streams, except through a context, which is the guest's to break. */
static uint32_t check(const struct virgl *virgl, const struct virgl_resource *resource,
                      const struct virtio_gpu_transfer_host_3d *request)
{
    const uint32_t context = request->hdr.ctx_id;

    if (!resource)
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    if (context && !virgl_find_context(virgl, context))
        return VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
    if (!resource->iov) /* nor has renderer_2d any for us */
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    if (resource->is_blob)
        return context && request->box.h && request->box.d && backing_reaches(resource, request)
                   ? 0
                   : VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    if (!box_fits(resource, &request->box, request->level) || !backing_reaches(resource, request))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    return 0;
}

/* The library's box has no definition in its header; it is virtio's. */
static struct virgl_box *library_box(struct virtio_gpu_box *box)
{
    return (struct virgl_box *)box;
}

uint32_t virgl_to_host_3d(void *renderer, const struct virtio_gpu_transfer_host_3d *request)
{
    const struct virgl_resource *resource = virgl_find(renderer, request->resource_id);
    struct virtio_gpu_box box = request->box;
    const uint32_t error = check(renderer, resource, request);

    if (error)
        return error;
    return virgl_response(virgl_renderer_transfer_write_iov(
        request->resource_id, request->hdr.ctx_id, (int)request->level, request->stride,
        request->layer_stride, library_box(&box), request->offset, NULL, 0));
}

uint32_t virgl_from_host_3d(void *renderer, const struct virtio_gpu_transfer_host_3d *request)
{
    const struct virgl_resource *resource = virgl_find(renderer, request->resource_id);
    struct virtio_gpu_box box = request->box;
    const uint32_t error = check(renderer, resource, request);

    if (error)
        return error;
    return virgl_response(virgl_renderer_transfer_read_iov(
        request->resource_id, request->hdr.ctx_id, request->level, request->stride,
        request->layer_stride, library_box(&box), request->offset, NULL, 0));
}

/* All formats of 2D resources have four bytes a pixel, and rows as long as the resource's. */
uint32_t virgl_to_host_2d(void *renderer, const struct virtio_gpu_transfer_to_host_2d *request)
{
    const struct virgl_resource *resource = virgl_find(renderer, request->resource_id);
    const struct virgl *virgl = renderer;
    const struct virtio_gpu_rect *rect = &request->r;
    struct virtio_gpu_transfer_host_3d whole = {
        .box = { .x = rect->x, .y = rect->y, .w = rect->width, .h = rect->height, .d = 1 },
        .offset = request->offset,
        .resource_id = request->resource_id,
    };
    uint64_t row;

    if (resource && resource->is_soft)
        return renderer_2d.to_host_2d(virgl->soft, request);
    if (resource && resource->is_blob) /* its memory is the guest's: nothing to do */
        return 0;
    if (rect->width == 0 || rect->height == 0)
        return 0;
    if (resource) {
        whole.stride = resource->width * 4;
        row = (uint64_t)rect->width * 4;
        /* The last row ends inside, too. */
        if (__builtin_add_overflow(request->offset, row - 1, &whole.offset))
            return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    }
    const uint32_t error = check(renderer, resource, &whole);

    if (error)
        return error;
    return virgl_response(
        virgl_renderer_transfer_write_iov(request->resource_id, 0, 0, whole.stride, 0,
                                          library_box(&whole.box), request->offset, NULL, 0));
}
