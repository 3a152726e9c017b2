/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Mutexes that compilers check, and conditions.
 *
 * A mutex has a name and a rank. Ranks only grow along what one thread holds:
 * the BQL, then one device or queue lock, then one leaf lock, under which
 * nothing else is locked. A debug build (-Ddebug_checks=true) keeps each
 * thread's locks on a stack, and aborts naming both when one is taken out of
 * order, twice, or given back by a thread that does not hold it.
 *
 * Threads: any; not in signal handlers.
 * Lifetime: plain memory; nobody may hold it or wait when it goes.
 */
#ifndef UTIL_LOCK_H
#define UTIL_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/annotate.h"
#include "util/event.h"

/* docs/locking.md, "Order". */
enum lock_rank {
    RANK_BQL = 1,
    RANK_DEVICE, /* device and queue locks */
    RANK_LEAF,   /* calls nothing that locks */
};

struct CAPABILITY("mutex") mutex {
    pthread_mutex_t pthread;
    const char *name; /* for reports; must outlive the mutex */
    enum lock_rank rank;
};

/* pthread's own check costs a comparison; it finds the stranger's unlock. */
#ifdef DEBUG_CHECKS
#define MUTEX_PTHREAD_INIT_ PTHREAD_ERRORCHECK_MUTEX_INITIALIZER_NP
#else
#define MUTEX_PTHREAD_INIT_ PTHREAD_MUTEX_INITIALIZER
#endif

/** For a mutex in static storage. */
#define MUTEX_INIT(name, rank)                                                                     \
    {                                                                                              \
        MUTEX_PTHREAD_INIT_, (name), (rank)                                                        \
    }

void mutex_init(struct mutex *mutex, const char *name, enum lock_rank rank);
void mutex_fini(struct mutex *mutex);

void mutex_lock(struct mutex *mutex) ACQUIRE(mutex);
void mutex_unlock(struct mutex *mutex) RELEASE(mutex);

/** First line of what is called through a pointer with it held. Debug builds check. */
void mutex_assert_held(struct mutex *mutex) ASSERT_HELD(mutex);

/** Held until the end of the enclosing block. Not together with mutex_lock() in one function. */
#define MUTEX_GUARD(lock)                                                                          \
    CLEANUP(mutex_guard_end) UNUSED struct mutex *mutex_guard_ = mutex_guard_begin(lock)

/** Held around one block: `WITH_MUTEX(&m) { ... }`. Leaving it by return or break is fine. */
#define WITH_MUTEX(lock)                                                                           \
    for (CLEANUP(mutex_guard_end) struct mutex *mutex_guard_ = mutex_guard_begin(lock);            \
         mutex_guard_; mutex_guard_end(&mutex_guard_), mutex_guard_ = NULL)

/*
 * A claim, not an acquisition: clang cannot tell that what the cleanup releases
 * through the guard variable is the mutex that was named here, and would report
 * it as still held. The body is checked, the end of the scope is not.
 */
static inline struct mutex *mutex_guard_begin(struct mutex *mutex) ASSERT_HELD(mutex)
    NO_THREAD_SAFETY
{
    mutex_lock(mutex);
    return mutex;
}

static inline void mutex_guard_end(struct mutex *const *guard) NO_THREAD_SAFETY
{
    if (*guard)
        mutex_unlock(*guard);
}

/* What threads wait for that hold a mutex, or the BQL (bql_wait). All zero bytes is ready. */
struct condition {
    struct sequence sequence;
};

#define CONDITION_INIT ((struct condition){ SEQUENCE_INIT })

/**
 * Give @mutex back, sleep until condition_broadcast() or @deadline_ns, take it
 * again. Look at what is waited for in a loop: WOKEN does not say that it holds.
 * No other lock may be held; debug builds check.
 */
enum wait_result condition_wait(struct condition *condition, struct mutex *mutex,
                                int64_t deadline_ns) REQUIRES(mutex);

/** Wake all that wait. Called with the lock held under which the waiters looked. */
void condition_broadcast(struct condition *condition);

/* The debug builds' stack of ranks, for locks that are not a struct mutex. */
#ifdef DEBUG_CHECKS
void lock_order_enter(const void *lock, const char *name, enum lock_rank rank);
void lock_order_leave(const void *lock, const char *name);
void lock_order_may_sleep(void); /* on a condition, whose own lock has been given back */
#else
static inline void lock_order_enter(const void *lock UNUSED, const char *name UNUSED,
                                    enum lock_rank rank UNUSED)
{
}

static inline void lock_order_leave(const void *lock UNUSED, const char *name UNUSED)
{
}

static inline void lock_order_may_sleep(void)
{
}
#endif

/**
 * Print who did what to which lock, the caller's stack, and what @more prints
 * (NULL: nothing); abort. Of threads that die at once the first is heard, whole.
 */
void lock_die(void (*more)(void), const char *format, ...) PRINTF_LIKE(2, 3) COLD
    __attribute__((noreturn));

#endif
