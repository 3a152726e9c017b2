/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A renderer that hangs, and what one hears of it. */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "hw/gpu/render.h"
#include "hw/gpu/watchdog.h"
#include "util/clock.h"
#include "util/event.h"
#include "util/log.h"
#include "util/loop.h"
#include "util/metric.h"

#define LIMIT_NS (1 * NS_PER_MS)
#define LATE_NS (100 * NS_PER_S) /* only a broken test waits so long */

static bool fake_start(const struct renderer_host *host UNUSED, bool want_venus UNUSED,
                       void **ret_renderer, struct renderer_caps *ret_caps UNUSED,
                       GError **error UNUSED)
{
    *ret_renderer = NULL;
    return true;
}

static void fake_stop(void *renderer UNUSED)
{
}

static const struct renderer_ops fake_ops = { .name = "fake",
                                              .start = fake_start,
                                              .stop = fake_stop };

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

static struct render *start(void) REQUIRES(bql)
{
    const struct renderer_host host = { 0 };
    struct renderer_caps caps;
    struct render *render = render_start(&fake_ops, &host, false, &caps, NULL);

    g_assert_nonnull(render);
    return render;
}

static bool log_has(const char *path, const char *wanted)
{
    g_autofree char *text = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    return strstr(text, wanted) != NULL;
}

static void wait_for_line(const char *path, const char *wanted) REQUIRES(bql)
{
    while (!log_has(path, wanted))
        loop_iterate(true);
}

static char *metrics_text(struct watchdog *watchdog)
{
    struct metrics *metrics = metrics_new();
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    watchdog_metrics_register(watchdog, metrics, "02.0", watchdog);
    metrics_print(metrics, out);
    g_assert_cmpint(fclose(out), ==, 0);
    metrics_remove(metrics, watchdog);
    metrics_free(metrics);
    return text;
}

static void a_hang_is_told_and_counted_once(void)
{
    struct gate gates[2] = { { .work = { .run = wait_at_gate, .what = "a draw without end" } },
                             { .work = { .run = wait_at_gate, .what = "another" } } };
    g_autofree char *path = NULL;
    struct watchdog *watchdog;
    struct render *render;
    char *text;
    int fd = g_file_open_tmp("watchdog-XXXXXX", &path, NULL);

    g_assert_cmpint(fd, >=, 0);
    close(fd);
    g_assert_true(log_open(path, NULL));
    BQL_GUARD();
    loop_init();
    render = start();
    watchdog = watchdog_new(render, LIMIT_NS);
    render_queue(render, &gates[0].work);
    event_wait(&gates[0].entered);
    wait_for_line(path, "render thread has been busy for");
    g_assert_true(log_has(path, "a draw without end"));
    g_assert_false(log_has(path, "is back"));
    for (unsigned i = 0; i < 10; i++)
        loop_iterate(true); /* it is still the same */
    g_assert_cmpuint(watchdog_stalls(watchdog), ==, 1);
    text = metrics_text(watchdog);
    g_assert_nonnull(strstr(text, "gracevm_gpu_render_stalls_total{device=\"02.0\"} 1\n"));
    g_assert_nonnull(strstr(text, "gracevm_gpu_render_busy_seconds{"));
    free(text);
    event_set(&gates[0].may_leave);
    wait_for_line(path, "the render thread is back, after");
    g_assert_false(log_has(path, "another"));

    render_queue(render, &gates[1].work);
    event_wait(&gates[1].entered);
    wait_for_line(path, "another");
    g_assert_cmpuint(watchdog_stalls(watchdog), ==, 2);
    g_assert_false(render_stop(render, LIMIT_NS)); /* it is left alone */
    event_set(&gates[1].may_leave);
    watchdog_free(watchdog);
    g_assert_true(render_stop(render, LATE_NS));
    loop_fini();
    g_assert_true(log_open(NULL, NULL));
    g_assert_cmpint(g_unlink(path), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/watchdog/hang", a_hang_is_told_and_counted_once);
    return g_test_run();
}
