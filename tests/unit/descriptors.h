/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A process that has no file descriptor left.
 */
#ifndef TESTS_UNIT_DESCRIPTORS_H
#define TESTS_UNIT_DESCRIPTORS_H

#include <glib.h>
#include <sys/resource.h>
#include <unistd.h>

/** From now on nothing more can be opened. Returns what the limit was, for setrlimit(). */
static inline struct rlimit use_up_descriptors(void)
{
    struct rlimit before, limit;
    const int lowest = dup(STDIN_FILENO); /* of those that are free */

    g_assert_cmpint(lowest, >=, 0);
    close(lowest);
    g_assert_cmpint(getrlimit(RLIMIT_NOFILE, &before), ==, 0);
    limit = (struct rlimit){ .rlim_cur = (rlim_t)lowest, .rlim_max = before.rlim_max };
    g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &limit), ==, 0);
    return before;
}

#endif
