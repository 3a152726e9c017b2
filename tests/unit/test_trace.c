/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which points are recorded, what rings keep of them, and how they look in the file.
 */
#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/run.h"
#include "util/atomic.h"
#include "util/clock.h"
#include "util/keyval.h"
#include "util/thread.h"
#include "util/trace_file.h"
#include "util/trace_json.h"
#include "util/trace_ring.h"
#include "util/trace_table.h"

enum { FEW = 16, MANY = 4096 };

/* @patterns in order; no message is the wanted one. */
static struct trace_selection selected(const char *const *patterns)
{
    struct trace_selection selection = { { 0 } };
    GError *error = NULL;

    for (; *patterns; patterns++) {
        g_assert_true(trace_select(&selection, *patterns, &error));
        g_assert_no_error(error);
    }
    return selection;
}

#define SELECTED(...) selected((const char *const[]){ __VA_ARGS__, NULL })

static void start(unsigned nr_events, const struct trace_selection *selection)
{
    g_assert_cmpint(trace_rings_start(nr_events), ==, 0);
    trace_rings_switch(selection->is_on);
}

/* The next event of any ring but threads' names; false: there is none. */
static bool take(struct trace_event *ret_event)
{
    for (unsigned i = 0; i < TRACE_RINGS; i++) {
        while (trace_ring_take(i, ret_event)) {
            if (ret_event->point != TRACE_POINT_NAME)
                return true;
        }
    }
    return false;
}

static uint64_t take_lost(void)
{
    uint64_t lost = 0;
    uint32_t thread;

    for (unsigned i = 0; i < TRACE_RINGS; i++)
        lost += trace_ring_take_lost(i, &thread);
    return lost;
}

/* ---- Which ----------------------------------------------------------------------------------- */

static void patterns_name_points(void)
{
    const struct trace_selection gpu = SELECTED("gpu_*", "rcu_force", "-gpu_unmap_*");
    const struct trace_selection all = SELECTED("*");

    g_assert_true(gpu.is_on[TRACE_POINT_gpu_pop]);
    g_assert_true(gpu.is_on[TRACE_POINT_gpu_map]);
    g_assert_true(gpu.is_on[TRACE_POINT_rcu_force]);
    g_assert_false(gpu.is_on[TRACE_POINT_gpu_unmap_commit]);
    g_assert_false(gpu.is_on[TRACE_POINT_rcu_end]);
    g_assert_false(gpu.is_on[TRACE_POINT_render_begin]);
    for (unsigned i = 0; i < NR_TRACE_POINTS; i++)
        g_assert_true(all.is_on[i]);
}

static void a_name_that_is_none_is_told(void)
{
    static const char *const rows[][2] = {
        { "rcu_forse", "rcu_force" },
        { "usb_*", "usb_*" },
        { "", "help" },
        { "-none*", "none*" },
    };
    struct trace_selection selection = { { 0 } };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(trace_select(&selection, rows[i][0], &error));
        g_assert_true(error->domain == KEYVAL_ERROR);
        g_assert_nonnull(strstr(error->message, rows[i][1]));
    }
}

/* What the writer takes for granted of the list. */
static void the_list_is_in_order(void)
{
    for (unsigned i = 0; i < NR_TRACE_POINTS; i++) {
        const struct trace_point_info *info = &trace_table[i];

        g_assert_cmpuint(info->nr_args, >=, 1);
        g_assert_cmpuint(info->nr_args, <=, TRACE_ARGS_MAX);
        for (unsigned j = 0; j < info->nr_args; j++)
            g_assert_nonnull(info->args[j]);
        if (info->kind == TRACE_SPAN || info->kind == TRACE_ASYNC)
            g_assert_true(g_str_has_suffix(info->args[info->nr_args - 1], "ns"));
        if (info->kind == TRACE_END) { /* of what is before it, which has the same category */
            g_assert_cmpuint(i, >, 0);
            g_assert_true(info[-1].kind == TRACE_BEGIN);
            g_assert_cmpuint(strcspn(info->name, "_"), ==, strcspn(info[-1].name, "_"));
            g_assert_cmpint(strncmp(info->name, info[-1].name, strcspn(info->name, "_")), ==, 0);
        }
    }
}

/* ---- Rings ----------------------------------------------------------------------------------- */

static void what_is_on_is_kept_with_its_arguments(void)
{
    const struct trace_selection some = SELECTED("rcu_start", "gpu_pop");
    const int64_t before_ns = monotonic_ns();
    struct trace_event event;

    start(FEW, &some);
    TRACE2(rcu_start, 7, true);
    TRACE1(rcu_force, 8);
    TRACE5_AT(gpu_pop, 1234, &event, "NAME", 1, UINT32_MAX, UINT64_MAX);
    trace_rings_switch(NULL);
    TRACE2(rcu_start, 9, false);

    g_assert_true(take(&event));
    g_assert_cmpuint(event.point, ==, TRACE_POINT_rcu_start);
    g_assert_cmpuint(event.thread, ==, (uint32_t)gettid());
    g_assert_cmpint(event.at_ns, >=, before_ns);
    g_assert_cmpint(event.at_ns, <=, monotonic_ns());
    g_assert_cmpuint(event.args[0], ==, 7);
    g_assert_cmpuint(event.args[1], ==, 1);
    g_assert_true(take(&event));
    g_assert_cmpuint(event.point, ==, TRACE_POINT_gpu_pop);
    g_assert_cmpint(event.at_ns, ==, 1234);
    g_assert_cmpstr((const char *)(uintptr_t)event.args[1], ==, "NAME");
    g_assert_cmphex(event.args[3], ==, UINT32_MAX);
    g_assert_cmphex(event.args[4], ==, UINT64_MAX);
    g_assert_false(take(&event));
}

static void a_full_ring_counts_what_it_loses(void)
{
    const struct trace_selection one = SELECTED("rcu_force");
    struct trace_event event;
    unsigned nr = 0;

    start(FEW, &one);
    for (unsigned i = 0; i < FEW + 5; i++)
        TRACE1(rcu_force, i);
    while (take(&event)) /* the oldest are kept, beside this thread's name */
        g_assert_cmpuint(event.args[0], ==, nr++);
    g_assert_cmpuint(nr, ==, FEW - 1);
    g_assert_cmpuint(take_lost(), ==, 6);
    for (unsigned i = 0; i < 3 * FEW; i++) { /* and there is room again, for ever */
        TRACE1(rcu_force, i);
        g_assert_true(take(&event));
        g_assert_cmpuint(event.args[0], ==, i);
    }
    g_assert_cmpuint(take_lost(), ==, 0);
    trace_rings_switch(NULL);
}

enum { THREADS = 3, EVENTS = 20000 };

static void record_many(void *arg)
{
    const unsigned *number = arg;

    for (unsigned i = 0; i < EVENTS; i++)
        TRACE2(rcu_start, *number, i);
}

/* Takes all there is; each thread's must come in order. Returns how many. */
static uint64_t take_in_order(int64_t *last)
{
    struct trace_event event;
    uint64_t nr = 0;

    while (take(&event)) {
        g_assert_cmpuint(event.args[0], <, THREADS);
        g_assert_cmpint((int64_t)event.args[1], >, last[event.args[0]]);
        last[event.args[0]] = (int64_t)event.args[1];
        nr++;
    }
    return nr;
}

static void threads_do_not_disturb_each_other(void)
{
    const struct trace_selection one = SELECTED("rcu_start");
    struct thread *threads[THREADS];
    unsigned numbers[THREADS];
    int64_t last[THREADS];
    uint64_t nr = 0, lost = 0;

    start(FEW, &one); /* so small that all is lost that can be */
    for (unsigned i = 0; i < THREADS; i++) {
        numbers[i] = i;
        last[i] = -1;
        threads[i] = thread_start("recorder", record_many, &numbers[i]);
    }
    for (unsigned round = 0; round < 1000; round++) {
        nr += take_in_order(last);
        lost += take_lost();
    }
    for (unsigned i = 0; i < THREADS; i++)
        thread_join(threads[i]);
    nr += take_in_order(last);
    lost += take_lost();
    /* A thread's name may be among what is lost. */
    g_assert_cmpuint(nr + lost, >=, THREADS * EVENTS);
    g_assert_cmpuint(nr + lost, <=, THREADS * EVENTS + THREADS);
    g_assert_cmpuint(nr, >=, FEW - 1);
    trace_rings_switch(NULL);
}

static uint32_t nr_signals; /* atomic */

static void on_signal(int number UNUSED)
{
    const uint32_t nr = fetch_add_relaxed(&nr_signals, 1);

    TRACE1(rcu_report, nr);
}

struct struck {
    pthread_t pthread;
    uint32_t is_there, is_enough; /* atomic */
    uint64_t nr_events;
};

static void record_until_enough(void *arg)
{
    struct struck *struck = arg;

    struck->pthread = pthread_self();
    store_release(&struck->is_there, 1); /* pairs with the acquire below */
    while (!load_relaxed(&struck->is_enough))
        TRACE1(rcu_force, struck->nr_events++);
}

/* As kicks do: in the middle of another event of the same thread. */
static void signal_handlers_record_too(void)
{
    enum { SIGNALS = 500 };
    const struct trace_selection both = SELECTED("rcu_report", "rcu_force");
    struct struck struck = { .nr_events = 0 };
    const struct sigaction action = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
    struct trace_event event;
    struct thread *thread;
    uint64_t nr[2] = { 0, 0 };
    sigset_t set;

    g_assert_cmpint(sigaction(SIGUSR1, &action, NULL), ==, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGUSR1);
    start(MANY, &both);
    thread = thread_start_signals("struck", record_until_enough, &struck, &set);
    while (!load_acquire(&struck.is_there)) /* pairs with the release above */
        continue;
    while (load_relaxed(&nr_signals) < SIGNALS) {
        g_assert_cmpint(pthread_kill(struck.pthread, SIGUSR1), ==, 0);
        while (take(&event)) {
            const unsigned which = event.point == TRACE_POINT_rcu_report;

            g_assert_cmpuint(event.args[0], >=, nr[which]); /* some may be lost, none is torn */
            nr[which] = event.args[0] + 1;
        }
    }
    store_relaxed(&struck.is_enough, 1);
    thread_join(thread);
    trace_rings_switch(NULL);
    g_assert_cmpuint(nr[1], >, 0);
    g_assert_cmpuint(nr[0], >, 0);
    while (take(&event))
        continue;
    for (unsigned i = 0; i < TRACE_RINGS; i++)
        g_assert_cmpuint(trace_ring_nr_unfinished(i), ==, 0);
    (void)take_lost(); /* as many as there were */
}

/* ---- How it looks ---------------------------------------------------------------------------- */

#define PLACE ",\"pid\":%d,\"tid\":42,"

static void line_is(const struct trace_event *event, const char *format)
{
    g_autoptr(GString) line = g_string_new(NULL);
    char **parts = g_strsplit(format, "%d", -1);
    g_autofree char *pid = g_strdup_printf("%d", (int)getpid());
    g_autofree char *wanted = g_strjoinv(pid, parts);

    trace_json_event(line, event);
    g_assert_cmpstr(line->str, ==, wanted);
    g_strfreev(parts);
}

static void each_kind_has_its_line(void)
{
    struct trace_event event = { .thread = 42, .at_ns = 5001002, .args = { 3, 1 } };

    event.point = TRACE_POINT_rcu_start;
    line_is(&event, "{\"name\":\"rcu_start\",\"cat\":\"rcu\",\"ph\":\"i\"" PLACE
                    "\"ts\":5001.002,\"s\":\"t\",\"args\":{\"number\":3,\"is_forced\":1}},\n");
    event.point = TRACE_POINT_bql_hold;
    event.args[0] = 1002;
    line_is(&event, "{\"name\":\"bql_hold\",\"cat\":\"bql\",\"ph\":\"X\"" PLACE
                    "\"ts\":5000.000,\"dur\":1.002,\"args\":{\"ns\":1002}},\n");
    event.point = TRACE_POINT_render_begin;
    event.args[0] = (uintptr_t) "a \"quote\"";
    line_is(&event,
            "{\"name\":\"render_begin a \\\"quote\\\"\",\"cat\":\"render\",\"ph\":\"B\"" PLACE
            "\"ts\":5001.002,\"args\":{\"what\":\"a \\\"quote\\\"\"}},\n");
    event.point = TRACE_POINT_cpu_wake;
    event.args[0] = 0;
    line_is(&event, "{\"cat\":\"cpu\",\"ph\":\"E\"" PLACE "\"ts\":5001.002,\"args\":{}},\n");
    event.point = TRACE_POINT_disk_end; /* what its beginning has not said */
    event.args[1] = EIO;
    line_is(&event,
            "{\"cat\":\"disk\",\"ph\":\"E\"" PLACE "\"ts\":5001.002,\"args\":{\"error\":5}},\n");
}

/* Two lines; the time since which it has been there becomes how long it was. */
static void what_is_beside_threads_begins_and_ends(void)
{
    const struct trace_event event = {
        .point = TRACE_POINT_gpu_unmap_respond,
        .thread = 42,
        .at_ns = 9000,
        .args = { 5, 4000 },
    };
    const struct trace_event stage = {
        .point = TRACE_POINT_gpu_unmap_commit,
        .thread = 42,
        .at_ns = 9000,
        .args = { 5, 4000 },
    };
    const struct trace_event since = {
        .point = TRACE_POINT_gpu_answer,
        .thread = 42,
        .at_ns = 9000,
        .args = { 0xabc, (uintptr_t) "X", 0x1100, UINT64_MAX, 8000 },
    };

    line_is(&event, "{\"name\":\"gpu_unmap_respond\",\"cat\":\"gpu\",\"ph\":\"b\"" PLACE
                    "\"ts\":5.000,\"id2\":{\"local\":\"gpu_unmap "
                    "0x5\"},\"args\":{\"resource\":5,\"ns\":4000}},\n"
                    "{\"name\":\"gpu_unmap_respond\",\"cat\":\"gpu\",\"ph\":\"e\"" PLACE
                    "\"ts\":9.000,\"id2\":{\"local\":\"gpu_unmap 0x5\"}},\n");
    line_is(&stage, /* never at the moment at which the one before it ends */
            "{\"name\":\"gpu_unmap_commit\",\"cat\":\"gpu\",\"ph\":\"b\"" PLACE
            "\"ts\":5.001,\"id2\":{\"local\":\"gpu_unmap 0x5\"},"
            "\"args\":{\"resource\":5,\"ns\":4000}},\n"
            "{\"name\":\"gpu_unmap_commit\",\"cat\":\"gpu\",\"ph\":\"e\"" PLACE
            "\"ts\":9.000,\"id2\":{\"local\":\"gpu_unmap 0x5\"}},\n");
    line_is(
        &since,
        "{\"name\":\"gpu_answer X\",\"cat\":\"gpu\",\"ph\":\"b\"" PLACE
        "\"ts\":8.000,\"id2\":{\"local\":\"gpu_answer X 0xabc\"},\"args\":{\"command\":\"0xabc\","
        "\"type\":\"X\",\"response\":4352,\"fence\":\"0xffffffffffffffff\","
        "\"since_ns\":8000}},\n"
        "{\"name\":\"gpu_answer X\",\"cat\":\"gpu\",\"ph\":\"e\"" PLACE
        "\"ts\":9.000,\"id2\":{\"local\":\"gpu_answer X 0xabc\"}},\n");
}

int main(int argc, char **argv)
{
    static const struct named_test tests[] = {
        { "/trace/patterns", patterns_name_points },
        { "/trace/unknown", a_name_that_is_none_is_told },
        { "/trace/list", the_list_is_in_order },
        { "/trace/arguments", what_is_on_is_kept_with_its_arguments },
        { "/trace/overflow", a_full_ring_counts_what_it_loses },
        { "/trace/threads", threads_do_not_disturb_each_other },
        { "/trace/signals", signal_handlers_record_too },
        { "/trace/lines", each_kind_has_its_line },
        { "/trace/async", what_is_beside_threads_begins_and_ends },
    };

    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < ARRAY_SIZE(tests); i++)
        g_test_add_func(tests[i].name, tests[i].run);
    return run_without_bql();
}
