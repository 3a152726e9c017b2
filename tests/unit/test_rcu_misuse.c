/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Wrong uses: debug builds abort with a message that names what and where,
 * release builds survive in the way that the headers promise. Each in a child.
 * What clang refuses to compile is marked NO_THREAD_SAFETY.
 */
#include <pthread.h>
#include <sched.h>

#include "tests/tap.h"
#include "tests/unit/child.h"
#include "util/clock.h"
#include "util/event.h"
#include "util/rcu.h"
#include "util/rcu_control.h"

#ifdef DEBUG_CHECKS
static const bool is_debug_build = true;
#else
static const bool is_debug_build = false;
#endif

/* What survived must have been counted, and RCU must still work. */
static void survived(uint64_t misuses)
{
    struct rcu_stats stats;

    rcu_get_stats(&stats);
    if (stats.misuses != misuses) {
        fprintf(stderr, "%d misuses were counted\n", (int)stats.misuses);
        _exit(11);
    }
    synchronize_rcu();
    drain_call_rcu();
    WITH_RCU_READ () {
        if (!rcu_is_reading())
            _exit(12);
    }
    _exit(rcu_is_reading() ? 13 : 0);
}

/* @run misuses RCU: it must say @message, and abort (debug) or survive (release). */
static void misuse(void (*run)(void), const char *message)
{
    struct child_end end = run_child(run);

    if (is_debug_build)
        is(end.signal, SIGABRT);
    else
        is(end.exit_code, 0);
    if (!ok(strstr(end.errors, message) != NULL))
        printf("# it said:\n# %s\n", end.errors);
    if (is_debug_build)
        ok(strstr(end.errors, "in thread ") != NULL);
}

static void synchronizes(void)
{
    rcu_register_thread();
    WITH_RCU_READ () {
        synchronize_rcu(); /* release: its own section does not count */
    }
    survived(1);
}

static void wait_in_section(void)
{
    misuse(synchronizes, "synchronize_rcu() inside the read section entered at ");
    misuse(synchronizes, "(synchronizes)");
}

static void cond_synchronizes(void)
{
    rcu_cookie cookie;

    rcu_register_thread();
    cookie = get_state_synchronize_rcu();
    WITH_RCU_READ () {
        cond_synchronize_rcu(cookie);
    }
    survived(1);
}

static void cond_wait_in_section(void)
{
    misuse(cond_synchronizes, "cond_synchronize_rcu() inside the read section");
}

static unsigned bystanders; /* callbacks of others that have run; atomic */

static void bystander_runs(struct rcu_head *head UNUSED)
{
    fetch_add(&bystanders, 1);
}

static void drives_in_section(void)
{
    static struct rcu_head head;
    struct rcu_stats stats;
    uint64_t sleeps;

    rcu_register_thread();
    WITH_RCU_READ () {
        call_rcu1(&head, bystander_runs);
        force_rcu();
        (void)rcu_drive_forced(NS_PER_MS); /* release: does nothing */
        synchronize_rcu();                 /* release: waits for all other sections … */
        rcu_get_stats(&stats);
        sleeps = stats.sleeps;
        do { /* until the rcu thread has looked again, and gone back to sleep, some times */
            sched_yield();
            rcu_get_stats(&stats);
        } while (stats.sleeps < sleeps + 3 && load_relaxed(&bystanders) == 0);
        if (load_relaxed(&bystanders) != 0)
            _exit(14); /* … but this one still holds everybody else's objects */
    }
    survived(2);
}

static void misuse_harms_nobody_else(void)
{
    misuse(drives_in_section, "rcu_drive_forced() inside the read section");
}

static void drains(void)
{
    rcu_register_thread();
    WITH_RCU_READ () {
        drain_call_rcu(); /* release: returns at once */
    }
    survived(1);
}

static void drain_in_section(void)
{
    misuse(drains, "drain_call_rcu() in a read section");
}

static struct event callback_has_run;

static void drain_here(struct rcu_head *head UNUSED)
{
    drain_call_rcu(); /* release: returns at once */
    event_set(&callback_has_run);
}

static void drains_from_callback(void)
{
    static struct rcu_head head;

    rcu_register_thread();
    call_rcu1(&head, drain_here);
    event_wait(&callback_has_run);
    survived(1);
}

static void drain_in_callback(void)
{
    misuse(drains_from_callback, "drain_call_rcu() in a callback");
}

static void unlocks_twice(void) NO_THREAD_SAFETY
{
    rcu_register_thread();
    rcu_read_lock();
    rcu_read_unlock();
    rcu_read_unlock(); /* release: nothing happens, and nothing is counted */
    survived(0);
}

static void unbalanced_unlock(void)
{
    if (is_debug_build)
        misuse(unlocks_twice, "rcu_read_unlock() outside a read section");
    else
        is(run_child(unlocks_twice).exit_code, 0);
}

static void reads_unregistered(void) NO_THREAD_SAFETY
{
    struct rcu_stats stats;

    rcu_read_unlock(); /* as well */
    rcu_read_lock();   /* release: registers the thread */
    rcu_get_stats(&stats);
    if (!rcu_is_reading() || stats.readers != 1)
        _exit(14);
    rcu_read_unlock();
    if (rcu_is_reading())
        _exit(15);
    survived(1);
}

static void reads_unregistered_debug(void) NO_THREAD_SAFETY
{
    rcu_read_lock();
}

static void unregistered_reader(void)
{
    misuse(is_debug_build ? reads_unregistered_debug : reads_unregistered,
           "by a thread that is not registered");
}

static void *end_in_section(void *unused UNUSED) NO_THREAD_SAFETY
{
    rcu_register_thread();
    rcu_read_lock();
    return NULL;
}

static void *end_registered(void *unused UNUSED)
{
    rcu_register_thread();
    rcu_register_thread();
    return NULL;
}

static void run_thread(void *(*run)(void *))
{
    struct rcu_stats stats;
    pthread_t thread;

    rcu_register_thread();
    if (pthread_create(&thread, NULL, run, NULL) != 0)
        _exit(20);
    pthread_join(thread, NULL);
    rcu_get_stats(&stats);
    if (stats.readers != 1)
        _exit(14);
    survived(1);
}

static void ends_in_section(void)
{
    run_thread(end_in_section);
}

static void ends_registered(void)
{
    run_thread(end_registered);
}

static void thread_end_in_section(void)
{
    misuse(ends_in_section, "a thread ends inside the read section entered at ");
}

static void thread_end_registered(void)
{
    misuse(ends_registered, "a thread ends that has not called rcu_unregister_thread()");
}

static void unregisters_in_section(void) NO_THREAD_SAFETY
{
    rcu_register_thread();
    rcu_read_lock();
    rcu_unregister_thread(); /* release: stays registered */
    rcu_read_unlock();
    survived(1);
}

static void unregister_in_section(void)
{
    misuse(unregisters_in_section, "rcu_unregister_thread() inside a read section");
}

static void removes_a_stranger(void)
{
    struct rcu_notifier notifier = { NULL, NULL };

    rcu_register_thread();
    rcu_remove_force_rcu_notifier(&notifier);
    survived(1);
}

static void foreign_notifier(void)
{
    misuse(removes_a_stranger, "of one that this thread did not add");
}

/* ---- The BQL ----------------------------------------------------------------------------- */

static pthread_mutex_t fake_bql = PTHREAD_MUTEX_INITIALIZER;
static __thread bool bql_is_mine;

static struct event is_blocked; /* a reader wants the BQL, and RCU has been told */

static bool fake_bql_is_mine(void)
{
    return bql_is_mine;
}

static void fake_bql_lock(void)
{
    rcu_set_blocked_on("the fake BQL");
    if (rcu_is_reading())
        event_set(&is_blocked);
    pthread_mutex_lock(&fake_bql);
    rcu_set_blocked_on(NULL);
    bql_is_mine = true;
}

static void fake_bql_unlock(void)
{
    bql_is_mine = false;
    pthread_mutex_unlock(&fake_bql);
}

static const struct rcu_host host = {
    .bql_is_mine = fake_bql_is_mine,
    .bql_lock = fake_bql_lock,
    .bql_unlock = fake_bql_unlock,
};

static void *want_bql_in_section(void *unused UNUSED)
{
    rcu_register_thread();
    WITH_RCU_READ () {
        fake_bql_lock();
        fake_bql_unlock();
    }
    rcu_unregister_thread();
    return NULL;
}

/* The cycle of design rule 2: we hold the BQL and wait for the reader, which waits for the BQL. */
static void synchronizes_under_bql(void)
{
    pthread_t reader;

    rcu_set_host(&host);
    rcu_register_thread();
    fake_bql_lock();
    if (pthread_create(&reader, NULL, want_bql_in_section, NULL) != 0)
        _exit(20);
    event_wait(&is_blocked);
    synchronize_rcu(); /* release: drops it, or this hangs */
    if (!bql_is_mine)
        _exit(14);
    fake_bql_unlock();
    pthread_join(reader, NULL);
    survived(1);
}

static void wait_under_bql(void)
{
    misuse(synchronizes_under_bql, "synchronize_rcu() with the BQL held");
}

static void both_stacks_of_the_cycle(void)
{
    if (!is_debug_build)
        skip("release builds keep no stacks");
    misuse(synchronizes_under_bql, "waits for the fake BQL inside its section:");
}

static void ignore(struct rcu_head *head UNUSED)
{
}

static void queues_twice(void)
{
    static struct rcu_head head;

    rcu_register_thread();
    WITH_RCU_READ () {
        call_rcu1(&head, ignore);
        call_rcu1(&head, ignore);
    }
}

static void double_call_rcu(void)
{
    if (!is_debug_build)
        skip("only debug builds can tell; as with a double free");
    misuse(queues_twice, "call_rcu() of an rcu_head that is pending already");
    misuse(queues_twice, "an rcu_head that is pending already was queued here:");
}

/* ---- Stalls -------------------------------------------------------------------------------- */

static struct event is_inside, leave, has_stalled;
static char stall_text[4096];

static void *overstay(void *unused UNUSED)
{
    pthread_setname_np(pthread_self(), "overstayer");
    rcu_register_thread();
    WITH_RCU_READ () {
        event_set(&is_inside);
        rcu_set_blocked_on("a test");
        event_wait(&leave);
    }
    rcu_unregister_thread();
    return NULL;
}

static void collect(const char *line)
{
    strncat(stall_text, line, sizeof(stall_text) - strlen(stall_text) - 1);
    if (strstr(line, "overstayer"))
        event_set(&has_stalled);
}

static void stalls(void)
{
    static const struct rcu_host collector = { .report = collect };
    struct rcu_config config = rcu_config_default();
    struct rcu_stats stats;
    pthread_t thread;

    config.stall_ns = 20 * NS_PER_MS;
    if (rcu_configure(&config) != 0)
        _exit(10);
    rcu_set_host(&collector);
    if (pthread_create(&thread, NULL, overstay, NULL) != 0)
        _exit(20);
    event_wait(&is_inside);
    (void)start_poll_synchronize_rcu();
    event_wait(&has_stalled); /* in time, or the harness ends us */
    event_set(&leave);
    pthread_join(thread, NULL);
    rcu_get_stats(&stats);
    fprintf(stderr, "%s", stall_text);
    _exit(stats.stalls > 0 ? 0 : 11);
}

static void stall_is_reported_with_its_reader(void)
{
    struct child_end end = run_child(stalls);

    is(end.exit_code, 0);
    ok(strstr(end.errors, "has lasted ") != NULL);
    ok(strstr(end.errors, "overstayer (") != NULL);
    ok(strstr(end.errors, "test_rcu_misuse.c:") != NULL);
    ok(strstr(end.errors, "(overstay)") != NULL);
    ok(strstr(end.errors, "waits for a test") != NULL);
}

int main(int argc, char **argv)
{
    static const struct tap_test tests[] = {
        TAP_TEST(wait_in_section),
        TAP_TEST(cond_wait_in_section),
        TAP_TEST(misuse_harms_nobody_else),
        TAP_TEST(drain_in_section),
        TAP_TEST(drain_in_callback),
        TAP_TEST(unbalanced_unlock),
        TAP_TEST(unregistered_reader),
        TAP_TEST(thread_end_in_section),
        TAP_TEST(thread_end_registered),
        TAP_TEST(unregister_in_section),
        TAP_TEST(foreign_notifier),
        TAP_TEST(wait_under_bql),
        TAP_TEST(both_stacks_of_the_cycle),
        TAP_TEST(double_call_rcu),
        TAP_TEST(stall_is_reported_with_its_reader),
    };

    return TAP_RUN(tests, argc, argv);
}
