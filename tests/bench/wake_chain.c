/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What it costs on this machine to make busy threads take note, with nothing else to do: they spin
 * as processors of guests do, each sees a flag, the last one wakes a thread, and that one wakes who
 * has raised it. A forced grace period is such a chain: processors leave, one wakes who drives it,
 * and that one the thread that runs its callbacks.
 *
 *     wake_chain THREADS ROUNDS
 *
 * One line: the nanoseconds of each round, from the flag until this thread runs again.
 */
#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "util/atomic.h"
#include "util/clock.h"

enum { THREADS_MAX = 64, ROUNDS_MAX = 100000, LEAST_PAUSE_US = 200, MOST_PAUSE_US = 2000 };

static uint32_t flag, nr_left; /* atomic */
static int relayed, woken;

static void *spin(void *unused)
{
    uint32_t seen = 0;

    (void)unused;
    for (;;) {
        uint64_t one = 1;

        if (load_acquire(&flag) == seen)
            continue;
        seen++;
        if (fetch_sub(&nr_left, 1) == 1)
            assert(write(relayed, &one, sizeof(one)) == sizeof(one));
    }
    return NULL;
}

static void *relay(void *unused)
{
    uint64_t count;

    (void)unused;
    for (;;) {
        assert(read(relayed, &count, sizeof(count)) == sizeof(count));
        assert(write(woken, &count, sizeof(count)) == sizeof(count));
    }
    return NULL;
}

static void start(void *(*function)(void *))
{
    pthread_t thread;
    int error = pthread_create(&thread, NULL, function, NULL);

    assert(!error);
}

static int64_t once(uint32_t nr_threads)
{
    int64_t began = monotonic_ns();
    uint64_t count;

    store_relaxed(&nr_left, nr_threads);
    store_release(&flag, flag + 1);
    assert(read(woken, &count, sizeof(count)) == sizeof(count));
    return monotonic_ns() - began;
}

int main(int argc, char **argv)
{
    const int nr_threads = argc == 3 ? atoi(argv[1]) : 0, rounds = argc == 3 ? atoi(argv[2]) : 0;

    if (nr_threads < 1 || nr_threads > THREADS_MAX || rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: wake_chain THREADS ROUNDS (1 to %d, 1 to %d)\n", THREADS_MAX,
                ROUNDS_MAX);
        return 2;
    }
    relayed = eventfd(0, EFD_CLOEXEC);
    woken = eventfd(0, EFD_CLOEXEC);
    assert(relayed >= 0 && woken >= 0);
    start(relay);
    for (int i = 0; i < nr_threads; i++)
        start(spin);
    for (int i = 0; i < rounds; i++) {
        usleep((useconds_t)(LEAST_PAUSE_US + rand() % (MOST_PAUSE_US - LEAST_PAUSE_US)));
        printf("%" PRId64 " ", once((uint32_t)nr_threads));
    }
    printf("\n");
    return 0;
}
