/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <execinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/lock.h"
#include "util/rcu.h"
#include "util/thread.h"

enum { STACK_FRAMES = 32 };

void lock_die(void (*more)(void), const char *format, ...)
{
    static pthread_mutex_t dying = PTHREAD_MUTEX_INITIALIZER; /* never given back */
    void *frames[STACK_FRAMES];
    va_list args;

    pthread_mutex_lock(&dying);
    fprintf(stderr, "gracevm: thread '%s': ", thread_name());
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fprintf(stderr, "\nthe stack of '%s':\n", thread_name());
    fflush(stderr);
    backtrace_symbols_fd(frames, backtrace(frames, STACK_FRAMES), STDERR_FILENO);
    if (more)
        more();
    abort();
}

/* ---- The order of locks, in debug builds ------------------------------------ */

#ifdef DEBUG_CHECKS
enum { HELD_MAX = 8 }; /* ranks only grow, so a right program holds at most three */

struct held {
    const void *lock;
    const char *name;
    enum lock_rank rank;
};

static __thread struct held held[HELD_MAX];
static __thread unsigned nr_held;

void lock_order_enter(const void *lock, const char *name, enum lock_rank rank)
{
    for (unsigned i = 0; i < nr_held; i++) {
        if (held[i].lock == lock)
            lock_die(NULL, "takes %s twice", name);
        if (held[i].rank >= rank)
            lock_die(NULL, "takes %s (rank %d) while it holds %s (rank %d)", name, rank,
                     held[i].name, held[i].rank);
    }
    held[nr_held++] = (struct held){ lock, name, rank }; /* strictly growing ranks: it fits */
}

void lock_order_leave(const void *lock, const char *name)
{
    for (unsigned i = 0; i < nr_held; i++) {
        if (held[i].lock != lock)
            continue;
        nr_held--;
        memmove(&held[i], &held[i + 1], (nr_held - i) * sizeof(held[0]));
        return;
    }
    lock_die(NULL, "gives %s back, which it does not hold", name);
}

void lock_order_may_sleep(void)
{
    if (nr_held > 0)
        lock_die(NULL, "waits for a condition while it holds %s", held[0].name);
}
#endif

/* ---- Mutexes ---------------------------------------------------------------- */

static void check(const struct mutex *mutex, const char *what, int error)
{
    if (unlikely(error))
        lock_die(NULL, "cannot %s %s: %s", what, mutex->name, strerror(error));
}

void mutex_init(struct mutex *mutex, const char *name, enum lock_rank rank)
{
    *mutex = (struct mutex)MUTEX_INIT(name, rank);
}

void mutex_fini(struct mutex *mutex)
{
    check(mutex, "destroy", pthread_mutex_destroy(&mutex->pthread));
}

void mutex_lock(struct mutex *mutex) NO_THREAD_SAFETY
{
    lock_order_enter(mutex, mutex->name, mutex->rank);
    check(mutex, "lock", pthread_mutex_lock(&mutex->pthread));
}

void mutex_unlock(struct mutex *mutex) NO_THREAD_SAFETY
{
    lock_order_leave(mutex, mutex->name);
    check(mutex, "unlock", pthread_mutex_unlock(&mutex->pthread));
}

void mutex_assert_held(struct mutex *mutex) NO_THREAD_SAFETY
{
#ifdef DEBUG_CHECKS
    for (unsigned i = 0; i < nr_held; i++) {
        if (held[i].lock == mutex)
            return;
    }
    lock_die(NULL, "should hold %s here, and does not", mutex->name);
#else
    (void)mutex;
#endif
}

/* ---- Conditions ------------------------------------------------------------- */

enum wait_result condition_wait(struct condition *condition, struct mutex *mutex,
                                int64_t deadline_ns) NO_THREAD_SAFETY
{
    /* Under the lock, so that no broadcast falls between the caller's look and the ticket. */
    uint32_t ticket = sequence_prepare(&condition->sequence);
    enum wait_result result;

    mutex_unlock(mutex);
    lock_order_may_sleep();
    rcu_keep_promise();
    result = sequence_wait(&condition->sequence, ticket, deadline_ns);
    mutex_lock(mutex);
    return result;
}

void condition_broadcast(struct condition *condition)
{
    sequence_advance(&condition->sequence);
}
