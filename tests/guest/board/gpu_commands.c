/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/guest/board/gpu_commands.h"

#define DO(gpu, request) gpu_do(gpu, &(request), sizeof(request), NULL, 0)

/* ---- Contexts and streams -------------------------------------------------------------------- */

u32 gpu_context_create(struct gpu *gpu, u32 context, u32 capset)
{
    struct virtio_gpu_ctx_create request = {
        .hdr = gpu_header(VIRTIO_GPU_CMD_CTX_CREATE, context),
        .nlen = 7,
        .context_init = capset,
        .debug_name = "payload",
    };

    return DO(gpu, request);
}

u32 gpu_context_destroy(struct gpu *gpu, u32 context)
{
    struct virtio_gpu_ctx_destroy request = { gpu_header(VIRTIO_GPU_CMD_CTX_DESTROY, context) };

    return DO(gpu, request);
}

static u32 do_context_resource(struct gpu *gpu, u32 type, u32 context, u32 resource)
{
    struct virtio_gpu_ctx_resource request = {
        .hdr = gpu_header(type, context),
        .resource_id = resource,
    };

    return DO(gpu, request);
}

u32 gpu_attach(struct gpu *gpu, u32 context, u32 resource)
{
    return do_context_resource(gpu, VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, context, resource);
}

u32 gpu_detach(struct gpu *gpu, u32 context, u32 resource)
{
    return do_context_resource(gpu, VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE, context, resource);
}

static unsigned begin_submit(struct gpu *gpu, u32 context, const u32 *words, u32 nr_words,
                             bool is_fenced)
{
    struct virtio_gpu_cmd_submit request = {
        .hdr = gpu_header(VIRTIO_GPU_CMD_SUBMIT_3D, context),
        .size = 4 * nr_words,
    };

    if (is_fenced)
        gpu_fence(gpu, &request.hdr);
    return gpu_begin(gpu, &request, sizeof(request), words, request.size);
}

unsigned gpu_submit_begin(struct gpu *gpu, u32 context, const struct stream *stream)
{
    if (stream->is_cut)
        die("a stream of more than %u words", stream->max_words);
    return begin_submit(gpu, context, stream->words, stream->nr_words, true);
}

u32 gpu_submit(struct gpu *gpu, u32 context, const struct stream *stream)
{
    return gpu_finish(gpu, gpu_submit_begin(gpu, context, stream));
}

unsigned gpu_no_op_begin(struct gpu *gpu, u32 context, bool is_fenced)
{
    static const u32 nothing = STREAM_NOP;

    return begin_submit(gpu, context, &nothing, 1, is_fenced);
}

/* ---- Pictures -------------------------------------------------------------------------------- */

u32 gpu_create_2d(struct gpu *gpu, u32 resource, u32 width, u32 height)
{
    struct virtio_gpu_resource_create_2d request = {
        .hdr = gpu_header(VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, 0),
        .resource_id = resource,
        .format = VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM,
        .width = width,
        .height = height,
    };

    return DO(gpu, request);
}

u32 gpu_create_3d(struct gpu *gpu, u32 resource, u32 width, u32 height)
{
    struct virtio_gpu_resource_create_3d request = {
        .hdr = gpu_header(VIRTIO_GPU_CMD_RESOURCE_CREATE_3D, 0),
        .resource_id = resource,
        .target = STREAM_TARGET_2D,
        .format = STREAM_B8G8R8A8,
        .bind = STREAM_BIND_RENDER_TARGET | STREAM_BIND_SAMPLER_VIEW,
        .width = width,
        .height = height,
        .depth = 1,
        .array_size = 1,
    };

    return DO(gpu, request);
}

u32 gpu_unref(struct gpu *gpu, u32 resource)
{
    return gpu_finish(gpu, gpu_leave_begin(gpu, VIRTIO_GPU_CMD_RESOURCE_UNREF, resource, false));
}

u32 gpu_attach_backing(struct gpu *gpu, u32 resource, const void *at, u32 size)
{
    struct {
        struct virtio_gpu_resource_attach_backing head;
        struct virtio_gpu_mem_entry entries[2];
    } request = {
        .head = { .hdr = gpu_header(VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, 0),
                  .resource_id = resource,
                  .nr_entries = 2 },
        .entries = { { .addr = (u64)at, .length = 256 },
                     { .addr = (u64)at + 256, .length = size - 256 } },
    };

    return DO(gpu, request);
}

u32 gpu_detach_backing(struct gpu *gpu, u32 resource)
{
    struct virtio_gpu_resource_detach_backing request = {
        .hdr = gpu_header(VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, 0),
        .resource_id = resource,
    };

    return DO(gpu, request);
}

u32 gpu_to_host_2d(struct gpu *gpu, u32 resource, const struct virtio_gpu_rect *rect, u64 offset)
{
    struct virtio_gpu_transfer_to_host_2d request = {
        .hdr = gpu_header(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D, 0),
        .r = *rect,
        .offset = offset,
        .resource_id = resource,
    };

    return DO(gpu, request);
}

u32 gpu_from_host_3d(struct gpu *gpu, u32 context, u32 resource, u32 width, u32 height)
{
    struct virtio_gpu_transfer_host_3d request = {
        .hdr = gpu_header(VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D, context),
        .box = { .w = width, .h = height, .d = 1 },
        .resource_id = resource,
        .stride = 4 * width,
    };

    gpu_fence(gpu, &request.hdr);
    return DO(gpu, request);
}

u32 gpu_set_scanout(struct gpu *gpu, u32 scanout, u32 resource, const struct virtio_gpu_rect *rect)
{
    struct virtio_gpu_set_scanout request = {
        .hdr = gpu_header(VIRTIO_GPU_CMD_SET_SCANOUT, 0),
        .r = *rect,
        .scanout_id = scanout,
        .resource_id = resource,
    };

    return DO(gpu, request);
}

u32 gpu_flush(struct gpu *gpu, u32 resource, const struct virtio_gpu_rect *rect)
{
    struct virtio_gpu_resource_flush request = {
        .hdr = gpu_header(VIRTIO_GPU_CMD_RESOURCE_FLUSH, 0),
        .r = *rect,
        .resource_id = resource,
    };

    return DO(gpu, request);
}

/* ---- Blobs ----------------------------------------------------------------------------------- */

u32 gpu_create_blob(struct gpu *gpu, u32 context, u32 resource, u64 blob_id, u64 size, u32 flags)
{
    struct virtio_gpu_resource_create_blob request = {
        .hdr = gpu_header(VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, context),
        .resource_id = resource,
        .blob_mem = VIRTIO_GPU_BLOB_MEM_HOST3D,
        .blob_flags = flags,
        .blob_id = blob_id,
        .size = size,
    };

    return DO(gpu, request);
}

u32 gpu_create_guest_blob(struct gpu *gpu, u32 resource, const void *at, u32 size)
{
    struct {
        struct virtio_gpu_resource_create_blob head;
        struct virtio_gpu_mem_entry entry;
    } request = {
        .head = { .hdr = gpu_header(VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, 0),
                  .resource_id = resource,
                  .blob_mem = VIRTIO_GPU_BLOB_MEM_GUEST,
                  .blob_flags = VIRTIO_GPU_BLOB_FLAG_USE_SHAREABLE,
                  .nr_entries = 1,
                  .size = size },
        .entry = { .addr = (u64)at, .length = size },
    };

    return DO(gpu, request);
}

u32 gpu_map(struct gpu *gpu, u32 resource, u64 offset)
{
    struct virtio_gpu_resource_map_blob request = {
        .hdr = gpu_header(VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, 0),
        .resource_id = resource,
        .offset = offset,
    };

    return DO(gpu, request);
}

unsigned gpu_leave_begin(struct gpu *gpu, u32 type, u32 resource, bool is_fenced)
{
    struct virtio_gpu_resource_unmap_blob request = {
        .hdr = gpu_header(type, 0),
        .resource_id = resource,
    };

    if (is_fenced)
        gpu_fence(gpu, &request.hdr);
    return gpu_begin(gpu, &request, sizeof(request), NULL, 0);
}

u32 gpu_unmap(struct gpu *gpu, u32 resource)
{
    return gpu_finish(gpu,
                      gpu_leave_begin(gpu, VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, resource, false));
}

void gpu_buffer(struct gpu *gpu, u32 context, u32 resource, u32 size)
{
    u32 words[16];
    struct stream stream;

    stream_init(&stream, words, ARRAY_SIZE(words));
    stream_persistent_buffer(&stream, resource, size);
    if (gpu_submit(gpu, context, &stream) != OK_NODATA ||
        gpu_create_blob(gpu, context, resource, resource, size,
                        VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE) != OK_NODATA ||
        gpu_attach(gpu, context, resource) != OK_NODATA)
        die("no buffer %u of 0x%x bytes: answer 0x%x", resource, size,
            ((const struct virtio_gpu_ctrl_hdr *)gpu_response())->type);
}
