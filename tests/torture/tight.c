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
    NR_LINES = 24, /* about half of a store buffer, so that the rest of the section fits in */
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

static void fill_store_buffer(unsigned nr)
{
#if defined(__x86_64__) || defined(__i386__)
    for (unsigned i = 0; i < nr; i++)
        __builtin_ia32_clflush(&lines[i]);
#endif
    for (unsigned i = 0; i < nr; i++)
        store_relaxed(&lines[i].value, i);
}

static void tight_reader_run(struct worker *worker)
{
    while (torture_go_on(worker)) {
        for (int i = 0; i < 200; i++) {
            unsigned nr_lines = torture_below(worker, NR_LINES);

            fill_store_buffer(nr_lines);
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

/* Longer than a driver spins (60 us), so that it learns to sleep instead. */
static void leaving_reader_run(struct worker *worker)
{
    while (torture_go_on(worker)) {
        for (int i = 0; i < 20; i++) {
            int64_t stay_ns = 20000 + torture_below(worker, 80000);
            unsigned nr_lines = torture_below(worker, NR_LINES);

            rcu_read_lock();
            torture_spin_ns(stay_ns);
            fill_store_buffer(nr_lines);
            rcu_read_unlock();
        }
    }
}

static void waiting_updater_run(struct worker *worker)
{
    while (torture_go_on(worker)) {
        synchronize_rcu();
        torture_spin_ns(torture_below(worker, 5000));
    }
}

void exit_race_run(void)
{
    torture_spawn_pinned("reader", leaving_reader_run, NULL, WORKER_READS | WORKER_PINNED, 0);
    torture_spawn_pinned("updater", waiting_updater_run, NULL, WORKER_WATCHED | WORKER_PINNED, 1);
    torture_join();
}
