/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>
#include <sched.h>
#include <string.h>

#include <sys/prctl.h>

#include "util/atomic.h"
#include "util/bql.h"
#include "util/clock.h"
#include "util/rcu.h"
#include "util/thread.h"

#include "child.h"

/* Until @nr threads stand in line. Hangs, and is killed by the harness, if they never do. */
static void await_waiters(unsigned nr) REQUIRES(bql)
{
    while (bql_waiters() != nr)
        sched_yield();
}

static void is_mine_between_lock_and_unlock(void)
{
    g_assert_false(bql_is_mine());
    bql_lock();
    g_assert_true(bql_is_mine());
    bql_assert_held();
    g_assert_cmpuint(bql_waiters(), ==, 0);
    bql_unlock();
    g_assert_false(bql_is_mine());
}

static int leave_by_return(void)
{
    BQL_GUARD();
    return bql_is_mine() ? 1 : 0;
}

static void guards_unlock_however_they_are_left(void)
{
    g_assert_cmpint(leave_by_return(), ==, 1);
    g_assert_false(bql_is_mine());
    for (int i = 0; i < 2; i++) {
        WITH_BQL () {
            g_assert_true(bql_is_mine());
            if (i == 1)
                break;
        }
        g_assert_false(bql_is_mine());
    }
}

/* ---- Exclusion and order ------------------------------------------------------- */

enum { COUNTERS = 4, COUNTS = 3000 };
static int counter GUARDED_BY(bql);

static void count(void *arg G_GNUC_UNUSED)
{
    for (int i = 0; i < COUNTS; i++) {
        bql_lock();
        counter = counter + 1; /* plain: the thread sanitizer looks on */
        bql_unlock();
    }
}

static void one_thread_at_a_time(void)
{
    struct thread *threads[COUNTERS];

    for (int i = 0; i < COUNTERS; i++)
        threads[i] = thread_start("counter", count, NULL);
    for (int i = 0; i < COUNTERS; i++)
        thread_join(threads[i]);
    WITH_BQL () {
        g_assert_cmpint(counter, ==, COUNTERS * COUNTS);
    }
}

/* More than the lock has slots, so that some share one. */
enum { LINE = 150 };
static int order[LINE] GUARDED_BY(bql);
static int nr_order GUARDED_BY(bql);

static void stand_in_line(void *arg)
{
    bql_lock();
    order[nr_order++] = GPOINTER_TO_INT(arg);
    bql_unlock();
}

static void order_is_the_order_of_asking(void)
{
    struct thread *threads[LINE];

    bql_lock();
    nr_order = 0;
    for (int i = 0; i < LINE; i++) {
        threads[i] = thread_start("in line", stand_in_line, GINT_TO_POINTER(i));
        g_assert_nonnull(threads[i]);
        await_waiters((unsigned)i + 1);
    }
    g_assert_cmpint(nr_order, ==, 0);
    bql_unlock();
    for (int i = 0; i < LINE; i++)
        thread_join(threads[i]);
    bql_lock();
    g_assert_cmpint(nr_order, ==, LINE);
    for (int i = 0; i < LINE; i++)
        g_assert_cmpint(order[i], ==, i);
    bql_unlock();
}

enum { TURNS = 500 };
static int turns GUARDED_BY(bql);

static void take_turns(void *arg G_GNUC_UNUSED)
{
    for (int i = 0; i < TURNS; i++) {
        bql_lock();
        turns++;
        bql_unlock();
    }
}

static void who_relocks_at_once_stands_behind_the_waiter(void)
{
    struct thread *waiter;
    int nr_handed_over = 0;

    bql_lock();
    turns = 0;
    waiter = thread_start("waiter", take_turns, NULL);
    await_waiters(1); /* so that at least the first time counts */
    while (turns < TURNS) {
        bool is_awaited = bql_waiters() == 1;
        int seen = turns;

        bql_unlock();
        bql_lock();
        if (is_awaited) {
            g_assert_cmpint(turns, >, seen); /* one hand-over, and it was in */
            nr_handed_over++;
        }
    }
    g_assert_cmpint(nr_handed_over, >, 0);
    bql_unlock();
    thread_join(waiter);
}

/* ---- Conditions ----------------------------------------------------------------- */

static struct condition condition;
static bool has_news GUARDED_BY(bql);
static int nr_waiting GUARDED_BY(bql);
static int nr_told GUARDED_BY(bql);

static void wait_for_news(void *arg G_GNUC_UNUSED)
{
    bql_lock();
    nr_waiting++;
    while (!has_news)
        g_assert_cmpint(bql_wait(&condition, DEADLINE_NEVER), ==, WOKEN);
    g_assert_true(bql_is_mine());
    nr_told++;
    bql_unlock();
}

static void broadcast_wakes_all_that_wait(void)
{
    struct thread *threads[3];

    for (int i = 0; i < 3; i++)
        threads[i] = thread_start("told", wait_for_news, NULL);
    bql_lock();
    while (nr_waiting < 3) { /* getting here at all shows that waiting gives the BQL back */
        bql_unlock();
        sched_yield();
        bql_lock();
    }
    g_assert_cmpint(nr_told, ==, 0);
    has_news = true;
    condition_broadcast(&condition);
    bql_unlock();
    for (int i = 0; i < 3; i++)
        thread_join(threads[i]);
    bql_lock();
    g_assert_cmpint(nr_told, ==, 3);
    bql_unlock();
}

static void wait_times_out_and_never_early(void)
{
    struct condition nobody = CONDITION_INIT;
    int64_t deadline_ns = monotonic_ns() + 3 * NS_PER_MS;

    bql_lock();
    g_assert_cmpint(bql_wait(&nobody, deadline_ns), ==, TIMED_OUT);
    g_assert_cmpint(monotonic_ns(), >=, deadline_ns);
    g_assert_true(bql_is_mine());
    g_assert_cmpint(bql_wait(&nobody, 0), ==, TIMED_OUT);
    bql_unlock();
}

/* ---- What others see -------------------------------------------------------------- */

static const char *const *reader_blocked_on; /* atomic */

static void take_it_inside_a_section(void *arg G_GNUC_UNUSED)
{
    store_release(&reader_blocked_on, &rcu_reader.blocked_on); /* pairs with the test's load */
    WITH_RCU_READ () {
        bql_lock();
        g_assert_null(load_relaxed(&rcu_reader.blocked_on));
        bql_unlock();
    }
}

static void a_reader_says_that_it_waits_for_it(void)
{
    struct thread *reader;
    const char *const *blocked_on;

    bql_lock();
    reader = thread_start("reader", take_it_inside_a_section, NULL);
    await_waiters(1);
    blocked_on = load_acquire(&reader_blocked_on); /* pairs with the release above */
    while (!load_relaxed(blocked_on))              /* set just after the reader drew its number */
        sched_yield();
    g_assert_cmpstr(load_relaxed(blocked_on), ==, "the BQL");
    bql_unlock();
    thread_join(reader);
}

static void find_account(const struct bql_account *account, void *arg)
{
    const struct bql_account **found = arg;

    if (strcmp(account->name, "accounted") == 0)
        *found = account;
}

static void take_it_once(void *arg G_GNUC_UNUSED)
{
    bql_lock();
    bql_unlock();
}

static void accounts_go_by_thread_name(void)
{
    const struct bql_account *account = NULL;
    struct thread *thread;

    for (int i = 0; i < 2; i++) { /* two threads, one name, one account */
        bql_lock();
        thread = thread_start("accounted", take_it_once, NULL);
        await_waiters(1);
        bql_unlock();
        thread_join(thread);
    }
    bql_for_each_account(find_account, &account);
    g_assert_nonnull(account);
    g_assert_cmpuint(hist_count(&account->wait), ==, 2);
    g_assert_cmpuint(hist_count(&account->hold), ==, 2);
    g_assert_cmpuint(hist_min(&account->wait), >, 0);
    g_assert_cmpuint(load_relaxed(&account->contended), ==, 2);
    g_assert_cmpuint(load_relaxed(&account->slept), <=, 2);
}

static void json_names_every_account(void)
{
    g_autofree char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);
    int depth = 0;

    bql_lock();
    bql_unlock();
    bql_print_json(out);
    fclose(out);
    for (const char *c = text; *c; c++)
        depth += *c == '{' ? 1 : *c == '}' ? -1 : 0;
    g_assert_cmpint(depth, ==, 0);
    g_assert_nonnull(strstr(text, "\"main\": {\"wait\": {"));
    g_assert_nonnull(strstr(text, "\"hold\": {"));
    g_assert_nonnull(strstr(text, "\"contended\": "));
}

/* ---- Fork -------------------------------------------------------------------------- */

static void use_it_in_the_child(void) NO_THREAD_SAFETY
{
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* if it hangs, it ends with the test */
    g_assert_true(bql_is_mine());
    g_assert_cmpuint(bql_waiters(), ==, 0);
    for (int i = 0; i < 100; i++) { /* more than there are slots */
        bql_unlock();
        bql_lock();
    }
    _exit(7);
}

static void a_child_of_the_holder_finds_nobody_in_line(void)
{
    struct thread *threads[3];
    struct child_end end;

    bql_lock();
    for (unsigned i = 0; i < 3; i++) {
        threads[i] = thread_start("in line", take_it_once, NULL);
        await_waiters(i + 1);
    }
    end = run_child(use_it_in_the_child);
    bql_unlock();
    for (int i = 0; i < 3; i++)
        thread_join(threads[i]);
    g_assert_cmpstr(end.errors, ==, "");
    g_assert_cmpint(end.exit_code, ==, 7);
}

/* ---- Wrong use --------------------------------------------------------------------- */

static void expect_death(const char *stderr_pattern)
{
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_failed();
    g_test_trap_assert_stderr(stderr_pattern);
#ifdef DEBUG_CHECKS
    if (strstr(stderr_pattern, "holder: main"))
        g_test_trap_assert_stderr("*the BQL was taken at:*");
#endif
}

static void locking_twice_aborts(void) NO_THREAD_SAFETY
{
    if (!g_test_subprocess()) {
        expect_death("*thread 'main': takes the BQL twice (holder: main)*the stack of 'main'*");
        return;
    }
    bql_lock();
    bql_lock();
}

static void unlock_of_others(void *arg G_GNUC_UNUSED) NO_THREAD_SAFETY
{
    bql_unlock();
}

static void hold_until_death(void) REQUIRES(bql)
{
    struct sequence nothing = SEQUENCE_INIT;

    for (;;)
        (void)sequence_wait(&nothing, sequence_prepare(&nothing), DEADLINE_NEVER);
}

static void unlocking_what_another_holds_aborts(void) NO_THREAD_SAFETY
{
    struct thread *stranger;

    if (!g_test_subprocess()) {
        expect_death("*thread 'stranger': gives back the BQL*(holder: main)*stack of 'stranger'*");
        return;
    }
    bql_lock();
    stranger = thread_start("stranger", unlock_of_others, NULL);
    g_assert_nonnull(stranger);
    hold_until_death();
}

static void asserting_without_it_aborts(void)
{
    if (!g_test_subprocess()) {
        expect_death("*thread 'main': should hold the BQL here*(holder: none)*");
        return;
    }
    bql_assert_held();
}

static void *end_with_it(void *unused G_GNUC_UNUSED) NO_THREAD_SAFETY
{
    pthread_setname_np(pthread_self(), "foreign");
    bql_lock();
    pthread_exit(NULL);
}

static void any_thread_that_ends_with_it_aborts(void)
{
    pthread_t thread;

    if (!g_test_subprocess()) {
        expect_death("*thread 'foreign': ends with the BQL held (holder: foreign)*");
        return;
    }
    g_assert_cmpint(pthread_create(&thread, NULL, end_with_it, NULL), ==, 0);
    pthread_join(thread, NULL);
}

static void waiting_with_a_mutex_held_aborts(void) NO_THREAD_SAFETY
{
#ifdef DEBUG_CHECKS
    struct mutex leaf = MUTEX_INIT("the leaf", RANK_LEAF);

    if (!g_test_subprocess()) {
        expect_death("*waits for a condition while it holds the leaf*");
        return;
    }
    bql_lock();
    mutex_lock(&leaf);
    (void)bql_wait(&condition, 0);
#else
    g_test_skip("only debug builds check this");
#endif
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    rcu_register_thread();
#define ADD(test) g_test_add_func("/bql/" #test, test)
    ADD(is_mine_between_lock_and_unlock);
    ADD(guards_unlock_however_they_are_left);
    ADD(one_thread_at_a_time);
    ADD(order_is_the_order_of_asking);
    ADD(who_relocks_at_once_stands_behind_the_waiter);
    ADD(broadcast_wakes_all_that_wait);
    ADD(wait_times_out_and_never_early);
    ADD(a_reader_says_that_it_waits_for_it);
    ADD(accounts_go_by_thread_name);
    ADD(json_names_every_account);
    ADD(a_child_of_the_holder_finds_nobody_in_line);
    ADD(locking_twice_aborts);
    ADD(unlocking_what_another_holds_aborts);
    ADD(asserting_without_it_aborts);
    ADD(any_thread_that_ends_with_it_aborts);
    ADD(waiting_with_a_mutex_held_aborts);
#undef ADD
    return g_test_run();
}
