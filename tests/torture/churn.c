/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Threads register and unregister, and notifiers come and go, while others
 * scan and kick. A notifier that runs, or starts to run, after its removal or
 * its thread's unregistering has returned meets poison.
 */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "tests/torture/torture.h"

enum {
    ALIVE = 0x600d,
    DEAD = 0x6b6b6b6b,
    KICK_NS = 20000, /* a notifier takes its time, so that removals fall into it */
    LONG_KICK_NS = 300000,
};

struct fragile {
    struct rcu_notifier notifier;
    unsigned state;      /* atomic */
    unsigned nr_running; /* atomic */
    unsigned *nr_kicks;  /* atomic */
    int64_t kick_ns;
};

static void fragile_kick(struct rcu_notifier *notifier)
{
    struct fragile *fragile = container_of(notifier, struct fragile, notifier);
    unsigned *nr_kicks = fragile->nr_kicks;

    torture_check(load_relaxed(&fragile->state) == ALIVE);
    fetch_add(&fragile->nr_running, 1);
    torture_spin_ns(fragile->kick_ns);
    torture_check(load_relaxed(&fragile->state) == ALIVE);
    fetch_sub(&fragile->nr_running, 1);
    fetch_add_relaxed(nr_kicks, 1);
}

static void fragile_init(struct fragile *fragile, unsigned *nr_kicks, int64_t kick_ns)
{
    *fragile = (struct fragile){
        .notifier = { .kick = fragile_kick },
        .state = ALIVE,
        .nr_kicks = nr_kicks,
        .kick_ns = kick_ns,
    };
}

/* From a real heap, the address sanitizer would see it too; but it must not be reused at once. */
static void fragile_fini(struct fragile *fragile)
{
    torture_check(load_relaxed(&fragile->nr_running) == 0);
    store_relaxed(&fragile->state, DEAD);
}

/* Stay in a section until kicked, for a moment only: there may be nobody who kicks. */
static void read_until(unsigned *nr_kicks, unsigned nr_at_most)
{
    rcu_read_lock();
    for (unsigned i = 0; i < nr_at_most && load_relaxed(nr_kicks) == 0; i++)
        sched_yield();
    rcu_read_unlock();
}

/* Some notifiers at once, and removed in any order, each right after the section was left. */
static void adder_run(struct worker *worker) NO_THREAD_SAFETY /* half of the sections go on */
{
    struct fragile *fragile;
    unsigned nr_kicks = 0;

    while (torture_go_on(worker)) {
        unsigned nr = 1 + torture_below(worker, 3);

        fragile = calloc(nr, sizeof(*fragile));
        torture_check(fragile);
        store_relaxed(&nr_kicks, 0);
        for (unsigned i = 0; i < nr; i++) {
            fragile_init(&fragile[i], &nr_kicks, KICK_NS);
            rcu_add_force_rcu_notifier(&fragile[i].notifier);
        }
        rcu_read_lock();
        for (unsigned i = torture_below(worker, 200); i > 0; i--) {
            if (load_relaxed(&fragile[torture_below(worker, nr)].nr_running))
                break; /* now: a removal in the middle of a kick */
            sched_yield();
        }
        if (torture_one_in(worker, 2))
            rcu_read_unlock();
        for (unsigned i = 0; i < nr; i++) {
            rcu_remove_force_rcu_notifier(&fragile[i].notifier);
            fragile_fini(&fragile[i]);
        }
        if (rcu_is_reading())
            rcu_read_unlock();
        torture_spin_ns(torture_below(worker, 2 * KICK_NS)); /* a late notifier finds it dead */
        free(fragile);
    }
}

/*
 * Registered for one section. A kicker that is inside this one's notifier has
 * the records of others pinned, too, in particular of threads that end.
 */
static void member_run(struct worker *worker)
{
    static struct fragile fragile[TORTURE_MAX_WORKERS];
    struct fragile *mine = &fragile[worker->index];
    unsigned nr_kicks = 0;

    while (torture_go_on(worker)) {
        store_relaxed(&nr_kicks, 0);
        rcu_register_thread();
        if (torture_one_in(worker, 8)) { /* twice counts as twice */
            rcu_register_thread();
            rcu_unregister_thread();
        }
        fragile_init(mine, &nr_kicks, torture_one_in(worker, 4) ? LONG_KICK_NS : KICK_NS);
        rcu_add_force_rcu_notifier(&mine->notifier);
        rcu_read_lock();
        for (unsigned i = torture_below(worker, 200); i > 0; i--) {
            if (load_relaxed(&mine->nr_running))
                break;
            sched_yield();
        }
        rcu_read_unlock();
        rcu_remove_force_rcu_notifier(&mine->notifier);
        fragile_fini(mine);
        rcu_unregister_thread();
        torture_spin_ns(torture_below(worker, 2 * KICK_NS));
        mine->state = ALIVE; /* nobody looks any more: the thread sanitizer would tell */
    }
}

/* A thread that lives for one section: its record goes with its stack. */
static void *short_life(void *nr_kicks)
{
    rcu_register_thread();
    read_until(nr_kicks, 50);
    rcu_unregister_thread();
    return NULL;
}

static void parent_run(struct worker *worker)
{
    unsigned nr_kicks = 0;
    pthread_t child;

    while (torture_go_on(worker)) {
        torture_check(pthread_create(&child, NULL, short_life, &nr_kicks) == 0);
        pthread_join(child, NULL);
    }
}

static void waiter_run(struct worker *worker)
{
    while (torture_go_on(worker)) {
        synchronize_rcu();
        if (torture_one_in(worker, 4))
            sched_yield();
    }
}

static void forcer_run(struct worker *worker)
{
    while (torture_go_on(worker)) {
        (void)start_poll_synchronize_rcu(); /* something to force */
        force_rcu();
        sched_yield();
    }
}

/* ---- A thread's record stays while a kicker has it pinned ---------------------------------- */

enum { NR_LEAVERS = 5 };

static struct leaver {
    struct rcu_notifier notifier; /* of the one who stays */
    struct event is_inside, stays_inside, may_leave, may_stop;
    unsigned nr_kicks; /* only the first finds both inside; atomic */
    struct event has_unregistered;
} leaver;

/* Called first of two; the kicker has pinned both. Long enough for a leaver who does not wait. */
static void while_both_are_pinned(struct rcu_notifier *notifier UNUSED)
{
    if (fetch_add(&leaver.nr_kicks, 1) > 0)
        return;
    event_set(&leaver.may_leave);
    torture_check(event_timedwait(&leaver.has_unregistered, monotonic_ns() + 20 * NS_PER_MS) ==
                  TIMED_OUT);
    event_set(&leaver.may_stop);
}

static void leaver_run(struct worker *worker UNUSED)
{
    rcu_register_thread();
    rcu_read_lock();
    event_set(&leaver.is_inside);
    event_wait(&leaver.may_leave);
    rcu_read_unlock();
    rcu_unregister_thread();
    event_set(&leaver.has_unregistered);
}

/* Registered later, so that it comes before the leaver on the list. */
static void stayer_run(struct worker *worker UNUSED)
{
    event_wait(&leaver.is_inside);
    rcu_register_thread();
    rcu_add_force_rcu_notifier(&leaver.notifier);
    rcu_read_lock();
    event_set(&leaver.stays_inside);
    event_wait(&leaver.may_stop);
    rcu_read_unlock();
    rcu_remove_force_rcu_notifier(&leaver.notifier);
    rcu_unregister_thread();
}

static void leave_while_pinned(void)
{
    for (int i = 0; i < NR_LEAVERS; i++) {
        leaver = (struct leaver){ .notifier = { .kick = while_both_are_pinned } };
        torture_spawn("leaver", leaver_run, NULL, 0);
        torture_spawn("stayer", stayer_run, NULL, 0);
        event_wait(&leaver.stays_inside);
        synchronize_rcu();
        torture_join();
    }
}

void churn_run(void)
{
    struct rcu_stats stats;

    leave_while_pinned();
    torture_restart_clock(torture.run_ns);

    for (int i = 0; i < 3; i++)
        torture_spawn("adder", adder_run, NULL, WORKER_READS | WORKER_WATCHED);
    for (int i = 0; i < 3; i++)
        torture_spawn("member", member_run, NULL, WORKER_WATCHED);
    torture_spawn("parent", parent_run, NULL, WORKER_WATCHED);
    torture_spawn("waiter", waiter_run, NULL, WORKER_WATCHED);
    torture_spawn("forcer", forcer_run, NULL, WORKER_WATCHED);
    torture_join();
    drain_call_rcu(); /* so that the rcu thread, a reader too, is there */
    rcu_get_stats(&stats);
    torture_note("%llu kicks", (unsigned long long)stats.kicks);
    torture_check(stats.kicks > 0);
    torture_check(stats.readers == 1);
}
