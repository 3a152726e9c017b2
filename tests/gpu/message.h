/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What a driver says to a virtio-gpu: one function a command. They are values, to be
 * sent by post() or ask(), or changed first:
 *
 *     ask(scene, create_2d(5, VIRTIO_GPU_FORMAT_B8G8R8A8_UNORM, 64, 64));
 *     first = post(scene, fenced(unmap_blob(5), 1));
 *
 * What they point to (entries, words) stays until they have been sent.
 */
#ifndef TESTS_GPU_MESSAGE_H
#define TESTS_GPU_MESSAGE_H

#include "hw/gpu/command.h"

enum { QUEUE_CONTROL = 0, QUEUE_CURSOR = 1, RESPONSE_ROOM = 4096 };

struct message {
    union gpu_request request;
    size_t size;
    const void *payload;
    size_t payload_size;
    unsigned queue;
    uint32_t room; /* for the response */
};

/* ---- Changes ------------------------------------------------------------------------------- */

struct message in_context(struct message message, uint32_t context);

/* On the global timeline. */
struct message fenced(struct message message, uint64_t fence);

/* On a context's. */
struct message fenced_on_ring(struct message message, uint32_t context, uint8_t ring,
                              uint64_t fence);
struct message with_room(struct message message, uint32_t room);
struct message with_payload(struct message message, const void *payload, size_t size);

/* ---- What there is ------------------------------------------------------------------------- */

struct message get_display_info(void);
struct message get_edid(uint32_t scanout);
struct message get_capset_info(uint32_t index);
struct message get_capset(uint32_t id, uint32_t version);

/* ---- Resources ----------------------------------------------------------------------------- */

struct message create_2d(uint32_t id, uint32_t format, uint32_t width, uint32_t height);

/* Of virgl's targets, formats and binds: tests/gpu/stream.h. One level, one layer. */
struct message create_3d(uint32_t id, uint32_t target, uint32_t format, uint32_t bind,
                         uint32_t width, uint32_t height);

/* @mem, @flags: VIRTIO_GPU_BLOB_*. */
struct message create_blob(uint32_t id, uint32_t mem, uint32_t flags, uint64_t size);

/* Of a blob: which of the context's objects it takes over. */
struct message of_blob(struct message message, uint32_t context, uint64_t blob_id);
struct message host_blob(uint32_t id, uint64_t size, uint32_t context, uint64_t blob_id);
struct message guest_blob(uint32_t id, uint64_t size, const struct virtio_gpu_mem_entry *entries,
                          uint32_t nr);
struct message unref_resource(uint32_t id);
struct message assign_uuid(uint32_t id);
struct message attach_backing(uint32_t id, const struct virtio_gpu_mem_entry *entries, uint32_t nr);
struct message detach_backing(uint32_t id);
struct message map_blob(uint32_t id, uint64_t offset);
struct message unmap_blob(uint32_t id);

/* ---- Transfers ----------------------------------------------------------------------------- */

struct message to_host_2d(uint32_t id, struct virtio_gpu_rect rect, uint64_t offset);
struct message to_host_3d(uint32_t context, uint32_t id, struct virtio_gpu_box box,
                          uint64_t offset);
struct message from_host_3d(uint32_t context, uint32_t id, struct virtio_gpu_box box,
                            uint64_t offset);

/* ---- Contexts ------------------------------------------------------------------------------ */

/* @capset 0: virgl. */
struct message create_context(uint32_t context, uint32_t capset);
struct message destroy_context(uint32_t context);
struct message attach_resource(uint32_t context, uint32_t id);
struct message detach_resource(uint32_t context, uint32_t id);
struct message submit_3d(uint32_t context, const uint32_t *words, uint32_t nr_words);

/* ---- Screens ------------------------------------------------------------------------------- */

/* Resource 0: off. */
struct message set_scanout(uint32_t scanout, uint32_t id, struct virtio_gpu_rect rect);
struct message set_scanout_blob(uint32_t scanout, uint32_t id, struct virtio_gpu_rect rect,
                                const struct renderer_layout *layout);
struct message flush_resource(uint32_t id, struct virtio_gpu_rect rect);

/* Drivers give no room for an answer here. */
struct message update_cursor(uint32_t scanout, uint32_t id, uint32_t hot_x, uint32_t hot_y);
struct message move_cursor(uint32_t scanout, uint32_t x, uint32_t y);

#endif
