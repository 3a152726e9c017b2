/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fences. A thread of the library (VIRGL_RENDERER_THREAD_SYNC) waits for the GL, and makes a
 * descriptor readable; virgl_renderer_poll() then calls us, here. All that is waited for is behind
 * one epoll descriptor, so that their number has no bound in the render thread's poll.
 */
#include <errno.h>
#include <sys/epoll.h>
#include <virglrenderer.h>

#include "hw/gpu/virgl.h"

bool virgl_watch(struct virgl *virgl, int fd)
{
    struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

    return epoll_ctl(virgl->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

void virgl_unwatch(struct virgl *virgl, int fd)
{
    /* Fails when the library has closed it: then it is gone anyway. */
    if (fd >= 0)
        (void)epoll_ctl(virgl->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

unsigned virgl_get_fds(void *renderer, struct pollfd ret_fds[RENDERER_FDS_MAX])
{
    const struct virgl *virgl = renderer;

    ret_fds[0] = (struct pollfd){ .fd = virgl->epoll_fd, .events = POLLIN };
    return 1;
}

/* A worker of Venus that has died leaves its descriptor readable for ever. */
static void drop_dead(struct virgl *virgl)
{
    struct epoll_event events[8];
    const int nr = epoll_wait(virgl->epoll_fd, events, G_N_ELEMENTS(events), 0);

    for (int i = 0; i < nr; i++) {
        if (events[i].events & (EPOLLHUP | EPOLLERR))
            virgl_unwatch(virgl, events[i].data.fd);
    }
}

void virgl_poll(void *renderer)
{
    struct virgl *virgl = renderer;

    virgl_stream_poll(virgl);
    if (virgl->has_venus)
        drop_dead(virgl);
}

/* ---- The global timeline: 32 bits that wrap --------------------------------------------------
 */

static bool make_global(struct virgl *virgl, uint64_t fence)
{
    struct virgl_global_fence *global;

    virgl->last_number++;
    if (virgl_renderer_create_fence((int)virgl->last_number, 0) != 0)
        return false;
    global = g_new(struct virgl_global_fence, 1);
    *global = (struct virgl_global_fence){ virgl->last_number, fence };
    g_queue_push_tail(&virgl->global, global);
    return true;
}

/* Whether @number was given out no later than @than: the two are less than 2^31 apart. */
static bool is_up_to(uint32_t number, uint32_t than)
{
    return (int32_t)(number - than) <= 0;
}

/* Several may pass in one call, of which the library tells the last. */
void virgl_write_fence(void *cookie, uint32_t number)
{
    const struct timeline_id timeline = { .is_global = true };
    struct virgl *virgl = cookie;
    struct virgl_global_fence *global;
    bool has_passed = false;
    uint64_t fence = 0;

    while ((global = g_queue_peek_head(&virgl->global)) && is_up_to(global->number, number)) {
        has_passed = true;
        fence = global->fence;
        g_free(g_queue_pop_head(&virgl->global));
    }
    if (has_passed)
        virgl->host->fence_passed(virgl->host->opaque, &timeline, fence);
}

/* ---- Rings of contexts -----------------------------------------------------------------------
 */

static void report(struct virgl *virgl, struct virgl_context *context, uint8_t ring, uint64_t fence)
{
    const struct timeline_id timeline = { .context = context->id, .ring = ring };

    if (fence <= context->reported[ring])
        return;
    context->reported[ring] = fence;
    virgl->host->fence_passed(virgl->host->opaque, &timeline, fence);
}

static bool make_context_fence(struct virgl *virgl, const struct timeline_id *timeline,
                               uint64_t fence)
{
    struct virgl_context *context = virgl_find_context(virgl, timeline->context);

    if (!context || timeline->ring >= RENDERER_RINGS)
        return false;
    if (virgl_renderer_context_create_fence(context->id, VIRGL_RENDERER_FENCE_FLAG_MERGEABLE,
                                            timeline->ring, fence) != 0)
        return false;
    context->made[timeline->ring] = fence;
    return true;
}

void virgl_write_context_fence(void *cookie, uint32_t id, uint32_t ring, uint64_t fence)
{
    struct virgl *virgl = cookie;
    struct virgl_context *context = virgl_find_context(virgl, id);

    if (context && ring < RENDERER_RINGS)
        report(virgl, context, (uint8_t)ring, fence);
}

void virgl_fences_end(struct virgl *virgl, struct virgl_context *context)
{
    for (unsigned ring = 0; ring < RENDERER_RINGS; ring++)
        report(virgl, context, (uint8_t)ring, context->made[ring]);
}

bool virgl_fence(void *renderer, const struct timeline_id *timeline, uint64_t fence)
{
    struct virgl *virgl = renderer;

    if (timeline->is_global ? make_global(virgl, fence)
                            : make_context_fence(virgl, timeline, fence))
        return true;
    LOG_RATELIMITED(log_virgl, "no fence for context %u, ring %u: passed at once",
                    timeline->context, timeline->ring);
    return false;
}
