/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Store buffers. A reader's write of its word may stay in its processor's store
 * buffer while its later loads go ahead; that is what the barriers of grace
 * periods are for. To make the rare common, the reader first writes to lines
 * that are in no cache: the buffer drains in order, so the reader's word waits
 * behind them for hundreds of nanoseconds.
 *
 * tight: at the entry. The updater must not free what such a reader has found.
 * exit-race: at the exit. A driver must not sleep past such a reader's leaving;
 * nothing but a report wakes it here, so that a lost one hangs.
 */
#include "tests/torture/torture.h"

enum {
    NR_LINES = 12, /* a part of a store buffer, so that the rest of the section fits in */
    NR_OBJECTS = 64,
    LOOKS = 48, /* of a reader at its object: longer than a broken grace period (1 us) */
};

struct small_object {
    CACHE_ALIGNED unsigned is_freed; /* atomic */
};

static struct small_object objects[NR_OBJECTS];
static struct small_object *published = &objects[0];

static struct line {
    CACHE_ALIGNED unsigned value;
} lines[NR_LINES];

static void flush_lines(unsigned nr)
{
#if defined(__x86_64__) || defined(__i386__)
    for (unsigned i = 0; i < nr; i++)
        __asm__ volatile("clflush %0" : "+m"(lines[i]));
#else
    (void)nr;
#endif
}

/* With flushed lines: about 400 ns until the buffer is empty (measured, from 8 lines on). */
static void fill_store_buffer(unsigned nr)
{
    for (unsigned i = 0; i < nr; i++)
        store_relaxed(&lines[i].value, i);
}

static void tight_reader_run(struct worker *worker)
{
    while (torture_go_on(worker)) {
        for (int i = 0; i < 200; i++) {
            flush_lines(NR_LINES);
            fill_store_buffer(NR_LINES);
            rcu_read_lock();
            const struct small_object *object = atomic_rcu_read(&published);

            for (int look = 0; look < LOOKS; look++) {
                if (load_relaxed(&object->is_freed))
                    torture_fail("a reader has an object that was freed");
                cpu_relax();
            }
            rcu_read_unlock();
        }
    }
}

static void tight_updater_run(struct worker *worker)
{
    unsigned next = 1;

    while (torture_go_on(worker)) {
        for (int i = 0; i < 200; i++) {
            struct small_object *old = published;

            store_relaxed(&objects[next].is_freed, 0); /* a grace period has passed long since */
            atomic_rcu_set(&published, &objects[next]);
            next = (next + 1) % NR_OBJECTS;
            synchronize_rcu();
            store_relaxed(&old->is_freed, 1);
        }
    }
}

void tight_run(void)
{
    torture_spawn_pinned("reader", tight_reader_run, NULL, WORKER_READS | WORKER_PINNED, 0);
    torture_spawn_pinned("updater", tight_updater_run, NULL, WORKER_WATCHED | WORKER_PINNED, 1);
    torture_join();
}

/* ---- exit-race ----------------------------------------------------------------------- */

struct leaver {
    struct rcu_notifier notifier;
    bool is_kicked; /* atomic */
};

static void leaver_kick(struct rcu_notifier *notifier)
{
    store_relaxed(&container_of(notifier, struct leaver, notifier)->is_kicked, true);
}

/*
 * A driver that has kicked spins, and then marks the reader and sleeps. Half of
 * the exits come around the time of the marks. The other half come so late that
 * the driver learns not to spin for longer than its least, of 2 us. (A membarrier, of
 * 10 us, comes between the kick and the mark.)
 */
static void leaving_reader_run(struct worker *worker)
{
    struct leaver leaver = { .notifier = { .kick = leaver_kick } };

    rcu_add_force_rcu_notifier(&leaver.notifier);
    while (torture_go_on(worker)) {
        int64_t stay_ns = torture_one_in(worker, 2) ? 120000 : torture_below(worker, 20000);

        (void)atomic_xchg(&leaver.is_kicked, false); /* as kicked_reset() */
        rcu_read_lock();
        flush_lines(NR_LINES);
        while (!load_relaxed(&leaver.is_kicked) && !torture_is_over())
            cpu_relax();
        torture_spin_ns(stay_ns);
        fill_store_buffer(NR_LINES);
        rcu_read_unlock();
    }
    rcu_remove_force_rcu_notifier(&leaver.notifier);
}

static void waiting_updater_run(struct worker *worker)
{
    while (torture_go_on(worker))
        synchronize_rcu();
}

void exit_race_run(void)
{
    struct rcu_stats stats;

    torture_spawn_pinned("reader", leaving_reader_run, NULL, WORKER_READS | WORKER_PINNED, 0);
    torture_spawn_pinned("updater", waiting_updater_run, NULL, WORKER_WATCHED | WORKER_PINNED, 1);
    torture_join();
    rcu_get_stats(&stats);
    torture_note("%llu sleeps, %llu reports", (unsigned long long)stats.sleeps,
                 (unsigned long long)stats.reports);
    torture_check(stats.reports > 0);
}
