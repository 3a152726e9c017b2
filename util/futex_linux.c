/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The Linux back end. The kernel compares the word and queues the sleeper under
 * one lock, which futex_wake() takes too: a change of the word followed by a
 * wake cannot fall between the two.
 *
 * FUTEX_WAIT_BITSET is the wait whose time-out is absolute and monotonic, so a
 * wait that a signal interrupts is resumed with the same argument.
 */
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "util/atomic.h"
#include "util/clock.h"
#include "util/futex.h"

/* What the kernel calls __kernel_timespec; libc's timespec may be narrower on 32 bits. */
struct time64 {
    int64_t sec;
    int64_t nsec;
};

static long wait_once_64(long number, const uint32_t *word, uint32_t expected, int64_t deadline_ns)
{
    const struct time64 at = { deadline_ns / NS_PER_S, deadline_ns % NS_PER_S };

    return syscall(number, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected,
                   deadline_ns == DEADLINE_NEVER ? NULL : &at, NULL, FUTEX_BITSET_MATCH_ANY);
}

#ifdef SYS_futex_time64 /* defined only where SYS_futex has 32-bit time */
struct time32 {
    int32_t sec;
    int32_t nsec;
};

/* Before Linux 5.1. Ends in 2038 counted from boot; the caller looks at the clock and goes on. */
static long wait_once_32(const uint32_t *word, uint32_t expected, int64_t deadline_ns)
{
    const int64_t sec = deadline_ns / NS_PER_S;
    const struct time32 at = { sec < INT32_MAX ? (int32_t)sec : INT32_MAX,
                               (int32_t)(deadline_ns % NS_PER_S) };

    return syscall(SYS_futex, word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG, expected,
                   deadline_ns == DEADLINE_NEVER ? NULL : &at, NULL, FUTEX_BITSET_MATCH_ANY);
}

static long wait_once(const uint32_t *word, uint32_t expected, int64_t deadline_ns)
{
    static bool is_time64_missing; /* atomic; a late reader asks the kernel once more */

    if (!load_relaxed(&is_time64_missing)) {
        long result = wait_once_64(SYS_futex_time64, word, expected, deadline_ns);

        if (result == 0 || errno != ENOSYS)
            return result;
        store_relaxed(&is_time64_missing, true);
    }
    return wait_once_32(word, expected, deadline_ns);
}
#else
static long wait_once(const uint32_t *word, uint32_t expected, int64_t deadline_ns)
{
    return wait_once_64(SYS_futex, word, expected, deadline_ns);
}
#endif

/* The arguments were wrong, or a filter forbids the call: no caller could go on. */
static void COLD die(const char *what)
{
    (void)fprintf(stderr, "futex: %s: %s\n", what, strerror(errno));
    abort();
}

enum wait_result futex_timedwait(const uint32_t *word, uint32_t expected, int64_t deadline_ns)
{
    /* The kernel refuses negative times, and time 0 is the boot: nothing to ask it. */
    if (deadline_ns <= 0)
        return load_relaxed(word) == expected ? TIMED_OUT : WOKEN;

    for (;;) {
        if (wait_once(word, expected, deadline_ns) == 0)
            return WOKEN;
        switch (errno) {
        case EAGAIN: /* the word was not @expected */
            return WOKEN;
        case EINTR:     /* the thread sanitizer runs the handler in the clock's call, no sooner */
        case ETIMEDOUT: /* perhaps of a time cut to 32 bits */
            if (monotonic_ns() >= deadline_ns)
                return TIMED_OUT;
            break;
        default:
            die("wait");
        }
    }
}

void futex_wake(const uint32_t *word, int nr)
{
    const int saved_errno = errno; /* we may be in a signal handler */

    /*
     * The kernel uses the address as a name only. Its memory may be gone by
     * now, since a woken thread may free it (event.h); another user of that
     * address then returns for no reason, which the contract allows.
     */
    if (syscall(SYS_futex, word, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, nr) < 0 && errno != EFAULT)
        die("wake");
    errno = saved_errno;
}
