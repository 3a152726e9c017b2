/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The frame of a benchmark program: one JSON line per row on standard output as
 * soon as it is known, a table on standard error at the end (design.md §13).
 *
 * A bar is always computed from what the same run measured, or is a constant of
 * the design. Threads: the main thread of the program alone.
 */
#ifndef TESTS_BENCH_BENCH_H
#define TESTS_BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>

#include "samples.h"

enum bar_kind {
    BAR_NONE,
    BAR_AT_MOST,  /* measured <= bar */
    BAR_AT_LEAST, /* measured >= bar */
    BAR_REACHES,  /* the low end of the interval lies below the bar */
};

/* One result. What is zero or NULL is not printed, but for measured, bar and holds. */
struct row {
    const char *name;
    const char *scheme; /* whose figure it is; NULL: that of what the benchmark is named after */
    const char *unit;
    double measured;
    enum bar_kind bar_kind;
    double bar;
    const char *bar_is; /* what the bar is made of */
    size_t n;
    size_t discarded; /* sample windows in which the reader was not on its core */
    double p50, p99;
    double ci_low, ci_high;
    const char *peer;  /* what it is compared with … */
    double peer_value; /* … and that one's figure, in the same unit */
    double peer_p99;
    const char *skipped; /* not measured, because … */
    const char *note;
};

/** Name of the benchmark, and the names of groups to run from the command line (none: all). */
void bench_begin(const char *name, int argc, char **argv);
bool bench_wants(const char *group);

/** From now on rows are information without bars, and @prefix stands before their names. */
void bench_variant(const char *prefix);

/** Strings in @row must live until bench_end(). */
void bench_row(const struct row *row);

/** A row whose p50, p99, n and discarded are those of @samples; measured is the p50. */
struct row row_of_samples(const char *name, const char *scheme, const char *unit,
                          struct samples *samples);
void bench_skip(const char *name, const char *unit, const char *reason);

/** The machine, its load now, and the CPUs that are measured on; @other_cpu may be -1: none. */
void bench_machine_row(int own_cpu, int other_cpu);

/** The table. Returns the exit status: 0, a bar that does not hold is a result, not a failure. */
int bench_end(void);

#endif
