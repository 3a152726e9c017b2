/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A clock that stops with the machine.
 *
 * Reading takes no lock and never goes back, on any thread, across any number
 * of stops. Only guest_clock_set() makes it jump.
 */
#ifndef UTIL_GUEST_CLOCK_H
#define UTIL_GUEST_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "util/bql.h"

/* Within ± 73 years. All zero bytes: stopped at 0. */
struct guest_clock {
    int64_t word; /* see guest_clock.c; atomic */
};

/** Go on, stop, jump to @guest_ns (stopped or not). Again is fine. */
void guest_clock_start(struct guest_clock *clock) REQUIRES(bql);
void guest_clock_stop(struct guest_clock *clock) REQUIRES(bql);
void guest_clock_set(struct guest_clock *clock, int64_t guest_ns) REQUIRES(bql);

/** What it shows, in nanoseconds. Any thread. */
int64_t guest_clock_now(const struct guest_clock *clock);
bool guest_clock_is_running(const struct guest_clock *clock);

/** When, in monotonic_ns(), it will show @guest_ns if it goes on; DEADLINE_NEVER while stopped. */
int64_t guest_clock_deadline(const struct guest_clock *clock, int64_t guest_ns);

#endif
