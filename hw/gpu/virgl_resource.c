/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Resources: made, given memory, and let go. */
#include <errno.h>
#include <string.h>
#include <virglrenderer.h>

#include "hw/gpu/picture.h"
#include "hw/gpu/virgl.h"
#include "util/iov.h"

/* Of virgl's protocol: buffers and kinds of textures; the format of bytes. */
enum { TARGET_BUFFER = 0, TARGET_2D = 2, TARGET_RECT = 5, FORMAT_R8 = 64 };

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

/* A buffer's width is bytes to the library when it makes one, and pixels when it copies (0.10.4):
 * of a wider format, transfers read and write our heap behind its end. So they are of bytes, as
 * they are to guests: Mesa 22.3 names another format by mistake, where it makes persistent ones. */
uint32_t virgl_safe_format(uint32_t target, uint32_t format)
{
    return target == TARGET_BUFFER ? FORMAT_R8 : format;
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

static void add(struct virgl *virgl, const struct virgl_resource *resource)
{
    g_hash_table_insert(virgl->resources, GUINT_TO_POINTER(resource->id),
                        g_memdup2(resource, sizeof(*resource)));
}

static uint32_t create(struct virgl *virgl, struct virgl_renderer_resource_create_args *args)
{
    const struct virgl_resource resource = {
        .id = args->handle,
        .is_flat =
            (args->target == TARGET_2D || args->target == TARGET_RECT) && args->nr_samples <= 1,
        .target = args->target,
        .width = args->width,
        .height = args->height,
        .depth = args->depth,
        .array_size = args->array_size,
        .last_level = args->last_level,
    };
    int error;

    if (!is_free(virgl, args->handle))
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    /* Pieces given here are not attached for transfers. */
    error = virgl_renderer_resource_create(args, NULL, 0);
    if (!error)
        add(virgl, &resource);
    return virgl_response(error);
}

/* GL has no texture for one of virtio's formats. */
static uint32_t create_soft(struct virgl *virgl,
                            const struct virtio_gpu_resource_create_2d *request)
{
    const struct virgl_resource resource = { .id = request->resource_id, .is_soft = true };
    const uint32_t error = renderer_2d.create_2d(virgl->soft, request);

    if (!error)
        add(virgl, &resource);
    return error;
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
    pixman_format_code_t format;
    uint32_t error;

    if (!picture_format(request->format, &format))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    error = create(renderer, &args);
    return error == VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER ? create_soft(renderer, request) : error;
}

uint32_t virgl_create_3d(void *renderer, const struct virtio_gpu_resource_create_3d *request)
{
    struct virgl_renderer_resource_create_args args = {
        .handle = request->resource_id,
        .target = request->target,
        .format = virgl_safe_format(request->target, request->format),
        .bind = request->bind,
        .width = request->width,
        .height = request->height,
        .depth = request->depth,
        .array_size = request->array_size,
        .last_level = request->last_level,
        .nr_samples = request->nr_samples,
        .flags = request->flags,
    };

    return create(renderer, &args);
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
    struct virgl_resource resource = { .id = request->resource_id,
                                       .is_blob = true,
                                       .blob_mem = request->blob_mem,
                                       .blob_size = request->size,
                                       .iov = nr_iov ? iov : NULL,
                                       .nr_iov = nr_iov };
    size_t backing_size;
    int error;

    if (!is_free(virgl, request->resource_id))
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    if (!iov_size(iov, nr_iov, &backing_size))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    resource.backing_size = backing_size;
    error = virgl_renderer_resource_create_blob(&args);
    if (!error)
        add(virgl, &resource);
    return virgl_response(error);
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
    if (resource->is_soft)
        renderer_2d.resource_unref(virgl->soft, id);
    else
        virgl_renderer_resource_unref(id);
    g_hash_table_remove(virgl->query_results, GUINT_TO_POINTER(id));
    g_hash_table_remove(virgl->resources, GUINT_TO_POINTER(id));
}

uint32_t virgl_attach_backing(void *renderer, uint32_t id, struct iovec *iov, unsigned nr_iov)
{
    struct virgl_resource *resource = virgl_find(renderer, id);
    const struct virgl *virgl = renderer;
    size_t size;
    int error;

    if (!resource)
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    if (resource->is_soft)
        return renderer_2d.attach_backing(virgl->soft, id, iov, nr_iov);
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
    const struct virgl *virgl = renderer;
    struct iovec *iov = NULL;
    int nr_iov = 0;

    if (resource && resource->is_soft)
        renderer_2d.detach_backing(virgl->soft, id);
    if (!resource || !resource->iov)
        return;
    virgl_renderer_resource_detach_iov((int)id, &iov, &nr_iov); /* our own pointer */
    resource->iov = NULL;
    resource->nr_iov = 0;
    resource->backing_size = 0;
}
