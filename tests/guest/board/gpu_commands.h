/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The commands of virtio-gpu, one function each: it waits, and returns the answer's type. Those
 * that only begin return what gpu_finish() takes.
 */
#ifndef TESTS_GUEST_BOARD_GPU_COMMANDS_H
#define TESTS_GUEST_BOARD_GPU_COMMANDS_H

#include "tests/gpu/stream.h"
#include "tests/guest/board/gpu_driver.h"

#define OK_NODATA VIRTIO_GPU_RESP_OK_NODATA
#define OK_MAP VIRTIO_GPU_RESP_OK_MAP_INFO
#define NO_RESOURCE VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID
#define NO_CONTEXT VIRTIO_GPU_RESP_ERR_INVALID_CONTEXT_ID
#define BAD_PARAMETER VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER
#define IS_ERROR(type) ((type) >= VIRTIO_GPU_RESP_ERR_UNSPEC)

enum { PAGE = 4096 };

/* ---- Contexts and streams -------------------------------------------------------------------- */

u32 gpu_context_create(struct gpu *gpu, u32 context, u32 capset);
u32 gpu_context_destroy(struct gpu *gpu, u32 context);
u32 gpu_attach(struct gpu *gpu, u32 context, u32 resource);
u32 gpu_detach(struct gpu *gpu, u32 context, u32 resource);
/* Fenced, as Linux has it. */
u32 gpu_submit(struct gpu *gpu, u32 context, const struct stream *stream);
unsigned gpu_submit_begin(struct gpu *gpu, u32 context, const struct stream *stream);
/* A stream that does nothing. It stays until the device is reset. */
unsigned gpu_no_op_begin(struct gpu *gpu, u32 context, bool is_fenced);

/* ---- Pictures -------------------------------------------------------------------------------- */

u32 gpu_create_2d(struct gpu *gpu, u32 resource, u32 width, u32 height);
u32 gpu_create_3d(struct gpu *gpu, u32 resource, u32 width, u32 height);
u32 gpu_unref(struct gpu *gpu, u32 resource);
u32 gpu_attach_backing(struct gpu *gpu, u32 resource, const void *at, u32 size);
u32 gpu_detach_backing(struct gpu *gpu, u32 resource);
u32 gpu_to_host_2d(struct gpu *gpu, u32 resource, const struct virtio_gpu_rect *rect, u64 offset);
/* Between the whole picture, of 32 bits a pixel, and its backing. */
u32 gpu_from_host_3d(struct gpu *gpu, u32 context, u32 resource, u32 width, u32 height);
u32 gpu_set_scanout(struct gpu *gpu, u32 scanout, u32 resource, const struct virtio_gpu_rect *rect);
u32 gpu_flush(struct gpu *gpu, u32 resource, const struct virtio_gpu_rect *rect);

/* ---- Blobs ----------------------------------------------------------------------------------- */

u32 gpu_create_blob(struct gpu *gpu, u32 context, u32 resource, u64 blob_id, u64 size, u32 flags);
/* A blob of guest memory, one piece. */
u32 gpu_create_guest_blob(struct gpu *gpu, u32 resource, const void *at, u32 size);
u32 gpu_map(struct gpu *gpu, u32 resource, u64 offset);
u32 gpu_unmap(struct gpu *gpu, u32 resource);
/* @type: VIRTIO_GPU_CMD_RESOURCE_UNMAP_BLOB or …_UNREF, not waited for. */
unsigned gpu_leave_begin(struct gpu *gpu, u32 type, u32 resource, bool is_fenced);
/* A buffer of the host's and the blob of it, attached to @context. Dies where it cannot. */
void gpu_buffer(struct gpu *gpu, u32 context, u32 resource, u32 size);

#endif
