/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A test program's main(): its tests, run with what util_start() starts.
 */
#ifndef TESTS_UNIT_RUN_H
#define TESTS_UNIT_RUN_H

#include <glib.h>

#include "util/start.h"

struct named_test {
    const char *name;
    void (*run)(void);
};

static inline int run_with_bql(void)
{
    int status;

    if (util_start(NULL) != 0)
        return 1;
    status = g_test_run();
    util_stop();
    return status;
}

/* For tests that take it themselves. */
static inline int run_without_bql(void)
{
    int status;

    if (util_start(NULL) != 0)
        return 1;
    bql_unlock();
    status = g_test_run();
    bql_lock();
    util_stop();
    return status;
}

static inline int run_tests(int argc, char **argv, const struct named_test *tests, size_t nr)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < nr; i++)
        g_test_add_func(tests[i].name, tests[i].run);
    return run_with_bql();
}

#endif
