/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A command goes through stages, each a function of its type:
 *
 *     control queue ─▶ gate, handle() ─▶ [wait] ─▶ render() ─▶ [fence] ─▶ finish() ─▶ answer
 *       main thread      main thread    order.c   render thread          main thread   any thread
 *
 * handle() checks what the guest says against the tables, and either answers at once from what
 * the main thread knows, or has the rest done. Nobody waits for anybody: a command that must wait
 * is parked, and goes on when what it waits for is done (order.c).
 */
#ifndef HW_GPU_COMMAND_H
#define HW_GPU_COMMAND_H

#include "hw/gpu/render.h"
#include "hw/gpu/resource.h"
#include "hw/virtio/queue.h"
#include "util/list.h"
#include "util/loop.h"

struct gpu_answers;
struct gpu_command;
struct gpu_order;
struct gpu_timeline;

enum gpu_needs { /* of a command: what must be there for it */
                 GPU_NEEDS_NOTHING,
                 GPU_NEEDS_GL = 1,
                 GPU_NEEDS_BLOB = 2,
                 GPU_NEEDS_WINDOW = 4,
                 GPU_NEEDS_EDID = 8,
                 GPU_NEEDS_UUID = 16,
};

/* What ids a command names, for waiting (order.c): offsets in the request; 0: none. */
struct gpu_command_type {
    uint32_t type; /* VIRTIO_GPU_CMD_* */
    const char *name;
    uint16_t request_size; /* with header, without payload */
    uint16_t resource_at;
    bool names_context; /* hdr.ctx_id */
    unsigned needs;
    /** Read the rest of the chain after the request into command->payload. NULL: no payload. */
    uint32_t (*read_payload)(struct gpu *gpu, struct gpu_command *command);
    /** Main thread. Ends in gpu_answer(), gpu_render() or a stage of its own. */
    void (*handle)(struct gpu *gpu, struct gpu_command *command);
    /** Render thread. The result is the answer's type, but with finish. */
    uint32_t (*render)(struct gpu_command *command, void *renderer);
    /** Main thread, after render() and the fence: ends in gpu_answer(). With command->result. */
    void (*finish)(struct gpu *gpu, struct gpu_command *command);
};

union gpu_request {
    struct virtio_gpu_ctrl_hdr hdr;
    struct virtio_gpu_resource_create_2d create_2d;
    struct virtio_gpu_resource_unref unref;
    struct virtio_gpu_set_scanout set_scanout;
    struct virtio_gpu_resource_flush flush;
    struct virtio_gpu_transfer_to_host_2d to_host_2d;
    struct virtio_gpu_resource_attach_backing attach_backing;
    struct virtio_gpu_resource_detach_backing detach_backing;
    struct virtio_gpu_transfer_host_3d transfer_3d;
    struct virtio_gpu_resource_create_3d create_3d;
    struct virtio_gpu_ctx_create ctx_create;
    struct virtio_gpu_ctx_destroy ctx_destroy;
    struct virtio_gpu_ctx_resource ctx_resource;
    struct virtio_gpu_cmd_submit submit;
    struct virtio_gpu_get_capset_info get_capset_info;
    struct virtio_gpu_get_capset get_capset;
    struct virtio_gpu_cmd_get_edid get_edid;
    struct virtio_gpu_resource_assign_uuid assign_uuid;
    struct virtio_gpu_resource_create_blob create_blob;
    struct virtio_gpu_set_scanout_blob set_scanout_blob;
    struct virtio_gpu_resource_map_blob map_blob;
    struct virtio_gpu_resource_unmap_blob unmap_blob;
    struct virtio_gpu_update_cursor cursor;
};

union gpu_response {
    struct virtio_gpu_ctrl_hdr hdr;
    struct virtio_gpu_resp_display_info display_info;
    struct virtio_gpu_resp_capset_info capset_info;
    struct virtio_gpu_resp_edid edid;
    struct virtio_gpu_resp_resource_uuid uuid;
    struct virtio_gpu_resp_map_info map_info;
};

/* One chain of the control queue, owned by the stage that it is at. */
struct gpu_command {
    struct gpu *gpu;
    const struct gpu_command_type *type;
    struct virtq_chain *chain;
    union gpu_request request; /* read once; little-endian is the host's order */
    void *payload;             /* private, 8-byte aligned */
    size_t payload_size;
    struct gpu_resource *resource; /* found by handle() … */
    struct gpu_context *context;   /* … for render() and finish() */
    struct gpu_backing *backing;   /* on its way to the renderer */
    struct render_work work;
    uint32_t result; /* of render() */

    union gpu_response response;
    size_t response_size;      /* 0: a header only */
    const void *response_tail; /* a capset's bytes, behind the header; or NULL */
    size_t response_tail_size;

    /* Private to order.c and answer.c. */
    struct list_node wait_link;     /* parked */
    struct list_node timeline_link; /* fenced and not answered */
    struct gpu_timeline *timeline;
    bool is_done;
    uint64_t fence; /* our own number of it, for the renderer */
    struct list_node push_link;
    int64_t popped_ns;
    struct deferred deferred; /* finish() */
};

/* command.c: the table and the gate. */
const struct gpu_command_type *gpu_find_command(uint32_t type);
void gpu_control_queue(struct gpu *gpu) REQUIRES(bql);
void gpu_cursor_queue(struct gpu *gpu) REQUIRES(bql);
/** Run handle(): from the gate, or when a parked command may go on. */
void gpu_dispatch(struct gpu *gpu, struct gpu_command *command) REQUIRES(bql);

/* answer.c: responses, fences and their order. */
struct gpu_answers *gpu_answers_new(struct gpu *gpu);
void gpu_answers_free(struct gpu_answers *answers);
/** At the gate, in the order of the queue: a fenced command takes its place in its timeline. */
void gpu_answers_enter(struct gpu_answers *answers, struct gpu_command *command) REQUIRES(bql);
/**
 * The command is done, and its answer is of @type; with the response that command->response has
 * if that is VIRTIO_GPU_RESP_OK_*. It leaves now, or behind earlier fences of its timeline. Frees
 * the command. Any thread; no lock of rank RANK_DEVICE or above held.
 */
void gpu_answer(struct gpu_command *command, uint32_t type);
/** Have type->render() run by the render thread, then finish() or gpu_answer() as result says.
 * Any thread. */
void gpu_render(struct gpu_command *command);
/** The renderer says: fences up to @fence of @timeline are passed. Render thread. */
void gpu_fence_passed(void *opaque, const struct timeline_id *timeline, uint64_t fence);

/* order.c: commands that wait for an unmap. */
struct gpu_order *gpu_order_new(struct gpu *gpu);
void gpu_order_free(struct gpu_order *order) REQUIRES(bql);
/** Whether the command has been parked, to be dispatched later. */
bool gpu_order_park(struct gpu_order *order, struct gpu_command *command) MUST_CHECK REQUIRES(bql);
/** A resource has left MAP_MAPPING or MAP_UNMAPPING: dispatch those that may go on, in order. */
void gpu_order_wake(struct gpu_order *order) REQUIRES(bql);
/** Reset: drop all that wait. */
void gpu_order_drop(struct gpu_order *order) REQUIRES(bql);

/* The handlers of the table, in the files that they belong to. */
#define GPU_HANDLER(name) void name(struct gpu *gpu, struct gpu_command *command) REQUIRES(bql)

#endif
