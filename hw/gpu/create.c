/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * New resources: pictures, 3D resources, blobs. Each is in the table from the moment that its
 * command is handled, so that those behind it can name it. One that the renderer then cannot make
 * leaves the table before the error is answered.
 */
#include "hw/gpu/format.h"
#include "hw/gpu/gpu_internal.h"
#include "hw/gpu/handlers.h"
#include "util/atomic.h"

enum { /* of what OpenGL 4.6 asks for at least, or twice that */
       DEPTH_MAX = 4096,
       LAYERS_MAX = 4096,
       SAMPLES_MAX = 32,
       LEVELS_MAX = 15, /* of 2^14 pixels */
       TARGET_BUFFER = 0,
};

/* Whether a picture may have such sides. An error, or 0. */
static uint32_t check_sides(struct gpu *gpu, uint32_t width, uint32_t height)
{
    if (width == 0 || height == 0)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    if (width > PICTURE_SIDE_MAX || height > PICTURE_SIDE_MAX)
        return gpu_limit_met(gpu, LIMIT_SIDE);
    return 0;
}

/* Queue it to be made, or say why not. */
static void create(struct gpu_command *command, struct gpu_resource *resource, uint32_t error)
{
    if (!resource) {
        gpu_refuse(command, error, "there can be no such resource");
        return;
    }
    command->resource = gpu_resource_ref(resource);
    gpu_render(command);
}

void gpu_create_2d(struct gpu *gpu, struct gpu_command *command)
{
    const struct virtio_gpu_resource_create_2d *request = &command->request.create_2d;
    struct gpu_resource *resource = NULL;
    uint32_t error = check_sides(gpu, request->width, request->height);

    if (!error && !gpu_is_format(request->format))
        error = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    if (!error)
        resource =
            gpu_resource_new(gpu, request->resource_id,
                             (uint64_t)request->width * request->height * PIXEL_BYTES, &error);
    if (resource) {
        resource->width = request->width;
        resource->height = request->height;
        resource->format = request->format;
    }
    create(command, resource, error);
}

uint32_t gpu_create_2d_render(struct gpu_command *command, void *renderer)
{
    uint32_t error = command->gpu->renderer->create_2d(renderer, &command->request.create_2d);

    command->resource->has_failed = error != 0;
    return gpu_answer_of(error);
}

/* ---- 3D -------------------------------------------------------------------------------------- */

/* Bytes a pixel, or more. Of virgl's formats (Gallium's, by number) these have up to 32 bits; the
 * largest have 128. */
static unsigned pixel_bytes(uint32_t format)
{
    return format < 24 || (format >= 64 && format <= 68) || gpu_is_format(format) ? 4 : 16;
}

/* What the library would make of it, with its levels; it checks what belongs together itself. */
static uint32_t measure_3d(struct gpu *gpu, const struct virtio_gpu_resource_create_3d *request,
                           uint64_t *ret_bytes)
{
    uint64_t bytes;

    if (request->width == 0 || request->height == 0 || request->depth == 0)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    if (request->target == TARGET_BUFFER) {
        *ret_bytes = request->width;
        return 0;
    }
    if (request->last_level > LEVELS_MAX || request->nr_samples > SAMPLES_MAX)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    if (request->width > PICTURE_SIDE_MAX || request->height > PICTURE_SIDE_MAX ||
        request->depth > DEPTH_MAX || request->array_size > LAYERS_MAX)
        return gpu_limit_met(gpu, LIMIT_SIDE);
    /* 2^14, 2^14, 2^12, 2^12, 2^5 and 2^4 make 2^61; with the levels less than twice that. */
    bytes = (uint64_t)request->width * request->height * request->depth *
            MAX(request->array_size, 1) * MAX(request->nr_samples, 1) *
            pixel_bytes(request->format);
    *ret_bytes = request->last_level ? bytes + bytes / 2 : bytes;
    return 0;
}

void gpu_create_3d(struct gpu *gpu, struct gpu_command *command)
{
    const struct virtio_gpu_resource_create_3d *request = &command->request.create_3d;
    struct gpu_resource *resource = NULL;
    uint64_t bytes = 0;
    uint32_t error = measure_3d(gpu, request, &bytes);

    if (!error)
        resource = gpu_resource_new(gpu, request->resource_id, bytes, &error);
    if (resource) {
        resource->width = request->width;
        resource->height = request->height;
        resource->format = request->format;
    }
    create(command, resource, error);
}

uint32_t gpu_create_3d_render(struct gpu_command *command, void *renderer)
{
    uint32_t error = command->gpu->renderer->create_3d(renderer, &command->request.create_3d);

    command->resource->has_failed = error != 0;
    return gpu_answer_of(error);
}

/* ---- Blobs ----------------------------------------------------------------------------------- */

uint32_t gpu_create_blob_read(struct gpu *gpu, struct gpu_command *command)
{
    const uint32_t nr = command->request.create_blob.nr_entries;

    if (nr > BACKING_ENTRIES_MAX)
        return gpu_limit_met(gpu, LIMIT_ENTRIES);
    return gpu_read_payload(gpu, command, nr * sizeof(struct virtio_gpu_mem_entry));
}

static bool is_blob_mem_there(const struct gpu *gpu, uint32_t blob_mem)
{
    switch (blob_mem) {
    case VIRTIO_GPU_BLOB_MEM_GUEST:
        return true;
    case VIRTIO_GPU_BLOB_MEM_HOST3D:
    case VIRTIO_GPU_BLOB_MEM_HOST3D_GUEST:
        return virtio_has_feature(&gpu->device, UINT64_C(1) << VIRTIO_GPU_F_VIRGL);
    default:
        return false;
    }
}

/* 5.7.6.8: what belongs together. An error, or 0. */
static uint32_t check_blob(struct gpu *gpu, const struct virtio_gpu_resource_create_blob *request)
    REQUIRES(bql)
{
    const uint32_t flags = VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE | VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE |
                           VIRTIO_GPU_BLOB_FLAG_USE_CROSS_DEVICE;
    const bool is_guest = request->blob_mem == VIRTIO_GPU_BLOB_MEM_GUEST;
    const bool has_entries = request->blob_mem != VIRTIO_GPU_BLOB_MEM_HOST3D;

    if (!is_blob_mem_there(gpu, request->blob_mem) || request->blob_flags & ~flags ||
        request->size == 0 || request->size % RAM_PAGE != 0 ||
        has_entries != (request->nr_entries > 0))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    if (!is_guest && !gpu_context_find(gpu, request->hdr.ctx_id))
        return VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;
    return 0;
}

void gpu_create_blob(struct gpu *gpu, struct gpu_command *command)
{
    const struct virtio_gpu_resource_create_blob *request = &command->request.create_blob;
    const bool is_guest = request->blob_mem == VIRTIO_GPU_BLOB_MEM_GUEST;
    struct gpu_backing *backing = NULL;
    struct gpu_resource *resource = NULL;
    uint32_t error = check_blob(gpu, request);

    if (!error && request->nr_entries > 0)
        backing = gpu_backing_new(gpu, command->payload, request->nr_entries, &error);
    gpu_drop_payload(command);
    if (backing && backing->size < request->size)
        error = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    if (!error)
        resource =
            gpu_resource_new(gpu, request->resource_id, is_guest ? 0 : request->size, &error);
    if (resource) {
        resource->is_blob = true;
        resource->blob_mem = request->blob_mem;
        resource->blob_flags = request->blob_flags;
        resource->blob_size = request->size;
        resource->backing = backing;
        command->memory = backing;
        if (!is_guest)
            command->context = gpu_context_ref(gpu_context_find(gpu, request->hdr.ctx_id));
    } else {
        gpu_backing_free(backing);
    }
    create(command, resource, error);
}

uint32_t gpu_create_blob_render(struct gpu_command *command, void *renderer)
{
    const struct gpu_backing *memory = command->memory;
    uint32_t error = VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID;

    if (!command->context || !command->context->has_failed)
        error = command->gpu->renderer->create_blob(renderer, &command->request.create_blob,
                                                    memory ? memory->iov : NULL,
                                                    memory ? memory->nr : 0);
    command->resource->has_failed = error != 0;
    return gpu_answer_of(error);
}

/* ---- The end --------------------------------------------------------------------------------- */

void gpu_create_finish(struct gpu *gpu, struct gpu_command *command)
{
    struct gpu_resource *resource = command->resource;

    /* The guest may have done away with it, before it knew. */
    const bool is_there = gpu_resource_find(gpu, resource->id) == resource;

    if (command->result != VIRTIO_GPU_RESP_OK_NODATA && is_there) {
        if (resource->map_state == MAP_NONE)
            gpu_resource_retire(resource);
        else
            resource->is_doomed = true; /* it is only just being mapped, and that will fail */
    }
    gpu_answer(command, command->result);
}
