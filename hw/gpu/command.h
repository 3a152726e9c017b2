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
    uint32_t type; /* VIRTIO_GPU_CMD_*; 0: a command that there is not */
    const char *name;
    bool is_of_cursor;     /* queue, and of no other */
    uint16_t request_size; /* with header, without payload */
    uint16_t resource_at, scanout_at;
    bool names_context; /* hdr.ctx_id */
    unsigned needs;
    /** Read the rest of the chain after the request into command->payload. NULL: no payload. */
    uint32_t (*read_payload)(struct gpu *gpu, struct gpu_command *command);
    /** Main thread. Ends in gpu_answer(), gpu_render() or a stage of its own. */
    void (*handle)(struct gpu *gpu, struct gpu_command *command);
    /** Render thread. The result is the answer's type, but with finish. Also for a command of
     * before a reset: see gpu_is_stale(). */
    uint32_t (*render)(struct gpu_command *command, void *renderer);
    /** Main thread, after render() and the fence: ends in gpu_answer(). With command->result.
     * Not called for a command of before a reset, which is dropped. */
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
    const struct gpu_command_type *type; /* never NULL */
    uint32_t generation;                 /* of the device, when it was popped */
    struct virtq_chain *chain;
    union gpu_request request; /* read once; little-endian is the host's order */
    void *payload;             /* private, 8-byte aligned */
    size_t payload_size;
    struct gpu_resource *resource; /* found by handle(), for render() and finish(): references, … */
    struct gpu_context *context;   /* … dropped by gpu_command_free() */
    /* What the resource had when handle() looked: borrowed, for render(). */
    const struct gpu_backing *memory;
    uint32_t memory_number;       /* of ATTACH_BACKING: which of its resource's */
    struct gpu_backing *detached; /* on its way from the renderer, where render() frees it */
    struct render_work work;
    uint32_t result; /* of render() */

    union gpu_response response;
    size_t response_size;      /* with its header; 0: a header only */
    const void *response_tail; /* a capset's bytes, behind the header; or NULL */
    size_t response_tail_size;

    void *mapped; /* by MAP_BLOB's render(), for its finish() */
    int64_t popped_ns;

    /* Private to order.c … */
    struct list_node wait_link; /* parked */
    /* … and answer.c, guarded by its lock. */
    struct list_node timeline_link; /* fenced and not answered */
    struct gpu_timeline *timeline;  /* NULL: none, or there was a reset */
    bool is_done;
    bool is_fence_placed;  /* the renderer has it, and has not said that it is passed */
    uint64_t fence;        /* our own number of it, for the renderer; 0: none, or passed */
    struct list_node link; /* its answer is ready, or its finish() due */
};

/* command.c: the table and the gate. */
const struct gpu_command_type *gpu_find_command(uint32_t type);
void gpu_control_queue(struct gpu *gpu) REQUIRES(bql);
void gpu_cursor_queue(struct gpu *gpu) REQUIRES(bql);
/** Run handle(): from the gate, or when a parked command may go on. */
void gpu_dispatch(struct gpu *gpu, struct gpu_command *command) REQUIRES(bql);
/** Whose chain has been pushed or dropped. Any thread. */
void gpu_command_free(struct gpu_command *command);
/** Whether the device has been reset since it was popped: nobody waits for it. Any thread. */
bool gpu_is_stale(const struct gpu_command *command);
/** gpu_answer() with an error that the guest is to blame for: told with @why. Any thread. */
void gpu_refuse(struct gpu_command *command, uint32_t type, const char *why);
/** Resource @id; or NULL, and the command is refused. */
struct gpu_resource *gpu_named_resource(struct gpu *gpu, struct gpu_command *command, uint32_t id)
    REQUIRES(bql);
/** Read @size bytes that follow the request into command->payload. An error, or 0. */
uint32_t gpu_read_payload(struct gpu *gpu, struct gpu_command *command, uint64_t size)
    REQUIRES(bql);
/** It is not needed any more. Any thread. */
void gpu_drop_payload(struct gpu_command *command);
static inline bool gpu_is_fenced(const struct gpu_command *command)
{
    return command->request.hdr.flags & VIRTIO_GPU_FLAG_FENCE;
}
/** What the renderer says (0: good) as an answer. */
static inline uint32_t gpu_answer_of(uint32_t error)
{
    return error ? error : VIRTIO_GPU_RESP_OK_NODATA;
}

/* answer.c: responses, fences and their order. */
struct gpu_answers *gpu_answers_new(struct gpu *gpu);
/** After the render thread has ended, with nothing in flight. NULL is fine. */
void gpu_answers_free(struct gpu_answers *answers) REQUIRES(bql);
/** At the gate, for each command that has been read, in the order of the queue: its chain is let
 * go, and a fenced one takes its place in its timeline. */
void gpu_answers_enter(struct gpu_answers *answers, struct gpu_command *command) REQUIRES(bql);
/**
 * The command is done, and its answer is of @type; with the response that command->response has
 * if that is VIRTIO_GPU_RESP_OK_*. It leaves now, or behind earlier fences of its timeline. Frees
 * the command. Any thread; no lock of rank RANK_DEVICE or above held.
 */
void gpu_answer(struct gpu_command *command, uint32_t type);
/** gpu_answer() of an unfenced one, which the driver may read now, without an interrupt: that is
 * raised by the next answer, or by gpu_answers_notify(), which is called soon. Any thread. */
void gpu_answer_quietly(struct gpu_command *command, uint32_t type);
void gpu_answers_notify(struct gpu *gpu);
/** Have type->render() run by the render thread, then finish() or gpu_answer() as result says.
 * Any thread. */
void gpu_render(struct gpu_command *command);
/** Not answered, and gone: at reset, when nobody waits for it. */
void gpu_command_drop(struct gpu_command *command) REQUIRES(bql);
/** Reset: no order between what was before and what comes; what waits for that, or for a fence of
 * the renderer's, is dropped. Nothing of before is finish()ed any more. */
void gpu_answers_drop(struct gpu_answers *answers) REQUIRES(bql);
/** The renderer says: fences up to @fence of @timeline are passed. @opaque is the struct gpu.
 * Render thread. */
void gpu_fence_passed(void *opaque, const struct timeline_id *timeline, uint64_t fence);

/* order.c: commands that wait for an unmap. */
struct gpu_order *gpu_order_new(struct gpu *gpu);
void gpu_order_free(struct gpu_order *order) REQUIRES(bql);
/** Whether the command has been parked, to be dispatched later; or refused, if too many are. */
bool gpu_order_park(struct gpu_order *order, struct gpu_command *command) MUST_CHECK REQUIRES(bql);
/** A resource has left MAP_MAPPING or MAP_UNMAPPING: dispatch those that may go on, in order; if
 * they are many, some of them now and the others in the next turns of the main loop. */
void gpu_order_wake(struct gpu_order *order) REQUIRES(bql);
/** The same, but all in the next turns: for what may happen often in one. */
void gpu_order_wake_later(struct gpu_order *order) REQUIRES(bql);
/** Reset: drop all that wait. */
void gpu_order_drop(struct gpu_order *order) REQUIRES(bql);

#endif
