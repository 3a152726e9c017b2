/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "idle.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "peer.h"

static void check(int error)
{
    if (error) {
        fprintf(stderr, "idle threads: %s\n", strerror(error));
        abort();
    }
}

static void *sleep_registered(void *arg)
{
    pthread_barrier_t *barrier = arg;

    peers_begin_thread();
    (void)pthread_barrier_wait(barrier); /* all are registered */
    (void)pthread_barrier_wait(barrier); /* the samples are taken */
    peers_end_thread();
    return NULL;
}

void idle_threads_start(struct idle_threads *idle)
{
    check(pthread_barrier_init(&idle->barrier, NULL, IDLE_THREADS + 1));
    for (int i = 0; i < IDLE_THREADS; i++)
        check(pthread_create(&idle->threads[i], NULL, sleep_registered, &idle->barrier));
    (void)pthread_barrier_wait(&idle->barrier);
}

void idle_threads_stop(struct idle_threads *idle)
{
    (void)pthread_barrier_wait(&idle->barrier);
    for (int i = 0; i < IDLE_THREADS; i++)
        check(pthread_join(idle->threads[i], NULL));
    check(pthread_barrier_destroy(&idle->barrier));
}
