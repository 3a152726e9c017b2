/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Callbacks and drain, with a BQL (a mutex here) and a main loop (a thread).
 * When drain_call_rcu() returns, what its thread has queued has run: all of it,
 * once, in order, on the right thread, with the BQL or without it.
 */
#include <sched.h>
#include <stdlib.h>

#include "tests/torture/torture.h"

static pthread_mutex_t bql = PTHREAD_MUTEX_INITIALIZER;
static __thread bool bql_is_mine;
static __thread bool is_main_loop;

static struct sequence main_loop_news;
static bool main_loop_has_work; /* atomic */
static bool main_loop_may_end;  /* atomic */

static void bql_lock(void)
{
    pthread_mutex_lock(&bql);
    bql_is_mine = true;
}

static void bql_unlock(void)
{
    bql_is_mine = false;
    pthread_mutex_unlock(&bql);
}

static bool is_bql_mine(void)
{
    return bql_is_mine;
}

static bool is_this_main_loop(void)
{
    return is_main_loop;
}

static void wake_main_loop(void)
{
    torture_check(!bql_is_mine);
    store_relaxed(&main_loop_has_work, true);
    sequence_advance(&main_loop_news);
}

static const struct rcu_host host = {
    .bql_is_mine = is_bql_mine,
    .bql_lock = bql_lock,
    .bql_unlock = bql_unlock,
    .is_main_loop = is_this_main_loop,
    .bql_callbacks_ready = wake_main_loop,
};

static const struct rcu_host host_without_loop = {
    .bql_is_mine = is_bql_mine,
    .bql_lock = bql_lock,
    .bql_unlock = bql_unlock,
};

/* ---- Callbacks --------------------------------------------------------------------- */

struct producer {
    uint64_t nr_queued;
    uint64_t nr_run; /* by the rcu thread; atomic */
    uint64_t nr_queued_bql;
    uint64_t nr_run_bql; /* by the main loop; atomic */
};

struct item {
    struct rcu_head head;
    struct producer *producer;
    uint64_t number;
};

static void item_runs(struct item *item)
{
    struct producer *producer = item->producer;

    torture_check(!bql_is_mine);
    torture_check(item->number == load_relaxed(&producer->nr_run));
    store_relaxed(&producer->nr_run, item->number + 1);
    free(item);
}

static void item_runs_bql(struct item *item)
{
    struct producer *producer = item->producer;

    torture_check(bql_is_mine);
    torture_check(item->number == load_relaxed(&producer->nr_run_bql));
    store_relaxed(&producer->nr_run_bql, item->number + 1);
    free(item);
}

static void produce(struct producer *producer, bool for_bql)
{
    struct item *item = malloc(sizeof(*item));

    torture_check(item);
    item->producer = producer;
    item->number = for_bql ? producer->nr_queued_bql++ : producer->nr_queued++;
    if (for_bql)
        call_rcu_bql(item, item_runs_bql, head);
    else
        call_rcu(item, item_runs, head);
}

static void check_all_ran(const struct producer *producer)
{
    torture_check(load_relaxed(&producer->nr_run) == producer->nr_queued);
    torture_check(load_relaxed(&producer->nr_run_bql) == producer->nr_queued_bql);
}

static void some_turns(struct worker *worker, struct producer *producer)
{
    for (unsigned i = torture_below(worker, 50); i > 0; i--)
        produce(producer, torture_one_in(worker, 3));
}

static void drainer_run(struct worker *worker)
{
    struct producer producer = { 0 };

    while (torture_go_on(worker)) {
        bool with_bql = torture_one_in(worker, 2);

        if (with_bql)
            bql_lock();
        some_turns(worker, &producer);
        drain_call_rcu();
        torture_check(bql_is_mine == with_bql);
        if (with_bql)
            bql_unlock();
        check_all_ran(&producer);
    }
    drain_call_rcu();
}

/* Takes the BQL inside its sections: drain must not hold it while it waits. */
static void reader_run(struct worker *worker)
{
    while (torture_go_on(worker)) {
        WITH_RCU_READ () {
            if (torture_one_in(worker, 2)) {
                bql_lock();
                bql_unlock();
            }
        }
        sched_yield();
    }
}

static void main_loop_run(struct worker *worker)
{
    struct producer producer = { 0 };

    is_main_loop = true;
    while (!load_relaxed(&main_loop_may_end)) {
        uint32_t ticket = sequence_prepare(&main_loop_news);

        torture_progress(worker);
        if (load_relaxed(&main_loop_has_work) || load_relaxed(&main_loop_may_end))
            sequence_cancel(&main_loop_news);
        else
            (void)sequence_wait(&main_loop_news, ticket, DEADLINE_NEVER); /* we look again */
        bql_lock();
        store_relaxed(&main_loop_has_work, false);
        if (rcu_run_bql_callbacks(10 * NS_PER_US))
            store_relaxed(&main_loop_has_work, true);
        if (torture_one_in(worker, 8)) { /* the main loop may drain, too: it does its own work */
            some_turns(worker, &producer);
            drain_call_rcu();
            check_all_ran(&producer);
        }
        bql_unlock();
        (void)rcu_drive_forced(20 * NS_PER_US); /* false: the rcu thread does the rest */
    }
}

static void run_drainers(void)
{
    struct worker *drainers[3];

    for (unsigned i = 0; i < 2; i++)
        torture_spawn("reader", reader_run, NULL, WORKER_READS);
    for (unsigned i = 0; i < ARRAY_SIZE(drainers); i++)
        drainers[i] = torture_spawn("drainer", drainer_run, NULL, WORKER_WATCHED);
    for (unsigned i = 0; i < ARRAY_SIZE(drainers); i++)
        torture_join_one(drainers[i]);
}

void drain_run(void)
{
    rcu_set_host(&host_without_loop); /* the rcu thread stands in for the main loop */
    torture_restart_clock(torture.run_ns / 3);
    run_drainers();
    torture_join();
    drain_call_rcu();

    rcu_set_host(&host);
    torture_restart_clock(torture.run_ns * 2 / 3);
    torture_spawn("loop", main_loop_run, NULL, 0);
    run_drainers();
    store_relaxed(&main_loop_may_end, true);
    sequence_advance(&main_loop_news);
    torture_join();
}

/* ---- order --------------------------------------------------------------------------- */

/* Callbacks of several producers; each callback may queue another, behind all that are pending. */
struct chain {
    struct rcu_head head;
    struct producer *producer;
    unsigned left;
};

static uint64_t nr_links; /* atomic */

static void chain_runs(struct chain *chain)
{
    fetch_add_relaxed(&nr_links, 1);
    if (chain->left-- > 0)
        call_rcu(chain, chain_runs, head);
    else
        free(chain);
}

static void order_producer_run(struct worker *worker)
{
    struct producer producer = { 0 };
    uint64_t *nr_expected = worker->opaque;

    while (torture_go_on(worker)) {
        for (unsigned i = torture_below(worker, 400); i > 0; i--)
            produce(&producer, false);
        struct chain *chain = malloc(sizeof(*chain));

        torture_check(chain);
        chain->left = torture_below(worker, 5);
        fetch_add_relaxed(nr_expected, chain->left + 1);
        call_rcu(chain, chain_runs, head);
        if (torture_one_in(worker, 16)) {
            drain_call_rcu();
            check_all_ran(&producer);
        } else {
            sched_yield();
        }
    }
    drain_call_rcu();
    check_all_ran(&producer);
}

void order_run(void)
{
    uint64_t nr_expected = 0;
    struct rcu_stats stats;

    for (int i = 0; i < 3; i++)
        torture_spawn("producer", order_producer_run, &nr_expected, WORKER_WATCHED);
    torture_join();
    for (int i = 0; i < 6; i++)
        drain_call_rcu(); /* one link of a chain each, at least */
    rcu_get_stats(&stats);
    torture_note("%llu callbacks", (unsigned long long)stats.callbacks_run);
    torture_check(load_relaxed(&nr_links) == nr_expected);
    torture_check(stats.callbacks_run == stats.callbacks_queued);
}
