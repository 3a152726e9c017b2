/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kicks that do not arrive, or that were never sent: only the repetition of a
 * kick ends these grace periods, polling and age are out of reach.
 */
#include <sched.h>

#include "tests/torture/torture.h"

struct callback {
    struct rcu_head head;
    struct event has_run;
};

static void callback_runs(struct callback *callback)
{
    event_set(&callback->has_run);
}

static void wait_for_sleeps(uint64_t more_than)
{
    struct rcu_stats stats;

    do {
        sched_yield();
        rcu_get_stats(&stats);
    } while (stats.sleeps <= more_than);
}

/* ---- lossy ------------------------------------------------------------------------- */

static void lossy_reader_run(struct worker *worker)
{
    struct kicked kicked;

    kicked_init(&kicked);
    rcu_add_force_rcu_notifier(&kicked.notifier);
    while (torture_go_on(worker)) {
        kicked_reset(&kicked);
        store_relaxed(&kicked.nr_to_lose, torture_below(worker, 3));
        rcu_read_lock();
        kicked_wait(&kicked, false);
        rcu_read_unlock();
    }
    rcu_remove_force_rcu_notifier(&kicked.notifier);
}

static void waiter_run(struct worker *worker)
{
    while (torture_go_on(worker))
        synchronize_rcu();
}

/* One who stays inside until told otherwise, as the kicks say or not. */
struct guest {
    struct kicked kicked;
    struct event is_inside;
    struct event may_leave;
    bool leaves_when_kicked;
};

static void guest_run(struct worker *worker)
{
    struct guest *guest = worker->opaque;

    rcu_add_force_rcu_notifier(&guest->kicked.notifier);
    rcu_read_lock();
    event_set(&guest->is_inside);
    event_wait(guest->leaves_when_kicked ? &guest->kicked.is_kicked : &guest->may_leave);
    rcu_read_unlock();
    rcu_remove_force_rcu_notifier(&guest->kicked.notifier);
}

static void guest_enter(struct guest *guest, bool leaves_when_kicked, unsigned nr_to_lose)
{
    kicked_init(&guest->kicked);
    guest->kicked.nr_to_lose = nr_to_lose;
    guest->is_inside = EVENT_INIT;
    guest->may_leave = EVENT_INIT;
    guest->leaves_when_kicked = leaves_when_kicked;
    torture_spawn("guest", guest_run, guest, WORKER_READS);
    event_wait(&guest->is_inside);
}

/*
 * Force outlives the end of an older grace period. Two are outstanding, each
 * held by a guest; force_rcu() raises both. The first guest leaves, the first
 * ends; the second guest, whose first kick was lost, must be kicked again.
 */
static void force_stays(struct worker *worker)
{
    static struct guest first, second;
    struct callback old = { .has_run = EVENT_INIT };
    struct rcu_stats stats;
    rcu_cookie cookie;

    guest_enter(&first, false, 0);
    rcu_get_stats(&stats);
    call_rcu(&old, callback_runs, head);
    wait_for_sleeps(stats.sleeps); /* the rcu thread has started the first */
    guest_enter(&second, true, 1);
    cookie = start_poll_synchronize_rcu(); /* the second: the rcu thread comes to it later */
    force_rcu();
    torture_check(!poll_state_synchronize_rcu(cookie));
    event_set(&first.may_leave);
    event_wait(&old.has_run);
    while (!poll_state_synchronize_rcu(cookie))
        sched_yield();
    torture_check(load_relaxed(&second.kicked.nr_lost) == 1);
    torture_progress(worker);
}

void lossy_run(void)
{
    torture_spawn("main", force_stays, NULL, WORKER_WATCHED);
    torture_join();
    torture_restart_clock(torture.run_ns);
    for (int i = 0; i < 2; i++)
        torture_spawn("reader", lossy_reader_run, NULL, WORKER_READS);
    torture_spawn("waiter", waiter_run, NULL, WORKER_WATCHED);
    torture_join();
}

/* ---- late ---------------------------------------------------------------------------- */

/*
 * A reader takes its number, then its processor is taken away, and it stores
 * the number when the grace period is long under way: after the driver's kicks,
 * before its sleep. It must be kicked all the same. To be there at the right
 * moment, the late reader stores when the other reader is kicked.
 */
static struct late {
    struct rcu_notifier notifier; /* of the one who is in time */
    struct event in_time_is_inside;
    struct event has_number;
    struct event may_store;
    struct event has_stored;
    struct kicked kicked; /* of the one who is late */
} late;

static void let_the_late_one_in(struct rcu_notifier *notifier UNUSED)
{
    event_set(&late.may_store);
    event_wait(&late.has_stored);
}

static void in_time_run(struct worker *worker UNUSED)
{
    rcu_add_force_rcu_notifier(&late.notifier);
    event_wait(&late.has_number);
    rcu_read_lock();
    event_set(&late.in_time_is_inside);
    event_wait(&late.has_stored);
    rcu_read_unlock();
    rcu_remove_force_rcu_notifier(&late.notifier);
}

static void late_reader_run(struct worker *worker UNUSED)
{
    static const struct rcu_site site = { __FILE__, __func__, __LINE__ };
    unsigned long number;

    rcu_add_force_rcu_notifier(&late.kicked.notifier);
    /* What rcu_read_lock() does, with a pause in its middle. */
    number = load_acquire(&rcu_newest);
    event_set(&late.has_number);
    event_wait(&late.may_store);
    store_relaxed(&rcu_reader.site, &site);
    store_relaxed(&rcu_reader.ctr, number);
    smp_mb();
    event_set(&late.has_stored);
    event_wait(&late.kicked.is_kicked);
    rcu_read_unlock();
    rcu_remove_force_rcu_notifier(&late.kicked.notifier);
}

static void late_updater_run(struct worker *worker)
{
    event_wait(&late.in_time_is_inside);
    synchronize_rcu();
    torture_progress(worker);
}

void late_run(void)
{
    for (int i = 0; i < 20 && !torture_is_over(); i++) {
        late = (struct late){ .notifier = { .kick = let_the_late_one_in } };
        kicked_init(&late.kicked);
        torture_spawn("late", late_reader_run, NULL, WORKER_READS);
        torture_spawn("in time", in_time_run, NULL, WORKER_READS);
        torture_spawn("updater", late_updater_run, NULL, WORKER_WATCHED);
        torture_join();
    }
}
