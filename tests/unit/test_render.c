/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The render thread, with a renderer that only writes down what it is asked. */
#include <errno.h>
#include <glib.h>
#include <sched.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "hw/gpu/render.h"
#include "util/atomic.h"
#include "util/bql.h"
#include "util/clock.h"
#include "util/event.h"
#include "util/thread.h"

#define SOON_NS (1 * NS_PER_MS)
#define LATE_NS (100 * NS_PER_S) /* only a broken test waits so long */

/* Plain members: only the render thread touches them, or whoever has joined it. */
struct fake {
    const struct renderer_host *host;
    int fd;
    unsigned nr_polls; /* atomic */
    bool is_stopped;
};

static struct fake fake;
static const char *start_error; /* fail with this */

static bool fake_start(const struct renderer_host *host, bool want_venus, void **ret_renderer,
                       struct renderer_caps *ret_caps, GError **error)
{
    g_assert_cmpstr(thread_name(), ==, "render");
    if (start_error) {
        g_set_error_literal(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, start_error);
        return false;
    }
    fake = (struct fake){ .host = host, .fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK) };
    ret_caps->name = want_venus ? "fake, with venus" : "fake";
    *ret_renderer = &fake;
    return true;
}

static void fake_stop(void *renderer)
{
    struct fake *it = renderer;

    close(it->fd);
    it->is_stopped = true;
}

static unsigned fake_get_fds(void *renderer, struct pollfd ret_fds[RENDERER_FDS_MAX])
{
    struct fake *it = renderer;

    ret_fds[0] = (struct pollfd){ .fd = it->fd, .events = POLLIN };
    return 1;
}

/* The number in the eventfd is that of the fence. */
static void fake_poll(void *renderer)
{
    const struct timeline_id timeline = { .is_global = true };
    struct fake *it = renderer;
    uint64_t fence;

    fetch_add(&it->nr_polls, 1);
    if (read(it->fd, &fence, sizeof(fence)) == sizeof(fence))
        it->host->fence_passed(it->host->opaque, &timeline, fence);
    else
        g_assert_cmpint(errno, ==, EAGAIN);
}

static const struct renderer_ops fake_ops = {
    .name = "fake",
    .start = fake_start,
    .stop = fake_stop,
    .get_fds = fake_get_fds,
    .poll = fake_poll,
};

static struct event passed;
static uint64_t passed_fence;

static void note_fence(void *opaque, const struct timeline_id *timeline, uint64_t fence)
{
    g_assert_true(timeline->is_global);
    *(uint64_t *)opaque = fence;
    event_set(&passed);
}

static struct render *start(const struct renderer_ops *ops) REQUIRES(bql)
{
    const struct renderer_host host = { .fence_passed = note_fence, .opaque = &passed_fence };
    struct renderer_caps caps;
    GError *error = NULL;
    struct render *render = render_start(ops, &host, false, &caps, &error);

    g_assert_no_error(error);
    g_assert_nonnull(render);
    g_assert_cmpstr(caps.name, ==, "fake");
    return render;
}

static void stop(struct render *render) REQUIRES(bql)
{
    g_assert_true(render_stop(render, LATE_NS));
    g_assert_true(fake.is_stopped);
}

/* ---- Tests -------------------------------------------------------------------------------------
 */

static void a_renderer_that_cannot_start_says_why(void)
{
    const struct renderer_host host = { .fence_passed = note_fence };
    struct renderer_caps caps;
    GError *error = NULL;

    BQL_GUARD();
    start_error = "no GL here";
    g_assert_null(render_start(&fake_ops, &host, false, &caps, &error));
    g_assert_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED);
    g_assert_cmpstr(error->message, ==, "no GL here");
    g_error_free(error);
    start_error = NULL;
}

static void venus_is_asked_for(void)
{
    const struct renderer_host host = { .fence_passed = note_fence };
    struct renderer_caps caps;
    struct render *render;

    BQL_GUARD();
    render = render_start(&fake_ops, &host, true, &caps, NULL);
    g_assert_cmpstr(caps.name, ==, "fake, with venus");
    stop(render);
}

enum { PRODUCERS = 4, EACH = 2000 };

struct piece {
    struct render_work work;
    unsigned producer, number;
};

struct producer {
    struct render *render;
    struct piece pieces[EACH];
};

static unsigned nr_run[PRODUCERS];

static void count_piece(struct render_work *work, void *renderer)
{
    struct piece *piece = container_of(work, struct piece, work);

    g_assert_true(renderer == &fake);
    g_assert_cmpuint(nr_run[piece->producer]++, ==, piece->number);
}

static void produce(void *arg)
{
    struct producer *producer = arg;

    for (unsigned i = 0; i < EACH; i++)
        render_queue(producer->render, &producer->pieces[i].work);
}

static void each_producers_work_runs_once_in_order(void)
{
    struct producer *producers = g_new0(struct producer, PRODUCERS);
    struct thread *threads[PRODUCERS];
    struct render *render;

    bql_lock();
    render = start(&fake_ops);
    bql_unlock();
    for (unsigned i = 0; i < PRODUCERS; i++) {
        nr_run[i] = 0;
        producers[i].render = render;
        for (unsigned j = 0; j < EACH; j++)
            producers[i].pieces[j] =
                (struct piece){ { .run = count_piece, .what = "counts" }, i, j };
        threads[i] = thread_start("producer", produce, &producers[i]);
    }
    for (unsigned i = 0; i < PRODUCERS; i++)
        thread_join(threads[i]);
    bql_lock();
    stop(render); /* behind all that is queued */
    bql_unlock();
    for (unsigned i = 0; i < PRODUCERS; i++)
        g_assert_cmpuint(nr_run[i], ==, EACH);
    g_free(producers);
}

struct again {
    struct render_work work;
    struct render *render;
    unsigned left;
    struct event done;
};

static void run_again(struct render_work *work, void *renderer UNUSED)
{
    struct again *again = container_of(work, struct again, work);

    if (again->left--)
        render_queue(again->render, work);
    else
        event_set(&again->done);
}

static void free_itself(struct render_work *work, void *renderer UNUSED)
{
    g_free(work);
}

static void work_may_queue_or_free_itself(void)
{
    struct render_work *work = g_new0(struct render_work, 1);
    struct again again = { .work = { .run = run_again, .what = "again" }, .left = 100 };

    BQL_GUARD();
    again.render = start(&fake_ops);
    work->run = free_itself;
    work->what = "frees";
    render_queue(again.render, &again.work);
    render_queue(again.render, work);
    event_wait(&again.done);
    stop(again.render);
}

static void a_readable_descriptor_polls_the_renderer(void)
{
    struct render *render;

    BQL_GUARD();
    render = start(&fake_ops);
    for (uint64_t fence = 1; fence <= 3; fence++) {
        event_reset(&passed);
        g_assert_cmpint(write(fake.fd, &fence, sizeof(fence)), ==, sizeof(fence));
        event_wait(&passed);
        g_assert_cmpuint(passed_fence, ==, fence);
    }
    stop(render);
}

struct gate {
    struct render_work work;
    struct event entered, may_leave;
};

static void wait_at_gate(struct render_work *work, void *renderer UNUSED)
{
    struct gate *gate = container_of(work, struct gate, work);

    event_set(&gate->entered);
    event_wait(&gate->may_leave);
}

static void each_batch_polls_the_renderer(void)
{
    struct gate gates[2] = { { .work = { .run = wait_at_gate, .what = "first" } },
                             { .work = { .run = wait_at_gate, .what = "second" } } };
    struct render *render;
    unsigned before;

    BQL_GUARD();
    render = start(&fake_ops);
    render_queue(render, &gates[0].work);
    event_wait(&gates[0].entered);
    before = load_relaxed(&fake.nr_polls);
    event_set(&gates[0].may_leave);
    while (load_relaxed(&fake.nr_polls) == before)
        sched_yield(); /* nobody wakes it, and it still looks */
    event_set(&gates[1].may_leave);
    render_queue(render, &gates[1].work);
    stop(render);
}

static void the_busy_clock_says_how_long_and_with_what(void)
{
    struct gate gate = { .work = { .run = wait_at_gate, .what = "a long draw" } };
    const char *what = NULL;
    struct render *render;
    int64_t before_ns;

    BQL_GUARD();
    render = start(&fake_ops);
    while (render_busy_ns(render, NULL))
        sched_yield();
    render_queue(render, &gate.work);
    event_wait(&gate.entered);
    before_ns = render_busy_ns(render, &what);
    g_assert_cmpint(before_ns, >, 0);
    g_assert_cmpstr(what, ==, "a long draw");
    while (render_busy_ns(render, NULL) <= before_ns) /* it goes on */
        sched_yield();
    event_set(&gate.may_leave);
    while (render_busy_ns(render, NULL)) /* and ends */
        sched_yield();
    stop(render);
}

static void a_thread_that_hangs_is_left_alone(void)
{
    struct gate gate = { .work = { .run = wait_at_gate, .what = "hangs" } };
    struct render *render;

    BQL_GUARD();
    render = start(&fake_ops);
    render_queue(render, &gate.work);
    event_wait(&gate.entered);
    g_assert_false(render_stop(render, SOON_NS));
    g_assert_false(render_stop(render, SOON_NS));
    g_assert_false(fake.is_stopped);
    event_set(&gate.may_leave);
    stop(render); /* now it ends after all */
}

static void take_bql(void *arg)
{
    WITH_BQL () {
        event_set(arg);
    }
}

static void stopping_gives_the_bql_back(void)
{
    struct gate gate = { .work = { .run = wait_at_gate, .what = "waits" } };
    struct thread *thread;
    struct render *render;

    bql_lock();
    render = start(&fake_ops);
    render_queue(render, &gate.work);
    thread = thread_start("bql", take_bql, &gate.may_leave); /* it waits until we stop */
    stop(render);
    bql_unlock();
    thread_join(thread);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/render/start/fails", a_renderer_that_cannot_start_says_why);
    g_test_add_func("/render/start/venus", venus_is_asked_for);
    g_test_add_func("/render/queue/order", each_producers_work_runs_once_in_order);
    g_test_add_func("/render/queue/self", work_may_queue_or_free_itself);
    g_test_add_func("/render/poll/descriptor", a_readable_descriptor_polls_the_renderer);
    g_test_add_func("/render/poll/batch", each_batch_polls_the_renderer);
    g_test_add_func("/render/busy", the_busy_clock_says_how_long_and_with_what);
    g_test_add_func("/render/stop/hangs", a_thread_that_hangs_is_left_alone);
    g_test_add_func("/render/stop/bql", stopping_gives_the_bql_back);
    return g_test_run();
}
