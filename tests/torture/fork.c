/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Fork in the middle of grace periods. The child has one thread; no reader of
 * the parent may hold up its grace periods, its callbacks are those that were
 * pending, each run once, and its rcu thread starts when it is first needed.
 */
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/time.h>
#include <sys/wait.h>

#include "tests/torture/torture.h"

enum {
    NR_ITEMS = 40,
    NR_THREADS = 12, /* in a child: more than the parent has */
};

struct item {
    struct rcu_head head;
    unsigned nr_runs; /* atomic */
};

static void item_runs(struct rcu_head *head)
{
    fetch_add_relaxed(&container_of(head, struct item, head)->nr_runs, 1);
}

static void queue_items(struct item *items)
{
    for (int i = 0; i < NR_ITEMS; i++) {
        items[i].nr_runs = 0;
        call_rcu1(&items[i].head, item_runs);
    }
}

/* How many have not run; none may have run twice. */
static unsigned nr_items_left(const struct item *items)
{
    unsigned nr_left = 0;

    for (int i = 0; i < NR_ITEMS; i++) {
        unsigned nr_runs = load_relaxed(&items[i].nr_runs);

        torture_check(nr_runs <= 1);
        nr_left += nr_runs == 0;
    }
    return nr_left;
}

/* ---- The child ---------------------------------------------------------------------------- */

/* There is no watchdog thread here; the parent sees the signal. */
static void limit_time(void)
{
    struct itimerval timer = {
        .it_value = { .tv_sec = torture.watchdog_ns / NS_PER_S,
                      .tv_usec = torture.watchdog_ns % NS_PER_S / NS_PER_US },
    };

    torture_check(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

/* The child's threads get the stacks of the parent's: nothing there may be needed any more. */
static void *scribbler(void *all_there)
{
    unsigned char scribble[16384];

    memset(scribble, 0x6b, sizeof(scribble));
    compiler_barrier();
    (void)pthread_barrier_wait(all_there); /* so that each has a stack of its own */
    torture_check(load_relaxed(&scribble[0]) == 0x6b);
    return NULL;
}

static void scribble_over_stacks(void)
{
    pthread_t threads[NR_THREADS];
    pthread_barrier_t all_there;

    torture_check(pthread_barrier_init(&all_there, NULL, NR_THREADS) == 0);
    for (int i = 0; i < NR_THREADS; i++)
        torture_check(pthread_create(&threads[i], NULL, scribbler, &all_there) == 0);
    for (int i = 0; i < NR_THREADS; i++)
        pthread_join(threads[i], NULL);
    pthread_barrier_destroy(&all_there);
}

static void *child_reader(void *unused UNUSED)
{
    rcu_register_thread();
    WITH_RCU_READ () {
        sched_yield();
    }
    rcu_unregister_thread();
    return NULL;
}

static void check_readers(unsigned nr_readers)
{
    struct rcu_stats stats;

    rcu_get_stats(&stats);
    torture_check(stats.readers == nr_readers);
}

static void check_child(struct worker *worker)
{
    struct rcu_stats stats;
    rcu_cookie cookie;
    pthread_t reader;

    if (torture_one_in(worker, 2))
        synchronize_rcu();
    torture_check(pthread_create(&reader, NULL, child_reader, NULL) == 0);
    cookie = start_poll_synchronize_rcu();
    while (!poll_state_synchronize_rcu(cookie))
        sched_yield();
    pthread_join(reader, NULL);
    drain_call_rcu();
    rcu_get_stats(&stats);
    torture_check(stats.callbacks_run == stats.callbacks_queued);
}

/* The rcu thread of the parent may have been at one callback: in the child that one is lost. */
static void __attribute__((noreturn))
child_of_stranger(struct worker *worker, const struct item *items)
{
    limit_time();
    check_readers(0);
    scribble_over_stacks();
    check_child(worker);
    torture_check(nr_items_left(items) <= 1);
    _exit(0);
}

/* Nothing could run before the fork: what is pending here is complete. */
static void __attribute__((noreturn))
child_of_reader(struct worker *worker, const struct item *items, bool has_news) NO_THREAD_SAFETY
{
    struct item news = { .nr_runs = 0 };

    limit_time();
    check_readers(1);
    torture_check(rcu_is_reading());
    scribble_over_stacks();
    rcu_read_unlock();
    if (has_news) {
        call_rcu1(&news.head, item_runs); /* behind what was inherited; nothing else helps */
        while (load_relaxed(&news.nr_runs) == 0)
            sched_yield();
    }
    drain_call_rcu();
    torture_check(nr_items_left(items) == 0);
    check_child(worker);
    _exit(0);
}

/* ---- The parent ---------------------------------------------------------------------------- */

static void wait_for_child(pid_t child)
{
    int status;

    torture_check(child > 0);
    while (waitpid(child, &status, 0) < 0)
        torture_check(errno == EINTR);
    if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
        torture_hung("the child of a fork");
    if (status != 0)
        torture_fail("the child of a fork failed: status %#x", (unsigned)status);
}

/* Not on a thread's stack: in the child, other threads would get it. */
static struct item stranger_items[NR_ITEMS], reader_items[NR_ITEMS];

static void stranger_run(struct worker *worker)
{
    struct item *items = stranger_items;

    while (torture_go_on(worker)) {
        queue_items(items);
        for (unsigned i = torture_below(worker, 30); i > 0; i--)
            sched_yield();
        pid_t child = fork();

        if (child == 0)
            child_of_stranger(worker, items);
        wait_for_child(child);
        drain_call_rcu();
        torture_check(nr_items_left(items) == 0);
    }
}

static void reader_run(struct worker *worker)
{
    struct item *items = reader_items;

    while (torture_go_on(worker)) {
        bool has_news = torture_one_in(worker, 2);

        rcu_read_lock();
        queue_items(items);
        for (unsigned i = torture_below(worker, 30); i > 0; i--)
            sched_yield();
        pid_t child = fork();

        if (child == 0)
            child_of_reader(worker, items, has_news);
        rcu_read_unlock();
        wait_for_child(child);
        drain_call_rcu();
        torture_check(nr_items_left(items) == 0);
    }
}

/* In a section most of the time, and kicked: what the child must not wait for. */
static void bystander_run(struct worker *worker)
{
    struct kicked kicked;

    kicked_init(&kicked);
    rcu_add_force_rcu_notifier(&kicked.notifier);
    while (torture_go_on(worker)) {
        kicked_reset(&kicked);
        rcu_read_lock();
        kicked_wait(&kicked, false);
        rcu_read_unlock();
    }
    rcu_remove_force_rcu_notifier(&kicked.notifier);
}

static void waiter_run(struct worker *worker)
{
    while (torture_go_on(worker)) {
        synchronize_rcu();
        sched_yield();
    }
}

/* Somebody is always in the middle of a drain. */
static void drainer_run(struct worker *worker)
{
    while (torture_go_on(worker)) {
        drain_call_rcu();
        sched_yield();
    }
}

void fork_run(void)
{
    for (int i = 0; i < 2; i++)
        torture_spawn("bystander", bystander_run, NULL, WORKER_READS);
    torture_spawn("waiter", waiter_run, NULL, WORKER_WATCHED);
    torture_spawn("drainer", drainer_run, NULL, WORKER_WATCHED);
    torture_spawn("stranger", stranger_run, NULL, WORKER_WATCHED);
    torture_spawn("reader", reader_run, NULL, WORKER_READS | WORKER_WATCHED);
    torture_join();
}
