/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The list of trace points as data.
 */
#ifndef UTIL_TRACE_TABLE_H
#define UTIL_TRACE_TABLE_H

#include "util/trace.h"

struct trace_point_info {
    const char *name;
    enum trace_kind kind;
    const char *help;
    unsigned nr_args;
    const char *args[TRACE_ARGS_MAX]; /* names, after their '*' or '$' */
};

extern const struct trace_point_info trace_table[NR_TRACE_POINTS];

#endif
