/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>

#include "hw/gpu/render.h"
#include "hw/gpu/watchdog.h"
#include "util/atomic.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/loop.h"
#include "util/metric.h"

struct watchdog {
    struct render *render;
    struct loop_timer timer;
    int64_t limit_ns, period_ns;
    int64_t tell_at_ns; /* of the busy clock; doubles with each line */
    int64_t busy_ns;    /* as last seen; 0: all is well */
    const char *what;
    uint64_t nr_stalls; /* atomic */
};

static double in_seconds(int64_t ns)
{
    return (double)ns / (double)NS_PER_S;
}

static void begin_stall(struct watchdog *watchdog)
{
    fetch_add_relaxed(&watchdog->nr_stalls, 1);
    watchdog->tell_at_ns = watchdog->limit_ns;
}

static void tell_end(struct watchdog *watchdog)
{
    LOG_RATELIMITED(log_warn, "virtio-gpu: the render thread is back, after %.1f s or more: %s",
                    in_seconds(watchdog->busy_ns), watchdog->what);
}

/* Work of now that is younger than what was seen last is another piece. */
static void look(struct watchdog *watchdog)
{
    const char *what = NULL;
    const int64_t busy_ns = render_busy_ns(watchdog->render, &what);

    if (watchdog->busy_ns && busy_ns < watchdog->busy_ns) {
        tell_end(watchdog);
        watchdog->busy_ns = 0;
    }
    if (busy_ns <= watchdog->limit_ns)
        return;
    if (!watchdog->busy_ns)
        begin_stall(watchdog);
    watchdog->busy_ns = busy_ns;
    watchdog->what = what;
    if (busy_ns < watchdog->tell_at_ns)
        return;
    watchdog->tell_at_ns = 2 * busy_ns;
    LOG_RATELIMITED(log_warn, "virtio-gpu: the render thread has been busy for %.1f s: %s",
                    in_seconds(busy_ns), what);
}

static void on_timer(struct loop_timer *timer)
{
    struct watchdog *watchdog = container_of(timer, struct watchdog, timer);

    bql_assert_held();
    look(watchdog);
    loop_timer_set(timer, deadline_after_ns(monotonic_ns(), watchdog->period_ns));
}

struct watchdog *watchdog_new(struct render *render, int64_t limit_ns)
{
    struct watchdog *watchdog = g_new0(struct watchdog, 1);

    watchdog->render = render;
    watchdog->limit_ns = limit_ns;
    watchdog->period_ns = limit_ns / 2 + 1;
    watchdog->timer.fn = on_timer;
    loop_timer_set(&watchdog->timer, deadline_after_ns(monotonic_ns(), watchdog->period_ns));
    return watchdog;
}

void watchdog_free(struct watchdog *watchdog)
{
    if (!watchdog)
        return;
    loop_timer_cancel(&watchdog->timer);
    g_free(watchdog);
}

uint64_t watchdog_stalls(const struct watchdog *watchdog)
{
    return load_relaxed(&watchdog->nr_stalls);
}

static double busy_seconds(void *arg)
{
    const struct watchdog *watchdog = arg;

    return in_seconds(render_busy_ns(watchdog->render, NULL));
}

void watchdog_metrics_register(struct watchdog *watchdog, struct metrics *metrics,
                               const char *place, const void *owner)
{
    const struct metric_label *labels = METRIC_LABELS({ "device", place });

    metric_add_u64(metrics_family(metrics, METRIC_COUNTER, "gracevm_gpu_render_stalls_total",
                                  "Work that kept the render thread for too long."),
                   labels, &watchdog->nr_stalls, owner);
    metric_add_read(metrics_family(metrics, METRIC_GAUGE, "gracevm_gpu_render_busy_seconds",
                                   "How long what the render thread is at has taken so far."),
                    labels, busy_seconds, watchdog, owner);
}
