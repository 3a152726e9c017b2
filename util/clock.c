/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifdef _WIN32
#include <windows.h>
#else
#include <time.h>
#endif

#include "util/clock.h"
#include "util/futex.h" /* DEADLINE_NEVER */

#ifdef _WIN32
/* The performance counter goes on during suspension; Windows has no finer clock that stops. */
int64_t monotonic_ns(void)
{
    LARGE_INTEGER rate;
    LARGE_INTEGER ticks;

    /* Neither call can fail since Windows XP; both only read memory. */
    QueryPerformanceFrequency(&rate);
    QueryPerformanceCounter(&ticks);
    /* In two parts, since ticks * NS_PER_S overflows after 15 minutes at the usual 10 MHz. */
    return ticks.QuadPart / rate.QuadPart * NS_PER_S +
           ticks.QuadPart % rate.QuadPart * NS_PER_S / rate.QuadPart;
}
#else
int64_t monotonic_ns(void)
{
    struct timespec now;

    /* Fails only for a clock that does not exist, and POSIX lists it as signal-safe. */
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}
#endif

int64_t deadline_after_ns(int64_t now_ns, int64_t delay_ns)
{
    int64_t deadline_ns;

    if (__builtin_add_overflow(now_ns, delay_ns, &deadline_ns))
        return delay_ns > 0 ? DEADLINE_NEVER : INT64_MIN;
    return deadline_ns;
}
