/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>
#include <sched.h>

#include "util/bql.h"
#include "util/clock.h"
#include "util/lock.h"
#include "util/rcu.h"
#include "util/thread.h"

static struct mutex device = MUTEX_INIT("the device lock", RANK_DEVICE);
static struct mutex leaf = MUTEX_INIT("the leaf lock", RANK_LEAF);
static struct mutex other_leaf = MUTEX_INIT("the other leaf lock", RANK_LEAF);

/* ---- Exclusion --------------------------------------------------------------------- */

enum { COUNTERS = 3, COUNTS = 5000 };
static int counter; /* guarded by leaf */

static void count(void *arg G_GNUC_UNUSED)
{
    for (int i = 0; i < COUNTS; i++) {
        WITH_MUTEX (&leaf) {
            counter++;
        }
    }
}

static void one_thread_at_a_time(void)
{
    struct thread *threads[COUNTERS];

    for (int i = 0; i < COUNTERS; i++)
        threads[i] = thread_start("counter", count, NULL);
    for (int i = 0; i < COUNTERS; i++)
        thread_join(threads[i]);
    g_assert_cmpint(counter, ==, COUNTERS * COUNTS);
}

static bool leave_by_return(void)
{
    MUTEX_GUARD(&leaf);
    mutex_assert_held(&leaf);
    return true;
}

static void guards_unlock_however_they_are_left(void)
{
    struct mutex mutex;

    mutex_init(&mutex, "guarded", RANK_LEAF);
    g_assert_true(leave_by_return());
    WITH_MUTEX (&leaf) {
        break;
    }
    WITH_MUTEX (&mutex) {
        g_assert_cmpint(pthread_mutex_trylock(&mutex.pthread), !=, 0);
        g_assert_cmpint(pthread_mutex_trylock(&leaf.pthread), ==, 0); /* so it was given back */
    }
    g_assert_cmpint(pthread_mutex_trylock(&mutex.pthread), ==, 0);
    pthread_mutex_unlock(&mutex.pthread);
    pthread_mutex_unlock(&leaf.pthread);
    mutex_fini(&mutex);
}

/* ---- Conditions ---------------------------------------------------------------------- */

static struct condition condition;
static int ball; /* guarded by leaf: whose turn it is */

enum { RALLY = 300 };

static void play(void *arg)
{
    int me = GPOINTER_TO_INT(arg);

    mutex_lock(&leaf);
    for (int i = 0; i < RALLY; i++) {
        while (ball != me)
            g_assert_cmpint(condition_wait(&condition, &leaf, DEADLINE_NEVER), ==, WOKEN);
        ball = 1 - me;
        condition_broadcast(&condition);
    }
    mutex_unlock(&leaf);
}

static void no_broadcast_is_lost(void)
{
    struct thread *a = thread_start("ping", play, GINT_TO_POINTER(0));
    struct thread *b = thread_start("pong", play, GINT_TO_POINTER(1));

    thread_join(a);
    thread_join(b);
    mutex_lock(&leaf);
    g_assert_cmpint(ball, ==, 0);
    mutex_unlock(&leaf);
}

static void wait_times_out_and_never_early(void)
{
    struct condition nobody = CONDITION_INIT;
    int64_t deadline_ns = monotonic_ns() + 3 * NS_PER_MS;

    mutex_lock(&leaf);
    g_assert_cmpint(condition_wait(&nobody, &leaf, deadline_ns), ==, TIMED_OUT);
    g_assert_cmpint(monotonic_ns(), >=, deadline_ns);
    mutex_assert_held(&leaf);
    mutex_unlock(&leaf);
}

/* ---- Order ----------------------------------------------------------------------------- */

static void right_order_is_silent_and_release_order_is_free(void)
{
    for (int i = 0; i < 3; i++) {
        bql_lock();
        mutex_lock(&device);
        mutex_lock(&leaf);
        bql_unlock();
        mutex_unlock(&device);
        mutex_unlock(&leaf);
    }
    mutex_lock(&leaf);
    mutex_unlock(&leaf);
    mutex_lock(&other_leaf);
    mutex_unlock(&other_leaf);
}

#ifdef DEBUG_CHECKS
#define NEEDS_DEBUG_BUILD()
#else
#define NEEDS_DEBUG_BUILD()                                                                        \
    do {                                                                                           \
        g_test_skip("only debug builds check the order of locks");                                 \
        return;                                                                                    \
    } while (0)
#endif

static void expect_death(const char *stderr_pattern)
{
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr(stderr_pattern);
}

static void bql_after_a_device_lock_aborts(void)
{
    NEEDS_DEBUG_BUILD();
    if (!g_test_subprocess()) {
        expect_death("*thread 'main': takes the BQL (rank 1) while it holds the device lock "
                     "(rank 2)*the stack of 'main'*");
        return;
    }
    mutex_lock(&device);
    bql_lock();
    bql_unlock();
    mutex_unlock(&device);
}

static void two_leaf_locks_abort(void)
{
    NEEDS_DEBUG_BUILD();
    if (!g_test_subprocess()) {
        expect_death("*takes the other leaf lock (rank 3) while it holds the leaf lock (rank 3)*");
        return;
    }
    mutex_lock(&leaf);
    mutex_lock(&other_leaf);
    mutex_unlock(&other_leaf);
    mutex_unlock(&leaf);
}

static void waiting_with_another_lock_held_aborts(void)
{
    NEEDS_DEBUG_BUILD();
    if (!g_test_subprocess()) {
        expect_death("*waits for a condition while it holds the BQL*");
        return;
    }
    bql_lock();
    mutex_lock(&leaf);
    (void)condition_wait(&condition, &leaf, 0);
    mutex_unlock(&leaf);
    bql_unlock();
}

static void locking_twice_aborts(void) NO_THREAD_SAFETY
{
    NEEDS_DEBUG_BUILD();
    if (!g_test_subprocess()) {
        expect_death("*takes the leaf lock twice*");
        return;
    }
    mutex_lock(&leaf);
    mutex_lock(&leaf);
}

static void unlock_of_others(void *arg G_GNUC_UNUSED) NO_THREAD_SAFETY
{
    mutex_unlock(&leaf);
}

static void unlocking_what_another_holds_aborts(void)
{
    NEEDS_DEBUG_BUILD();
    if (!g_test_subprocess()) {
        expect_death("*thread 'stranger': gives the leaf lock back, which it does not hold*");
        return;
    }
    mutex_lock(&leaf);
    thread_join(thread_start("stranger", unlock_of_others, NULL));
    mutex_unlock(&leaf);
}

static void asserting_without_it_aborts(void)
{
    NEEDS_DEBUG_BUILD();
    if (!g_test_subprocess()) {
        expect_death("*should hold the leaf lock here, and does not*");
        return;
    }
    mutex_assert_held(&leaf);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rcu_register_thread();
#define ADD(test) g_test_add_func("/lock/" #test, test)
    ADD(one_thread_at_a_time);
    ADD(guards_unlock_however_they_are_left);
    ADD(no_broadcast_is_lost);
    ADD(wait_times_out_and_never_early);
    ADD(right_order_is_silent_and_release_order_is_free);
    ADD(bql_after_a_device_lock_aborts);
    ADD(two_leaf_locks_abort);
    ADD(waiting_with_another_lock_held_aborts);
    ADD(locking_twice_aborts);
    ADD(unlocking_what_another_holds_aborts);
    ADD(asserting_without_it_aborts);
#undef ADD
    return g_test_run();
}
