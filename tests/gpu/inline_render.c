/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/gpu/inline_render.h"
#include "hw/gpu/render.h"
#include "util/lock.h"
#include "util/loop.h"

struct render {
    const struct renderer_ops *ops;
    struct renderer_host host; /* what the renderer keeps a pointer to */
    void *renderer;
    struct mutex lock;
    struct render_work *first, **end; /* guarded by lock */
    struct deferred turn;
    struct loop_watch *watches[RENDERER_FDS_MAX];
    struct render *next;
};

static struct render *all; /* guarded by the BQL, as the next */
static bool is_all_held;

static struct render_work *take(struct render *render)
{
    struct render_work *work;

    MUTEX_GUARD(&render->lock);
    work = render->first;
    if (work)
        render->first = work->next;
    if (!render->first)
        render->end = &render->first;
    return work;
}

static void poll_renderer(struct render *render)
{
    if (render->ops->poll)
        render->ops->poll(render->renderer);
}

static void run_all(struct render *render)
{
    struct render_work *work;

    while ((work = take(render)))
        work->run(work, render->renderer);
    poll_renderer(render);
}

static void on_turn(struct deferred *deferred)
{
    bql_assert_held();
    if (!is_all_held)
        run_all(container_of(deferred, struct render, turn));
}

static void on_readable(void *arg, short revents UNUSED)
{
    poll_renderer(arg);
}

void inline_render_hold(bool is_held)
{
    is_all_held = is_held;
    for (struct render *render = all; render && !is_held; render = render->next)
        (void)loop_defer(&render->turn); /* pending is as good */
}

void inline_render_step(void)
{
    for (struct render *render = all; render; render = render->next) {
        struct render_work *work = take(render);

        if (work)
            work->run(work, render->renderer);
    }
}

struct render *render_start(const struct renderer_ops *ops, const struct renderer_host *host,
                            bool want_venus, struct renderer_caps *ret_caps, GError **error)
{
    struct render *render = g_new0(struct render, 1);
    struct pollfd fds[RENDERER_FDS_MAX];
    unsigned nr_fds;

    render->host = *host;
    if (!ops->start(&render->host, want_venus, &render->renderer, ret_caps, error)) {
        g_free(render);
        return NULL;
    }
    render->ops = ops;
    render->end = &render->first;
    render->next = all;
    all = render;
    mutex_init(&render->lock, "render queue", RANK_LEAF);
    deferred_init(&render->turn, on_turn);
    nr_fds = ops->get_fds ? ops->get_fds(render->renderer, fds) : 0;
    for (unsigned i = 0; i < nr_fds; i++) /* the same ones, as long as it lives */
        render->watches[i] = loop_watch_new(fds[i].fd, fds[i].events, on_readable, render);
    return render;
}

bool render_stop(struct render *render, int64_t timeout_ns UNUSED)
{
    struct render **place = &all;

    run_all(render);
    loop_cancel(&render->turn);
    for (unsigned i = 0; i < RENDERER_FDS_MAX; i++) {
        if (render->watches[i])
            loop_watch_free(render->watches[i]);
    }
    render->ops->stop(render->renderer);
    while (*place != render)
        place = &(*place)->next;
    *place = render->next;
    mutex_fini(&render->lock);
    g_free(render);
    return true;
}

void render_queue(struct render *render, struct render_work *work)
{
    WITH_MUTEX (&render->lock) {
        work->next = NULL;
        *render->end = work;
        render->end = &work->next;
    }
    (void)loop_defer(&render->turn); /* pending is as good */
}

int64_t render_busy_ns(struct render *render UNUSED, const char **ret_what UNUSED)
{
    return 0;
}
