/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A storm of signals, for tests of what may be interrupted. Not on Windows.
 */
#ifndef TESTS_UNIT_ALARMS_H
#define TESTS_UNIT_ALARMS_H

#include <signal.h>

#include <sys/time.h>

#include "tests/tap.h"

/* Every 50 µs: often enough to interrupt every wait, seldom enough to let the program run. */
static inline void start_alarms(void (*handler)(int number))
{
    const struct itimerval every = { { 0, 50 }, { 0, 50 } };
    const struct sigaction action = { .sa_handler = handler }; /* without SA_RESTART */

    ok(sigaction(SIGALRM, &action, NULL) == 0);
    ok(setitimer(ITIMER_REAL, &every, NULL) == 0);
}

static inline void stop_alarms(void)
{
    const struct itimerval never = { { 0, 0 }, { 0, 0 } };

    ok(setitimer(ITIMER_REAL, &never, NULL) == 0);
}

#endif
