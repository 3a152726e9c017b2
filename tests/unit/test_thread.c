/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

#include "util/atomic.h"
#include "util/bql.h"
#include "util/rcu.h"
#include "util/rcu_control.h"
#include "util/thread.h"

static unsigned nr_readers(void)
{
    struct rcu_stats stats;

    rcu_get_stats(&stats);
    return stats.readers;
}

static void set_flag(void *arg)
{
    *(int *)arg = 1;
}

static void join_waits_and_orders(void)
{
    int flag = 0; /* plain: the thread sanitizer looks on */

    thread_join(thread_start("flag", set_flag, &flag));
    g_assert_cmpint(flag, ==, 1);
    thread_join(NULL);
}

struct names {
    char full[64];
    char kernel[THREAD_NAME_KERNEL + 1];
};

static void report_names(void *arg)
{
    struct names *names = arg;

    g_strlcpy(names->full, thread_name(), sizeof(names->full));
    g_assert_cmpint(pthread_getname_np(pthread_self(), names->kernel, sizeof(names->kernel)), ==,
                    0);
}

static void long_names_are_cut_for_the_kernel_only(void)
{
    char name[] = "a name of more than fifteen characters";
    struct names names;
    struct thread *thread;

    thread = thread_start(name, report_names, &names);
    memset(name, 'x', sizeof(name) - 1); /* the thread has a copy */
    thread_join(thread);
    g_assert_cmpstr(names.full, ==, "a name of more than fifteen characters");
    g_assert_cmpstr(names.kernel, ==, "a name of more ");
    thread_join(thread_start("CPU 0/KVM", report_names, &names));
    g_assert_cmpstr(names.full, ==, "CPU 0/KVM");
    g_assert_cmpstr(names.kernel, ==, "CPU 0/KVM");
}

static void *foreign(void *arg)
{
    pthread_setname_np(pthread_self(), "foreign");
    g_strlcpy(arg, thread_name(), 64);
    return NULL;
}

static void other_threads_have_names_too(void)
{
    char name[64];
    pthread_t thread;

    g_assert_cmpstr(thread_name(), ==, "main");
    g_assert_cmpint(pthread_create(&thread, NULL, foreign, name), ==, 0);
    pthread_join(thread, NULL);
    g_assert_cmpstr(name, ==, "foreign");
}

static void report_mask(void *arg)
{
    pthread_sigmask(SIG_BLOCK, NULL, arg);
}

static void signals_are_the_main_threads(void)
{
    static const int blocked[] = { SIGINT, SIGTERM, SIGUSR1, SIGALRM, SIGPIPE, SIGCHLD };
    static const int open[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT };
    sigset_t mask, kicks, before, after;

    pthread_sigmask(SIG_BLOCK, NULL, &before);
    thread_join(thread_start("quiet", report_mask, &mask));
    for (size_t i = 0; i < ARRAY_SIZE(blocked); i++)
        g_assert_cmpint(sigismember(&mask, blocked[i]), ==, 1);
    for (size_t i = 0; i < ARRAY_SIZE(open); i++)
        g_assert_cmpint(sigismember(&mask, open[i]), ==, 0);
    sigemptyset(&kicks);
    sigaddset(&kicks, SIGUSR1);
    thread_join(thread_start_signals("kicked", report_mask, &mask, &kicks));
    g_assert_cmpint(sigismember(&mask, SIGUSR1), ==, 0);
    g_assert_cmpint(sigismember(&mask, SIGTERM), ==, 1);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    for (int i = 1; i < NSIG; i++)
        g_assert_cmpint(sigismember(&after, i), ==, sigismember(&before, i));
}

static int nr_delivered; /* atomic */

static void note_delivery(int number G_GNUC_UNUSED)
{
    fetch_add(&nr_delivered, 1);
}

static void starting_lets_no_signal_of_the_starter_in(void)
{
    struct sigaction action = { .sa_handler = note_delivery }, old_action;
    sigset_t kick, pending, before;
    sigset_t mask;

    sigemptyset(&kick);
    sigaddset(&kick, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &kick, &before);
    sigaction(SIGUSR1, &action, &old_action);
    raise(SIGUSR1); /* to this thread; waits until it is unblocked */
    thread_join(thread_start_signals("kicked", report_mask, &mask, &kick));
    g_assert_cmpint(sigismember(&mask, SIGUSR1), ==, 0);
    g_assert_cmpint(load_relaxed(&nr_delivered), ==, 0);
    sigpending(&pending);
    g_assert_cmpint(sigismember(&pending, SIGUSR1), ==, 1);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    g_assert_cmpint(load_relaxed(&nr_delivered), ==, 1);
    sigaction(SIGUSR1, &old_action, NULL);
}

static void report_readers(void *arg)
{
    *(unsigned *)arg = nr_readers();
    WITH_RCU_READ () {
        g_assert_true(rcu_is_reading());
    }
}

static void threads_are_rcu_readers_while_they_run(void)
{
    unsigned before = nr_readers(), inside = 0;

    thread_join(thread_start("reader", report_readers, &inside));
    g_assert_cmpuint(inside, ==, before + 1);
    g_assert_cmpuint(nr_readers(), ==, before);
}

static struct thread *self; /* atomic */

static void join_self(void *arg G_GNUC_UNUSED)
{
    struct thread *thread;

    while (!(thread = load_acquire(&self))) /* pairs with the release below */
        continue;
    thread_join(thread);
}

static void joining_itself_aborts(void)
{
    struct thread *thread;

    if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 0, 0);
        g_test_trap_assert_failed();
        g_test_trap_assert_stderr("*thread 'narcissus': cannot join thread 'narcissus'*");
        return;
    }
    thread = thread_start("narcissus", join_self, NULL);
    store_release(&self, thread);
    for (;;)
        pause(); /* it ends the process */
}

static void joining_with_the_bql_held_aborts(void)
{
#ifdef DEBUG_CHECKS
    int flag;

    if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 0, 0);
        g_test_trap_assert_failed();
        g_test_trap_assert_stderr("*joins thread 'flag' with the BQL held*");
        return;
    }
    bql_lock();
    thread_join(thread_start("flag", set_flag, &flag));
    bql_unlock();
#else
    g_test_skip("only debug builds check this");
#endif
}

static void keep_the_bql(void *arg G_GNUC_UNUSED) NO_THREAD_SAFETY
{
    bql_lock();
}

static void ending_with_the_bql_held_aborts(void)
{
    if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 0, 0);
        g_test_trap_assert_failed();
        g_test_trap_assert_stderr("*thread 'keeper': ends with the BQL held*");
        return;
    }
    thread_join(thread_start("keeper", keep_the_bql, NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(test) g_test_add_func("/thread/" #test, test)
    ADD(join_waits_and_orders);
    ADD(long_names_are_cut_for_the_kernel_only);
    ADD(other_threads_have_names_too);
    ADD(signals_are_the_main_threads);
    ADD(starting_lets_no_signal_of_the_starter_in);
    ADD(threads_are_rcu_readers_while_they_run);
    ADD(joining_itself_aborts);
    ADD(joining_with_the_bql_held_aborts);
    ADD(ending_with_the_bql_held_aborts);
#undef ADD
    return g_test_run();
}
