/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A main loop that has promised to drive puts off its wakes of the rcu thread.
 * Nobody else may come to depend on its next turn: while it waits for a visitor
 * without driving, the visitor queues callbacks behind its own and drains them.
 * And its own turn must do the wake. In some rounds a poller wakes the rcu thread
 * in between, which may then fall asleep again at any moment.
 */
#include <sched.h>

#include "tests/torture/torture.h"

static struct event visit, visited, poll, polled, has_run;
static bool is_last; /* atomic */

static void callback_runs(struct rcu_head *head UNUSED)
{
    event_set(&has_run);
}

static void ignore(struct rcu_head *head UNUSED)
{
}

static void ask(struct event *question, struct event *answer)
{
    event_reset(answer);
    event_set(question);
}

static void main_loop_run(struct worker *worker)
{
    static struct rcu_head behind_it, own;

    rcu_promise_drive(true);
    while (torture_go_on(worker)) {
        bool is_polled = torture_one_in(worker, 2);

        if (is_polled)
            ask(&poll, &polled);
        call_rcu1(&behind_it, ignore);
        ask(&visit, &visited); /* its drain covers ours */
        event_wait(&visited);
        if (is_polled)
            event_wait(&polled);
        event_reset(&has_run);
        call_rcu1(&own, callback_runs);
        if (torture_one_in(worker, 2))
            force_rcu();
        (void)rcu_drive_forced(50 * NS_PER_US); /* the rcu thread does the rest */
        event_wait(&has_run);
    }
    rcu_promise_drive(false);
    store_relaxed(&is_last, true);
    ask(&visit, &visited);
    ask(&poll, &polled);
}

/* False: there are no more. */
static bool wait_for_question(struct worker *worker, struct event *question)
{
    event_wait(question);
    event_reset(question);
    torture_progress(worker);
    return !load_relaxed(&is_last);
}

static void visitor_run(struct worker *worker)
{
    static struct rcu_head head;

    while (wait_for_question(worker, &visit)) {
        call_rcu1(&head, ignore);
        drain_call_rcu();
        event_set(&visited);
    }
}

static void poller_run(struct worker *worker)
{
    while (wait_for_question(worker, &poll)) {
        for (unsigned i = torture_below(worker, 4); i > 0; i--)
            sched_yield();
        rcu_cookie cookie = start_poll_synchronize_rcu();

        while (!poll_state_synchronize_rcu(cookie))
            sched_yield();
        event_set(&polled);
    }
}

void promise_run(void)
{
    torture_spawn("visitor", visitor_run, NULL, WORKER_READS);
    torture_spawn("poller", poller_run, NULL, 0);
    torture_spawn("main loop", main_loop_run, NULL, WORKER_READS | WORKER_WATCHED);
    torture_join();
}
