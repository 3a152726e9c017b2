/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Routes of message-signalled interrupts, with a sink that counts. */
#include <errno.h>
#include <glib.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "hw/irq/msi.h"
#include "tests/unit/run.h"
#include "util/atomic.h"
#include "util/metric.h"
#include "util/rcu.h"
#include "util/thread.h"

static struct {
    GString *told;       /* what the sink was told of routes */
    uint64_t by_data[8]; /* messages by their data; atomic */
    uint64_t broken;     /* messages with one's address and another's data; atomic */
    bool is_full;
    int fd;
} sink;

static void count(void *opaque, const struct msi_message *message)
{
    g_assert_true(opaque == &sink);
    if (message->address != 0xfee00000 + message->data * 0x1000 || message->data >= 8)
        fetch_add_relaxed(&sink.broken, 1);
    else
        fetch_add_relaxed(&sink.by_data[message->data], 1);
}

static bool note_route(void *opaque UNUSED, unsigned route, const struct msi_message *message)
{
    bql_assert_held();
    if (message)
        g_string_append_printf(sink.told, "%u is %x;", route, message->data);
    else
        g_string_append_printf(sink.told, "%u is none;", route);
    return !sink.is_full;
}

static bool note_eventfd(void *opaque UNUSED, unsigned route, int fd, bool is_on)
{
    bql_assert_held();
    g_string_append_printf(sink.told, "%u %s;", route, is_on ? "on" : "off");
    sink.fd = fd;
    return !sink.is_full;
}

static void start(void)
{
    memset(&sink, 0, sizeof(sink));
    sink.told = g_string_new(NULL);
}

static struct msi_routes *new_routes(void)
{
    start();
    return msi_routes_new(&(struct msi_sink){ .send = count, .opaque = &sink });
}

static struct msi_routes *new_routes_told(void)
{
    start();
    return msi_routes_new(&(struct msi_sink){
        .send = count, .set_route = note_route, .set_eventfd = note_eventfd, .opaque = &sink });
}

static void free_routes(struct msi_routes *routes)
{
    msi_routes_free(routes);
    g_string_free(sink.told, TRUE);
}

static void check_told(const char *expected)
{
    g_assert_cmpstr(sink.told->str, ==, expected);
    g_string_truncate(sink.told, 0);
}

static struct msi_route *new_route(struct msi_routes *routes) REQUIRES(bql)
{
    g_autoptr(GError) error = NULL;
    struct msi_route *route = msi_route_new(routes, &error);

    g_assert_no_error(error);
    return route;
}

static bool set(struct msi_route *route, unsigned number) REQUIRES(bql)
{
    return msi_route_set(route, &(struct msi_message){ 0xfee00000 + number * 0x1000, number });
}

static void raises_what_is_set(void)
{
    struct msi_routes *routes = new_routes();
    struct msi_route *route;

    bql_lock();
    route = new_route(routes);
    g_assert_false(msi_route_raise(route));
    g_assert_true(set(route, 1));
    g_assert_true(msi_route_raise(route));
    g_assert_true(msi_route_raise(route));
    g_assert_true(set(route, 2));
    g_assert_true(msi_route_raise(route));
    g_assert_true(msi_route_set(route, NULL));
    g_assert_false(msi_route_raise(route));
    msi_send(routes, &(struct msi_message){ 0xfee05000, 5 });
    g_assert_cmpint(msi_route_eventfd(route), ==, -1); /* no such sink */
    msi_route_free(route);
    bql_unlock();
    g_assert_cmpuint(sink.by_data[1], ==, 2);
    g_assert_cmpuint(sink.by_data[2], ==, 1);
    g_assert_cmpuint(sink.by_data[5], ==, 1);
    free_routes(routes);
}

static void sink_is_told(void)
{
    struct msi_routes *routes = new_routes_told();
    struct msi_route *first, *second;

    bql_lock();
    first = new_route(routes);
    second = new_route(routes);
    check_told("");
    g_assert_true(set(second, 3));
    check_told("1 is 3;");
    g_assert_true(set(second, 3)); /* nothing new */
    g_assert_true(msi_route_set(first, NULL));
    check_told("");
    sink.is_full = true;
    g_assert_false(set(first, 4));
    check_told("0 is 4;");
    sink.is_full = false;
    msi_route_free(first);
    check_told("0 is none;");
    msi_route_free(second);
    check_told("1 is none;");
    bql_unlock();
    free_routes(routes);
}

static void eventfd_of_a_route(void)
{
    struct msi_routes *routes = new_routes_told();
    struct msi_route *route;
    uint64_t value = 1;
    int fd;

    bql_lock();
    route = new_route(routes);
    sink.is_full = true;
    g_assert_cmpint(msi_route_eventfd(route), ==, -1);
    sink.is_full = false;
    check_told("0 on;");
    fd = msi_route_eventfd(route);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(fd, ==, sink.fd);
    g_assert_cmpint(msi_route_eventfd(route), ==, fd); /* the same */
    check_told("0 on;");
    g_assert_cmpint(write(fd, &value, sizeof(value)), ==, sizeof(value));
    msi_route_free(route);
    check_told("0 off;");
    bql_unlock();
    g_assert_cmpint(write(fd, &value, sizeof(value)), ==, -1); /* closed */
    g_assert_cmpint(errno, ==, EBADF);
    free_routes(routes);
}

/* A number is somebody else's only after a grace period; then it is as good as new. */
static void numbers_come_back(void)
{
    struct msi_routes *routes = new_routes();
    struct msi_route *route[MSI_ROUTES_MAX];
    g_autoptr(GError) error = NULL;

    bql_lock();
    for (unsigned i = 0; i < MSI_ROUTES_MAX; i++) {
        route[i] = new_route(routes);
        g_assert_true(set(route[i], i % 8));
    }
    g_assert_null(msi_route_new(routes, &error));
    g_assert_cmpstr(error->message, ==, "no more than 1024 interrupt messages can be told apart");
    msi_route_free(NULL);
    for (unsigned round = 0; round < 3; round++) {
        struct msi_route *again = NULL;

        msi_route_free(route[7]);
        while (!again) { /* the rcu thread frees it */
            drain_call_rcu();
            again = msi_route_new(routes, NULL);
        }
        g_assert_true(again == route[7]);
        g_assert_false(msi_route_raise(again));
        g_assert_true(set(again, 6));
        g_assert_true(msi_route_raise(again));
    }
    for (unsigned i = 0; i < MSI_ROUTES_MAX; i++)
        msi_route_free(route[i]);
    bql_unlock();
    g_assert_cmpuint(sink.by_data[6], ==, 3);
    free_routes(routes);
}

/* ---- Raised while it is changed ------------------------------------------------------------ */

static struct msi_route *raised; /* what raise_many() raises; atomic */
static uint32_t is_done;         /* atomic */
static uint64_t nr_raised;       /* that had a message; atomic */

static void raise_many(void *unused UNUSED)
{
    while (!load_relaxed(&is_done))
        fetch_add_relaxed(&nr_raised, msi_route_raise(raised));
}

static void raise_in_handler(int signal_number UNUSED)
{
    fetch_add_relaxed(&nr_raised, msi_route_raise(raised));
}

static uint64_t nr_counted(void)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < 8; i++)
        sum += load_relaxed(&sink.by_data[i]);
    return sum;
}

static void changed_while_raised(void)
{
    struct msi_routes *routes = new_routes();
    struct thread *threads[2];
    uint64_t nr_rounds = 0;

    bql_lock();
    raised = new_route(routes);
    bql_unlock();
    store_relaxed(&is_done, 0);
    nr_raised = 0;
    for (unsigned i = 0; i < 2; i++)
        threads[i] = thread_start("raiser", raise_many, NULL);
    while (nr_rounds < 20000 || load_relaxed(&nr_raised) < 1000) {
        bql_lock();
        if (nr_rounds % 5 == 4)
            g_assert_true(msi_route_set(raised, NULL));
        else
            g_assert_true(set(raised, nr_rounds % 8));
        bql_unlock();
        nr_rounds++;
    }
    store_relaxed(&is_done, 1);
    for (unsigned i = 0; i < 2; i++)
        thread_join(threads[i]);
    bql_lock();
    msi_route_free(raised);
    bql_unlock();
    g_assert_cmpuint(sink.broken, ==, 0);
    g_assert_cmpuint(nr_counted(), ==, nr_raised);
    free_routes(routes);
}

/* Whatever the handler interrupts: a set, the free of an old message, another raise. */
static void raised_in_a_signal_handler(void)
{
    const struct sigaction action = { .sa_handler = raise_in_handler, .sa_flags = SA_RESTART };
    struct msi_routes *routes = new_routes();
    struct itimerspec period = { .it_interval.tv_nsec = 20000, .it_value.tv_nsec = 20000 };
    struct sigevent event = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2 };
    timer_t timer;

    bql_lock();
    raised = new_route(routes);
    bql_unlock();
    nr_raised = 0;
    g_assert_cmpint(sigaction(SIGUSR2, &action, NULL), ==, 0);
    g_assert_cmpint(timer_create(CLOCK_MONOTONIC, &event, &timer), ==, 0);
    g_assert_cmpint(timer_settime(timer, 0, &period, NULL), ==, 0);
    for (unsigned i = 0; i < 20000 || load_relaxed(&nr_raised) < 50; i++) {
        bql_lock();
        g_assert_true(set(raised, i % 8));
        bql_unlock();
        fetch_add_relaxed(&nr_raised, msi_route_raise(raised));
    }
    g_assert_cmpint(timer_delete(timer), ==, 0);
    bql_lock();
    msi_route_free(raised);
    bql_unlock();
    g_assert_cmpuint(sink.broken, ==, 0);
    g_assert_cmpuint(nr_counted(), ==, nr_raised);
    free_routes(routes);
}

static void metrics(void)
{
    struct metrics *metrics = metrics_new();
    struct msi_routes *routes = new_routes_told();
    struct msi_route *route;
    g_autofree char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);

    msi_metrics_register(routes, metrics);
    bql_lock();
    route = new_route(routes);
    (void)msi_route_raise(route);
    sink.is_full = true;
    (void)set(route, 1);
    (void)msi_route_raise(route);
    msi_route_free(route);
    bql_unlock();
    metrics_print(metrics, out);
    fclose(out);
    g_assert_nonnull(strstr(text, "gracevm_msi_sent_total 1\n"));
    g_assert_nonnull(strstr(text, "gracevm_msi_dropped_total 1\n"));
    g_assert_nonnull(strstr(text, "gracevm_msi_replaced_total 1\n"));
    g_assert_nonnull(strstr(text, "gracevm_msi_refused_total 1\n"));
    metrics_remove(metrics, routes);
    metrics_free(metrics);
    free_routes(routes);
    msi_routes_free(NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/msi/raises-what-is-set", raises_what_is_set);
    g_test_add_func("/msi/sink-is-told", sink_is_told);
    g_test_add_func("/msi/eventfd-of-a-route", eventfd_of_a_route);
    g_test_add_func("/msi/numbers-come-back", numbers_come_back);
    g_test_add_func("/msi/changed-while-raised", changed_while_raised);
    g_test_add_func("/msi/raised-in-a-signal-handler", raised_in_a_signal_handler);
    g_test_add_func("/msi/metrics", metrics);
    return run_without_bql();
}
