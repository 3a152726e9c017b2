/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Threads that are registered with every scheme and asleep outside any section.
 */
#ifndef TESTS_BENCH_IDLE_H
#define TESTS_BENCH_IDLE_H

#include <pthread.h>

enum { IDLE_THREADS = 64 };

struct idle_threads {
    pthread_t threads[IDLE_THREADS];
    pthread_barrier_t barrier;
};

/** Returns when all are registered. */
void idle_threads_start(struct idle_threads *idle);
void idle_threads_stop(struct idle_threads *idle);

#endif
