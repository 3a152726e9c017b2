/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>

#include "util/atomic.h"
#include "util/clock.h"
#include "util/guest_clock.h"
#include "util/rcu.h"
#include "util/thread.h"

static void await_ns(int64_t deadline_ns)
{
    while (monotonic_ns() < deadline_ns)
        cpu_relax();
}

static void starts_stopped_at_zero(void)
{
    struct guest_clock clock = { 0 };

    g_assert_false(guest_clock_is_running(&clock));
    g_assert_cmpint(guest_clock_now(&clock), ==, 0);
    g_assert_cmpint(guest_clock_deadline(&clock, 5), ==, DEADLINE_NEVER);
}

static void stands_still_while_stopped(void)
{
    struct guest_clock clock = { 0 };
    int64_t started_ns, stopped_ns, shown_ns;

    BQL_GUARD();
    started_ns = monotonic_ns();
    guest_clock_start(&clock);
    g_assert_true(guest_clock_is_running(&clock));
    await_ns(started_ns + NS_PER_MS);
    guest_clock_stop(&clock);
    stopped_ns = monotonic_ns();
    shown_ns = guest_clock_now(&clock);
    g_assert_cmpint(shown_ns, >, 0);
    g_assert_cmpint(shown_ns, <=, stopped_ns - started_ns);
    await_ns(stopped_ns + NS_PER_MS);
    g_assert_cmpint(guest_clock_now(&clock), ==, shown_ns);
    guest_clock_stop(&clock); /* again: nothing */
    g_assert_cmpint(guest_clock_now(&clock), ==, shown_ns);
    started_ns = monotonic_ns();
    guest_clock_start(&clock);
    guest_clock_start(&clock);
    g_assert_cmpint(guest_clock_now(&clock), >=, shown_ns);
    g_assert_cmpint(guest_clock_now(&clock), <=, shown_ns + monotonic_ns() - started_ns);
}

static void set_jumps_in_both_states(void)
{
    struct guest_clock clock = { 0 };

    BQL_GUARD();
    guest_clock_set(&clock, -1234567);
    g_assert_cmpint(guest_clock_now(&clock), ==, -1234567);
    g_assert_false(guest_clock_is_running(&clock));
    guest_clock_start(&clock);
    guest_clock_set(&clock, 1000 * NS_PER_S);
    g_assert_true(guest_clock_is_running(&clock));
    g_assert_cmpint(guest_clock_now(&clock), >=, 1000 * NS_PER_S);
    guest_clock_set(&clock, 5);
    guest_clock_stop(&clock);
    g_assert_cmpint(guest_clock_now(&clock), >=, 5);
    g_assert_cmpint(guest_clock_now(&clock), <, 1000 * NS_PER_S);
}

static void deadlines_are_the_hosts(void)
{
    struct guest_clock clock = { 0 };
    int64_t deadline_ns;

    BQL_GUARD();
    guest_clock_set(&clock, 700 * NS_PER_S);
    guest_clock_start(&clock);
    deadline_ns = guest_clock_deadline(&clock, 700 * NS_PER_S + NS_PER_MS);
    await_ns(deadline_ns - NS_PER_US);
    await_ns(deadline_ns);
    g_assert_cmpint(guest_clock_now(&clock), >=, 700 * NS_PER_S + NS_PER_MS);
    g_assert_cmpint(guest_clock_deadline(&clock, INT64_MAX), ==, DEADLINE_NEVER);
}

static struct guest_clock shared;
static uint32_t has_ended; /* atomic */
static uint32_t nr_reads;  /* atomic */

static void read_on(void *arg G_GNUC_UNUSED)
{
    int64_t last_ns = INT64_MIN;

    while (!load_relaxed(&has_ended)) {
        int64_t now_ns = guest_clock_now(&shared);

        g_assert_cmpint(now_ns, >=, last_ns);
        last_ns = now_ns;
        store_relaxed(&nr_reads, nr_reads + 1);
    }
}

/* Until the reader has been at work during enough stops; fewer where it rarely has a core. */
enum { STOPS_SEEN = 20000, STOPS_MAX = 100000 };

static void never_goes_back_while_it_is_stopped_and_started(void)
{
    struct thread *reader = thread_start("reader", read_on, NULL);
    int nr_seen = 0;

    while (!load_relaxed(&nr_reads))
        cpu_relax();
    WITH_BQL () {
        for (int i = 0; i < STOPS_MAX && nr_seen < STOPS_SEEN; i++) {
            uint32_t before = load_relaxed(&nr_reads);

            guest_clock_start(&shared);
            /* For as long as i says, so that stops fall at all points of a read. */
            await_ns(monotonic_ns() + i % 256);
            guest_clock_stop(&shared);
            /* Stopped for longer than a reader could have been ahead, or it would not show. */
            await_ns(monotonic_ns() + NS_PER_US);
            nr_seen += load_relaxed(&nr_reads) != before;
        }
    }
    store_relaxed(&has_ended, 1);
    thread_join(reader);
    g_test_message("read during %d stops", nr_seen);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rcu_register_thread();
#define ADD(test) g_test_add_func("/guest_clock/" #test, test)
    ADD(starts_stopped_at_zero);
    ADD(stands_still_while_stopped);
    ADD(set_jumps_in_both_states);
    ADD(deadlines_are_the_hosts);
    ADD(never_goes_back_while_it_is_stopped_and_started);
#undef ADD
    return g_test_run();
}
