/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The thread sleeps in one poll(): for work, and for what the renderer waits for.
 *
 * Work is a list that anybody appends to under a leaf lock. Whoever finds it empty writes the
 * eventfd; the thread takes the whole list at once, so a burst costs one wake-up.
 */
#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "hw/gpu/render.h"
#include "util/atomic.h"
#include "util/clock.h"
#include "util/event.h"
#include "util/lock.h"
#include "util/thread.h"
#include "util/trace.h"

/* In a long batch the renderer's fences are looked at this often: about ten times what it costs. */
#define POLL_NS (10 * NS_PER_US)

struct render {
    const struct renderer_ops *ops;
    struct renderer_host host;
    struct thread *thread;
    int wake_fd;

    struct mutex lock;
    struct render_work *first; /* guarded by lock */
    struct render_work **end;  /* guarded by lock */

    /* Written by the thread before `started`, read after it. */
    bool want_venus, has_started;
    struct renderer_caps caps;
    GError *error;
    struct event started, ended;

    void *renderer;          /* owned by the thread, as the next two */
    bool is_ending;          /* the end's work has run */
    int64_t polled_ns;       /* when poll() returned last */
    struct render_work stop; /* queued by render_stop(), once */
    bool is_stopping;        /* guarded by the BQL */

    const char *what;      /* it is at; atomic */
    int64_t busy_since_ns; /* 0: idle; atomic */
};

/* ---- The clock that the watchdog reads ---------------------------------------------------------
 */

static int64_t set_busy(struct render *render, const char *what)
{
    const int64_t now_ns = monotonic_ns();

    store_relaxed(&render->what, what);
    store_release(&render->busy_since_ns, now_ns); /* pairs with render_busy_ns(): what is new */
    return now_ns;
}

static void set_idle(struct render *render)
{
    store_relaxed(&render->busy_since_ns, 0);
}

/* What it is at may be that of the next piece of work, which has then begun just now. */
int64_t render_busy_ns(struct render *render, const char **ret_what)
{
    const int64_t since_ns = load_acquire(&render->busy_since_ns);
    const int64_t now_ns = monotonic_ns();

    if (!since_ns)
        return 0;
    if (ret_what)
        *ret_what = load_relaxed(&render->what);
    return now_ns > since_ns ? now_ns - since_ns : 1;
}

/* ---- Work --------------------------------------------------------------------------------------
 */

static void wake(struct render *render)
{
    const uint64_t one = 1;

    /* Fails only when 2^64 - 2 wake-ups have not been seen: then it is readable anyway. */
    if (write(render->wake_fd, &one, sizeof(one)) < 0)
        g_assert(errno == EAGAIN);
}

void render_queue(struct render *render, struct render_work *work)
{
    bool was_empty;

    work->next = NULL;
    WITH_MUTEX (&render->lock) {
        was_empty = !render->first;
        *render->end = work;
        render->end = &work->next;
    }
    if (was_empty)
        wake(render);
}

static struct render_work *take_work(struct render *render)
{
    struct render_work *first;

    MUTEX_GUARD(&render->lock);
    first = render->first;
    render->first = NULL;
    render->end = &render->first;
    return first;
}

static void poll_renderer(struct render *render)
{
    if (render->ops->poll) {
        set_busy(render, "looks for fences");
        render->ops->poll(render->renderer);
    }
    render->polled_ns = monotonic_ns();
}

static void run_one(struct render *render, struct render_work *work)
{
    const char *what = work->what; /* run() may free it */

    TRACE1(render_begin, what);
    work->run(work, render->renderer);
    TRACE1(render_end, what);
}

static void run_all(struct render *render)
{
    struct render_work *work = take_work(render), *next;

    for (; work; work = next) {
        next = work->next; /* run() may free it */
        if (set_busy(render, work->what) - render->polled_ns > POLL_NS) {
            poll_renderer(render);
            set_busy(render, work->what);
        }
        run_one(render, work);
    }
    poll_renderer(render);
    set_idle(render);
}

/* Until there is work, or something for the renderer. */
static void wait_for_work(struct render *render)
{
    struct pollfd fds[1 + RENDERER_FDS_MAX] = { { .fd = render->wake_fd, .events = POLLIN } };
    unsigned nr_fds = 0;
    uint64_t number;

    if (render->ops->get_fds)
        nr_fds = render->ops->get_fds(render->renderer, fds + 1);
    g_assert(nr_fds <= RENDERER_FDS_MAX);
    if (poll(fds, 1 + nr_fds, -1) < 0)
        g_assert(errno == EINTR);
    else if (fds[0].revents && read(render->wake_fd, &number, sizeof(number)) < 0)
        g_assert(errno == EAGAIN || errno == EINTR);
}

/* ---- From start to end -------------------------------------------------------------------------
 */

static void end_run(struct render_work *work, void *renderer UNUSED)
{
    container_of(work, struct render, stop)->is_ending = true;
}

static void render_main(void *arg)
{
    struct render *render = arg;

    set_busy(render, "starts");
    render->has_started = render->ops->start(&render->host, render->want_venus, &render->renderer,
                                             &render->caps, &render->error);
    if (!render->has_started) {
        event_set(&render->started);
        return;
    }
    set_idle(render);
    event_set(&render->started);
    while (!render->is_ending) {
        wait_for_work(render);
        run_all(render);
    }
    set_busy(render, "stops");
    render->ops->stop(render->renderer);
    set_idle(render);
    event_set(&render->ended);
}

static void render_free(struct render *render)
{
    if (render->wake_fd >= 0)
        close(render->wake_fd);
    mutex_fini(&render->lock);
    g_free(render);
}

static void set_error(GError **error, const char *what)
{
    g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "the render thread %s: %s",
                what, g_strerror(errno));
}

/* Whether the renderer has started; else no thread is left. */
static bool start_thread(struct render *render, GError **error) REQUIRES(bql)
{
    render->thread = thread_start("render", render_main, render);
    if (!render->thread) {
        set_error(error, "cannot be started");
        return false;
    }
    bql_unlock(); /* drivers and shader compilers take their time */
    event_wait(&render->started);
    if (!render->has_started)
        thread_join(render->thread);
    bql_lock();
    if (!render->has_started)
        g_propagate_error(error, render->error);
    return render->has_started;
}

struct render *render_start(const struct renderer_ops *ops, const struct renderer_host *host,
                            bool want_venus, struct renderer_caps *ret_caps, GError **error)
{
    struct render *render = g_new0(struct render, 1);

    render->ops = ops;
    render->host = *host;
    render->want_venus = want_venus;
    render->end = &render->first;
    render->stop = (struct render_work){ .run = end_run, .what = "ends" };
    mutex_init(&render->lock, "render queue", RANK_LEAF);
    render->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (render->wake_fd < 0)
        set_error(error, "has no eventfd");
    if (render->wake_fd < 0 || !start_thread(render, error)) {
        render_free(render);
        return NULL;
    }
    *ret_caps = render->caps;
    return render;
}

bool render_stop(struct render *render, int64_t timeout_ns)
{
    const int64_t deadline_ns = deadline_after_ns(monotonic_ns(), timeout_ns);
    enum wait_result result;

    if (!render->is_stopping) {
        render->is_stopping = true;
        render_queue(render, &render->stop);
    }
    bql_unlock();
    result = event_timedwait(&render->ended, deadline_ns);
    if (result == WOKEN)
        thread_join(render->thread);
    bql_lock();
    if (result != WOKEN)
        return false;
    render_free(render);
    return true;
}
