/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host-visible window, and how the memory of a blob gets into it and out again.
 *
 *     handle, render    main, render thread   the place is checked and taken, the renderer asked
 *     map               main thread           commit, answer
 *
 *     1. queue          main thread           the command is popped; MAP_UNMAPPING
 *     2. commit         main thread           out of the memory map
 *     3. grace          anybody               a forced grace period
 *     4. release        any thread            the last reference has gone
 *     5. respond        the same              an unfenced command is answered, right there
 *     6. renderer       render thread         its unmap; then a fenced one is answered
 *
 * Map changes are gathered, and made in one transaction by gpu_window_commit(), which ends each
 * turn that may have some: of the control queue, and of what this floor's files defer.
 */
#ifndef HW_GPU_MAPPING_H
#define HW_GPU_MAPPING_H

#include "hw/gpu/gpu_internal.h"
#include "hw/gpu/handlers.h"
#include "util/rcu.h"

struct gpu_mapping;

/*
 * A way to get memory into the window. Between show() or hide() and what comes after lies the
 * commit. What is a file descriptor could be mapped in place, in a window that is reserved once:
 * then no transaction has anything to do, and let_go() is the end. All with the BQL.
 */
struct gpu_strategy {
    const char *name;
    /** Show @mapping->host in the window: in an open transaction. */
    void (*show)(struct gpu_mapping *mapping);
    /** The other way round: in an open transaction, which may be undone. */
    void (*hide)(struct gpu_mapping *mapping);
    /** It is hidden for good: have gpu_mapping_released() called when nobody can reach the memory
     * any more. Waits for nobody. */
    void (*let_go)(struct gpu_mapping *mapping);
};

extern const struct gpu_strategy gpu_own_region; /* a region of its own for each blob */

/* One blob in the window: from the check of its place until nobody uses the memory any more. */
struct gpu_mapping {
    struct gpu *gpu;
    struct gpu_resource *resource; /* stays until it is told of the release */
    uint32_t id;                   /* of the resource, for the renderer */
    uint64_t offset, size;
    GSequenceIter *place; /* in the window; NULL: that is free again */
    const struct gpu_strategy *strategy;
    void *host;
    struct region *region;
    struct list_node link;     /* window->mappings */
    struct list_node way_link; /* to_show, to_hide, released: the way that it takes */

    struct gpu_command *command; /* to be answered with `result`; NULL: none, or it is */
    uint32_t result;             /* an error: it has never been shown */
    bool is_unref;               /* the resource goes as well */
    bool is_behind_renderer;     /* the answer: a fenced one, or the guest gets memory back */
    uint32_t is_released;        /* atomic */
    bool is_waited_for;          /* by a parked command; atomic */
    uint32_t refs;               /* the main thread's and the render thread's; atomic */
    struct render_work work;     /* its end in the renderer */
    int64_t popped_ns, committed_ns, released_ns;
};

/* ---- window.c: what is where --------------------------------------------------------------- */

struct gpu_window {
    struct list mappings;  /* all */
    GSequence *places;     /* of those that take one, by offset; they do not overlap */
    uint64_t bytes;        /* so much is taken */
    struct rcu_head reset; /* from a reset's commit to the end of its grace period */
    struct gpu *gpu;
    struct list to_show, to_hide; /* by the next commit */

    struct mutex lock;    /* a leaf */
    struct list released; /* guarded by lock: the main thread has not seen it yet */
    struct deferred news; /* it has something */
};

/** Whether the place is free; then it is taken. */
bool gpu_window_take(struct gpu *gpu, struct gpu_mapping *mapping) MUST_CHECK REQUIRES(bql);
/** The first one that reaches into [offset, offset + size); NULL: none. */
const struct gpu_mapping *gpu_window_find(struct gpu *gpu, uint64_t offset, uint64_t size)
    REQUIRES(bql);
/** The place is free again, if it is not already. */
void gpu_window_give(struct gpu_mapping *mapping) REQUIRES(bql);
/** window->news: what was released since it ran last. */
void gpu_window_news(struct deferred *deferred);

bool gpu_window_init(struct gpu *gpu, GError **error) MUST_CHECK REQUIRES(bql);
/** With nothing mapped, and no orphans. */
void gpu_window_fini(struct gpu *gpu) REQUIRES(bql);

/* ---- unmap.c: the path --------------------------------------------------------------------- */

/** Make the changes that have been gathered. */
void gpu_window_commit(struct gpu *gpu) REQUIRES(bql);

/**
 * Take a mapped resource out of the window; it is in MAP_UNMAPPING until that is done. @command is
 * answered as soon as it may be, or with an error, if the map cannot be changed.
 */
void gpu_unmap(struct gpu_resource *resource, struct gpu_command *command) REQUIRES(bql);
/** As above, and then the resource is retired: RESOURCE_UNREF of a mapped one. */
void gpu_unref_mapped(struct gpu_resource *resource, struct gpu_command *command) REQUIRES(bql);

/** What is in the way of a command that maps (blob.c); NULL: nothing, or it is none that could. */
const struct gpu_mapping *gpu_map_obstacle(struct gpu *gpu, const struct gpu_command *command)
    REQUIRES(bql);

/** Show what the renderer has mapped; then @command is answered. */
void gpu_map(struct gpu_resource *resource, struct gpu_command *command) REQUIRES(bql);

/** A strategy has let go. Any thread, no lock. */
void gpu_mapping_released(struct gpu_mapping *mapping);

/**
 * All of the window at once, for a reset, behind gpu_order_drop(). When the grace period of that
 * has ended (now, if there is nothing mapped) it calls gpu_reset_go_on(). What is held even then
 * stays in MAP_UNMAPPING, for that function to make it an orphan, which is retired when it is
 * released. What was in MAP_MAPPING is in MAP_NONE.
 */
void gpu_unmap_all(struct gpu *gpu) REQUIRES(bql);
/** Whether nothing is mapped and nothing has to be released any more: the device may go. */
bool gpu_window_is_idle(struct gpu *gpu) REQUIRES(bql);

/** The renderer is about to unref it: unmaps it there, if a reset came before the answer to its
 * map. Render thread. */
void gpu_unref_begin(struct gpu_resource *resource, void *renderer);

#endif
