/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The thread on the other core, and the proof that it was there.
 *
 * It runs one job at a time, pinned to its core, and beats: it publishes the
 * time every few dozen nanoseconds. A sample counts only if the beat was seen
 * to move right before and right after it and never paused for AWAY_NS, since
 * a reader that has lost its core makes membarrier look thirty times better
 * and a grace period a hundred times worse. Windows that fail are counted.
 *
 * Threads: the main thread starts and stops jobs; jobs call the other_*()
 * functions marked so.
 */
#ifndef TESTS_BENCH_OTHER_H
#define TESTS_BENCH_OTHER_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "samples.h"
#include "util/annotate.h"
#include "util/atomic.h"
#include "util/clock.h"

/*
 * A pause that only losing the core explains: far above an interrupt's cost
 * (3-15 µs in a virtual machine), far below a time slice (4 ms). A helper
 * thread of the scheme under test that takes the core for less stays in.
 */
#define AWAY_NS (100 * NS_PER_US)

/* A list to walk inside a section: 16 dependent loads, about 20 ns. */
struct node {
    const struct node *next;
    long value;
};

struct other {
    /* The main thread's. */
    void (*job)(struct other *other);
    void *arg;
    int64_t section_ns; /* for jobs with long sections */
    const struct node *list;
    uint32_t stop; /* atomic */

    /* The other thread's. */
    CACHE_ALIGNED int64_t beat_ns; /* atomic */
    uint64_t away;                 /* atomic: pauses longer than AWAY_NS */
    long sum;                      /* keeps the compiler from dropping the walks */

    /* guarded by lock */
    CACHE_ALIGNED pthread_mutex_t lock;
    pthread_cond_t changed;
    bool is_running;
    bool must_quit;
    pthread_t thread;
    pid_t tid;
    int cpu; /* -1: anywhere */
};

/** Start the thread; it registers with every scheme (peer.h). */
void other_init(struct other *other, int cpu);
void other_fini(struct other *other);

/** Run @job there; returns when it has beaten once. A job ends soon after other_must_stop(). */
void other_start(struct other *other, void (*job)(struct other *other), void *arg);
void other_stop(struct other *other);

/* ---- For jobs ------------------------------------------------------------- */

static inline bool other_must_stop(const struct other *other)
{
    return load_relaxed(&other->stop);
}

static inline int64_t other_beat(struct other *other)
{
    int64_t now = monotonic_ns();

    if (unlikely(now - other->beat_ns > AWAY_NS))
        store_relaxed(&other->away, other->away + 1);
    /* release: pairs with the acquire in sees_beat(), which then reads `away` */
    store_release(&other->beat_ns, now);
    return now;
}

static inline void other_walk(struct other *other)
{
    long sum = 0;

    for (const struct node *node = load_relaxed(&other->list); node; node = node->next)
        sum += node->value;
    store_relaxed(&other->sum, sum);
}

/* ---- For the measuring thread --------------------------------------------- */

struct window {
    int64_t start_ns;
    uint64_t away;
    bool is_good;
};

/** The reader is seen running; the time starts. */
struct window window_open(const struct other *other);

/** The time ends. Adds it to @samples in µs if the reader ran throughout, else counts it there. */
void window_close(const struct other *other, struct window *window, struct samples *samples);

#endif
