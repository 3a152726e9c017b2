/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * CBMC: the arithmetic of deadlines, from a delay to what the kernel is given,
 * for every value: util/clock.c and util/futex_linux.c as they are. On 32 bits
 * too, with the old system call (OLD_KERNEL: the new one is missing).
 *
 * WRONG_DEADLINE must fail: the sum without care for overflow.
 */
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "util/clock.c"

static int64_t asked_ns, asked_s, asked_rest_ns;
static int64_t now_ns;
static int nr_calls;
#define MOST_CALLS 2
int64_t nondet_time(void);

static long model_syscall(long number, const uint32_t *word, int operation, long value, ...);

#define syscall model_syscall
#define monotonic_ns() now_ns
#include "util/futex_linux.c"
#undef syscall
#undef monotonic_ns

static void check_time(int64_t sec, int64_t nsec)
{
    __CPROVER_assert(sec >= 0 && nsec >= 0 && nsec < NS_PER_S, "the kernel takes this time");
    __CPROVER_assert(nsec == asked_rest_ns &&
                         (sec == asked_s || (sec == INT32_MAX && asked_s > INT32_MAX)),
                     "it is the deadline, or before it where 32 bits end");
}

static long model_syscall(long number, const uint32_t *word, int operation, long value, ...)
{
    va_list arguments;
    const void *at;

    (void)word;
    (void)value;
    nr_calls++;
    __CPROVER_assert(operation == (FUTEX_WAIT_BITSET | FUTEX_PRIVATE_FLAG), "an absolute wait");
    va_start(arguments, value);
    at = va_arg(arguments, const void *);
    va_end(arguments);
    __CPROVER_assert((at == NULL) == (asked_ns == DEADLINE_NEVER), "no time means for ever");
#ifdef SYS_futex_time64
    if (number == SYS_futex) {
        if (at)
            check_time(((const struct time32 *)at)->sec, ((const struct time32 *)at)->nsec);
    } else
#endif
        if (at)
        check_time(((const struct time64 *)at)->sec, ((const struct time64 *)at)->nsec);
#ifdef OLD_KERNEL
    errno = number == SYS_futex ? ETIMEDOUT : ENOSYS;
#else
    errno = ETIMEDOUT;
#endif
    now_ns = nondet_time();
    __CPROVER_assume(nr_calls < MOST_CALLS || now_ns >= asked_ns); /* at the latest then */
    return -1;
}

static void check_sum(int64_t from_ns, int64_t delay_ns)
{
#ifdef WRONG_DEADLINE
    int64_t deadline_ns = (int64_t)((uint64_t)from_ns + (uint64_t)delay_ns);
#else
    int64_t deadline_ns = deadline_after_ns(from_ns, delay_ns);
#endif
    __int128 exact = (__int128)from_ns + delay_ns;

    __CPROVER_assert(exact > INT64_MAX   ? deadline_ns == DEADLINE_NEVER
                     : exact < INT64_MIN ? deadline_ns == INT64_MIN
                                         : deadline_ns == (int64_t)exact,
                     "a sum past the end of time is never, any other is exact");
    if (from_ns >= 0 && delay_ns > 0)
        __CPROVER_assert(deadline_ns > from_ns || deadline_ns == DEADLINE_NEVER,
                         "a deadline after now has not passed");
}

/* Division is hard for a solver, so seconds are those at which something changes. */
static int64_t any_seconds(void)
{
    switch (nondet_time()) {
    case 1:
        return INT32_MAX;
    case 2:
        return INT64_C(1) + INT32_MAX;
    case 3:
        return INT64_MAX / NS_PER_S - 1;
    default:
        return 0;
    }
}

int main(void)
{
    static const uint32_t word = 1;
    enum wait_result result;

    check_sum(nondet_time(), nondet_time());
#ifdef WRONG_DEADLINE
    return 0;
#endif
    asked_s = any_seconds();
    asked_rest_ns = nondet_time();
    __CPROVER_assume(asked_rest_ns >= 0 && asked_rest_ns < NS_PER_S);
    asked_ns = asked_s * NS_PER_S + asked_rest_ns;
    if (asked_s == 0 && nondet_time())
        asked_ns = nondet_time() | INT64_MIN; /* any time before the boot */
    result = futex_timedwait(&word, 1, asked_ns);
    if (asked_ns <= 0)
        __CPROVER_assert(nr_calls == 0 && result == TIMED_OUT, "a past deadline returns at once");
    else
        __CPROVER_assert(result == TIMED_OUT && now_ns >= asked_ns, "never early");
    return 0;
}
