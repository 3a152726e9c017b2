/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "tests/fuzz/gpu_input.h"
#include "tests/gpu/gpu_scene.h"

enum { PAGE = 4096, RAW = 248 /* a field's first byte from here on: any number */ };

/*
 * The fields behind the header, in their order, each a letter of field_values. An upper-case one
 * has 64 bits, the others 32.
 */
static const struct {
    uint32_t type;
    const char *fields;
} commands[] = {
    { VIRTIO_GPU_CMD_RESOURCE_CREATE_2D, "ifww" },
    { VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING, "in" },
    { VIRTIO_GPU_CMD_TRANSFER_TO_HOST_2D, "xxwwOi0" },
    { VIRTIO_GPU_CMD_SET_SCANOUT, "xxwwsi" },
    { VIRTIO_GPU_CMD_RESOURCE_FLUSH, "xxwwi0" },
    { VIRTIO_GPU_CMD_RESOURCE_UNREF, "i0" },
    { VIRTIO_GPU_CMD_RESOURCE_DETACH_BACKING, "i0" },
    { VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB, "imbnBS" },
    { VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB, "i0O" },
    { VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB, "i0" },
    { VIRTIO_GPU_CMD_SET_SCANOUT_BLOB, "xxwwsiwwf0ttttoooo" },
    { VIRTIO_GPU_CMD_CTX_CREATE, "lc" },
    { VIRTIO_GPU_CMD_CTX_ATTACH_RESOURCE, "i0" },
    { VIRTIO_GPU_CMD_SUBMIT_3D, "z0" },
    { VIRTIO_GPU_CMD_RESOURCE_CREATE_3D, "igfkwwddllb0" },
    { VIRTIO_GPU_CMD_TRANSFER_TO_HOST_3D, "xxxwwdOiltt" },
    { VIRTIO_GPU_CMD_TRANSFER_FROM_HOST_3D, "xxxwwdOiltt" },
    { VIRTIO_GPU_CMD_CTX_DETACH_RESOURCE, "i0" },
    { VIRTIO_GPU_CMD_CTX_DESTROY, "" },
    { VIRTIO_GPU_CMD_UPDATE_CURSOR, "sxx0ixx0" },
    { VIRTIO_GPU_CMD_MOVE_CURSOR, "sxx0ixx0" },
    { VIRTIO_GPU_CMD_GET_DISPLAY_INFO, "" },
    { VIRTIO_GPU_CMD_GET_EDID, "s0" },
    { VIRTIO_GPU_CMD_GET_CAPSET_INFO, "s0" },
    { VIRTIO_GPU_CMD_GET_CAPSET, "cd" },
    { VIRTIO_GPU_CMD_RESOURCE_ASSIGN_UUID, "i0" },
};

static const struct {
    char letter;
    unsigned nr;
    uint64_t values[12];
} field_values[] = {
    { '0', 1, { 0 } },
    { 'i', 9, { 1, 2, 3, 4, 5, 6, 7, 0, UINT32_MAX } }, /* resource */
    { 'c', 7, { 0, 1, 2, 4, 6, 7, 0x10001 } },          /* capset */
    { 's', 5, { 0, 1, 2, 15, 16 } },                    /* scanout, index */
    { 'w', 9, { 16, 64, 1, 100, 640, 0, 1024, 16385, UINT32_MAX } },
    { 'd', 4, { 1, 2, 0, 4096 } },
    { 'x', 8, { 0, 1, 15, 16, 63, 64, UINT32_MAX, UINT32_MAX - 15 } },
    { 'f', 11, { 1, 2, 3, 4, 67, 68, 121, 134, 0, 5, 64 } }, /* format */
    { 'o', 7, { 0, 1, 4, 64, 4096, 65536, UINT32_MAX } },
    { 'O', 10, { 0, 4096, 8192, 65536, 4, 1 << 20, 100, UINT64_MAX, UINT64_MAX - 4095, 1 << 24 } },
    { 'S', 8, { 4096, 8192, 65536, 1 << 20, 100, 0, UINT64_C(1) << 32, UINT64_MAX } },
    { 'B', 5, { 1, 2, 3, 0, UINT64_MAX } }, /* blob_id */
    { 'n', 6, { 1, 2, INPUT_ENTRIES, 0, 1 << 18, UINT32_MAX } },
    { 'm', 5, { 1, 2, 3, 0, 4 } }, /* blob_mem */
    { 'b', 5, { 1, 0, 2, 7, 8 } }, /* flags */
    { 't', 7, { 64, 256, 400, 0, 4, 2560, UINT32_MAX } },
    { 'l', 4, { 0, 1, 64, 65 } },
    { 'g', 5, { 2, 0, 1, 3, 8 } },                            /* target */
    { 'k', 7, { 2, 16, 8, 10, 0, 1 << 18, UINT32_MAX } },     /* bind */
    { 'z', 6, { 4, 64, INPUT_WORDS * 4, 0, 2, 0xfffffffc } }, /* size of a stream */
};

uint64_t take_value(struct input *input, const uint64_t *values, unsigned nr_values,
                    unsigned nr_bytes)
{
    uint8_t kind = take(input);

    return kind >= RAW ? take_bytes(input, nr_bytes) : values[kind % nr_values];
}

uint64_t take_address(struct input *input)
{
    uint8_t kind = take(input);

    if (kind < 216)
        return SCENE_DATA + (uint64_t)(kind % INPUT_PAGES) * PAGE + (kind >= 192 ? kind : 0);
    if (kind < 244)
        return SCENE_WINDOW + (uint64_t)(kind % 8) * PAGE;
    return kind < RAW ? GUEST_RAM - (kind % 4U) * PAGE : take_bytes(input, 8);
}

static uint64_t take_field(struct input *input, char letter, unsigned size)
{
    for (unsigned i = 0; i < ARRAY_SIZE(field_values); i++) {
        if (field_values[i].letter == letter)
            return take_value(input, field_values[i].values, field_values[i].nr, size);
    }
    g_assert_not_reached();
}

static size_t take_fields(struct input *input, const char *fields, uint8_t *to)
{
    size_t size = sizeof(struct virtio_gpu_ctrl_hdr);

    for (; *fields; fields++) {
        unsigned width = g_ascii_isupper(*fields) ? 8 : 4;
        uint64_t value = take_field(input, *fields, width);

        memcpy(to + size, &value, width); /* little-endian, as the wire's */
        size += width;
    }
    return size;
}

static void take_header(struct input *input, uint32_t type, struct virtio_gpu_ctrl_hdr *hdr)
{
    static const uint64_t contexts[] = { 1, 2, 3, 0, 4096, UINT32_MAX };
    uint8_t flags = take(input);

    hdr->type = flags == UINT8_MAX ? (uint32_t)take_bytes(input, 4) : type;
    hdr->ctx_id = (uint32_t)take_value(input, contexts, ARRAY_SIZE(contexts), 4);
    if (flags & 1) {
        hdr->flags |= VIRTIO_GPU_FLAG_FENCE;
        hdr->fence_id = take(input);
    }
    if (flags & 2 && flags & 4) {
        hdr->flags |= VIRTIO_GPU_FLAG_INFO_RING_IDX;
        hdr->ring_idx = take(input) % 66; /* 64 and 65 do not exist */
    }
    if ((flags & 0xf0) == 0xf0)
        hdr->flags |= (uint32_t)take_bytes(input, 2);
}

/* Mostly as many as it says. */
static void take_entries(struct input *input, uint32_t nr, struct message *message,
                         union input_payload *payload)
{
    static const uint64_t lengths[] = { PAGE, 2 * PAGE, 100, 16 * PAGE, 0, 1, UINT32_MAX };

    nr = MIN(nr, INPUT_ENTRIES);
    for (uint32_t i = 0; i < nr; i++)
        payload->entries[i] = (struct virtio_gpu_mem_entry){
            .addr = take_address(input),
            .length = (uint32_t)take_value(input, lengths, ARRAY_SIZE(lengths), 4),
        };
    message->payload = payload->entries;
    message->payload_size = nr * sizeof(payload->entries[0]);
}

static void take_words(struct input *input, uint32_t size, struct message *message,
                       union input_payload *payload)
{
    size = MIN(size, sizeof(payload->words));
    memset(payload->words, 0, size);
    payload->words[0] = take(input) & 0x80 ? VIRTIO_GPU_RESP_ERR_UNSPEC : take(input);
    message->payload = payload->words;
    message->payload_size = size;
}

struct message take_message(struct input *input, union input_payload *ret_payload)
{
    unsigned which = take(input) % ARRAY_SIZE(commands);
    struct message message = { .room = RESPONSE_ROOM };
    union gpu_request *request = &message.request;

    take_header(input, commands[which].type, &request->hdr);
    message.size = take_fields(input, commands[which].fields, (uint8_t *)request);
    switch (commands[which].type) {
    case VIRTIO_GPU_CMD_RESOURCE_ATTACH_BACKING:
        take_entries(input, request->attach_backing.nr_entries, &message, ret_payload);
        break;
    case VIRTIO_GPU_CMD_RESOURCE_CREATE_BLOB:
        take_entries(input, request->create_blob.nr_entries, &message, ret_payload);
        break;
    case VIRTIO_GPU_CMD_SUBMIT_3D:
        take_words(input, request->submit.size, &message, ret_payload);
        break;
    case VIRTIO_GPU_CMD_CTX_CREATE:
        message.size = sizeof(request->ctx_create);
        break;
    case VIRTIO_GPU_CMD_UPDATE_CURSOR:
    case VIRTIO_GPU_CMD_MOVE_CURSOR:
        message.queue = QUEUE_CURSOR;
        message.room = 0;
        break;
    default:
        break;
    }
    return message;
}

/* ---- Good ones ------------------------------------------------------------------------------ */

enum { SIDE = 64, BLOB_PAGES = 4 };

static struct message good_picture(uint8_t which, uint32_t id, union input_payload *payload)
{
    const struct renderer_layout layout = { VIRTIO_GPU_FORMAT_B8G8R8X8_UNORM, SIDE, 32, 256, 0 };
    const struct virtio_gpu_rect all = rect_of(0, 0, SIDE, SIDE), half = rect_of(0, 0, SIDE, 32);

    payload->entries[0] = entry(SCENE_DATA, SIDE * SIDE * 4);
    switch (which % 8) {
    case 0:
        return create_2d(id, VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, SIDE, SIDE);
    case 1:
        return attach_backing(id, payload->entries, 1);
    case 2:
        return to_host_2d(id, all, 0);
    case 3:
        return set_scanout(which >> 7, id, all);
    case 4:
        return flush_resource(id, half);
    case 5:
        return guest_blob(id, SIDE * SIDE * 4, payload->entries, 1);
    case 6:
        return set_scanout_blob(which >> 7, id, half, &layout);
    default:
        return update_cursor(which >> 7, id, 1, 1);
    }
}

static struct message good_3d(uint8_t which, uint32_t id, uint32_t context,
                              union input_payload *payload)
{
    const struct virtio_gpu_box box = { 0, 0, 0, 16, 16, 1 };

    payload->words[0] = 0;
    switch (which % 12) {
    case 0:
        return create_context(context, 0);
    case 1:
        return host_blob(id, BLOB_PAGES * PAGE, context, id);
    case 2:
    case 3:
        return map_blob(id, (which >> 4) * PAGE);
    case 4:
    case 5:
        return unmap_blob(id);
    case 6:
        return attach_resource(context, id);
    case 7:
        return submit_3d(context, payload->words, 1);
    case 8:
        return create_3d(id, 2, 1, 10, SIDE, SIDE);
    case 9:
        return to_host_3d(context, id, box, 0);
    case 10:
        return detach_resource(context, id);
    default:
        return destroy_context(context);
    }
}

struct message take_good_message(struct input *input, union input_payload *ret_payload)
{
    uint8_t which = take(input), whom = take(input);
    uint32_t id = 1 + whom % 4, context = 1 + (whom >> 2 & 1);
    struct message message;

    if (which % 4 == 0)
        message = good_picture(which >> 2 | (whom & 0x80), id, ret_payload);
    else if (which % 4 < 3)
        message = good_3d(which >> 2 | (whom & 0xf0), id, context, ret_payload);
    else
        message = unref_resource(id);
    if (whom & 8 && message.queue == QUEUE_CONTROL)
        message = whom & 4 ? fenced_on_ring(message, context, 0, whom) : fenced(message, whom);
    return message;
}
