/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Sleep on a 32-bit word until somebody changes it and says so.
 *
 * The floor under events, RCU and SRCU. Three back ends, chosen at build time:
 * the Linux futex (64-bit time on 32-bit hosts too), Windows WaitOnAddress, and
 * a hashed table of pthread conditions elsewhere (or with -Dfutex=pthread).
 *
 * Threads: any. Waking is safe in a signal handler with the Linux back end.
 * Time: absolute, in nanoseconds of monotonic_ns(). Process-private words only.
 */
#ifndef UTIL_FUTEX_H
#define UTIL_FUTEX_H

#include <stdint.h>

/* How a timed wait ended. Never a bool: "false" once meant both, in another emulator. */
enum wait_result {
    WOKEN,     /* woken, or the word was not what was expected, or for no reason at all */
    TIMED_OUT, /* the deadline has passed and nothing else was seen */
};

/* A deadline that never comes. Any negative deadline has passed. */
#define DEADLINE_NEVER INT64_MAX

/**
 * Sleep until futex_wake() on @word or @deadline_ns, provided that *@word still
 * is @expected when the kernel looks. Returns at once when it is not, or when
 * the deadline has passed. Interrupted waits are resumed; spurious returns are
 * WOKEN, so a caller looks at its condition again in a loop.
 */
enum wait_result futex_timedwait(const uint32_t *word, uint32_t expected, int64_t deadline_ns);

/** Wake at most @nr sleepers on @word (INT_MAX: all). The change of *@word comes first. */
void futex_wake(const uint32_t *word, int nr);

#endif
