/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The portable back end. Words are hashed by address into buckets of a mutex
 * and a condition. A sleeper compares its word under the bucket's mutex, and a
 * waker takes that mutex after the word has changed: either the sleeper sees
 * the change, or it is waiting when the waker broadcasts.
 *
 * Sleepers of all words in a bucket wake together, whatever @nr says. Those for
 * whom it was not meant return WOKEN for no reason, as the contract allows.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "util/annotate.h"
#include "util/atomic.h"
#include "util/clock.h"
#include "util/futex.h"

/* More than the threads that sleep at once in a machine of 32 CPUs. */
enum { NR_BUCKETS = 64 };

static struct bucket {
    pthread_mutex_t lock;
    pthread_cond_t changed;
} CACHE_ALIGNED buckets[NR_BUCKETS];

static pthread_once_t buckets_once = PTHREAD_ONCE_INIT;

static void check(int error, const char *what)
{
    if (likely(error == 0))
        return;
    (void)fprintf(stderr, "futex: %s: %s\n", what, strerror(error));
    abort();
}

static void buckets_init(void)
{
    pthread_condattr_t attributes;

    check(pthread_condattr_init(&attributes), "condition attributes");
    check(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC), "monotonic conditions");
    for (size_t i = 0; i < NR_BUCKETS; i++) {
        check(pthread_mutex_init(&buckets[i].lock, NULL), "mutex");
        check(pthread_cond_init(&buckets[i].changed, &attributes), "condition");
    }
    check(pthread_condattr_destroy(&attributes), "condition attributes");
}

/*
 * A child of fork() has one thread, so no sleeper and no holder of a lock, but
 * the buckets still name those of the parent. Nothing else is in them: begin anew.
 */
static void buckets_start(void)
{
    buckets_init();
    check(pthread_atfork(NULL, NULL, buckets_init), "atfork");
}

static struct bucket *bucket_lock(const uint32_t *word)
{
    /* Fibonacci hashing: the middle bits of the product depend on all of the address. */
    const uint64_t hash = (uint64_t)(uintptr_t)word * UINT64_C(0x9e3779b97f4a7c15);
    struct bucket *bucket = &buckets[(hash >> 32) % NR_BUCKETS];

    check(pthread_once(&buckets_once, buckets_start), "once");
    check(pthread_mutex_lock(&bucket->lock), "lock");
    return bucket;
}

/* One wait; ETIMEDOUT may be too early where seconds have 32 bits. The bucket is locked. */
static int bucket_wait(struct bucket *bucket, int64_t deadline_ns)
{
    const int64_t most_seconds = sizeof(time_t) < 8 ? INT32_MAX : INT64_MAX;
    const int64_t seconds = deadline_ns / NS_PER_S;
    struct timespec at;

    if (deadline_ns == DEADLINE_NEVER)
        return pthread_cond_wait(&bucket->changed, &bucket->lock);
    at.tv_sec = (time_t)(seconds < most_seconds ? seconds : most_seconds);
    at.tv_nsec = (long)(deadline_ns % NS_PER_S);
    return pthread_cond_timedwait(&bucket->changed, &bucket->lock, &at);
}

enum wait_result futex_timedwait(const uint32_t *word, uint32_t expected, int64_t deadline_ns)
{
    struct bucket *bucket = bucket_lock(word);
    enum wait_result result = WOKEN;

    while (load_relaxed(word) == expected) {
        if (monotonic_ns() >= deadline_ns) {
            result = TIMED_OUT;
            break;
        }
        int error = bucket_wait(bucket, deadline_ns);

        if (error != ETIMEDOUT) {
            check(error, "wait");
            break;
        }
    }
    check(pthread_mutex_unlock(&bucket->lock), "unlock");
    return result;
}

void futex_wake(const uint32_t *word, int nr UNUSED)
{
    struct bucket *bucket = bucket_lock(word);

    check(pthread_cond_broadcast(&bucket->changed), "broadcast");
    check(pthread_mutex_unlock(&bucket->lock), "unlock");
}
