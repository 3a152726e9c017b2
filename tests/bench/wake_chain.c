/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How long a chain of threads takes that wake each other: what a path of as many hops costs on this
 * machine, under the load that there is now.
 *
 *     wake_chain HOPS ROUNDS
 *
 * One line: the nanoseconds of each round, from the first thread's write until it has read what the
 * last one wrote.
 */
#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "util/clock.h"

enum { HOPS_MAX = 16, ROUNDS_MAX = 100000, LEAST_PAUSE_US = 200, MOST_PAUSE_US = 2000 };

struct hop {
    int from, to;
};

static void pass(const struct hop *hop)
{
    uint64_t count;

    assert(read(hop->from, &count, sizeof(count)) == sizeof(count));
    assert(write(hop->to, &count, sizeof(count)) == sizeof(count));
}

static void *pass_on(void *arg)
{
    for (;;)
        pass(arg);
    return NULL;
}

/* The first thread wakes the second, and so on: @hops - 1 threads, and back to this one. */
static int64_t once(int first, int last)
{
    uint64_t one = 1;
    int64_t began = monotonic_ns();

    assert(write(first, &one, sizeof(one)) == sizeof(one));
    assert(read(last, &one, sizeof(one)) == sizeof(one));
    return monotonic_ns() - began;
}

int main(int argc, char **argv)
{
    static struct hop hops[HOPS_MAX];
    int fds[HOPS_MAX];
    const int nr = argc == 3 ? atoi(argv[1]) : 0, rounds = argc == 3 ? atoi(argv[2]) : 0;

    if (nr < 2 || nr > HOPS_MAX || rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: wake_chain HOPS ROUNDS (2 to %d, 1 to %d)\n", HOPS_MAX, ROUNDS_MAX);
        return 2;
    }
    for (int i = 0; i < nr; i++) {
        fds[i] = eventfd(0, EFD_CLOEXEC);
        assert(fds[i] >= 0);
    }
    for (int i = 1; i < nr; i++) {
        pthread_t thread;

        hops[i] = (struct hop){ .from = fds[i - 1], .to = fds[i] };
        int error = pthread_create(&thread, NULL, pass_on, &hops[i]);
        assert(!error);
    }
    for (int i = 0; i < rounds; i++) {
        usleep((useconds_t)(LEAST_PAUSE_US + rand() % (MOST_PAUSE_US - LEAST_PAUSE_US)));
        printf("%" PRId64 " ", once(fds[0], fds[nr - 1]));
    }
    printf("\n");
    return 0;
}
