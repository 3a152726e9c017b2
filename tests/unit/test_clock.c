/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdint.h>

#include "tests/tap.h"
#include "util/clock.h"
#include "util/futex.h"

static void monotonic_ns_never_goes_back(void)
{
    int64_t last = monotonic_ns();

    ok(last > 0);
    for (int i = 0; i < 100000; i++) {
        const int64_t now = monotonic_ns();

        if (!ok(now >= last))
            return;
        last = now;
    }
}

/* Until it moves: a clock that stands still hangs here, and the harness names this test. */
static void monotonic_ns_advances(void)
{
    const int64_t start = monotonic_ns();

    while (monotonic_ns() == start)
        continue;
    ok(monotonic_ns() > start);
}

static void deadline_after_adds(void)
{
    is(deadline_after_ns(5, 7), 12);
    is(deadline_after_ns(5, 0), 5);
    is(deadline_after_ns(5, -7), -2);
    is(deadline_after_ns(3 * NS_PER_S, NS_PER_MS), INT64_C(3001000000));
}

static void deadline_after_saturates(void)
{
    is(deadline_after_ns(1, INT64_MAX), DEADLINE_NEVER);
    is(deadline_after_ns(INT64_MAX, 1), DEADLINE_NEVER);
    is(deadline_after_ns(INT64_MAX - 1, 1), DEADLINE_NEVER);
    is(deadline_after_ns(INT64_MAX - 2, 1), INT64_MAX - 1);
    is(deadline_after_ns(0, DEADLINE_NEVER), DEADLINE_NEVER);
    is(deadline_after_ns(-2, INT64_MIN), INT64_MIN);
    is(deadline_after_ns(INT64_MIN, -1), INT64_MIN);
}

int main(int argc, char **argv)
{
    static const struct tap_test tests[] = {
        TAP_TEST(monotonic_ns_never_goes_back),
        TAP_TEST(monotonic_ns_advances),
        TAP_TEST(deadline_after_adds),
        TAP_TEST(deadline_after_saturates),
    };

    return TAP_RUN(tests, argc, argv);
}
