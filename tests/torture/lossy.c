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
 * the number when the grace period is long under way: after the kicks, before
 * the driver's sleep. It must be kicked all the same. To be there at the right
 * moment each late reader stores while the one before it is being kicked; there
 * are more of them than a driver has rounds of kicks before it first sleeps.
 */
enum { NR_LATE = 6, NR_ROUNDS = 20 };

static struct late {
    struct rcu_notifier notifier;
    struct event has_number;
    struct event may_store;
    struct event is_inside;
    struct event is_kicked;
} late[NR_LATE];

static void let_the_next_in(struct rcu_notifier *notifier)
{
    struct late *this = container_of(notifier, struct late, notifier);
    struct late *next = this + 1;

    if (next < &late[NR_LATE]) {
        event_set(&next->may_store);
        event_wait(&next->is_inside);
    }
    event_set(&this->is_kicked);
}

/* What rcu_read_lock() does, with a pause in its middle. */
static void late_lock(struct late *this) NO_THREAD_SAFETY
{
    static const struct rcu_site site = { __FILE__, __func__, __LINE__ };
    unsigned long number = load_acquire(&rcu_newest.number); /* as in rcu_read_lock_at() */

    event_set(&this->has_number);
    event_wait(&this->may_store);
    store_relaxed(&rcu_reader.site, &site);
    store_relaxed(&rcu_reader.ctr, number);
    smp_mb(); /* as in rcu_enter_slow() */
}

static void late_run_one(struct worker *worker) NO_THREAD_SAFETY
{
    struct late *this = worker->opaque;

    rcu_add_force_rcu_notifier(&this->notifier);
    late_lock(this);
    event_set(&this->is_inside);
    event_wait(&this->is_kicked);
    rcu_read_unlock();
    rcu_remove_force_rcu_notifier(&this->notifier);
}

static void late_updater_run(struct worker *worker)
{
    for (int i = 0; i < NR_LATE; i++)
        event_wait(&late[i].has_number);
    event_set(&late[0].may_store);
    event_wait(&late[0].is_inside);
    synchronize_rcu();
    torture_progress(worker);
}

void late_run(void)
{
    for (int round = 0; round < NR_ROUNDS && !torture_is_over(); round++) {
        for (int i = 0; i < NR_LATE; i++) {
            late[i] = (struct late){ .notifier = { .kick = let_the_next_in } };
            torture_spawn("late", late_run_one, &late[i], WORKER_READS);
        }
        torture_spawn("updater", late_updater_run, NULL, WORKER_WATCHED);
        torture_join();
    }
}
