/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <limits.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include "tests/tap.h"
#include "util/rcu_control.h"
#include "util/srcu.h"

/* Tests use the interface in ways that clang's lock analysis has no words for. */
#define A_TEST static void NO_THREAD_SAFETY

enum { MANY_DOMAINS = 3 * SRCU_SLOTS };

static struct srcu_struct domain;
static bool updater_done; /* atomic */

static void start_thread(pthread_t *thread, void *(*run)(void *), void *opaque)
{
    if (pthread_create(thread, NULL, run, opaque) != 0)
        bail_out("no thread");
}

static void *update_once(void *srcu)
{
    synchronize_srcu(srcu);
    store_release(&updater_done, true); /* pairs with the loads in the tests */
    return NULL;
}

static unsigned long nr_sleeps(struct srcu_struct *srcu)
{
    struct srcu_stats stats;

    srcu_get_stats(srcu, &stats);
    return stats.sleeps;
}

static unsigned long nr_open(struct srcu_struct *srcu)
{
    struct srcu_stats stats;

    srcu_get_stats(srcu, &stats);
    return stats.entered[0] + stats.entered[1] - stats.left[0] - stats.left[1];
}

static unsigned long nr_grace_periods(struct srcu_struct *srcu)
{
    struct srcu_stats stats;

    srcu_get_stats(srcu, &stats);
    return stats.grace_periods;
}

/* The caller is inside a section of @srcu; @leave must be what ends it. */
static void expect_wait_until(struct srcu_struct *srcu, void (*leave)(void *), void *opaque)
{
    unsigned long before = nr_sleeps(srcu);
    pthread_t updater;

    store_relaxed(&updater_done, false);
    start_thread(&updater, update_once, srcu);
    while (nr_sleeps(srcu) == before && !load_acquire(&updater_done))
        sched_yield();
    ok(!load_acquire(&updater_done));
    leave(opaque);
    pthread_join(updater, NULL);
    ok(load_acquire(&updater_done));
}

static int entered_index;

static void leave_domain(void *srcu) NO_THREAD_SAFETY
{
    srcu_read_unlock(srcu, entered_index);
}

A_TEST grace_period_without_readers_takes_one_barrier(void)
{
    struct rcu_stats before, after;

    rcu_get_stats(&before);
    synchronize_srcu(&domain);
    rcu_get_stats(&after);
    is(after.barriers - before.barriers, 1);
    is(nr_sleeps(&domain), 0);
}

A_TEST grace_period_waits_for_open_section_of_either_index(void)
{
    for (int i = 0; i < 4; i++) {
        entered_index = srcu_read_lock(&domain);
        is(entered_index, nr_grace_periods(&domain) % 2);
        expect_wait_until(&domain, leave_domain, &domain);
    }
    is(nr_open(&domain), 0);
}

static void leave_unregistered(void *unused UNUSED) NO_THREAD_SAFETY
{
    srcu_read_unlock(&domain, entered_index);
    srcu_register_thread();
}

A_TEST thread_that_never_registered_is_waited_for(void)
{
    srcu_unregister_thread();
    entered_index = srcu_read_lock(&domain);
    ok(srcu_read_lock_held(&domain));
    expect_wait_until(&domain, leave_unregistered, NULL);
    is(nr_open(&domain), 0);
}

A_TEST sections_nest_and_end_in_any_order(void)
{
    int outer = srcu_read_lock(&domain);
    int inner = srcu_read_lock(&domain);

    is(nr_open(&domain), 2);
    srcu_read_unlock(&domain, outer);
    ok(srcu_read_lock_held(&domain));
    srcu_read_unlock(&domain, inner);
    ok(!srcu_read_lock_held(&domain));
}

A_TEST guard_ends_with_its_block(void)
{
    {
        SRCU_READ_GUARD(&domain);
        is(nr_open(&domain), 1);
    }
    is(nr_open(&domain), 0);
}

A_TEST domains_do_not_wait_for_each_other(void)
{
    struct srcu_struct other;
    int index;

    init_srcu_struct(&other, "other");
    index = srcu_read_lock(&domain);
    synchronize_srcu(&other);
    ok(!srcu_read_lock_held(&other));
    srcu_read_unlock(&domain, index);
    is(cleanup_srcu_struct(&other), 0);
}

static void *up_read(void *unused UNUSED)
{
    srcu_up_read(&domain, entered_index);
    return NULL;
}

static void leave_on_other_thread(void *unused UNUSED)
{
    pthread_t thread;

    start_thread(&thread, up_read, NULL);
    pthread_join(thread, NULL);
}

A_TEST handed_section_ends_on_another_thread(void)
{
    entered_index = srcu_down_read(&domain);
    ok(!srcu_read_lock_held(&domain));
    expect_wait_until(&domain, leave_on_other_thread, NULL);
    is(nr_open(&domain), 0);
}

static void *read_and_end(void *opaque) NO_THREAD_SAFETY
{
    const bool *is_registered = opaque;

    if (*is_registered)
        srcu_register_thread();
    for (int i = 0; i < 3; i++)
        srcu_read_unlock(&domain, srcu_read_lock(&domain));
    return NULL;
}

A_TEST counts_of_ended_threads_stay(void)
{
    static bool registered[] = { true, false };
    struct srcu_stats before, after;
    pthread_t threads[4];

    srcu_get_stats(&domain, &before);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        start_thread(&threads[i], read_and_end, &registered[i % 2]);
    for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
        pthread_join(threads[i], NULL);
    srcu_get_stats(&domain, &after);
    is(after.entered[0] + after.entered[1] - before.entered[0] - before.entered[1], 12);
    is(after.left[0] + after.left[1] - before.left[0] - before.left[1], 12);
    synchronize_srcu(&domain);
}

static void read_in_handler(int signal_number UNUSED) NO_THREAD_SAFETY
{
    srcu_read_unlock(&domain, srcu_read_lock(&domain));
}

A_TEST handler_reads_the_domain_it_interrupts(void)
{
    struct srcu_stats before, after;

    signal(SIGUSR1, read_in_handler);
    srcu_get_stats(&domain, &before);
    for (int i = 0; i < 2; i++) { /* with slots, then without */
        int index = srcu_read_lock(&domain);

        raise(SIGUSR1);
        is(nr_open(&domain), 1);
        ok(srcu_read_lock_held(&domain));
        srcu_read_unlock(&domain, index);
        if (i == 0)
            srcu_unregister_thread();
    }
    srcu_register_thread();
    srcu_get_stats(&domain, &after);
    is(after.entered[0] + after.entered[1] - before.entered[0] - before.entered[1], 4);
    is(nr_open(&domain), 0);
    signal(SIGUSR1, SIG_DFL);
}

A_TEST domains_beyond_the_slots_work(void)
{
    static struct srcu_struct many[MANY_DOMAINS];
    struct srcu_stats stats;
    int nr_with_slots = 0;

    for (int i = 0; i < MANY_DOMAINS; i++) {
        init_srcu_struct(&many[i], "one of many");
        srcu_get_stats(&many[i], &stats);
        nr_with_slots += stats.has_slots;
    }
    is(nr_with_slots, SRCU_SLOTS - 2); /* slot 0 is nobody's, one is @domain's */
    for (int i = 0; i < MANY_DOMAINS; i++) {
        entered_index = srcu_read_lock(&many[i]);
        ok(srcu_read_lock_held(&many[i]));
        ok(!srcu_read_lock_held(&many[(i + 1) % MANY_DOMAINS]));
        expect_wait_until(&many[i], leave_domain, &many[i]);
    }
    for (int i = 0; i < MANY_DOMAINS; i++)
        is(cleanup_srcu_struct(&many[i]), 0);
}

A_TEST next_domain_of_a_slot_starts_from_nothing(void)
{
    struct srcu_struct first, second;
    struct srcu_stats stats;

    init_srcu_struct(&first, "first");
    for (int i = 0; i < 5; i++)
        srcu_read_unlock(&first, srcu_read_lock(&first));
    is(cleanup_srcu_struct(&first), 0);
    init_srcu_struct(&second, "second");
    is(second.offset, first.offset);
    srcu_get_stats(&second, &stats);
    is(stats.entered[0] + stats.entered[1], 0);
    is(stats.left[0] + stats.left[1], 0);
    srcu_read_unlock(&second, srcu_read_lock(&second));
    synchronize_srcu(&second);
    is(cleanup_srcu_struct(&second), 0);
}

A_TEST cookie_is_passed_by_the_next_full_grace_period(void)
{
    srcu_cookie cookie = get_state_synchronize_srcu(&domain);

    ok(!poll_state_synchronize_srcu(&domain, cookie));
    synchronize_srcu(&domain);
    ok(poll_state_synchronize_srcu(&domain, cookie));
    ok(!poll_state_synchronize_srcu(&domain, get_state_synchronize_srcu(&domain)));
}

A_TEST cookie_taken_during_a_grace_period_needs_the_next(void)
{
    unsigned long sleeps = nr_sleeps(&domain);
    srcu_cookie cookie;
    pthread_t updater;
    int index = srcu_read_lock(&domain);

    start_thread(&updater, update_once, &domain);
    while (nr_sleeps(&domain) == sleeps)
        sched_yield();
    cookie = get_state_synchronize_srcu(&domain);
    srcu_read_unlock(&domain, index);
    pthread_join(updater, NULL);
    ok(!poll_state_synchronize_srcu(&domain, cookie));
    cond_synchronize_srcu(&domain, cookie);
    ok(poll_state_synchronize_srcu(&domain, cookie));
}

A_TEST cond_synchronize_drives_nothing_when_passed(void)
{
    srcu_cookie cookie = get_state_synchronize_srcu(&domain);
    unsigned long before;

    synchronize_srcu(&domain);
    before = nr_grace_periods(&domain);
    cond_synchronize_srcu(&domain, cookie);
    is(nr_grace_periods(&domain), before);
}

static unsigned nr_arrived; /* atomic */

static void *arrive_and_update(void *cookie)
{
    *(srcu_cookie *)cookie = get_state_synchronize_srcu(&domain);
    fetch_add(&nr_arrived, 1);
    cond_synchronize_srcu(&domain, *(srcu_cookie *)cookie);
    return NULL;
}

A_TEST callers_that_meet_share_a_grace_period(void)
{
    pthread_t updaters[8];
    srcu_cookie cookies[8];
    unsigned long before = nr_grace_periods(&domain);
    int index = srcu_read_lock(&domain);

    store_relaxed(&nr_arrived, 0);
    for (size_t i = 0; i < ARRAY_SIZE(updaters); i++)
        start_thread(&updaters[i], arrive_and_update, &cookies[i]);
    while (load_acquire(&nr_arrived) < ARRAY_SIZE(updaters))
        sched_yield();
    srcu_read_unlock(&domain, index);
    for (size_t i = 0; i < ARRAY_SIZE(updaters); i++) {
        pthread_join(updaters[i], NULL);
        ok(poll_state_synchronize_srcu(&domain, cookies[i]));
    }
    ok(nr_grace_periods(&domain) - before <= 2); /* the first one's, and one for all others */
}

A_TEST counts_and_numbers_wrap(void)
{
    struct srcu_struct old;

    init_srcu_struct(&old, "old");
    old.progress = ULONG_MAX - 3;
    for (int i = 0; i < 2; i++)
        old.shared.lock[i] = old.shared.unlock[i] = ULONG_MAX;
    for (int i = 0; i < 4; i++) {
        srcu_cookie cookie = get_state_synchronize_srcu(&old);

        entered_index = srcu_read_lock(&old);
        ok(!poll_state_synchronize_srcu(&old, cookie));
        expect_wait_until(&old, leave_domain, &old);
        ok(poll_state_synchronize_srcu(&old, cookie));
    }
    is(cleanup_srcu_struct(&old), 0);
}

A_TEST registrations_are_counted(void)
{
    srcu_register_thread();
    srcu_unregister_thread();
    entered_index = srcu_read_lock(&domain);
    is(load_relaxed(&domain.shared.lock[entered_index]),
       load_relaxed(&domain.shared.unlock[entered_index])); /* still in its own slot */
    srcu_read_unlock(&domain, entered_index);
}

int main(int argc, char **argv)
{
    static const struct tap_test tests[] = {
        TAP_TEST(grace_period_without_readers_takes_one_barrier),
        TAP_TEST(grace_period_waits_for_open_section_of_either_index),
        TAP_TEST(thread_that_never_registered_is_waited_for),
        TAP_TEST(sections_nest_and_end_in_any_order),
        TAP_TEST(guard_ends_with_its_block),
        TAP_TEST(domains_do_not_wait_for_each_other),
        TAP_TEST(handed_section_ends_on_another_thread),
        TAP_TEST(counts_of_ended_threads_stay),
        TAP_TEST(handler_reads_the_domain_it_interrupts),
        TAP_TEST(domains_beyond_the_slots_work),
        TAP_TEST(next_domain_of_a_slot_starts_from_nothing),
        TAP_TEST(cookie_is_passed_by_the_next_full_grace_period),
        TAP_TEST(cookie_taken_during_a_grace_period_needs_the_next),
        TAP_TEST(cond_synchronize_drives_nothing_when_passed),
        TAP_TEST(callers_that_meet_share_a_grace_period),
        TAP_TEST(counts_and_numbers_wrap),
        TAP_TEST(registrations_are_counted),
    };
    int result;

    init_srcu_struct(&domain, "domain");
    srcu_register_thread();
    result = TAP_RUN(tests, argc, argv);
    srcu_unregister_thread();
    if (cleanup_srcu_struct(&domain) != 0)
        result = EXIT_FAILURE;
    return result;
}
