/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Raw samples and what is read off them: percentiles by sorting, and the 95 %
 * interval of a median by bootstrap. Nothing is binned, nothing is dropped.
 *
 * Threads: one at a time.
 */
#ifndef TESTS_BENCH_SAMPLES_H
#define TESTS_BENCH_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>

#include "util/annotate.h"

struct samples {
    double *values;
    size_t nr;
    size_t capacity;
    size_t discarded; /* windows in which the reader was not on its core; not in values */
    bool is_sorted;
};

/** Empty; grows. Free with samples_free(). */
void samples_init(struct samples *samples);
void samples_free(struct samples *samples);
void samples_add(struct samples *samples, double value);

/** The sample at or below which @percent of all lie. NaN without samples. Sorts: order is lost. */
double samples_percentile(struct samples *samples, double percent);

struct interval {
    double median;
    double low; /* 95 % */
    double high;
};

/** Median and its bootstrap interval, from 4000 resamplings with a fixed seed. */
struct interval samples_interval(const struct samples *samples);

#endif
