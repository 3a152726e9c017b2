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
#include "util/loop.h"

struct gpu_frame;
struct gpu_pointer;
struct gpu_window;
struct watchdog;

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
    bool is_watched, is_asked;            /* by viewers: always; for a refresh */
    uint32_t serial;                      /* grows when it shows something else */
    struct rect damage;                   /* not read yet; empty: none */
    struct gpu_frame *frame;
    struct gpu_pointer *pointer;
};

/* ---- The device ------------------------------------------------------------------------------ */

enum { GPU_QUEUE_CONTROL, GPU_QUEUE_CURSOR, NR_GPU_QUEUES }; /* 5.7.2 */

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
    const struct renderer_ops *renderer; /* called on the render thread */
    struct render *render;               /* NULL: it has ended, gpu_settle() */
    struct watchdog *watchdog;
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
    /* id → resource of before a reset that is still in somebody's hands: commands that name one
     * wait until it is released (gpu_resource_retire()). */
    GHashTable *orphans;
    unsigned nr_in_flight; /* commands between pop and answer, and pictures being read; atomic */

    /* gpu.c */
    bool has_reset_window;        /* so far has the reset come */
    uint32_t writing;             /* enum gpu_writing; atomic */
    struct deferred written;      /* it is GPU_NOT_WRITING, and was waited for */
    struct loop_timer patience;   /* with that */
    bool has_no_patience;         /* the reset does not wait for it any more */
    uint32_t rendered_generation; /* of the last command that was not stale: render thread */
    struct render_work settle;
    struct deferred settled;
    enum gpu_settling { GPU_NOT_SETTLING, GPU_SETTLING, GPU_HAS_SETTLED } settling;
};

/* gpu.c */
/** gpu_new() with a renderer that a test brings. */
struct gpu *gpu_new_with(struct space *memory, struct display *display,
                         const struct gpu_config *config, const struct renderer_ops *renderer,
                         GError **error) MUST_CHECK REQUIRES(bql);
/**
 * gpu_unmap_all() is through: its commit's grace period has ended, or nothing was mapped. All
 * resources and contexts are retired, those in MAP_UNMAPPING become orphans, the reset ends.
 */
void gpu_reset_go_on(struct gpu *gpu) REQUIRES(bql);

/**
 * Around what writes into guest memory on the render thread: a reset waits for that, since the
 * driver may use it for something else afterwards. False: the command is stale, and must not.
 */
bool gpu_begin_writing(const struct gpu_command *command) MUST_CHECK;
void gpu_end_writing(struct gpu *gpu);
/** What the renderer is told for what it writes by itself: struct renderer_host. */
bool gpu_host_begin_writing(void *opaque) MUST_CHECK;
void gpu_host_written(void *opaque, const struct iovec *iov);
void gpu_host_end_writing(void *opaque);
enum gpu_writing { GPU_NOT_WRITING, GPU_WRITING, GPU_WAITED_FOR };

/* scanout.c, frame.c, cursor.c */
bool gpu_scanouts_init(struct gpu *gpu, GError **error) MUST_CHECK REQUIRES(bql);
void gpu_scanouts_fini(struct gpu *gpu) REQUIRES(bql);
void gpu_scanouts_reset(struct gpu *gpu) REQUIRES(bql);
/** No screen shows it any more. */
void gpu_scanouts_forget(struct gpu *gpu, struct gpu_resource *resource) REQUIRES(bql);

/* print.c, metrics.c */
const char *gpu_stage_name(enum gpu_stage stage);
const char *gpu_limit_name(enum gpu_limit limit);

/* blob.c, window.c, unmap.c: hw/gpu/mapping.h. */

#endif
