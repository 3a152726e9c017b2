/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The gate: every command of both queues comes through here. It is read once, into memory of ours;
 * after that nothing is read from the chain.
 */
#include <string.h>

#include "hw/gpu/handlers.h"
#include "hw/gpu/mapping.h"
#include "util/atomic.h"
#include "util/clock.h"
#include "util/iov.h"
#include "util/log.h"
#include "util/trace.h"

/* ---- The table (virtio 1.2, 5.7.6.7 to 5.7.6.10) -------------------------------------------- */

#define COMMAND(name_, member)                                                                     \
    .type = VIRTIO_GPU_CMD_##name_, .name = #name_,                                                \
    .request_size = sizeof(((union gpu_request *)NULL)->member)
#define RESOURCE(member) .resource_at = offsetof(union gpu_request, member.resource_id)
#define SCANOUT(member) .scanout_at = offsetof(union gpu_request, member.scanout_id)

static const struct gpu_command_type types[] = {
    { COMMAND(GET_DISPLAY_INFO, hdr), .handle = gpu_get_display_info },
    { COMMAND(RESOURCE_CREATE_2D, create_2d), RESOURCE(create_2d), .handle = gpu_create_2d,
      .render = gpu_create_2d_render, .finish = gpu_create_finish },
    { COMMAND(RESOURCE_UNREF, unref), RESOURCE(unref), .handle = gpu_unref,
      .render = gpu_nothing_to_render },
    { COMMAND(SET_SCANOUT, set_scanout), RESOURCE(set_scanout), SCANOUT(set_scanout),
      .handle = gpu_set_scanout },
    { COMMAND(RESOURCE_FLUSH, flush), RESOURCE(flush), .handle = gpu_flush,
      .render = gpu_nothing_to_render },
    { COMMAND(TRANSFER_TO_HOST_2D, to_host_2d), RESOURCE(to_host_2d), .handle = gpu_to_host_2d,
      .render = gpu_to_host_2d_render },
    { COMMAND(RESOURCE_ATTACH_BACKING, attach_backing), RESOURCE(attach_backing),
      .read_payload = gpu_attach_backing_read, .handle = gpu_attach_backing,
      .render = gpu_attach_backing_render, .finish = gpu_attach_backing_finish },
    { COMMAND(RESOURCE_DETACH_BACKING, detach_backing), RESOURCE(detach_backing),
      .handle = gpu_detach_backing, .render = gpu_detach_backing_render },
    { COMMAND(GET_CAPSET_INFO, get_capset_info), .needs = GPU_NEEDS_GL,
      .handle = gpu_get_capset_info },
    { COMMAND(GET_CAPSET, get_capset), .needs = GPU_NEEDS_GL, .handle = gpu_get_capset },
    { COMMAND(GET_EDID, get_edid), .needs = GPU_NEEDS_EDID, .handle = gpu_get_edid },
    { COMMAND(RESOURCE_ASSIGN_UUID, assign_uuid), RESOURCE(assign_uuid), .needs = GPU_NEEDS_UUID,
      .handle = gpu_assign_uuid },
    { COMMAND(RESOURCE_CREATE_BLOB, create_blob), RESOURCE(create_blob), .names_context = true,
      .needs = GPU_NEEDS_BLOB, .read_payload = gpu_create_blob_read, .handle = gpu_create_blob,
      .render = gpu_create_blob_render, .finish = gpu_create_finish },
    { COMMAND(SET_SCANOUT_BLOB, set_scanout_blob), RESOURCE(set_scanout_blob),
      SCANOUT(set_scanout_blob), .needs = GPU_NEEDS_BLOB, .handle = gpu_set_scanout_blob },

    { COMMAND(CTX_CREATE, ctx_create), .names_context = true, .needs = GPU_NEEDS_GL,
      .handle = gpu_ctx_create, .render = gpu_ctx_create_render, .finish = gpu_ctx_create_finish },
    { COMMAND(CTX_DESTROY, ctx_destroy), .names_context = true, .needs = GPU_NEEDS_GL,
      .handle = gpu_ctx_destroy, .render = gpu_nothing_to_render },
    { COMMAND(CTX_ATTACH_RESOURCE, ctx_resource), RESOURCE(ctx_resource), .names_context = true,
      .needs = GPU_NEEDS_GL, .handle = gpu_ctx_attach, .render = gpu_ctx_attach_render },
    { COMMAND(CTX_DETACH_RESOURCE, ctx_resource), RESOURCE(ctx_resource), .names_context = true,
      .needs = GPU_NEEDS_GL, .handle = gpu_ctx_detach, .render = gpu_ctx_detach_render },
    { COMMAND(RESOURCE_CREATE_3D, create_3d), RESOURCE(create_3d), .needs = GPU_NEEDS_GL,
      .handle = gpu_create_3d, .render = gpu_create_3d_render, .finish = gpu_create_finish },
    { COMMAND(TRANSFER_TO_HOST_3D, transfer_3d), RESOURCE(transfer_3d), .names_context = true,
      .needs = GPU_NEEDS_GL, .handle = gpu_transfer_3d, .render = gpu_to_host_3d_render },
    { COMMAND(TRANSFER_FROM_HOST_3D, transfer_3d), RESOURCE(transfer_3d), .names_context = true,
      .needs = GPU_NEEDS_GL, .handle = gpu_transfer_3d, .render = gpu_from_host_3d_render },
    { COMMAND(SUBMIT_3D, submit), .names_context = true, .needs = GPU_NEEDS_GL,
      .read_payload = gpu_submit_read, .handle = gpu_submit, .render = gpu_submit_render },
    { COMMAND(RESOURCE_MAP_BLOB, map_blob), RESOURCE(map_blob),
      .needs = GPU_NEEDS_BLOB | GPU_NEEDS_WINDOW, .handle = gpu_map_blob,
      .render = gpu_map_blob_render, .finish = gpu_map_blob_finish },
    { COMMAND(RESOURCE_UNMAP_BLOB, unmap_blob), RESOURCE(unmap_blob),
      .needs = GPU_NEEDS_BLOB | GPU_NEEDS_WINDOW, .handle = gpu_unmap_blob },

    { COMMAND(UPDATE_CURSOR, cursor), .is_of_cursor = true, .handle = gpu_update_cursor },
    { COMMAND(MOVE_CURSOR, cursor), .is_of_cursor = true, .handle = gpu_move_cursor },
};

static const struct gpu_command_type unknown = {
    .name = "unknown command",
    .request_size = sizeof(struct virtio_gpu_ctrl_hdr),
};

const struct gpu_command_type *gpu_find_command(uint32_t type)
{
    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        if (types[i].type == type)
            return &types[i];
    }
    return NULL;
}

/* ---- Reading -------------------------------------------------------------------------------- */

/* @size bytes at @offset of what the guest has sent. False: it is shorter. */
static bool read_chain(const struct virtq_chain *chain, size_t offset, void *to, size_t size)
{
    return iov_to_buf(chain->out, chain->nr_out, offset, to, size) == size;
}

uint32_t gpu_read_payload(struct gpu *gpu, struct gpu_command *command, uint64_t size)
{
    const size_t offset = command->type->request_size;

    if (size == 0)
        return 0;
    if (size > command->chain->out_size || offset > command->chain->out_size - size)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    if (size > PAYLOAD_BYTES_MAX - load_relaxed(&gpu->usage.payload_bytes))
        return gpu_limit_met(gpu, LIMIT_PAYLOAD); /* grows on this thread only */
    command->payload = g_try_malloc(size);
    if (!command->payload)
        return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    command->payload_size = size;
    fetch_add_relaxed(&gpu->usage.payload_bytes, size);
    if (!read_chain(command->chain, offset, command->payload, size))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    return 0;
}

void gpu_drop_payload(struct gpu_command *command)
{
    (void)fetch_sub(&command->gpu->usage.payload_bytes, command->payload_size);
    g_free(command->payload);
    command->payload = NULL;
    command->payload_size = 0;
}

static bool is_there(const struct gpu *gpu, unsigned needs)
{
    static const struct {
        enum gpu_needs need;
        unsigned feature;
    } features[] = {
        { GPU_NEEDS_GL, VIRTIO_GPU_F_VIRGL },
        { GPU_NEEDS_BLOB, VIRTIO_GPU_F_RESOURCE_BLOB },
        { GPU_NEEDS_EDID, VIRTIO_GPU_F_EDID },
        { GPU_NEEDS_UUID, VIRTIO_GPU_F_RESOURCE_UUID },
    };

    for (size_t i = 0; i < ARRAY_SIZE(features); i++) {
        if (needs & features[i].need &&
            !virtio_has_feature(&gpu->device, UINT64_C(1) << features[i].feature))
            return false;
    }
    return !(needs & GPU_NEEDS_WINDOW) || gpu->window;
}

/* Fences (5.7.6.7): on a ring of a context only where such were negotiated, else on the one
 * timeline; on the cursor's queue nobody asks for one. A wrong one stays, on that timeline. */
static uint32_t check_flags(const struct gpu *gpu, struct virtio_gpu_ctrl_hdr *hdr, bool is_cursor)
{
    const bool has_rings =
        virtio_has_feature(&gpu->device, UINT64_C(1) << VIRTIO_GPU_F_CONTEXT_INIT);

    hdr->flags &= VIRTIO_GPU_FLAG_FENCE | VIRTIO_GPU_FLAG_INFO_RING_IDX;
    if (is_cursor)
        hdr->flags = 0;
    if (!(hdr->flags & VIRTIO_GPU_FLAG_INFO_RING_IDX)) {
        hdr->ring_idx = 0;
        return 0;
    }
    if (has_rings && hdr->ring_idx < RENDERER_RINGS && hdr->ctx_id != 0)
        return 0;
    hdr->flags &= ~(uint32_t)VIRTIO_GPU_FLAG_INFO_RING_IDX;
    hdr->ring_idx = 0;
    return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
}

/* All that the device will ever read of it. An error, or 0. */
static uint32_t read_command(struct gpu *gpu, struct gpu_command *command, bool is_cursor)
    REQUIRES(bql)
{
    struct virtio_gpu_ctrl_hdr *hdr = &command->request.hdr;
    const struct gpu_command_type *type;
    uint32_t error;

    if (!read_chain(command->chain, 0, hdr, sizeof(*hdr))) {
        memset(hdr, 0, sizeof(*hdr));
        return VIRTIO_GPU_RESP_ERR_UNSPEC;
    }
    error = check_flags(gpu, hdr, is_cursor);
    type = gpu_find_command(hdr->type);
    if (!type || type->is_of_cursor != is_cursor || !is_there(gpu, type->needs))
        return VIRTIO_GPU_RESP_ERR_UNSPEC;
    command->type = type;
    if (!read_chain(command->chain, sizeof(*hdr), hdr + 1, type->request_size - sizeof(*hdr)))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    if (!error && type->read_payload)
        error = type->read_payload(gpu, command);
    return error;
}

/* ---- Life ------------------------------------------------------------------------------------ */

static struct gpu_command *command_new(struct gpu *gpu, struct virtq_chain *chain) REQUIRES(bql)
{
    struct gpu_command *command = g_new0(struct gpu_command, 1);

    command->gpu = gpu;
    command->type = &unknown;
    command->chain = chain;
    command->generation = gpu->device.generation; /* changes under the BQL */
    command->popped_ns = monotonic_ns();
    fetch_add_relaxed(&gpu->nr_in_flight, 1);
    return command;
}

void gpu_command_free(struct gpu_command *command)
{
    struct gpu *gpu = command->gpu;

    gpu_drop_payload(command);
    gpu_backing_free(command->detached);
    gpu_resource_unref(command->resource);
    gpu_context_unref(command->context);
    g_free(command);
    (void)fetch_sub(&gpu->nr_in_flight, 1); /* pairs with gpu_free(): the device may go */
}

bool gpu_is_stale(const struct gpu_command *command)
{
    return command->generation != load_relaxed(&command->gpu->device.generation);
}

void gpu_refuse(struct gpu_command *command, uint32_t type, const char *why)
{
    virtio_guest_error(&command->gpu->device, "%s: %s (0x%x)", command->type->name, why, type);
    gpu_answer(command, type);
}

uint32_t gpu_nothing_to_render(struct gpu_command *command UNUSED, void *renderer UNUSED)
{
    return VIRTIO_GPU_RESP_OK_NODATA;
}

/* 0: none. */
static uint32_t resource_of(const struct gpu_command *command)
{
    const size_t at = command->type->resource_at;

    return at ? *(const uint32_t *)(const void *)((const char *)&command->request + at) : 0;
}

void gpu_dispatch(struct gpu *gpu, struct gpu_command *command)
{
    log_topic(gpu, "%s, context %u, resource %u", command->type->name, command->request.hdr.ctx_id,
              resource_of(command));
    command->type->handle(gpu, command);
}

static void receive(struct gpu *gpu, struct virtq_chain *chain, bool is_cursor) REQUIRES(bql)
{
    struct gpu_command *command = command_new(gpu, chain);
    uint32_t error = read_command(gpu, command, is_cursor);

    TRACE5_AT(gpu_pop, command->popped_ns, command, command->type->name,
              command->request.hdr.ctx_id, resource_of(command), command->request.hdr.fence_id);
    fetch_add_relaxed(&gpu->stats.commands, 1);
    gpu_answers_enter(gpu->answers, command);
    if (error)
        gpu_refuse(command, error, "refused as it is");
    else if (is_cursor || !gpu_order_park(gpu->order, command)) /* a cursor waits for nothing */
        gpu_dispatch(gpu, command);
}

static void handle_queue(struct gpu *gpu, unsigned index) REQUIRES(bql)
{
    struct virtq *queue = virtio_queue(&gpu->device, index);
    struct virtq_chain *chain;

    while (virtq_pop(queue, &chain) == VIRTQ_GOT)
        receive(gpu, chain, index == GPU_QUEUE_CURSOR);
    gpu_window_commit(gpu);
}

void gpu_control_queue(struct gpu *gpu)
{
    handle_queue(gpu, GPU_QUEUE_CONTROL);
}

void gpu_cursor_queue(struct gpu *gpu)
{
    handle_queue(gpu, GPU_QUEUE_CURSOR);
}
