/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/gpu/message.h"

static struct message message_of(uint32_t type, size_t size)
{
    struct message message = { .size = size, .room = RESPONSE_ROOM };

    message.request.hdr.type = type;
    return message;
}

/* ---- Changes ------------------------------------------------------------------------------- */

struct message in_context(struct message message, uint32_t context)
{
    message.request.hdr.ctx_id = context;
    return message;
}

struct message fenced(struct message message, uint64_t fence)
{
    message.request.hdr.flags |= VIRTIO_GPU_FLAG_FENCE;
    message.request.hdr.fence_id = fence;
    return message;
}

struct message fenced_on_ring(struct message message, uint32_t context, uint8_t ring,
                              uint64_t fence)
{
    message = fenced(in_context(message, context), fence);
    message.request.hdr.flags |= VIRTIO_GPU_FLAG_INFO_RING_IDX;
    message.request.hdr.ring_idx = ring;
    return message;
}

struct message with_room(struct message message, uint32_t room)
{
    message.room = room;
    return message;
}

struct message with_payload(struct message message, const void *payload, size_t size)
{
    message.payload = payload;
    message.payload_size = size;
    return message;
}

/* ---- What there is ------------------------------------------------------------------------- */

struct message get_display_info(void)
{
    return message_of(VIRTIO_GPU_CMD_GET_DISPLAY_INFO, sizeof(struct virtio_gpu_ctrl_hdr));
}

struct message get_edid(uint32_t scanout)
{
    struct message message = message_of(VIRTIO_GPU_CMD_GET_EDID, sizeof(message.request.get_edid));

    message.request.get_edid.scanout = scanout;
    return message;
}

struct message get_capset_info(uint32_t index)
{
    struct message message =
        message_of(VIRTIO_GPU_CMD_GET_CAPSET_INFO, sizeof(message.request.get_capset_info));

    message.request.get_capset_info.capset_index = index;
    return message;
}

struct message get_capset(uint32_t id, uint32_t version)
{
    struct message message =
        message_of(VIRTIO_GPU_CMD_GET_CAPSET, sizeof(message.request.get_capset));

    message.request.get_capset.capset_id = id;
    message.request.get_capset.capset_version = version;
    return message;
}

/* ---- Resources ----------------------------------------------------------------------------- */

struct message create_2d(uint32_t id, uint32_t format, uint32_t width, uint32_t height)
{
    struct message message =
        message_of(VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, sizeof(message.request.create_2d));

    message.request.create_2d.resource_id = id;
    message.request.create_2d.format = format;
    message.request.create_2d.width = width;
    message.request.create_2d.height = height;
    return message;
}

struct message create_3d(uint32_t id, uint32_t target, uint32_t format, uint32_t bind,
                         uint32_t width, uint32_t height)
{
    struct message message =
        message_of(VIRTIO_GPU_CMD_RESOURCE_CREATE_3D, sizeof(message.request.create_3d));
    struct virtio_gpu_resource_create_3d *request = &message.request.create_3d;

    request->resource_id = id;
    request->target = target;
    request->format = format;
    request->bind = bind;
    request->width = width;
    request->height = height;
    request->depth = 1;
    request->array_size = 1;
    return message;
}

struct message create_blob(uint32_t id, uint32_t mem, uint32_t flags, uint64_t size)
{
    struct message message =
        message_of(VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, sizeof(message.request.create_blob));

    message.request.create_blob.resource_id = id;
    message.request.create_blob.blob_mem = mem;
    message.request.create_blob.blob_flags = flags;
    message.request.create_blob.size = size;
    return message;
}

struct message of_blob(struct message message, uint32_t context, uint64_t blob_id)
{
    message.request.create_blob.blob_id = blob_id;
    return in_context(message, context);
}

struct message host_blob(uint32_t id, uint64_t size, uint32_t context, uint64_t blob_id)
{
    return of_blob(
        create_blob(id, VIRTIO_GPU_BLOB_MEM_HOST3D, VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE, size),
        context, blob_id);
}

struct message guest_blob(uint32_t id, uint64_t size, const struct virtio_gpu_mem_entry *entries,
                          uint32_t nr)
{
    struct message message = create_blob(id, VIRTIO_GPU_BLOB_MEM_GUEST, 0, size);

    message.request.create_blob.nr_entries = nr;
    return with_payload(message, entries, nr * sizeof(*entries));
}

static struct message resource_message(uint32_t type, uint32_t id)
{
    struct message message = message_of(type, sizeof(message.request.unref));

    message.request.unref.resource_id = id; /* in the same place in all that this is for */
    return message;
}

struct message unref_resource(uint32_t id)
{
    return resource_message(VIRTIO_GPU_CMD_RESOURCE_UNREF, id);
}

struct message assign_uuid(uint32_t id)
{
    return resource_message(VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID, id);
}

struct message attach_backing(uint32_t id, const struct virtio_gpu_mem_entry *entries, uint32_t nr)
{
    struct message message =
        message_of(VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, sizeof(message.request.attach_backing));

    message.request.attach_backing.resource_id = id;
    message.request.attach_backing.nr_entries = nr;
    return with_payload(message, entries, nr * sizeof(*entries));
}

struct message detach_backing(uint32_t id)
{
    return resource_message(VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, id);
}

struct message map_blob(uint32_t id, uint64_t offset)
{
    struct message message =
        message_of(VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, sizeof(message.request.map_blob));

    message.request.map_blob.resource_id = id;
    message.request.map_blob.offset = offset;
    return message;
}

struct message unmap_blob(uint32_t id)
{
    return resource_message(VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, id);
}

/* ---- Transfers ----------------------------------------------------------------------------- */

struct message to_host_2d(uint32_t id, struct virtio_gpu_rect rect, uint64_t offset)
{
    struct message message =
        message_of(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D, sizeof(message.request.to_host_2d));

    message.request.to_host_2d.resource_id = id;
    message.request.to_host_2d.r = rect;
    message.request.to_host_2d.offset = offset;
    return message;
}

static struct message transfer_3d(uint32_t type, uint32_t context, uint32_t id,
                                  struct virtio_gpu_box box, uint64_t offset)
{
    struct message message = message_of(type, sizeof(message.request.transfer_3d));

    message.request.transfer_3d.resource_id = id;
    message.request.transfer_3d.box = box;
    message.request.transfer_3d.offset = offset;
    return in_context(message, context);
}

struct message to_host_3d(uint32_t context, uint32_t id, struct virtio_gpu_box box, uint64_t offset)
{
    return transfer_3d(VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D, context, id, box, offset);
}

struct message from_host_3d(uint32_t context, uint32_t id, struct virtio_gpu_box box,
                            uint64_t offset)
{
    return transfer_3d(VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D, context, id, box, offset);
}

/* ---- Contexts ------------------------------------------------------------------------------ */

struct message create_context(uint32_t context, uint32_t capset)
{
    struct message message =
        message_of(VIRTIO_GPU_CMD_CTX_CREATE, sizeof(message.request.ctx_create));

    message.request.ctx_create.context_init = capset;
    return in_context(message, context);
}

struct message destroy_context(uint32_t context)
{
    return in_context(message_of(VIRTIO_GPU_CMD_CTX_DESTROY, sizeof(struct virtio_gpu_ctx_destroy)),
                      context);
}

struct message attach_resource(uint32_t context, uint32_t id)
{
    return in_context(resource_message(VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, id), context);
}

struct message detach_resource(uint32_t context, uint32_t id)
{
    return in_context(resource_message(VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE, id), context);
}

struct message submit_3d(uint32_t context, const uint32_t *words, uint32_t nr_words)
{
    struct message message = message_of(VIRTIO_GPU_CMD_SUBMIT_3D, sizeof(message.request.submit));

    message.request.submit.size = nr_words * (uint32_t)sizeof(*words);
    return with_payload(in_context(message, context), words, nr_words * sizeof(*words));
}

/* ---- Screens ------------------------------------------------------------------------------- */

struct message set_scanout(uint32_t scanout, uint32_t id, struct virtio_gpu_rect rect)
{
    struct message message =
        message_of(VIRTIO_GPU_CMD_SET_SCANOUT, sizeof(message.request.set_scanout));

    message.request.set_scanout.scanout_id = scanout;
    message.request.set_scanout.resource_id = id;
    message.request.set_scanout.r = rect;
    return message;
}

struct message set_scanout_blob(uint32_t scanout, uint32_t id, struct virtio_gpu_rect rect,
                                const struct renderer_layout *layout)
{
    struct message message =
        message_of(VIRTIO_GPU_CMD_SET_SCANOUT_BLOB, sizeof(message.request.set_scanout_blob));
    struct virtio_gpu_set_scanout_blob *request = &message.request.set_scanout_blob;

    request->scanout_id = scanout;
    request->resource_id = id;
    request->r = rect;
    request->width = layout->width;
    request->height = layout->height;
    request->format = layout->format;
    request->strides[0] = layout->stride;
    request->offsets[0] = layout->offset;
    return message;
}

struct message flush_resource(uint32_t id, struct virtio_gpu_rect rect)
{
    struct message message =
        message_of(VIRTIO_GPU_CMD_RESOURCE_FLUSH, sizeof(message.request.flush));

    message.request.flush.resource_id = id;
    message.request.flush.r = rect;
    return message;
}

static struct message cursor_message(uint32_t type, uint32_t scanout, uint32_t x, uint32_t y)
{
    struct message message = message_of(type, sizeof(message.request.cursor));

    message.request.cursor.pos.scanout_id = scanout;
    message.request.cursor.pos.x = x;
    message.request.cursor.pos.y = y;
    message.queue = QUEUE_CURSOR;
    message.room = 0;
    return message;
}

struct message update_cursor(uint32_t scanout, uint32_t id, uint32_t hot_x, uint32_t hot_y)
{
    struct message message = cursor_message(VIRTIO_GPU_CMD_UPDATE_CURSOR, scanout, 0, 0);

    message.request.cursor.resource_id = id;
    message.request.cursor.hot_x = hot_x;
    message.request.cursor.hot_y = hot_y;
    return message;
}

struct message move_cursor(uint32_t scanout, uint32_t x, uint32_t y)
{
    return cursor_message(VIRTIO_GPU_CMD_MOVE_CURSOR, scanout, x, y);
}
