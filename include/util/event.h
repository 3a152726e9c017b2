/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Two ways to wait for another thread.
 *
 * struct event: a flag that stays set until reset; for one waiter that resets,
 * looks, and waits. With several waiters one's reset eats the other's wake-up:
 * they use a sequence.
 *
 * struct sequence: a number that only grows. A waiter takes a ticket, looks at
 * its condition, and sleeps unless the number has moved since; nobody can take
 * a wake-up from anybody else (tests/litmus/two_drivers.pml shows both cases).
 *
 * Threads: any. Setting and advancing are safe in signal handlers on Linux.
 * Ordering: what a thread did before event_set()/sequence_advance() is seen by
 * whoever returns from a wait because of it.
 * Lifetime: plain memory, nothing to free; nobody may be waiting when it goes.
 * Whoever returns from event_wait() may free the event, even before the
 * event_set() behind it has returned. A sequence must outlive its advances.
 */
#ifndef UTIL_EVENT_H
#define UTIL_EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include "util/futex.h"

struct event {
    uint32_t state; /* see event.c; atomic */
};

#define EVENT_INIT ((struct event){ 0 })

void event_init(struct event *event, bool is_set);

/** Set, and wake every waiter. A full barrier: work published before it is seen after the wait. */
void event_set(struct event *event);

/** Clear. A full barrier: look at the work *after* it, then wait. */
void event_reset(struct event *event);

bool event_is_set(const struct event *event);
void event_wait(struct event *event);

/** WOKEN if the event was seen set, even past @deadline_ns; else TIMED_OUT, never early. */
enum wait_result event_timedwait(struct event *event, int64_t deadline_ns);

struct sequence {
    uint32_t number;   /* advanced by whoever has news; atomic */
    uint32_t sleepers; /* between prepare and wait/cancel; atomic */
};

#define SEQUENCE_INIT ((struct sequence){ 0, 0 })

/**
 * Announce a sleeper and take a ticket; a full barrier. Then look at the
 * condition, and call exactly one of sequence_wait() and sequence_cancel().
 */
uint32_t sequence_prepare(struct sequence *sequence);

/** Sleep until the number leaves @ticket (WOKEN), or until @deadline_ns (TIMED_OUT). */
enum wait_result sequence_wait(struct sequence *sequence, uint32_t ticket, int64_t deadline_ns);
void sequence_cancel(struct sequence *sequence);

/** News: move the number and wake all sleepers. A system call only if there are any. */
void sequence_advance(struct sequence *sequence);

#endif
