/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Time, in nanoseconds.
 */
#ifndef UTIL_CLOCK_H
#define UTIL_CLOCK_H

#include <stdint.h>

#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

/** Host time that never goes back and does not count suspension. Signal-safe. */
int64_t monotonic_ns(void);

/** @now + @delay without overflow: past the end of time is DEADLINE_NEVER. */
int64_t deadline_after_ns(int64_t now_ns, int64_t delay_ns);

#endif
