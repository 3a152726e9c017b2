/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What clang's thread-safety analysis must accept (CASE 0) and must refuse
 * (each other CASE). Compiled by thread_safety.sh, never run.
 */
#include "util/bql.h"
#include "util/loop.h"
#include "util/rcu_reader.h"

#define MUST_BE_SILENT 0

int outcome(struct mutex *mutex);
static int guarded GUARDED_BY(bql);

static void needs_bql(void) REQUIRES(bql)
{
    guarded++;
}

static void takes_bql(void) EXCLUDES(bql)
{
    bql_lock();
    guarded++;
    bql_unlock();
}

static void needs_mutex(struct mutex *mutex) REQUIRES(*mutex)
{
    (void)mutex;
}

#if CASE == MUST_BE_SILENT
/* [with_bql] */
static int leaves_by_return(int n)
{
    WITH_BQL () {
        needs_bql();
        if (n)
            return guarded;
    }
    return 0;
}
/* [end] */

/* [assert_held] */
static void asserts(void)
{
    bql_assert_held(); /* called through a pointer, where clang sees nothing */
    needs_bql();
}
/* [end] */

static void holds_to_the_end(struct mutex *mutex)
{
    BQL_GUARD();
    needs_bql();
    {
        MUTEX_GUARD(mutex);
        needs_mutex(mutex);
    }
    rcu_read_lock();
    guarded++;
    rcu_read_unlock();
}

static void with_mutex(struct mutex *mutex)
{
    for (int i = 0; i < 3; i++) {
        WITH_MUTEX (mutex) {
            needs_mutex(mutex);
            if (i == 1)
                break;
        }
    }
}

static void waits(struct condition *condition, struct mutex *mutex)
{
    bql_lock();
    while (!guarded)
        (void)bql_wait(condition, 0);
    bql_unlock();
    mutex_lock(mutex);
    (void)condition_wait(condition, mutex, 0);
    mutex_unlock(mutex);
}

int outcome(struct mutex *mutex)
{
    struct condition condition = CONDITION_INIT;

    takes_bql();
    asserts();
    holds_to_the_end(mutex);
    with_mutex(mutex);
    waits(&condition, mutex);
    return leaves_by_return(1);
}

#else            /* Each of these is wrong. */

int outcome(struct mutex *mutex)
{
    struct condition condition = CONDITION_INIT;

    (void)condition;
#if CASE == 1    /* a guarded datum without the lock */
    guarded = 1;
#elif CASE == 2  /* a call that needs the lock */
    needs_bql();
#elif CASE == 3  /* held at the end */
    bql_lock();
#elif CASE == 4  /* released twice */
    bql_lock();
    bql_unlock();
    bql_unlock();
#elif CASE == 5  /* taken again under the guard, by a function that says so */
    WITH_BQL () {
        takes_bql();
    }
#elif CASE == 6  /* a wait without the lock */
    (void)bql_wait(&condition, 0);
#elif CASE == 7  /* the loop without the lock */
    loop_run();
#elif CASE == 8  /* the mutex of another function's claim */
    needs_mutex(mutex);
#elif CASE == 9  /* a mutex held at the end */
    mutex_lock(mutex);
#elif CASE == 10 /* a condition without its mutex */
    (void)condition_wait(&condition, mutex, 0);
#elif CASE == 11 /* a section that is not left */
    rcu_read_lock();
#elif CASE == 12 /* after the guarded block; clang < 18 cannot tell */
    WITH_BQL () {
        needs_bql();
    }
    needs_bql();
#else
#error no such case
#endif
    (void)needs_bql;
    (void)takes_bql;
    (void)needs_mutex;
    (void)mutex;
    return 0;
}
#endif
