/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>

#include "tests/tap.h"
#include "tests/unit/child.h"
#include "util/clock.h"
#include "util/event.h"
#include "util/rcu.h"
#include "util/rcu_control.h"

/* ---- A reader on another thread, led step by step ------------------------------- */

struct reader {
    pthread_t thread;
    struct event enter, has_entered, leave, has_left, end;
    struct rcu_notifier notifier;
    unsigned kicks; /* atomic */
    bool leaves_when_kicked;
};

static void count_kick(struct rcu_notifier *notifier)
{
    struct reader *reader = container_of(notifier, struct reader, notifier);

    fetch_add(&reader->kicks, 1);
    if (reader->leaves_when_kicked)
        event_set(&reader->leave);
}

static void *reader_main(void *opaque)
{
    struct reader *reader = opaque;

    rcu_register_thread();
    rcu_add_force_rcu_notifier(&reader->notifier);
    event_wait(&reader->enter);
    WITH_RCU_READ () {
        event_set(&reader->has_entered);
        event_wait(&reader->leave);
    }
    event_set(&reader->has_left);
    event_wait(&reader->end);
    rcu_remove_force_rcu_notifier(&reader->notifier);
    rcu_unregister_thread();
    return NULL;
}

static void reader_start(struct reader *reader, bool leaves_when_kicked)
{
    *reader =
        (struct reader){ .notifier.kick = count_kick, .leaves_when_kicked = leaves_when_kicked };
    if (pthread_create(&reader->thread, NULL, reader_main, reader) != 0)
        bail_out("pthread_create");
}

static void reader_enter(struct reader *reader)
{
    event_set(&reader->enter);
    event_wait(&reader->has_entered);
}

static void reader_leave(struct reader *reader)
{
    event_set(&reader->leave);
    event_wait(&reader->has_left);
}

static void reader_stop(struct reader *reader)
{
    event_set(&reader->enter);
    event_set(&reader->leave);
    event_set(&reader->end);
    pthread_join(reader->thread, NULL);
}

static struct rcu_stats stats(void)
{
    struct rcu_stats now;

    rcu_get_stats(&now);
    return now;
}

/* The grace period of @cookie ends, by driving it; hangs if it never does. */
static void drive_until(rcu_cookie cookie)
{
    force_rcu();
    while (!poll_state_synchronize_rcu(cookie))
        (void)rcu_drive_forced(NS_PER_MS); /* poll tells */
}

/* ---- Tests ------------------------------------------------------------------------ */

/* Nested in one function, which the compiler takes for a mistake. */
static void sections_nest(void) NO_THREAD_SAFETY
{
    ok(!rcu_is_reading());
    rcu_read_lock();
    rcu_read_lock();
    ok(rcu_is_reading());
    rcu_read_unlock();
    ok(rcu_is_reading());
    rcu_read_unlock();
    ok(!rcu_is_reading());
}

static int return_from_guard(int value)
{
    WITH_RCU_READ () {
        if (value > 0)
            return value;
        break;
    }
    RCU_READ_GUARD();
    return rcu_is_reading() ? -1 : 0;
}

static void guards_end_with_their_scope(void)
{
    int rounds = 0;

    is(return_from_guard(3), 3);
    ok(!rcu_is_reading());
    is(return_from_guard(0), -1);
    ok(!rcu_is_reading());
    WITH_RCU_READ () {
        rounds++;
        ok(rcu_is_reading());
    }
    is(rounds, 1);
    ok(!rcu_is_reading());
}

static void cookie_is_open_until_a_grace_period(void)
{
    rcu_cookie cookie = get_state_synchronize_rcu();

    ok(!poll_state_synchronize_rcu(cookie));
    synchronize_rcu();
    ok(poll_state_synchronize_rcu(cookie));
    ok(!poll_state_synchronize_rcu(get_state_synchronize_rcu()));
}

static void open_section_holds_the_grace_period(void)
{
    struct reader reader;
    rcu_cookie cookie;

    reader_start(&reader, false);
    reader_enter(&reader);
    cookie = start_poll_synchronize_rcu();
    force_rcu();
    for (int i = 0; i < 20; i++)
        ok(!rcu_drive_forced(100 * NS_PER_US));
    ok(!poll_state_synchronize_rcu(cookie));
    reader_leave(&reader);
    drive_until(cookie);
    ok(poll_state_synchronize_rcu(cookie));
    reader_stop(&reader);
}

static void later_section_does_not_hold_it(void)
{
    struct reader early, late;
    rcu_cookie cookie;

    reader_start(&early, false);
    reader_start(&late, false);
    reader_enter(&early);
    cookie = start_poll_synchronize_rcu();
    force_rcu(); /* starts it */
    reader_enter(&late);
    reader_leave(&early);
    drive_until(cookie); /* hangs if it waits for the late one */
    ok(load_relaxed(&early.kicks) > 0);
    is(load_relaxed(&late.kicks), 0);
    reader_stop(&early);
    reader_stop(&late);
}

static void start_poll_needs_no_further_call(void)
{
    rcu_cookie cookie = start_poll_synchronize_rcu();

    while (!poll_state_synchronize_rcu(cookie))
        sched_yield(); /* the rcu thread ends it, or the harness names this test */
    ok(poll_state_synchronize_rcu(cookie));
}

static void cond_synchronize_waits_only_if_it_must(void)
{
    rcu_cookie cookie = get_state_synchronize_rcu();
    unsigned long newest;

    cond_synchronize_rcu(cookie);
    ok(poll_state_synchronize_rcu(cookie));
    newest = stats().newest;
    cond_synchronize_rcu(cookie);
    is(stats().newest, newest);
}

static void synchronize_kicks_the_reader_out(void)
{
    struct reader reader;

    reader_start(&reader, true);
    reader_enter(&reader);
    synchronize_rcu();
    ok(event_is_set(&reader.leave));
    ok(load_relaxed(&reader.kicks) >= 1);
    reader_stop(&reader);
}

static void reader_outside_is_not_kicked(void)
{
    struct reader reader;

    reader_start(&reader, false);
    for (int i = 0; i < 100; i++)
        synchronize_rcu();
    is(load_relaxed(&reader.kicks), 0);
    reader_stop(&reader);
}

static void force_with_nothing_outstanding_changes_nothing(void)
{
    struct reader reader;
    struct rcu_stats before, after;

    reader_start(&reader, false);
    synchronize_rcu();
    drain_call_rcu();
    reader_enter(&reader);
    before = stats();
    for (int i = 0; i < 10; i++)
        force_rcu();
    after = stats();
    is(after.newest, before.newest);
    is(after.forced_upto, before.forced_upto);
    is(after.forces, before.forces);
    is(after.kicks, before.kicks);
    is(load_relaxed(&reader.kicks), 0);
    reader_stop(&reader);
}

static void force_is_idempotent(void)
{
    struct reader reader;
    struct rcu_stats before;
    rcu_cookie cookie;

    reader_start(&reader, false);
    reader_enter(&reader);
    cookie = start_poll_synchronize_rcu();
    before = stats();
    for (int i = 0; i < 10; i++)
        force_rcu();
    is(stats().forces, before.forces + 1);
    reader_leave(&reader);
    drive_until(cookie);
    reader_stop(&reader);
}

static void force_may_be_called_inside_a_section(void)
{
    rcu_cookie cookie = start_poll_synchronize_rcu();

    WITH_RCU_READ () {
        cookie = start_poll_synchronize_rcu();
        force_rcu();
        ok(!poll_state_synchronize_rcu(cookie));
    }
    drive_until(cookie);
}

/* The normal state must not write to a reader or kick it. The age limit is an hour here. */
static void normal_state_does_not_kick(void)
{
    struct reader reader;
    rcu_cookie cookie;
    uint64_t sleeps = stats().sleeps;

    reader_start(&reader, false);
    reader_enter(&reader);
    cookie = start_poll_synchronize_rcu();
    while (stats().sleeps < sleeps + 3)
        sched_yield(); /* until the rcu thread has polled and slept some times */
    is(load_relaxed(&reader.kicks), 0);
    is(stats().reports, 0);
    reader_leave(&reader);
    while (!poll_state_synchronize_rcu(cookie))
        sched_yield();
    is(stats().reports, 0);
    reader_stop(&reader);
}

static void registration_counts(void)
{
    unsigned readers = stats().readers;

    rcu_register_thread();
    is(stats().readers, readers);
    rcu_unregister_thread();
    is(stats().readers, readers);
    WITH_RCU_READ () {
        ok(rcu_is_reading());
    }
}

static void *read_in_turns(void *unused UNUSED)
{
    for (int i = 0; i < 50; i++) {
        rcu_register_thread();
        rcu_read_lock();
        rcu_read_unlock();
        rcu_unregister_thread();
    }
    return NULL;
}

static void threads_come_and_go(void)
{
    unsigned readers = stats().readers;
    pthread_t threads[8];

    for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
        if (pthread_create(&threads[i], NULL, read_in_turns, NULL) != 0)
            bail_out("pthread_create");
    }
    for (int i = 0; i < 200; i++)
        synchronize_rcu();
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        pthread_join(threads[i], NULL);
    is(stats().readers, readers);
}

/* ---- What needs a process of its own ------------------------------------------------ */

static void configured(struct rcu_config config)
{
    if (rcu_configure(&config) != 0)
        _exit(10);
    rcu_register_thread();
}

static void old_grace_period_turns_forced(void)
{
    struct rcu_config config = rcu_config_default();
    struct reader reader;
    rcu_cookie cookie;

    config.force_age_ns = 5 * NS_PER_MS;
    configured(config);
    reader_start(&reader, true);
    reader_enter(&reader);
    cookie = start_poll_synchronize_rcu();
    while (!poll_state_synchronize_rcu(cookie))
        sched_yield(); /* the reader leaves only when kicked */
    reader_stop(&reader);
    _exit(load_relaxed(&reader.kicks) > 0 ? 0 : 11);
}

static void age_forces(void)
{
    is(run_child(old_grace_period_turns_forced).exit_code, 0);
}

static struct event first_runs;
static unsigned nr_slow; /* callbacks that have run; atomic */

static void slow(struct rcu_head *head UNUSED)
{
    struct event never = EVENT_INIT;

    event_set(&first_runs);
    (void)event_timedwait(&never, monotonic_ns() + 2 * NS_PER_MS); /* it takes its time */
    fetch_add(&nr_slow, 1);
}

/* The rcu thread is busy with callbacks that are due; a poller's grace period ages all the same. */
static void grace_period_ages_beside_callbacks(void)
{
    static struct rcu_head heads[300];
    struct rcu_config config = rcu_config_default();
    struct reader reader;
    rcu_cookie cookie;
    unsigned nr_before;

    config.force_age_ns = 5 * NS_PER_MS;
    configured(config);
    for (size_t i = 0; i < ARRAY_SIZE(heads); i++)
        call_rcu1(&heads[i], slow);
    event_wait(&first_runs);
    reader_start(&reader, true);
    reader_enter(&reader);
    cookie = start_poll_synchronize_rcu();
    event_wait(&reader.leave); /* it was kicked */
    nr_before = load_relaxed(&nr_slow);
    while (!poll_state_synchronize_rcu(cookie))
        sched_yield();
    reader_stop(&reader);
    _exit(nr_before < ARRAY_SIZE(heads) ? 0 : 11);
}

static void age_counts_while_callbacks_run(void)
{
    is(run_child(grace_period_ages_beside_callbacks).exit_code, 0);
}

static void ignores_force(void)
{
    struct rcu_config config = rcu_config_default();
    struct reader reader;

    config.ignore_force = true;
    config.force_age_ns = 3600 * NS_PER_S;
    configured(config);
    reader_start(&reader, false);
    reader_enter(&reader);
    (void)start_poll_synchronize_rcu();
    force_rcu();
    if (stats().forces != 0 || load_relaxed(&reader.kicks) != 0)
        _exit(11);
    reader_stop(&reader);
    synchronize_rcu();
    drain_call_rcu();
    _exit(stats().kicks == 0 ? 0 : 12);
}

static void force_can_be_switched_off(void)
{
    is(run_child(ignores_force).exit_code, 0);
}

/* A few hundred grace periods across the end of the range, with a reader that must be waited for.
 */
static void crosses(unsigned long first, enum rcu_readers readers)
{
    struct rcu_config config = rcu_config_default();
    struct reader reader;
    rcu_cookie cookie;

    config.first_number = first;
    config.readers = readers;
    configured(config);
    for (int i = 0; i < 300; i++) {
        cookie = get_state_synchronize_rcu();
        if (poll_state_synchronize_rcu(cookie))
            _exit(11);
        synchronize_rcu();
        if (!poll_state_synchronize_rcu(cookie))
            _exit(12);
        if (i % 30 != 0)
            continue;
        reader_start(&reader, false);
        reader_enter(&reader);
        cookie = start_poll_synchronize_rcu();
        force_rcu();
        if (rcu_drive_forced(NS_PER_MS) || poll_state_synchronize_rcu(cookie))
            _exit(13);
        reader_leave(&reader);
        drive_until(cookie);
        reader_stop(&reader);
    }
    _exit(readers == RCU_READERS_AUTO || rcu_reader_mode() == readers ? 0 : 14);
}

static void crosses_the_end(void)
{
    crosses(-8ul * RCU_STEP, RCU_READERS_AUTO);
}

static void crosses_the_sign(void)
{
    crosses((-1ul >> 1) - 100ul * RCU_STEP, RCU_READERS_AUTO);
}

static void crosses_the_end_with_fences(void)
{
    crosses(-8ul * RCU_STEP, RCU_READERS_FENCES);
}

static void crosses_32_bits(void)
{
    crosses((unsigned)-100 * 1ul, RCU_READERS_AUTO);
}

static void numbers_may_wrap(void)
{
    is(run_child(crosses_the_end).exit_code, 0);
    is(run_child(crosses_the_sign).exit_code, 0);
    is(run_child(crosses_32_bits).exit_code, 0);
}

static void fence_readers_work(void)
{
    is(run_child(crosses_the_end_with_fences).exit_code, 0);
}

static void configure_after_use(void)
{
    struct rcu_config config = rcu_config_default();

    rcu_register_thread();
    _exit(rcu_configure(&config) == -EBUSY ? 0 : 11);
}

static void never_is_far_away(void)
{
    struct rcu_config config = rcu_config_default();
    struct reader reader;
    int64_t start_ns;
    uint64_t sleeps;

    config.force_age_ns = INT64_MAX;
    configured(config);
    reader_start(&reader, false);
    reader_enter(&reader);
    start_ns = monotonic_ns();
    (void)start_poll_synchronize_rcu();
    do {
        sched_yield();
        sleeps = stats().sleeps;
    } while (sleeps < 5);
    /* Each sleep takes at least poll_ns: a driver that does not sleep makes many more. */
    if ((int64_t)stats().sleeps > (monotonic_ns() - start_ns) / config.poll_ns + 1)
        _exit(11);
    reader_stop(&reader);
    _exit(0);
}

static void age_may_be_never(void)
{
    is(run_child(never_is_far_away).exit_code, 0);
}

static void configures_badly(void)
{
    struct rcu_config config = rcu_config_default();

    config.rekick_ns = 0;
    if (rcu_configure(&config) != -EINVAL)
        _exit(11);
    config = rcu_config_default();
    config.poll_ns = INT64_MAX;
    if (rcu_configure(&config) != -EINVAL)
        _exit(12);
    config = rcu_config_default();
    config.force_age_ns = -1;
    if (rcu_configure(&config) != -EINVAL)
        _exit(13);
    config = rcu_config_default();
    _exit(rcu_configure(&config) == 0 ? 0 : 14);
}

static void bad_configuration_is_refused(void)
{
    is(run_child(configures_badly).exit_code, 0);
}

static void configure_comes_first(void)
{
    is(run_child(configure_after_use).exit_code, 0);
}

/* The tests above fork before RCU is first used here; those below decide themselves what is
 * forced, and so does the age limit's absence. */
static void configure_holds_for_the_process(void)
{
    struct rcu_config config = rcu_config_default();

    config.force_age_ns = 3600 * NS_PER_S;
    is(rcu_configure(&config), 0);
    is(rcu_configure(&config), -EBUSY);
    rcu_register_thread();
}

int main(int argc, char **argv)
{
    static const struct tap_test tests[] = {
        TAP_TEST(age_forces),
        TAP_TEST(age_counts_while_callbacks_run),
        TAP_TEST(force_can_be_switched_off),
        TAP_TEST(numbers_may_wrap),
        TAP_TEST(fence_readers_work),
        TAP_TEST(age_may_be_never),
        TAP_TEST(bad_configuration_is_refused),
        TAP_TEST(configure_comes_first),
        TAP_TEST(configure_holds_for_the_process),
        TAP_TEST(sections_nest),
        TAP_TEST(guards_end_with_their_scope),
        TAP_TEST(normal_state_does_not_kick),
        TAP_TEST(cookie_is_open_until_a_grace_period),
        TAP_TEST(open_section_holds_the_grace_period),
        TAP_TEST(later_section_does_not_hold_it),
        TAP_TEST(start_poll_needs_no_further_call),
        TAP_TEST(cond_synchronize_waits_only_if_it_must),
        TAP_TEST(synchronize_kicks_the_reader_out),
        TAP_TEST(reader_outside_is_not_kicked),
        TAP_TEST(force_with_nothing_outstanding_changes_nothing),
        TAP_TEST(force_is_idempotent),
        TAP_TEST(force_may_be_called_inside_a_section),
        TAP_TEST(registration_counts),
        TAP_TEST(threads_come_and_go),
    };

    return TAP_RUN(tests, argc, argv);
}
