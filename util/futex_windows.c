/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Windows back end (8 and later). The system compares the word and queues
 * the sleeper under one lock, as the Linux futex does. Its time-outs are
 * relative and in milliseconds, and end on a tick that may come before the
 * time: so they are rounded up, and the clock has the last word.
 */
#define _WIN32_WINNT 0x0602 /* WaitOnAddress */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <windows.h>

#include "util/annotate.h"
#include "util/atomic.h"
#include "util/clock.h"
#include "util/futex.h"

/* @left_ns in milliseconds, rounded up. Far deadlines are reached in several waits of 49 days. */
static DWORD wait_ms(int64_t left_ns)
{
    const int64_t ms = left_ns / NS_PER_MS + (left_ns % NS_PER_MS != 0);

    return ms < INFINITE ? (DWORD)ms : INFINITE - 1;
}

enum wait_result futex_timedwait(const uint32_t *word, uint32_t expected, int64_t deadline_ns)
{
    while (load_relaxed(word) == expected) {
        DWORD ms = INFINITE;

        if (deadline_ns != DEADLINE_NEVER) {
            const int64_t now_ns = monotonic_ns();

            /* Compared before it is subtracted: a deadline near INT64_MIN would overflow. */
            if (deadline_ns <= now_ns)
                return TIMED_OUT;
            ms = wait_ms(deadline_ns - now_ns);
        }
        if (WaitOnAddress((volatile void *)(uintptr_t)word, &expected, sizeof(expected), ms))
            return WOKEN;
        if (GetLastError() != ERROR_TIMEOUT) {
            (void)fprintf(stderr, "futex: wait: error %lu\n", GetLastError());
            abort();
        }
    }
    return WOKEN;
}

/* The address is a name only, as on Linux: its memory may be gone by now. */
void futex_wake(const uint32_t *word, int nr)
{
    void *address = (void *)(uintptr_t)word;

    if (nr == INT_MAX) {
        WakeByAddressAll(address);
        return;
    }
    for (int i = 0; i < nr; i++)
        WakeByAddressSingle(address);
}
