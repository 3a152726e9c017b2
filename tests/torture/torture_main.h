/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The main program of torture_mem and torture_cpu, whose scenarios run one after the other in one
 * process:
 *
 *   [-t seconds] [-s seed] [-c scenario] [-r membarrier|fences] [-w watchdog ms] [-m mutant]
 *
 * Without -c all scenarios run, each for its share of the time.
 */
#ifndef TESTS_TORTURE_TORTURE_MAIN_H
#define TESTS_TORTURE_TORTURE_MAIN_H

#include <stddef.h>

struct scenario {
    const char *name;
    void (*run)(void); /* spawns its workers and returns when they have ended; the BQL is free */
};

int torture_main(int argc, char **argv, const struct scenario *scenarios, size_t nr_scenarios,
                 double seconds);

#endif
