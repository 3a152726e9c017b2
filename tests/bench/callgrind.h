/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Counting instructions: read_pair under callgrind, twice, so that start-up cancels.
 */
#ifndef TESTS_BENCH_CALLGRIND_H
#define TESTS_BENCH_CALLGRIND_H

#include <stdbool.h>

/** Instructions of one read pair of @scheme, without the loop. False: @ret_reason says why not. */
bool callgrind_pair(const char *scheme, double *ret_instructions, const char **ret_reason);

#endif
