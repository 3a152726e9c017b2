/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How much of everything one guest can have. Beyond it the answer is an error, and a counter says
 * which limit it was (gracevm_gpu_limit_total{limit=}).
 */
#ifndef HW_GPU_GPU_LIMITS_H
#define HW_GPU_GPU_LIMITS_H

#include <stdint.h>

enum gpu_limit {
    LIMIT_RESOURCES,
    LIMIT_BYTES, /* of pictures and blobs that live in the host */
    LIMIT_CONTEXTS,
    LIMIT_ENTRIES,  /* of the backings, together */
    LIMIT_BACKING,  /* bytes of one backing */
    LIMIT_PAYLOAD,  /* bytes of commands that are on their way, together */
    LIMIT_SIDE,     /* pixels each way */
    LIMIT_ATTACHED, /* resources to contexts, together */
    LIMIT_SCREENS,  /* bytes of what scanouts show, together */
    LIMIT_WAITING,  /* commands that wait for a map or an unmap */
    NR_GPU_LIMITS,
};

enum {
    RESOURCES_MAX = 65536,
    CONTEXTS_MAX = 256,            /* virglrenderer's on llvmpipe: 4.5 MiB each */
    ENTRIES_MAX = 1 << 22,         /* pages of 4 KiB: 16 GiB */
    BACKING_ENTRIES_MAX = 1 << 18, /* of one backing: 1 GiB of single pages */
    SUBMIT_BYTES_MAX = 16 << 20,
    PICTURE_SIDE_MAX = 16384,
    ATTACHED_MAX = 1 << 20,
    WAITING_MAX = 1024, /* as many as a queue can have, unless a descriptor is used twice */
};
#define BYTES_MAX (UINT64_C(8) << 30)
/* Entries may name the same memory again and again, and each page of each is looked at behind a
 * renderer's write: gpu_backing_written(). The largest texture of 16 bytes a pixel. */
#define BACKING_BYTES_MAX (UINT64_C(4) << 30)
#define SCREENS_BYTES_MAX (UINT64_C(1) << 30) /* 16 of 3840 by 2160 are half of it */
#define PAYLOAD_BYTES_MAX (UINT64_C(128) << 20)

struct gpu_usage {
    uint64_t bytes; /* changed by the main thread */
    unsigned attached;
    uint64_t entries, payload_bytes; /* atomic: freed on any thread */
};

#endif
