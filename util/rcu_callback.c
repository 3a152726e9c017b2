/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * call_rcu() and its kin, and drain_call_rcu().
 */
#include <pthread.h>
#include <stdlib.h>

#include "util/event.h"
#include "util/rcu_callback.h"
#include "util/rcu_flood.h"
#include "util/rcu_grace.h"
#include "util/rcu_internal.h"
#include "util/rcu_queue.h"
#include "util/rcu_worker.h"
#include "util/trace.h"

enum { START_RETRY_MS = 100 }; /* between attempts to start an rcu thread that cannot be had */

/* The size of an object that rcu_free_later() frees tells its offset: no function lives there. */
_Static_assert(RCU_FREE_OFFSETS <= 4096, "the first page is never mapped");

static bool any_for_bql; /* atomic: some callback was for the main loop */

/* ---- Queueing ------------------------------------------------------------------- */

static void enqueue(struct rcu_queue *queue, struct rcu_head *head, void (*func)(struct rcu_head *),
                    size_t size_bytes)
{
    int64_t pending;
    unsigned long need;

    rcu_init();
    rcu_debug_queued(head);
    head->func = func;
    head->size_bytes = size_bytes;
    pending = rcu_count_queued(size_bytes);
    need = rcu_need_after_rmw(); /* after the caller's unlink */
    head->need = need;
    rcu_note_need(need);
    TRACE2(rcu_call, head, size_bytes);
    rcu_thread_before_push();
    rcu_thread_after_push(rcu_queue_push(queue, head)); /* now it belongs to the rcu thread */
    if (unlikely(rcu_is_flood(pending)))
        rcu_flood(need);
}

static void check_func(void (*func)(struct rcu_head *))
{
    if (unlikely((uintptr_t)func < RCU_FREE_OFFSETS)) {
        rcu_misuse("call_rcu1() with %#lx, which is no function", (unsigned long)(uintptr_t)func);
        abort(); /* it would be taken for what rcu_free_later() queues */
    }
}

void call_rcu1_sized(struct rcu_head *head, void (*func)(struct rcu_head *), size_t size_bytes)
{
    check_func(func);
    enqueue(&rcu_queue_plain, head, func, size_bytes);
}

void call_rcu1(struct rcu_head *head, void (*func)(struct rcu_head *))
{
    check_func(func);
    enqueue(&rcu_queue_plain, head, func, 0);
}

void call_rcu1_bql(struct rcu_head *head, void (*func)(struct rcu_head *), size_t size_bytes)
{
    check_func(func);
    store_relaxed(&any_for_bql, true);
    enqueue(&rcu_queue_bql, head, func, size_bytes);
}

void rcu_free_later(struct rcu_head *head, size_t offset, size_t size_bytes)
{
    if (offset >= RCU_FREE_OFFSETS) {
        rcu_misuse("rcu_free_later() with an offset of %zu", offset);
        abort(); /* it would be taken for a function */
    }
    enqueue(&rcu_queue_plain, head, (void (*)(struct rcu_head *))offset, size_bytes);
}

/* ---- Draining ------------------------------------------------------------------- */

struct sentinel {
    struct rcu_head head;
    struct event has_run;
    pthread_t owner; /* on whose stack it is */
};

static void sentinel_runs(struct rcu_head *head)
{
    if (rcu_is_rcu_thread())
        rcu_worker_count(); /* the statistics are exact after a drain */
    event_set(&container_of(head, struct sentinel, head)->has_run);
}

static void wait_for_sentinel(struct sentinel *sentinel)
{
    /* It is time only if the rcu thread could not be started: it must be, or nobody runs it. */
    while (!rcu_thread_is_started() &&
           event_timedwait(&sentinel->has_run, monotonic_ns() + START_RETRY_MS * NS_PER_MS) ==
               TIMED_OUT) {
        rcu_thread_wake();
        rcu_keep_promise();
    }
    event_wait(&sentinel->has_run);
}

/* The main loop waits for its own work: it does that work. */
static void drain_on_main_loop(struct sentinel *sentinel, const struct rcu_host *host)
{
    while (!event_is_set(&sentinel->has_run)) {
        rcu_wait_for_ready();
        host->bql_lock();
        (void)rcu_run_bql_callbacks(NS_PER_MS); /* if there is more, we come again */
        host->bql_unlock();
    }
}

static void drain_without_bql(const struct rcu_host *host)
{
    struct sentinel in_plain = { .owner = pthread_self() };
    struct sentinel in_bql = { .owner = pthread_self() };
    bool waits_for_bql = load_relaxed(&any_for_bql) && !MUTANT(drain_skips_bql);
    unsigned long need;

    if (MUTANT(drain_early)) {
        synchronize_rcu();
        return;
    }
    if (waits_for_bql)
        call_rcu1_bql(&in_bql.head, sentinel_runs, 0);
    call_rcu1(&in_plain.head, sentinel_runs);
    rcu_keep_promise();
    need = rcu_need_from_now(); /* at least what both sentinels need */
    if (!rcu_config.ignore_force)
        (void)rcu_raise_force(need); /* false: it is forced already; we drive it at once */
    (void)rcu_drive(need, monotonic_ns(), DEADLINE_NEVER); /* never out of time */
    wait_for_sentinel(&in_plain);
    if (!waits_for_bql)
        return;
    if (host->is_main_loop && host->is_main_loop())
        drain_on_main_loop(&in_bql, host);
    else
        wait_for_sentinel(&in_bql);
}

void drain_call_rcu(void)
{
    const struct rcu_host *host = load_acquire(&rcu_host); /* pairs with rcu_set_host() */
    bool holds_bql = rcu_host_bql_is_mine();

    rcu_init();
    if (rcu_is_in_callback() || rcu_is_reading()) {
        /* Waiting would never end: a release build goes on without. */
        rcu_misuse("drain_call_rcu() %s",
                   rcu_is_in_callback() ? "in a callback" : "in a read section");
        return;
    }
    if (holds_bql)
        host->bql_unlock();
    drain_without_bql(host);
    if (holds_bql)
        host->bql_lock();
}

/* ---- Fork ----------------------------------------------------------------------- */

void rcu_callback_fork_prepare(void)
{
    rcu_worker_fork_prepare();
    rcu_queue_fork_prepare();
}

void rcu_callback_fork_parent(void)
{
    rcu_queue_fork_parent();
    rcu_worker_fork_parent();
}

/* What a child inherits. Other threads' sentinels are on stacks that will be used again. */
static uint64_t inherit_list(struct rcu_head **link, uint64_t *bytes)
{
    uint64_t nr = 0;

    while (*link) {
        struct rcu_head *head = *link;

        if (head->func == sentinel_runs && !MUTANT(fork_keeps_sentinels) &&
            !pthread_equal(container_of(head, struct sentinel, head)->owner, pthread_self())) {
            rcu_debug_taken(head);
            *link = head->next;
            continue;
        }
        nr++;
        *bytes += head->size_bytes;
        link = &head->next;
    }
    return nr;
}

void rcu_callback_fork_child(void)
{
    uint64_t nr, ready, bytes = 0;

    /* The parent's threads stopped anywhere: derive what they were about to bring up to date. */
    ready = inherit_list(rcu_worker_fork_ready(), &bytes);
    nr = ready + inherit_list(&rcu_queue_plain.pushed, &bytes) +
         inherit_list(&rcu_queue_plain.waiting, &bytes) +
         inherit_list(&rcu_queue_bql.pushed, &bytes) + inherit_list(&rcu_queue_bql.waiting, &bytes);
    rcu_flood_fork_child(nr, bytes, ready);
    rcu_queue_fork_child(&rcu_queue_plain);
    rcu_queue_fork_child(&rcu_queue_bql);
    rcu_queue_fork_done();
    rcu_worker_fork_child();
}
