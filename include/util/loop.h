/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The main loop: GLib's default main context, run with the BQL held.
 *
 * Everything it calls (sources of GLib and of libraries, watches, timers,
 * deferred calls) runs on the main thread under the BQL. The BQL is dropped in
 * the one place where the loop sleeps, the context's poll function; so it is
 * dropped just as well when library code iterates the context by itself.
 *
 * Each turn, with the BQL dropped and before it sleeps, the loop helps RCU to
 * end forced grace periods.
 *
 * Threads: loop_defer(), loop_call() and loop_quit() from any thread and from
 * signal handlers (not loop_call, which allocates), with any locks held, before
 * the loop runs and after it has ended. What REQUIRES(bql) may be called from
 * any thread with the BQL. loop_run() and what it calls: the main thread.
 */
#ifndef UTIL_LOOP_H
#define UTIL_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "util/bql.h"

/** Once, on the thread that will run it. From then on the default context drops the BQL in poll. */
void loop_init(void) REQUIRES(bql);

/** No other thread defers any more. Deferred calls that have not run will not. */
void loop_fini(void) REQUIRES(bql);

/** Run until loop_quit(); at once, if that has been called since the last loop_run(). */
void loop_run(void) REQUIRES(bql);

/** One turn; waits for something to do if @may_block. Whether it did something. */
bool loop_iterate(bool may_block) REQUIRES(bql);

/** End loop_run() after the current turn. Any thread, signal handlers. */
void loop_quit(void);

/** Whether the calling thread is the main thread (the one that called loop_init). */
bool loop_is_mine(void);

/* ---- Deferred calls ----------------------------------------------------------- */

/*
 * A function that the main loop is to call. Owned by whoever defers it; must
 * stay until it has run or been cancelled. In static storage: DEFERRED_INIT.
 */
struct deferred {
    void (*fn)(struct deferred *deferred);
    struct deferred *next; /* private */
    uint32_t is_pending;   /* private; atomic */
};

#define DEFERRED_INIT(function)                                                                    \
    {                                                                                              \
        .fn = (function)                                                                           \
    }

static inline void deferred_init(struct deferred *deferred, void (*fn)(struct deferred *deferred))
{
    *deferred = (struct deferred)DEFERRED_INIT(fn);
}

/**
 * Call @deferred->fn on the main loop, once, in the order of the calls of
 * loop_defer() and loop_call(). False if it was pending already: it then runs in
 * its first place, and sees all that was written before this call. It may defer
 * itself again from its function: other work of the loop comes first.
 */
bool loop_defer(struct deferred *deferred);

/** After this it is not pending, and not running unless it is what calls. */
void loop_cancel(struct deferred *deferred) REQUIRES(bql);

/** Call @fn(@arg) on the main loop. Allocates; each call is made. */
void loop_call(void (*fn)(void *arg), void *arg);

/* ---- Timers -------------------------------------------------------------------- */

/*
 * Runs @fn once at or after a deadline of monotonic_ns(); GLib's own know only
 * microseconds, and wake after milliseconds. All zero bytes but fn is ready.
 */
struct loop_timer {
    void (*fn)(struct loop_timer *timer);
    int64_t deadline_ns; /* private; guarded by the BQL */
    unsigned place;      /* private: in the heap, from 1; 0: not armed */
};

/** Arm, or move. A deadline in the past is due in the next turn; DEADLINE_NEVER disarms. */
void loop_timer_set(struct loop_timer *timer, int64_t deadline_ns) REQUIRES(bql);

static inline void loop_timer_cancel(struct loop_timer *timer) REQUIRES(bql)
{
    loop_timer_set(timer, DEADLINE_NEVER);
}

static inline bool loop_timer_is_set(const struct loop_timer *timer) REQUIRES(bql)
{
    return timer->place != 0;
}

/* ---- File descriptors ---------------------------------------------------------- */

struct loop_watch; /* opaque */

/** Stop watching and free; fine from its own function. The descriptor stays open. */
void loop_watch_free(struct loop_watch *watch) REQUIRES(bql);

/**
 * Call @fn whenever @fd has one of @events (POLLIN, POLLOUT) or an error. @events
 * of 0 pauses: then errors and hang-ups are not reported either.
 */
struct loop_watch *loop_watch_new(int fd, short events, void (*fn)(void *arg, short revents),
                                  void *arg) REQUIRES(bql) OWNED_BY(loop_watch_free);
void loop_watch_set_events(struct loop_watch *watch, short events) REQUIRES(bql);

#endif
