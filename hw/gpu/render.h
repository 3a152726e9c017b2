/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The render thread: a queue of work, done in order, and one renderer, which only
 * it touches. It owns EGL and virglrenderer, never takes the BQL, and nobody waits for it.
 */
#ifndef HW_GPU_RENDER_H
#define HW_GPU_RENDER_H

#include "hw/gpu/renderer.h"
#include "util/annotate.h"
#include "util/bql.h"

struct render;

/* A piece of work, in the memory of whoever queues it; it may be freed or queued again by run(). */
struct render_work {
    /** On the render thread. @renderer as of ops->start(). */
    void (*run)(struct render_work *work, void *renderer);
    const char *what;         /* a literal: for the watchdog's report */
    struct render_work *next; /* private */
};

/**
 * Start the thread and wait until the renderer has started, or has failed to; the BQL is given back
 * meanwhile. @host's fence_passed() is called on the thread. NULL: nothing runs.
 */
struct render *render_start(const struct renderer_ops *ops, const struct renderer_host *host,
                            bool want_venus, struct renderer_caps *ret_caps, GError **error)
    MUST_CHECK REQUIRES(bql);

/**
 * End after all that is queued, the renderer's stop() included, and join; the BQL is given back
 * meanwhile. False: that has taken @timeout_ns, and the thread still works; nothing is freed, all
 * that it may touch must stay, and the process can only leave by _exit().
 */
bool render_stop(struct render *render, int64_t timeout_ns) MUST_CHECK REQUIRES(bql);

/** Behind all that is queued. Any thread, any lock (takes a leaf lock). Never waits. */
void render_queue(struct render *render, struct render_work *work);

/** How long the work that it is at has taken so far, and what that is; 0: it is idle. Any thread.
 */
int64_t render_busy_ns(struct render *render, const char **ret_what);

#endif
