/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A driver of virtio-gpu (virtio 1.2, 5.7), as far as tests need one: it finds all by the device's
 * capabilities, has many commands under way, and knows when each came back. One processor uses it.
 */
#ifndef TESTS_GUEST_BOARD_GPU_DRIVER_H
#define TESTS_GUEST_BOARD_GPU_DRIVER_H

#include <linux/virtio_gpu.h>

#include "tests/guest/board/pci.h"

enum {
    GPU_CONTROL = 0,
    GPU_CURSOR = 1,
    GPU_COMMANDS = 16, /* under way at once */
    GPU_REQUEST_SIZE = 256,
    GPU_RESPONSE_SIZE = 2048,
    GPU_VECTOR = 0x61, /* of its interrupt */
};
#define GPU_FEATURES                                                                               \
    (1ul << VIRTIO_GPU_F_VIRGL | 1ul << VIRTIO_GPU_F_EDID | 1ul << VIRTIO_GPU_F_RESOURCE_BLOB |    \
     1ul << VIRTIO_GPU_F_CONTEXT_INIT | 1ul << 32 /* VERSION_1 */)

/* Where a queue's three parts are, and how far it is. */
struct gpu_queue {
    struct descriptor *descriptors;
    struct avail *avail;
    struct used *used;
    unsigned index, size;
    volatile u16 *doorbell;
    u16 taken; /* of the used ring */
};

/* One command: the device reads @request and what is behind it, and writes @response. */
struct gpu_command {
    u8 request[GPU_REQUEST_SIZE];
    u8 response[GPU_RESPONSE_SIZE];
    u32 response_length;
    bool is_free, is_done;
    u64 began, ended; /* by the TSC: before the doorbell, and when it was seen to be used */
};

struct gpu {
    unsigned slot;
    volatile u8 *common, *isr, *config, *msix;
    struct gpu_queue queues[2];
    u64 offered, features;
    u64 window, window_size;  /* the host-visible memory, in physical addresses; size 0: none */
    volatile u8 *window_at;   /* where it is for us */
    bool is_64bit;            /* its BAR */
    bool halts;               /* wait by interrupt and HLT, or else by looking again and again */
    unsigned long nr_wakeups; /* by its interrupt */
    u64 next_fence;
};

/* Look at its configuration only. False: there is none, or a capability is missing. */
bool gpu_find(struct gpu *gpu);
/* From reset to DRIVER_OK, with @features of those that it offers. */
bool gpu_start(struct gpu *gpu, u64 features);
void gpu_reset(const struct gpu *gpu);
/* From now on its answers interrupt this processor, which halts meanwhile. */
bool gpu_use_interrupts(struct gpu *gpu);

/* A header for @type; the device is told of a fence if @is_fenced. */
struct virtio_gpu_ctrl_hdr gpu_header(u32 type, u32 context);
void gpu_fence(struct gpu *gpu, struct virtio_gpu_ctrl_hdr *header);

/*
 * Begin a command of the control queue; @more is behind the request, for the device to read, and
 * stays until the command is done. Then gpu_finish() it.
 */
unsigned gpu_begin(struct gpu *gpu, const void *request, u32 size, const void *more, u32 more_size);
/* Not rung for yet: what is begun so is seen together with what follows. */
unsigned gpu_begin_quietly(struct gpu *gpu, const void *request, u32 size, const void *more,
                           u32 more_size);
void gpu_kick(const struct gpu *gpu, unsigned queue);

bool gpu_is_done(struct gpu *gpu, unsigned command);
/* Wait for it. The answer's type; 0: its fence is not the request's. */
u32 gpu_finish(struct gpu *gpu, unsigned command);
/* What it was; valid until the next one begins. */
const struct gpu_command *gpu_command(unsigned command);

/* Both. */
u32 gpu_do(struct gpu *gpu, const void *request, u32 size, const void *more, u32 more_size);
/* The last answer that gpu_do() or gpu_finish() had. */
const void *gpu_response(void);
u32 gpu_response_length(void);

#endif
