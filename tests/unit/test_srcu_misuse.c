/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * SRCU misused, forked, and without membarrier: each in a process of its own.
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "tests/tap.h"
#include "tests/unit/child.h"
#include "util/rcu.h"
#include "util/rcu_control.h"
#include "util/srcu.h"

/* What is tested here is what clang's lock analysis would not compile. */
#define A_TEST static void NO_THREAD_SAFETY
#define IN_CHILD static void NO_THREAD_SAFETY

#ifdef DEBUG_CHECKS
static const bool has_checks = true;
#else
static const bool has_checks = false;
#endif

static struct srcu_struct domain;
static int entered_index;
static bool flag; /* atomic */

static void expect_abort(void (*run)(void), const char *message)
{
    struct child_end end = run_child(run);

    is(end.signal, SIGABRT);
    ok(strstr(end.errors, message) != NULL);
}

/* Debug builds abort; in release builds @run goes on and exits with 0 if all is well. */
static void expect_abort_in_debug(void (*run)(void), const char *message)
{
    struct child_end end = run_child(run);

    if (has_checks)
        is(end.signal, SIGABRT);
    else
        is(end.exit_code, 0);
    ok(strstr(end.errors, message) != NULL);
}

static void expect_success(void (*run)(void))
{
    struct child_end end = run_child(run);

    if (!is(end.exit_code, 0))
        fprintf(stderr, "%s", end.errors);
}

static void must(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "failed: %s\n", what);
        _exit(1);
    }
}

static void join_new_thread(void *(*run)(void *))
{
    pthread_t thread;

    must(pthread_create(&thread, NULL, run, NULL) == 0, "pthread_create");
    pthread_join(thread, NULL);
}

/* ---- Waiting inside one's own section ------------------------------------- */

IN_CHILD wait_inside_registered(void)
{
    init_srcu_struct(&domain, "tables");
    srcu_register_thread();
    (void)srcu_read_lock(&domain);
    synchronize_srcu(&domain);
}

IN_CHILD wait_inside_unregistered(void)
{
    init_srcu_struct(&domain, "tables");
    (void)srcu_read_lock(&domain);
    synchronize_srcu(&domain);
}

IN_CHILD wait_inside_without_slot(void)
{
    static struct srcu_struct many[SRCU_SLOTS];

    for (int i = 0; i < SRCU_SLOTS; i++)
        init_srcu_struct(&many[i], "other");
    init_srcu_struct(&domain, "tables");
    srcu_register_thread();
    (void)srcu_read_lock(&many[0]);
    (void)srcu_read_lock(&many[SRCU_SLOTS - 1]);
    (void)srcu_read_lock(&domain);
    synchronize_srcu(&domain);
}

A_TEST wait_inside_own_section_aborts_in_all_builds(void)
{
    const char *message = "srcu \"tables\": waiting for a grace period inside a section";

    expect_abort(wait_inside_registered, message);
    expect_abort(wait_inside_unregistered, message);
    expect_abort(wait_inside_without_slot, message);
}

static bool yes(void)
{
    return true;
}

static void do_nothing(void)
{
}

IN_CHILD wait_under_bql(void)
{
    static const struct rcu_host host = {
        .bql_is_mine = yes,
        .bql_lock = do_nothing,
        .bql_unlock = do_nothing,
    };

    rcu_set_host(&host);
    init_srcu_struct(&domain, "tables");
    synchronize_srcu(&domain);
}

A_TEST wait_under_the_bql_is_reported(void)
{
    expect_abort_in_debug(wait_under_bql, "synchronize_srcu with the BQL held");
}

/* ---- Leaving, ending, cleaning up ------------------------------------------ */

static void *unlock_there(void *unused UNUSED) NO_THREAD_SAFETY
{
    srcu_register_thread();
    srcu_read_unlock(&domain, entered_index);
    return NULL;
}

IN_CHILD unlock_on_other_thread(void)
{
    init_srcu_struct(&domain, "tables");
    srcu_register_thread();
    entered_index = srcu_read_lock(&domain);
    join_new_thread(unlock_there);
    must(cleanup_srcu_struct(&domain) == 0, "no section is open");
}

A_TEST unlock_on_other_thread_ends_the_section_and_aborts_debug_builds(void)
{
    if (has_checks)
        expect_abort(unlock_on_other_thread, "of a section that this thread did not enter");
    else
        expect_success(unlock_on_other_thread);
}

static void *end_inside(void *unused UNUSED) NO_THREAD_SAFETY
{
    srcu_register_thread();
    entered_index = srcu_read_lock(&domain);
    return NULL;
}

IN_CHILD thread_ends_inside(void)
{
    struct srcu_stats stats;

    init_srcu_struct(&domain, "tables");
    join_new_thread(end_inside);
    srcu_get_stats(&domain, &stats);
    must(stats.entered[entered_index] - stats.left[entered_index] == 1, "the section stays open");
}

A_TEST thread_that_ends_inside_a_section_is_reported(void)
{
    expect_abort_in_debug(thread_ends_inside, "srcu \"tables\": a thread unregisters, or ends");
}

IN_CHILD clean_up_with_reader(void)
{
    init_srcu_struct(&domain, "tables");
    srcu_register_thread();
    entered_index = srcu_read_lock(&domain);
    must(cleanup_srcu_struct(&domain) == -EBUSY, "cleanup is refused");
    srcu_read_unlock(&domain, entered_index);
    synchronize_srcu(&domain); /* it is still a domain */
    must(cleanup_srcu_struct(&domain) == 0, "cleanup works afterwards");
}

A_TEST cleanup_with_a_reader_inside_is_refused_by_name(void)
{
    expect_abort_in_debug(clean_up_with_reader, "srcu \"tables\": cleanup with 1 sections open");
}

/* ---- Fork ------------------------------------------------------------------- */

static void *stay_inside(void *is_registered) NO_THREAD_SAFETY
{
    int index;

    if (*(bool *)is_registered)
        srcu_register_thread();
    index = srcu_read_lock(&domain);
    fetch_add(&entered_index, 1);
    while (!load_acquire(&flag))
        sched_yield();
    srcu_read_unlock(&domain, index);
    return NULL;
}

static void *stay_waiting(void *unused UNUSED)
{
    synchronize_srcu(&domain);
    return NULL;
}

/* Two readers and a driver of other threads are in the middle of things at the fork. */
A_TEST forked_child_waits_for_its_own_readers_only(void)
{
    static bool registered[] = { true, false };
    struct srcu_stats stats;
    pthread_t threads[3];
    int index, status = -1;
    pid_t child;

    init_srcu_struct(&domain, "tables");
    srcu_register_thread();
    store_relaxed(&entered_index, 0);
    store_relaxed(&flag, false);
    for (int i = 0; i < 2; i++)
        ok(pthread_create(&threads[i], NULL, stay_inside, &registered[i]) == 0);
    while (load_acquire(&entered_index) < 2)
        sched_yield();
    ok(pthread_create(&threads[2], NULL, stay_waiting, NULL) == 0);
    do
        srcu_get_stats(&domain, &stats);
    while (stats.sleeps == 0);

    index = srcu_read_lock(&domain);
    fflush(stdout);
    child = fork();
    if (child == 0) {
        srcu_get_stats(&domain, &stats);
        must(stats.entered[index] - stats.left[index] == 1, "own section is open");
        must(stats.entered[!index] == stats.left[!index], "others' sections are gone");
        srcu_read_unlock(&domain, index);
        alarm(30); /* SIGALRM ends a child that waits for ever */
        synchronize_srcu(&domain);
        must(cleanup_srcu_struct(&domain) == 0, "cleanup in the child");
        _exit(0);
    }
    is(waitpid(child, &status, 0), child);
    is(status, 0);
    srcu_read_unlock(&domain, index);
    store_release(&flag, true);
    for (int i = 0; i < 3; i++)
        pthread_join(threads[i], NULL);
    is(cleanup_srcu_struct(&domain), 0);
    srcu_unregister_thread();
}

/* ---- Fence readers ---------------------------------------------------------- */

static void *update(void *unused UNUSED)
{
    synchronize_srcu(&domain);
    store_release(&flag, true);
    return NULL;
}

IN_CHILD read_with_fences(void)
{
    struct rcu_config config = rcu_config_default();
    struct srcu_stats stats;
    pthread_t updater;

    config.readers = RCU_READERS_FENCES;
    must(rcu_configure(&config) == 0, "rcu_configure");
    init_srcu_struct(&domain, "tables");
    srcu_register_thread();
    entered_index = srcu_read_lock(&domain);
    must(srcu_read_lock_held(&domain), "held");
    must(pthread_create(&updater, NULL, update, NULL) == 0, "pthread_create");
    do
        srcu_get_stats(&domain, &stats);
    while (stats.sleeps == 0 && !load_acquire(&flag));
    must(!load_acquire(&flag), "the grace period waits");
    must(domain.shared.lock[entered_index] == 0, "in the thread's own slot");
    srcu_read_unlock(&domain, entered_index);
    pthread_join(updater, NULL);
    must(cleanup_srcu_struct(&domain) == 0, "cleanup");
}

A_TEST fence_readers_are_waited_for(void)
{
    expect_success(read_with_fences);
}

int main(int argc, char **argv)
{
    static const struct tap_test tests[] = {
        TAP_TEST(wait_inside_own_section_aborts_in_all_builds),
        TAP_TEST(wait_under_the_bql_is_reported),
        TAP_TEST(unlock_on_other_thread_ends_the_section_and_aborts_debug_builds),
        TAP_TEST(thread_that_ends_inside_a_section_is_reported),
        TAP_TEST(cleanup_with_a_reader_inside_is_refused_by_name),
        TAP_TEST(fence_readers_are_waited_for), /* before this process uses RCU */
        TAP_TEST(forked_child_waits_for_its_own_readers_only),
    };

    return TAP_RUN(tests, argc, argv);
}
