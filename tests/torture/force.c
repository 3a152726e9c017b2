/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Force, where nothing else helps: the readers leave only when they are kicked,
 * and the times for polling, for repeating a kick and for forcing by age are
 * out of reach. A grace period then ends because it was forced, or never, and
 * the watchdog says so. No clock decides what passes.
 */
#include <sched.h>

#include "tests/torture/torture.h"

enum { NR_READERS = 3 };

struct callback {
    struct rcu_head head;
    struct event has_run;
};

static void callback_runs(struct callback *callback)
{
    event_set(&callback->has_run);
}

static void look_away(struct rcu_notifier *notifier UNUSED)
{
}

static void reader_run(struct worker *worker)
{
    struct rcu_notifier another = { .kick = look_away };
    struct kicked kicked;

    kicked_init(&kicked);
    rcu_add_force_rcu_notifier(&kicked.notifier);
    rcu_add_force_rcu_notifier(&another); /* one of two must not hide the other */
    while (torture_go_on(worker)) {
        kicked_reset(&kicked);
        rcu_read_lock();
        kicked_wait(&kicked, torture_one_in(worker, 4));
        rcu_read_unlock();
    }
    rcu_remove_force_rcu_notifier(&another);
    rcu_remove_force_rcu_notifier(&kicked.notifier);
}

/* A lazy grace period is pending: somebody sleeps for it, we hope. If not, force comes early. */
static void wait_until_driver_sleeps(struct worker *worker)
{
    struct rcu_stats before, now;

    rcu_get_stats(&before);
    for (unsigned i = torture_below(worker, 200); i > 0; i--) {
        rcu_get_stats(&now);
        if (now.sleeps != before.sleeps)
            return;
        sched_yield();
    }
}

static void force_a_callback(struct worker *worker)
{
    struct callback callback = { .has_run = EVENT_INIT };

    call_rcu(&callback, callback_runs, head);
    wait_until_driver_sleeps(worker);
    force_rcu();
    event_wait(&callback.has_run);
}

static void force_a_cookie(struct worker *worker)
{
    rcu_cookie cookie = start_poll_synchronize_rcu();

    wait_until_driver_sleeps(worker);
    force_rcu();
    while (!poll_state_synchronize_rcu(cookie))
        sched_yield();
}

static void wait_past_a_callback(struct worker *worker)
{
    struct callback callback = { .has_run = EVENT_INIT };

    call_rcu(&callback, callback_runs, head);
    wait_until_driver_sleeps(worker);
    synchronize_rcu();
    event_wait(&callback.has_run); /* what it needs, we have waited for */
}

static void drain_a_callback(struct worker *worker)
{
    struct callback callback = { .has_run = EVENT_INIT };

    call_rcu(&callback, callback_runs, head);
    wait_until_driver_sleeps(worker);
    drain_call_rcu();
    torture_check(event_is_set(&callback.has_run));
}

static void forcer_run(struct worker *worker)
{
    static void (*const ways[])(struct worker *) = {
        force_a_callback,
        force_a_cookie,
        wait_past_a_callback,
        drain_a_callback,
    };

    while (torture_go_on(worker))
        ways[torture_below(worker, ARRAY_SIZE(ways))](worker);
}

void force_run(void)
{
    for (int i = 0; i < NR_READERS; i++)
        torture_spawn("reader", reader_run, NULL, WORKER_READS);
    for (int i = 0; i < 2; i++)
        torture_spawn("forcer", forcer_run, NULL, WORKER_WATCHED);
    torture_join();
    drain_call_rcu();
}

/* ---- age: nobody forces, the age limit does ------------------------------------------- */

static void lazy_run(struct worker *worker)
{
    while (torture_go_on(worker)) {
        struct callback callback = { .has_run = EVENT_INIT };

        call_rcu(&callback, callback_runs, head);
        event_wait(&callback.has_run);
    }
}

void age_run(void)
{
    torture_spawn("reader", reader_run, NULL, WORKER_READS);
    torture_spawn("lazy", lazy_run, NULL, WORKER_WATCHED);
    torture_join();
}

/* ---- quiet: force is off, and polling out of reach ------------------------------------- */

struct stayer {
    struct event is_inside;
    struct event may_leave;
    struct event is_outside;
};

static void stayer_run(struct worker *worker)
{
    struct stayer *stayer = worker->opaque;

    rcu_read_lock();
    event_set(&stayer->is_inside);
    event_wait(&stayer->may_leave);
    rcu_read_unlock();
    event_set(&stayer->is_outside);
}

static void stayer_init(struct stayer *stayer)
{
    *stayer = (struct stayer){ EVENT_INIT, EVENT_INIT, EVENT_INIT };
}

/* A driver asleep in the normal state hears of a later grace period's end, if of nothing else. */
static void quiet_main(struct worker *worker)
{
    struct callback callback = { .has_run = EVENT_INIT };
    struct stayer stayer;
    struct rcu_stats stats;

    stayer_init(&stayer);
    torture_spawn("stayer", stayer_run, &stayer, WORKER_READS);
    event_wait(&stayer.is_inside);
    call_rcu(&callback, callback_runs, head);
    do {
        sched_yield();
        rcu_get_stats(&stats);
    } while (stats.sleeps == 0); /* the rcu thread, the only driver */
    event_set(&stayer.may_leave);
    event_wait(&stayer.is_outside);
    synchronize_rcu();
    event_wait(&callback.has_run);
    torture_progress(worker);
}

void quiet_run(void)
{
    torture_spawn("main", quiet_main, NULL, WORKER_WATCHED);
    torture_join();
}
