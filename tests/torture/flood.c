/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Producers at full rate. Above the limit each call_rcu() waits, for 10 ms at
 * most; so however slow the readers are, no more can be pending than the limit,
 * and one per producer and 10 ms. Inside a section and under the BQL a producer
 * must not wait at all.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/torture/torture.h"

enum {
    NR_PRODUCERS = 2,
    BIG_BYTES = 1 << 20, /* what a few objects claim to keep alive */
    RSS_LIMIT_BYTES = 48 << 20,
};

#define LONGEST_THROTTLE_NS (10 * NS_PER_MS)

struct object {
    struct rcu_head head;
    char contents[32];
};

static void object_free(struct object *object)
{
    free(object);
}

static void big_object_free(struct rcu_head *head)
{
    free(container_of(head, struct object, head));
}

static struct object *object_new(void)
{
    struct object *object = malloc(sizeof(*object));

    torture_check(object);
    return object;
}

static void produce(void)
{
    struct object *object = object_new();

    call_rcu(object, object_free, head);
}

/* ---- The limit ------------------------------------------------------------------------ */

static void producer_run(struct worker *worker)
{
    while (torture_go_on(worker)) {
        for (int i = 0; i < 100; i++)
            produce();
    }
}

static void slow_reader_run(struct worker *worker)
{
    struct event never = EVENT_INIT;

    while (torture_go_on(worker)) {
        rcu_read_lock();
        (void)event_timedwait(&never, monotonic_ns() + 15 * NS_PER_MS); /* always times out */
        rcu_read_unlock();
        (void)event_timedwait(&never, monotonic_ns() + torture_below(worker, 30) * NS_PER_MS);
    }
}

static size_t resident_bytes(void)
{
    FILE *file = fopen("/proc/self/statm", "r");
    unsigned long total, resident = 0;

    torture_check(file && fscanf(file, "%lu %lu", &total, &resident) == 2);
    fclose(file);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

static void flood(bool with_reader, int64_t run_ns)
{
    size_t before = resident_bytes(), after;
    int64_t start_ns = monotonic_ns();
    struct rcu_stats stats, old_stats;
    uint64_t limit, nr_callbacks, nr_grace_periods;

    rcu_get_stats(&old_stats);

    torture_restart_clock(run_ns);
    if (with_reader)
        torture_spawn("slow", slow_reader_run, NULL, WORKER_READS);
    for (int i = 0; i < NR_PRODUCERS; i++)
        torture_spawn("producer", producer_run, NULL, WORKER_WATCHED);
    torture_join();
    after = resident_bytes();
    limit = torture.config.throttle_callbacks +
            NR_PRODUCERS * (1 + (uint64_t)((monotonic_ns() - start_ns) / LONGEST_THROTTLE_NS));
    rcu_get_stats(&stats);
    nr_callbacks = stats.callbacks_queued - old_stats.callbacks_queued;
    nr_grace_periods = (stats.newest - old_stats.newest) / RCU_STEP;
    torture_note("%s reader: %llu callbacks, %llu grace periods, at most %llu pending, "
                 "%llu throttles, %zu KiB more",
                 with_reader ? "slow" : "no", (unsigned long long)nr_callbacks,
                 (unsigned long long)nr_grace_periods, (unsigned long long)stats.callbacks_peak,
                 (unsigned long long)(stats.throttles - old_stats.throttles),
                 after > before ? (after - before) >> 10 : 0);
    torture_check(stats.callbacks_peak <= limit);
    /*
     * Callbacks share grace periods; with one each, the rcu thread could not keep up. How many do
     * depends on the producers' speed: under the address sanitizer it was 4.4 to 7 without readers.
     */
    torture_check(nr_callbacks >= 2 * nr_grace_periods);
#if !THREAD_SANITIZER && !ADDRESS_SANITIZER /* they keep freed memory */
    torture_check(after < before + RSS_LIMIT_BYTES);
#endif
    drain_call_rcu();
}

/* ---- Bytes ------------------------------------------------------------------------------- */

static uint64_t bytes_pending; /* atomic */

static void counted_free(struct rcu_head *head)
{
    fetch_sub(&bytes_pending, BIG_BYTES);
    big_object_free(head);
}

static void big_producer_run(struct worker *worker)
{
    int64_t start_ns = monotonic_ns();

    while (torture_go_on(worker)) {
        struct object *object = object_new();
        uint64_t pending = fetch_add(&bytes_pending, BIG_BYTES) + BIG_BYTES;
        uint64_t slack = 1 + (uint64_t)((monotonic_ns() - start_ns) / LONGEST_THROTTLE_NS);

        /* What runs is not pending for RCU any more, for up to 64 callbacks (COUNT_BATCH) it is. */
        torture_check(pending <= torture.config.throttle_bytes + slack * BIG_BYTES);
        call_rcu1_sized(&object->head, counted_free, BIG_BYTES);
    }
}

static void flood_bytes(int64_t run_ns)
{
    torture_restart_clock(run_ns);
    torture_spawn("slow", slow_reader_run, NULL, WORKER_READS);
    torture_spawn("big", big_producer_run, NULL, WORKER_WATCHED);
    torture_join();
    drain_call_rcu();
    torture_check(load_relaxed(&bytes_pending) == 0);
}

/* ---- A throttled producer is woken --------------------------------------------------------- */

static struct event blocker_is_inside;

/* Inside until the producer waits; then the grace period can end, and the producer go on. */
static void blocker_run(struct worker *worker UNUSED)
{
    struct rcu_stats before, now;

    rcu_get_stats(&before);
    rcu_read_lock();
    event_set(&blocker_is_inside);
    do {
        torture_spin_ns(10 * NS_PER_US);
        rcu_get_stats(&now);
    } while (now.throttles == before.throttles);
    rcu_read_unlock();
}

static int64_t throttled_for_ns(struct worker *worker)
{
    struct rcu_stats before, now;
    int64_t start_ns;

    event_init(&blocker_is_inside, false);
    torture_spawn("blocker", blocker_run, NULL, WORKER_READS);
    event_wait(&blocker_is_inside);
    rcu_get_stats(&before);
    do {
        start_ns = monotonic_ns();
        produce();
        rcu_get_stats(&now);
    } while (now.throttles == before.throttles);
    torture_progress(worker);
    return monotonic_ns() - start_ns;
}

/* The time-out of a throttled producer is never early. One wait that ended before was woken; on a
 * busy machine it may need several tries. */
static void wake_run(struct worker *worker)
{
    for (int i = 0; i < 40; i++) {
        if (throttled_for_ns(worker) < LONGEST_THROTTLE_NS)
            return;
        drain_call_rcu();
    }
    torture_fail("a throttled producer is never woken");
}

/* ---- Where it must not wait ------------------------------------------------------------------ */

static bool bql_is_mine;

static bool is_bql_mine(void)
{
    return bql_is_mine;
}

static void bql_lock(void)
{
    bql_is_mine = true;
}

static void bql_unlock(void)
{
    bql_is_mine = false;
}

static const struct rcu_host host = {
    .bql_is_mine = is_bql_mine,
    .bql_lock = bql_lock,
    .bql_unlock = bql_unlock,
};

static void flood_without_waiting(void)
{
    struct rcu_stats before, after;

    rcu_get_stats(&before);
    for (unsigned i = 0; i < 3 * torture.config.throttle_callbacks; i++)
        produce();
    rcu_get_stats(&after);
    torture_check(after.throttles == before.throttles);
}

static void no_wait_run(struct worker *worker)
{
    WITH_RCU_READ () {
        flood_without_waiting();
    }
    drain_call_rcu();
    torture_progress(worker);

    rcu_set_host(&host); /* one thread calls: its BQL needs no lock */
    bql_lock();
    flood_without_waiting();
    bql_unlock();
    drain_call_rcu();
}

void flood_run(void)
{
    flood(false, torture.run_ns / 3);
    flood(true, torture.run_ns / 3);
    flood_bytes(torture.run_ns / 3);
    torture_spawn("throttled", wake_run, NULL, WORKER_WATCHED);
    torture_join();
    drain_call_rcu();
    torture_spawn("hasty", no_wait_run, NULL, WORKER_READS | WORKER_WATCHED);
    torture_join();
}
