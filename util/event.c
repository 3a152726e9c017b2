/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <limits.h>

#include "util/atomic.h"
#include "util/event.h"

/*
 * An event is unset (0), set, or unset with waiters, so that setting costs a
 * system call only when somebody may sleep. EVENT_WAITED is left by a waiter
 * that timed out; the next set then makes one call for nothing.
 */
enum {
    EVENT_SET = 1,
    EVENT_WAITED = 2,
};

void event_init(struct event *event, bool is_set)
{
    event->state = is_set ? EVENT_SET : 0;
}

/*
 * All changes of the state are read-modify-write operations, each reading from
 * the one before. So whoever sees this set, or any later change, has acquired
 * what we did before: event_reset() that wipes it out and event_timedwait() alike.
 */
void event_set(struct event *event)
{
    /* release: pairs with the acquires in event_timedwait(), event_is_set(), event_reset() */
    const uint32_t before = atomic_xchg(&event->state, EVENT_SET);

    smp_mb_after_rmw(); /* the promise of event.h for callers; nothing in here needs it */

    /* From here on the event may be gone: only its address is used (futex_wake()). */
    if (before & EVENT_WAITED)
        futex_wake(&event->state, INT_MAX);
}

void event_reset(struct event *event)
{
    /* acquire: pairs with event_set(). Either we wipe out a set and the caller then sees the work
     * before it, or the set comes later and ends the caller's next wait. */
    fetch_and(&event->state, ~(uint32_t)EVENT_SET);
    smp_mb_after_rmw(); /* the caller's look at the work stays behind the store as well */
}

bool event_is_set(const struct event *event)
{
    return load_acquire(&event->state) == EVENT_SET; /* pairs with event_set() */
}

void event_wait(struct event *event)
{
    (void)event_timedwait(event, DEADLINE_NEVER); /* cannot time out */
}

enum wait_result event_timedwait(struct event *event, int64_t deadline_ns)
{
    for (;;) {
        uint32_t state = load_acquire(&event->state); /* pairs with event_set() */

        if (state == EVENT_SET)
            return WOKEN;
        if (deadline_ns <= 0)
            return TIMED_OUT; /* a mere look must not leave EVENT_WAITED behind */
        if (state == 0 && !atomic_cas(&event->state, &state, EVENT_WAITED))
            continue; /* set, or another waiter was quicker */
        if (futex_timedwait(&event->state, EVENT_WAITED, deadline_ns) == TIMED_OUT)
            return event_is_set(event) ? WOKEN : TIMED_OUT;
    }
}

/*
 * Why no wake-up is lost: a sleeper counts itself in, then reads the number;
 * an advance moves the number, then reads the count; each with a full barrier
 * between. So at least one sees the other: either the sleeper's ticket is the
 * new number and its look at the condition sees the news, or the advance sees
 * the sleeper and wakes. In that case the sleeper is in the kernel already, or
 * the kernel compares the number with the old ticket and does not let it sleep.
 *
 * A number that moves 2^32 times while a sleeper is on its way into the kernel
 * would look unmoved. At one advance every 10 ns that is 43 s of preemption.
 */
uint32_t sequence_prepare(struct sequence *sequence)
{
    fetch_add(&sequence->sleepers, 1);
    smp_mb_after_rmw(); /* count in, then look: pairs with the barrier in sequence_advance() */
    return load_acquire(&sequence->number); /* pairs with sequence_advance() */
}

enum wait_result sequence_wait(struct sequence *sequence, uint32_t ticket, int64_t deadline_ns)
{
    enum wait_result result = WOKEN;

    while (result == WOKEN && load_acquire(&sequence->number) == ticket)
        result = futex_timedwait(&sequence->number, ticket, deadline_ns);
    /* acquire: pairs with sequence_advance(); news at the last moment is no time-out */
    if (load_acquire(&sequence->number) != ticket)
        result = WOKEN;
    sequence_cancel(sequence);
    return result;
}

void sequence_cancel(struct sequence *sequence)
{
    fetch_sub(&sequence->sleepers, 1);
}

void sequence_advance(struct sequence *sequence)
{
    /* release: pairs with the acquires of the number in sequence_prepare() and sequence_wait() */
    fetch_add(&sequence->number, 1);
    smp_mb_after_rmw(); /* move, then look: pairs with the barrier in sequence_prepare() */
    if (load_relaxed(&sequence->sleepers))
        futex_wake(&sequence->number, INT_MAX);
}
