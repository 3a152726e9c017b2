/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <glib.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "util/atomic.h"
#include "util/clock.h"
#include "util/loop.h"
#include "util/rcu.h"
#include "util/start.h"
#include "util/thread.h"

/* Turns until there is nothing left to do at once. */
static void iterate_until_idle(void) REQUIRES(bql)
{
    while (loop_iterate(false))
        continue;
}

/* ---- Deferred calls -------------------------------------------------------------- */

static bool early_has_run;

static void early_fn(struct deferred *deferred G_GNUC_UNUSED)
{
    early_has_run = true;
}

static struct deferred early = DEFERRED_INIT(early_fn); /* main() defers it before loop_init() */

static void deferred_before_the_loop_was_made(void)
{
    WITH_BQL () {
        iterate_until_idle();
    }
    g_assert_true(early_has_run);
}

enum { PRODUCERS = 4, CALLS = 1000 };

static int next_of[PRODUCERS] GUARDED_BY(bql);
static int nr_calls GUARDED_BY(bql);

static void take_call(void *arg)
{
    int producer = GPOINTER_TO_INT(arg) % PRODUCERS;
    int number = GPOINTER_TO_INT(arg) / PRODUCERS;

    bql_assert_held();
    g_assert_true(loop_is_mine());
    g_assert_cmpint(number, ==, next_of[producer]);
    next_of[producer]++;
    if (++nr_calls == PRODUCERS * CALLS)
        loop_quit();
}

static void produce_calls(void *arg)
{
    g_assert_false(loop_is_mine());
    for (int i = 0; i < CALLS; i++)
        loop_call(take_call, GINT_TO_POINTER(GPOINTER_TO_INT(arg) + PRODUCERS * i));
}

static void calls_of_four_threads_keep_their_order(void)
{
    struct thread *threads[PRODUCERS];

    for (int i = 0; i < PRODUCERS; i++)
        threads[i] = thread_start("producer", produce_calls, GINT_TO_POINTER(i));
    WITH_BQL () {
        loop_run();
        g_assert_cmpint(nr_calls, ==, PRODUCERS * CALLS);
    }
    for (int i = 0; i < PRODUCERS; i++)
        thread_join(threads[i]);
}

static GString *story GUARDED_BY(bql);

struct word {
    struct deferred deferred;
    char letter;
};

static void tell(struct deferred *deferred)
{
    bql_assert_held();
    g_string_append_c(story, container_of(deferred, struct word, deferred)->letter);
}

static void tell_letter(void *arg)
{
    bql_assert_held();
    g_string_append_c(story, (char)GPOINTER_TO_INT(arg));
}

static struct word a = { DEFERRED_INIT(tell), 'a' };
static struct word b = { DEFERRED_INIT(tell), 'b' };
static struct word c = { DEFERRED_INIT(tell), 'c' };

static void expect_story(const char *expected) REQUIRES(bql)
{
    iterate_until_idle();
    g_assert_cmpstr(story->str, ==, expected);
    g_string_truncate(story, 0);
}

static void both_kinds_keep_one_order(void)
{
    BQL_GUARD();
    loop_defer(&a.deferred);
    loop_call(tell_letter, GINT_TO_POINTER('1'));
    loop_defer(&b.deferred);
    loop_call(tell_letter, GINT_TO_POINTER('2'));
    loop_defer(&c.deferred);
    expect_story("a1b2c");
}

static void pending_twice_runs_once_in_its_first_place(void)
{
    BQL_GUARD();
    g_assert_true(loop_defer(&a.deferred));
    g_assert_true(loop_defer(&b.deferred));
    b.letter = 'B';
    g_assert_false(loop_defer(&b.deferred));
    g_assert_false(loop_defer(&a.deferred));
    expect_story("aB");
    b.letter = 'b';
    g_assert_true(loop_defer(&a.deferred));
    expect_story("a");
}

static void cancelled_does_not_run_and_others_do(void)
{
    BQL_GUARD();
    loop_cancel(&a.deferred); /* not pending: nothing */
    loop_defer(&a.deferred);
    loop_defer(&b.deferred);
    loop_defer(&c.deferred);
    loop_cancel(&b.deferred);
    expect_story("ac");
    loop_defer(&a.deferred);
    loop_defer(&c.deferred);
    loop_cancel(&c.deferred); /* the last */
    g_assert_true(loop_defer(&b.deferred));
    g_assert_true(loop_defer(&c.deferred));
    expect_story("abc");
}

static int nr_again GUARDED_BY(bql);

static void defer_again(struct deferred *deferred)
{
    bql_assert_held();
    nr_again++;
    g_assert_true(loop_defer(deferred));
}

static void note_input(void *arg, short revents)
{
    char byte;

    g_assert_cmpint(revents & POLLIN, ==, POLLIN);
    g_assert_cmpint(read(*(int *)arg, &byte, 1), ==, 1);
    *(int *)arg = -1;
}

static void who_defers_itself_starves_no_descriptor(void)
{
    struct deferred selfish = DEFERRED_INIT(defer_again);
    struct loop_watch *watch;
    int fds[2], fd;

    g_assert_cmpint(pipe(fds), ==, 0);
    fd = fds[0];
    bql_lock();
    loop_defer(&selfish);
    (void)loop_iterate(false);
    watch = loop_watch_new(fds[0], POLLIN, note_input, &fd);
    g_assert_cmpint(write(fds[1], "x", 1), ==, 1);
    g_assert_cmpint(nr_again, ==, 1);
    (void)loop_iterate(false);
    g_assert_cmpint(fd, ==, -1);
    g_assert_cmpint(nr_again, ==, 2); /* once a turn, not more */
    loop_watch_free(watch);
    loop_cancel(&selfish);
    iterate_until_idle();
    g_assert_cmpint(nr_again, ==, 2);
    bql_unlock();
    close(fds[0]);
    close(fds[1]);
}

static void count_call(void *arg)
{
    ++*(int *)arg;
}

static void a_turn_runs_a_bounded_batch(void)
{
    int nr = 0, before = 0;

    BQL_GUARD();
    for (int i = 0; i < 1000; i++)
        loop_call(count_call, &nr);
    while (nr < 1000) {
        g_assert_true(loop_iterate(false));
        g_assert_cmpint(nr, >, before);
        g_assert_cmpint(nr - before, <=, 64);
        before = nr;
    }
}

/* ---- BQL and poll ---------------------------------------------------------------- */

static void take_bql_and_quit(void *arg)
{
    bql_lock(); /* for ever, unless the loop drops it to sleep */
    *(bool *)arg = true;
    bql_unlock();
    loop_quit();
}

static void bql_is_dropped_while_it_sleeps(void)
{
    bool was_taken = false;
    struct thread *thread;

    bql_lock();
    thread = thread_start("vcpu", take_bql_and_quit, &was_taken);
    loop_run(); /* woken by loop_quit() alone */
    g_assert_true(bql_is_mine());
    g_assert_true(was_taken);
    bql_unlock();
    thread_join(thread);
}

static void take_bql_and_call(void *arg)
{
    WITH_BQL () {
        loop_call(count_call, arg);
    }
}

static void iterate_as_a_library_would(void *arg)
{
    int nr = 0;
    struct thread *thread = thread_start("nested", take_bql_and_call, &nr);

    while (nr == 0)
        g_main_context_iteration(NULL, TRUE);
    g_assert_true(bql_is_mine());
    *(struct thread **)arg = thread;
    loop_quit();
}

static void bql_is_dropped_in_a_librarys_iteration_too(void)
{
    struct thread *thread = NULL;

    WITH_BQL () {
        loop_call(iterate_as_a_library_would, &thread);
        loop_run();
    }
    thread_join(thread);
}

static void quit_before_run_is_not_lost(void)
{
    BQL_GUARD();
    loop_quit();
    loop_run(); /* returns */
}

static void defer_and_quit(int signal_number G_GNUC_UNUSED)
{
    int interrupted_errno = errno;

    errno = EDOM;
    loop_defer(&a.deferred);
    loop_quit();
    g_assert_cmpint(errno, ==, EDOM);
    errno = interrupted_errno;
}

static void kick_main(void *arg)
{
    bql_lock(); /* so the loop sleeps */
    bql_unlock();
    pthread_kill(*(pthread_t *)arg, SIGUSR1);
}

static void signal_handlers_may_defer_and_quit(void)
{
    const struct sigaction action = { .sa_handler = defer_and_quit };
    pthread_t me = pthread_self();
    struct thread *thread;

    g_assert_cmpint(sigaction(SIGUSR1, &action, NULL), ==, 0);
    bql_lock();
    thread = thread_start("kicker", kick_main, &me);
    loop_run();
    expect_story("a");
    bql_unlock();
    thread_join(thread);
    signal(SIGUSR1, SIG_DFL);
}

static void sleeping_inside_a_section_aborts(void)
{
    if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 0, 0);
        g_test_trap_assert_failed();
        g_test_trap_assert_stderr("*thread 'main': sleeps in the main loop inside a read section*");
        return;
    }
    bql_lock();
    rcu_read_lock();
    (void)loop_iterate(false);
    rcu_read_unlock();
    bql_unlock();
}

/* ---- Timers ------------------------------------------------------------------------ */

enum { TIMERS = 300 };

struct test_timer {
    struct loop_timer timer;
    int64_t deadline_ns;
    int nr_runs;
};

static int64_t last_deadline_ns GUARDED_BY(bql);
static int nr_timers_run GUARDED_BY(bql);

static void check_timer(struct loop_timer *loop_timer)
{
    struct test_timer *timer = container_of(loop_timer, struct test_timer, timer);

    bql_assert_held();
    g_assert_cmpint(monotonic_ns(), >=, timer->deadline_ns);
    g_assert_cmpint(timer->deadline_ns, >=, last_deadline_ns);
    g_assert_false(loop_timer_is_set(loop_timer));
    last_deadline_ns = timer->deadline_ns;
    timer->nr_runs++;
    nr_timers_run++;
}

static void set_timer(struct test_timer *timer, int64_t deadline_ns) REQUIRES(bql)
{
    timer->timer.fn = check_timer;
    timer->deadline_ns = deadline_ns;
    loop_timer_set(&timer->timer, deadline_ns);
}

static void timers_run_by_deadline_and_never_early(void)
{
    g_autofree struct test_timer *timers = g_new0(struct test_timer, TIMERS);
    int nr_cancelled = 0;
    int64_t now_ns;

    BQL_GUARD();
    last_deadline_ns = INT64_MIN;
    nr_timers_run = 0;
    now_ns = monotonic_ns();
    for (int i = 0; i < TIMERS; i++)
        set_timer(&timers[i], now_ns + g_test_rand_int_range(-3000000, 3000000));
    for (int i = 0; i < TIMERS; i += 3)
        set_timer(&timers[i], now_ns + g_test_rand_int_range(-3000000, 3000000)); /* move */
    for (int i = 1; i < TIMERS; i += 7, nr_cancelled++)
        loop_timer_cancel(&timers[i].timer);
    while (nr_timers_run < TIMERS - nr_cancelled)
        (void)loop_iterate(true);
    for (int i = 0; i < TIMERS; i++)
        g_assert_cmpint(timers[i].nr_runs, ==, i % 7 == 1 ? 0 : 1);
}

static void set_again_in_the_past(struct loop_timer *timer)
{
    bql_assert_held();
    nr_timers_run++;
    loop_timer_set(timer, 0);
}

static void a_timer_in_the_past_starves_no_other(void)
{
    struct loop_timer selfish = { .fn = set_again_in_the_past };
    struct test_timer other = { .nr_runs = 0 };

    BQL_GUARD();
    last_deadline_ns = INT64_MIN;
    loop_timer_set(&selfish, 0);
    (void)loop_iterate(false);
    set_timer(&other, monotonic_ns());
    nr_timers_run = 0;
    (void)loop_iterate(false);
    g_assert_cmpint(other.nr_runs, ==, 1);
    g_assert_cmpint(nr_timers_run, ==, 2); /* each once a turn */
    loop_timer_cancel(&selfish);
    g_assert_false(loop_timer_is_set(&selfish));
    iterate_until_idle();
    g_assert_cmpint(nr_timers_run, ==, 2);
}

static void quit_by_timer(struct loop_timer *timer G_GNUC_UNUSED)
{
    loop_quit();
}

static void set_timer_to_now(void *arg)
{
    WITH_BQL () /* the loop sleeps, with no timer to wake it */
    {
        loop_timer_set(arg, monotonic_ns());
    }
}

static void a_timer_set_by_another_thread_wakes_the_loop(void)
{
    struct loop_timer timer = { .fn = quit_by_timer };
    struct thread *thread;

    bql_lock();
    thread = thread_start("arms", set_timer_to_now, &timer);
    loop_run();
    bql_unlock();
    thread_join(thread);
}

/* ---- Watches ------------------------------------------------------------------------- */

struct seen {
    struct loop_watch *watch;
    int nr;
};

static void see_and_free(void *arg, short revents G_GNUC_UNUSED)
{
    struct seen *seen = arg;

    bql_assert_held();
    seen->nr++;
    loop_watch_free(seen->watch);
    seen->watch = NULL;
}

static void a_paused_watch_ignores_even_a_hang_up(void)
{
    struct seen seen = { .nr = 0 };
    int fds[2];

    g_assert_cmpint(pipe(fds), ==, 0);
    close(fds[1]);
    bql_lock();
    iterate_until_idle();
    seen.watch = loop_watch_new(fds[0], POLLIN, see_and_free, &seen);
    loop_watch_set_events(seen.watch, 0);
    g_assert_false(loop_iterate(false)); /* it would spin */
    g_assert_cmpint(seen.nr, ==, 0);
    loop_watch_set_events(seen.watch, POLLIN);
    g_assert_true(loop_iterate(false));
    g_assert_cmpint(seen.nr, ==, 1);
    g_assert_null(seen.watch); /* freed in its own function */
    g_assert_false(loop_iterate(false));
    g_assert_cmpint(seen.nr, ==, 1);
    bql_unlock();
    close(fds[0]);
}

/* ---- RCU --------------------------------------------------------------------------------- */

struct object {
    struct rcu_head rcu;
    int *nr_freed;
};

static void free_object(struct object *object)
{
    bql_assert_held();
    g_assert_true(loop_is_mine());
    if (++*object->nr_freed == 2)
        loop_quit();
    g_free(object);
}

static void retire_object(void *arg)
{
    struct object *object = g_new0(struct object, 1);

    object->nr_freed = arg;
    call_rcu_bql(object, free_object, rcu);
}

static void callbacks_for_the_bql_run_in_the_loop(void)
{
    struct thread *thread;
    int nr_freed = 0;

    bql_lock();
    retire_object(&nr_freed);
    thread = thread_start("retires", retire_object, &nr_freed);
    loop_run();
    g_assert_cmpint(nr_freed, ==, 2);
    retire_object(&nr_freed);
    drain_call_rcu(); /* the loop's own thread waits for the loop's work */
    g_assert_cmpint(nr_freed, ==, 3);
    bql_unlock();
    thread_join(thread);
}

static struct event rcu_thread_is_busy, rcu_thread_may_go_on;

static void keep_rcu_thread_busy(struct rcu_head *head G_GNUC_UNUSED)
{
    event_set(&rcu_thread_is_busy);
    event_wait(&rcu_thread_may_go_on);
}

static void the_loop_ends_forced_grace_periods(void)
{
    struct rcu_head head;
    rcu_cookie cookie;

    call_rcu1(&head, keep_rcu_thread_busy);
    force_rcu();
    event_wait(&rcu_thread_is_busy);
    /* From here on nobody ends a grace period but this thread. */
    cookie = start_poll_synchronize_rcu();
    force_rcu();
    g_assert_false(poll_state_synchronize_rcu(cookie));
    bql_lock();
    while (!poll_state_synchronize_rcu(cookie)) /* one turn, unless preempted in its 30 µs */
        (void)loop_iterate(false);
    bql_unlock();
    event_set(&rcu_thread_may_go_on);
    drain_call_rcu(); /* head is on this stack */
}

static void starting_after_rcu_is_in_use_is_refused(void) NO_THREAD_SAFETY
{
    struct rcu_config config = rcu_config_default();

    g_assert_cmpint(util_start(&config), ==, -EBUSY);
    g_assert_false(bql_is_mine());
}

static void add_tests(void)
{
#define ADD(test) g_test_add_func("/loop/" #test, test)
    ADD(deferred_before_the_loop_was_made);
    ADD(calls_of_four_threads_keep_their_order);
    ADD(both_kinds_keep_one_order);
    ADD(pending_twice_runs_once_in_its_first_place);
    ADD(cancelled_does_not_run_and_others_do);
    ADD(who_defers_itself_starves_no_descriptor);
    ADD(a_turn_runs_a_bounded_batch);
    ADD(bql_is_dropped_while_it_sleeps);
    ADD(bql_is_dropped_in_a_librarys_iteration_too);
    ADD(quit_before_run_is_not_lost);
    ADD(signal_handlers_may_defer_and_quit);
    ADD(sleeping_inside_a_section_aborts);
    ADD(timers_run_by_deadline_and_never_early);
    ADD(a_timer_in_the_past_starves_no_other);
    ADD(a_timer_set_by_another_thread_wakes_the_loop);
    ADD(a_paused_watch_ignores_even_a_hang_up);
    ADD(callbacks_for_the_bql_run_in_the_loop);
    ADD(the_loop_ends_forced_grace_periods);
    ADD(starting_after_rcu_is_in_use_is_refused);
#undef ADD
}

int main(int argc, char **argv)
{
    int failed;

    g_test_init(&argc, &argv, NULL);
    add_tests();
    g_assert_true(loop_defer(&early));
    if (util_start(NULL) != 0)
        return 1;
    story = g_string_new(NULL);
    bql_unlock();
    failed = g_test_run();
    bql_lock();
    g_string_free(story, TRUE);
    util_stop();
    return failed;
}
