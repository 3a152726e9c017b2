/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between a resource's backing, which is guest memory, and what the renderer has of it.
 */
#include "hw/gpu/format.h"
#include "hw/gpu/gpu_internal.h"
#include "hw/gpu/handlers.h"

/* The rectangle's first row is at `offset`, the next ones as far apart as the picture is wide. */
static bool is_in_backing(const struct virtio_gpu_transfer_to_host_2d *request,
                          const struct gpu_resource *resource)
{
    const uint64_t stride = (uint64_t)resource->width * PIXEL_BYTES;
    const uint64_t size = stride * (request->r.height - 1) + request->r.width * PIXEL_BYTES;

    return size <= resource->backing->size && request->offset <= resource->backing->size - size;
}

void gpu_to_host_2d(struct gpu *gpu, struct gpu_command *command)
{
    const struct virtio_gpu_transfer_to_host_2d *request = &command->request.to_host_2d;
    struct gpu_resource *resource = gpu_named_resource(gpu, command, request->resource_id);

    if (!resource)
        return;
    if (resource->is_blob && resource->blob_mem == VIRTIO_GPU_BLOB_MEM_GUEST) {
        gpu_answer(command, VIRTIO_GPU_RESP_OK_NODATA); /* there is no other copy of it */
        return;
    }
    /* Of others than these the renderer knows how their pixels lie. */
    if (resource->is_blob || !resource->backing ||
        !gpu_is_inside(&request->r, resource->width, resource->height) ||
        (gpu_is_format(resource->format) && !is_in_backing(request, resource))) {
        gpu_refuse(command, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, "not inside it, or no backing");
        return;
    }
    command->resource = gpu_resource_ref(resource);
    gpu_render(command);
}

uint32_t gpu_to_host_2d_render(struct gpu_command *command, void *renderer)
{
    if (command->resource->has_failed)
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    if (gpu_is_stale(command))
        return VIRTIO_GPU_RESP_ERR_UNSPEC;
    return gpu_answer_of(
        command->gpu->renderer->to_host_2d(renderer, &command->request.to_host_2d));
}

/* ---- 3D -------------------------------------------------------------------------------------- */

/* With context 0 the renderer's own; others must have the resource attached. */
static uint32_t find_3d(struct gpu *gpu, struct gpu_command *command) REQUIRES(bql)
{
    const struct virtio_gpu_transfer_host_3d *request = &command->request.transfer_3d;
    struct gpu_resource *resource = gpu_resource_find(gpu, request->resource_id);
    struct gpu_context *context = NULL;

    if (!resource)
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    if (request->hdr.ctx_id) {
        context = gpu_context_find(gpu, request->hdr.ctx_id);
        if (!context)
            return VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
        if (!g_hash_table_contains(context->resources, GUINT_TO_POINTER(resource->id)))
            return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    }
    /* Without a backing the library would give up the whole context. */
    if (!resource->backing)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    command->memory = resource->backing;
    command->resource = gpu_resource_ref(resource);
    command->context = context ? gpu_context_ref(context) : NULL;
    return 0;
}

void gpu_transfer_3d(struct gpu *gpu, struct gpu_command *command)
{
    uint32_t error = find_3d(gpu, command);

    if (error)
        gpu_refuse(command, error, "not there, not attached, or no backing");
    else
        gpu_render(command);
}

/* An error, or 0. */
static uint32_t check_made(const struct gpu_command *command)
{
    if (command->resource->has_failed)
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    if (command->context && command->context->has_failed)
        return VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
    return gpu_is_stale(command) ? (uint32_t)VIRTIO_GPU_RESP_ERR_UNSPEC : 0;
}

uint32_t gpu_to_host_3d_render(struct gpu_command *command, void *renderer)
{
    uint32_t error = check_made(command);

    if (!error)
        error = command->gpu->renderer->to_host_3d(renderer, &command->request.transfer_3d);
    return gpu_answer_of(error);
}

uint32_t gpu_from_host_3d_render(struct gpu_command *command, void *renderer)
{
    uint32_t error = check_made(command);

    if (!error && !gpu_begin_writing(command))
        error = VIRTIO_GPU_RESP_ERR_UNSPEC;
    else if (!error) {
        error = command->gpu->renderer->from_host_3d(renderer, &command->request.transfer_3d);
        gpu_backing_written(command->memory); /* some of it, in case of an error */
        gpu_end_writing(command->gpu);
    }
    return gpu_answer_of(error);
}
