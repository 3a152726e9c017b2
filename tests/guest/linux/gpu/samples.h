/* SPDX-License-Identifier: GPL-2.0-or-later */
/** Measured values, and what is told of them. */
#ifndef TESTS_GUEST_LINUX_GPU_SAMPLES_H
#define TESTS_GUEST_LINUX_GPU_SAMPLES_H

enum { SAMPLES_MAX = 16384 };

struct samples {
    double values[SAMPLES_MAX];
    unsigned nr;
};

/** What is more than fits is left out. */
void samples_add(struct samples *samples, double value);
/** "n":…,"p50":…,"p90":…,"p99":…,"max":… of a JSON object; sorts them. */
void samples_print(struct samples *samples);

#endif
