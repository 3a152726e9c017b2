/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The device: its screens, its window, its tables, and the parts that they have. hw/gpu/command.h
 * has the way of a command, hw/gpu/resource.h what commands are about.
 */
#ifndef HW_GPU_GPU_INTERNAL_H
#define HW_GPU_GPU_INTERNAL_H

#include "hw/display/display.h"
#include "hw/gpu/command.h"
#include "hw/gpu/gpu.h"
#include "hw/gpu/gpu_limits.h"
#include "hw/gpu/resource.h"
#include "hw/virtio/virtio.h"
#include "util/hist.h"

struct gpu_frame;
struct gpu_window;

/* ---- Scanouts ------------------------------------------------------------------------------- */

struct gpu_scanout {
    struct gpu *gpu;
    unsigned index;
    struct console *console;
    struct gpu_resource *resource; /* NULL: off */
    struct rect rect;              /* of the resource */
    bool has_layout;               /* SET_SCANOUT_BLOB */
    struct renderer_layout layout;
    unsigned prefer_width, prefer_height; /* 0, 0: not enabled */
    bool is_watched;
    struct rect damage;      /* not drawn yet; empty: none */
    struct gpu_frame *frame; /* being read; NULL: none */
};

/* ---- The device -------------------------------------------------------------------------------
 */

enum gpu_stage {               /* of an unmap: docs/gpu.md */
                 STAGE_QUEUE,  /* doorbell's pop until the region leaves the map */
                 STAGE_COMMIT, /* the commit itself */
                 STAGE_GRACE,  /* from there until the last reference goes */
                 STAGE_RESPOND,
                 STAGE_RENDERER,
                 STAGE_TOTAL, /* pop until answer */
                 NR_GPU_STAGES,
};

/* All atomic. */
struct gpu_stats {
    uint64_t commands, errors, fences, resets;
    uint64_t maps, unmaps, refused_maps, waits; /* waits: commands that were parked */
    uint64_t limits[NR_GPU_LIMITS];             /* refused, by limit */
    uint64_t frames;                            /* pictures read for consoles */
    struct hist stage[NR_GPU_STAGES];           /* ns, of unmaps */
};

struct gpu {
    struct virtio_device device;
    struct virtio_ops ops;
    struct gpu_config config;
    struct space *memory;
    struct mem *mem;
    struct display *display;
    struct render *render;
    struct renderer_caps caps;
    struct gpu_stats stats;

    GHashTable *resources; /* id → struct gpu_resource *; guarded by the BQL, as all below */
    GHashTable *contexts;
    struct gpu_usage usage;
    uint32_t events; /* VIRTIO_GPU_EVENT_* not cleared */
    struct gpu_scanout scanouts[GPU_SCANOUTS_MAX];

    struct region *window;         /* container, `hostmem` bytes; NULL: none */
    struct gpu_window *window_map; /* what is where in it (window.c) */
    struct gpu_order *order;       /* who waits (order.c) */
    struct gpu_answers *answers;   /* timelines (answer.c) */
    unsigned nr_orphans;           /* resources of before a reset that are not released */
    unsigned nr_in_flight;         /* commands between pop and answer; atomic */
};

/* scanout.c, frame.c, cursor.c */
void gpu_scanouts_init(struct gpu *gpu) REQUIRES(bql);
void gpu_scanouts_fini(struct gpu *gpu) REQUIRES(bql);
void gpu_scanouts_reset(struct gpu *gpu) REQUIRES(bql);
/** No screen shows it any more. */
void gpu_scanouts_forget(struct gpu *gpu, struct gpu_resource *resource) REQUIRES(bql);

/* blob.c, window.c: the host-visible window, and how a blob leaves it. */
bool gpu_window_init(struct gpu *gpu, GError **error) REQUIRES(bql);
void gpu_window_fini(struct gpu *gpu) REQUIRES(bql);
/**
 * Take a mapped resource out of the window: commit, forced grace period, release, renderer. Then
 * @released is called on the main thread, with the resource in MAP_NONE and the renderer's unmap
 * queued. False: the map cannot be changed (it says why in the log).
 */
bool gpu_unmap_start(struct gpu_resource *resource, struct gpu_command *command,
                     void (*released)(struct gpu_resource *resource, void *opaque), void *opaque)
    MUST_CHECK REQUIRES(bql);
/** All of the window at once, for a reset: what is still held afterwards is an orphan. */
void gpu_unmap_all(struct gpu *gpu) REQUIRES(bql);

#endif
