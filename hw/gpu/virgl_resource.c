/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Resources: made, given memory, and let go. */
#include <errno.h>
#include <string.h>
#include <virglrenderer.h>

#include "hw/gpu/virgl.h"
#include "util/iov.h"

enum { TARGET_2D = 2 }; /* of virgl's protocol: PIPE_TEXTURE_2D */

uint32_t virgl_response(int error)
{
    switch (error < 0 ? -error : error) {
    case 0:
        return 0;
    case ENOMEM:
        return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    case EINVAL:
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    default:
        return VIRTIO_GPU_RESP_ERR_UNSPEC;
    }
}

struct virgl_resource *virgl_find(const struct virgl *virgl, uint32_t id)
{
    return g_hash_table_lookup(virgl->resources, GUINT_TO_POINTER(id));
}

/* 0.10.4 makes a second resource of the same id. */
static bool is_free(const struct virgl *virgl, uint32_t id)
{
    return id != 0 && !virgl_find(virgl, id);
}

static uint32_t create(struct virgl *virgl, struct virgl_renderer_resource_create_args *args,
                       enum virgl_kind kind)
{
    struct virgl_resource *resource;
    int error;

    if (!is_free(virgl, args->handle))
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    /* Pieces given here are not attached for transfers. */
    error = virgl_renderer_resource_create(args, NULL, 0);
    if (error)
        return virgl_response(error);
    resource = g_new0(struct virgl_resource, 1);
    *resource = (struct virgl_resource){ .id = args->handle,
                                         .kind = kind,
                                         .target = args->target,
                                         .width = args->width,
                                         .height = args->height,
                                         .depth = args->depth,
                                         .array_size = args->array_size,
                                         .last_level = args->last_level,
                                         .format = args->format };
    g_hash_table_insert(virgl->resources, GUINT_TO_POINTER(args->handle), resource);
    return 0;
}

uint32_t virgl_create_2d(void *renderer, const struct virtio_gpu_resource_create_2d *request)
{
    struct virgl_renderer_resource_create_args args = {
        .handle = request->resource_id,
        .target = TARGET_2D,
        .format = request->format, /* virtio's numbers are virgl's */
        .bind = VIRGL_RES_BIND_RENDER_TARGET,
        .width = request->width,
        .height = request->height,
        .depth = 1,
        .array_size = 1,
        .flags = VIRTIO_GPU_RESOURCE_FLAG_Y_0_TOP,
    };

    return create(renderer, &args, VIRGL_2D);
}

uint32_t virgl_create_3d(void *renderer, const struct virtio_gpu_resource_create_3d *request)
{
    struct virgl_renderer_resource_create_args args = {
        .handle = request->resource_id,
        .target = request->target,
        .format = request->format,
        .bind = request->bind,
        .width = request->width,
        .height = request->height,
        .depth = request->depth,
        .array_size = request->array_size,
        .last_level = request->last_level,
        .nr_samples = request->nr_samples,
        .flags = request->flags,
    };

    return create(renderer, &args, VIRGL_3D);
}

uint32_t virgl_create_blob(void *renderer, const struct virtio_gpu_resource_create_blob *request,
                           struct iovec *iov, unsigned nr_iov)
{
    const struct virgl_renderer_resource_create_blob_args args = {
        .res_handle = request->resource_id,
        .ctx_id = request->hdr.ctx_id,
        .blob_mem = request->blob_mem,
        .blob_flags = request->blob_flags,
        .blob_id = request->blob_id,
        .size = request->size,
        .iovecs = iov,
        .num_iovs = nr_iov,
    };
    struct virgl *virgl = renderer;
    struct virgl_resource *resource;
    size_t backing_size;
    int error;

    if (!is_free(virgl, request->resource_id))
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    if (!iov_size(iov, nr_iov, &backing_size))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    error = virgl_renderer_resource_create_blob(&args);
    if (error)
        return virgl_response(error);
    resource = g_new0(struct virgl_resource, 1);
    *resource = (struct virgl_resource){ .id = request->resource_id,
                                         .kind = VIRGL_BLOB,
                                         .blob_mem = request->blob_mem,
                                         .blob_size = request->size,
                                         .iov = nr_iov ? iov : NULL,
                                         .nr_iov = nr_iov,
                                         .backing_size = backing_size };
    g_hash_table_insert(virgl->resources, GUINT_TO_POINTER(request->resource_id), resource);
    return 0;
}

/* The library frees mapped memory without a word: it has left the guest's map long before. */
void virgl_resource_unref(void *renderer, uint32_t id)
{
    struct virgl *virgl = renderer;
    struct virgl_resource *resource = virgl_find(virgl, id);

    if (!resource)
        return;
    if (resource->host)
        virgl_unmap(virgl, id);
    if (resource->iov)
        virgl_detach_backing(virgl, id);
    virgl_renderer_resource_unref(id);
    g_hash_table_remove(virgl->resources, GUINT_TO_POINTER(id));
}

uint32_t virgl_attach_backing(void *renderer, uint32_t id, struct iovec *iov, unsigned nr_iov)
{
    struct virgl_resource *resource = virgl_find(renderer, id);
    size_t size;
    int error;

    if (!resource)
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    if (resource->iov)
        return VIRTIO_GPU_RESP_ERR_UNSPEC;
    if (nr_iov == 0 || nr_iov > INT_MAX || !iov_size(iov, nr_iov, &size))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    error = virgl_renderer_resource_attach_iov((int)id, iov, (int)nr_iov);
    if (error)
        return virgl_response(error);
    resource->iov = iov;
    resource->nr_iov = nr_iov;
    resource->backing_size = size;
    return 0;
}

void virgl_detach_backing(void *renderer, uint32_t id)
{
    struct virgl_resource *resource = virgl_find(renderer, id);
    struct iovec *iov = NULL;
    int nr_iov = 0;

    if (!resource || !resource->iov)
        return;
    virgl_renderer_resource_detach_iov((int)id, &iov, &nr_iov); /* our own pointer */
    resource->iov = NULL;
    resource->nr_iov = 0;
    resource->backing_size = 0;
}
