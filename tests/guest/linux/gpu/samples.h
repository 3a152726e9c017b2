/* SPDX-License-Identifier: GPL-2.0-or-later */
/** Measured times in microseconds, and what is told of them. */
#ifndef TESTS_GUEST_LINUX_GPU_SAMPLES_H
#define TESTS_GUEST_LINUX_GPU_SAMPLES_H

enum { SAMPLES_MAX = 16384 };

struct samples {
    double values[SAMPLES_MAX];
    unsigned nr;
};

/** What is more than fits is left out. */
void samples_add(struct samples *samples, double value);
/** "n":…,"p50_us":…,"p90_us":…,"p99_us":…,"max_us":…,"quantiles_us":[…] of a JSON object, the last
 * with 101 values from the least to the largest; sorts them. */
void samples_print(struct samples *samples);

#endif
