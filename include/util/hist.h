/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Log-linear histograms: latencies from 1 ns to centuries in fixed memory.
 *
 * Each power of two is cut into HIST_SUB equal buckets, so a percentile is
 * wrong by at most 1/HIST_SUB of its value (the bucket scheme of HdrHistogram).
 * Values below 2 * HIST_SUB are exact.
 *
 * Threads: hist_record() from any thread and from signal handlers, without
 * locks. Readers see each value at most once, perhaps a moment late.
 * No GLib: the RCU core records into it.
 */
#ifndef UTIL_HIST_H
#define UTIL_HIST_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
    HIST_SUB_BITS = 5,
    HIST_SUB = 1 << HIST_SUB_BITS,
    HIST_BUCKETS = (64 - HIST_SUB_BITS + 1) * HIST_SUB,
};

struct hist {
    uint64_t sum __attribute__((aligned(8))); /* on i386 too: no locked access across two lines */
    uint64_t max;
    uint64_t min_inverted; /* ~min, so that all zero bytes is an empty histogram */
    uint64_t counts[HIST_BUCKETS];
};

void hist_record(struct hist *hist, uint64_t value);
void hist_reset(struct hist *hist);

uint64_t hist_count(const struct hist *hist);
uint64_t hist_min(const struct hist *hist); /* 0 when empty */
uint64_t hist_max(const struct hist *hist);
double hist_mean(const struct hist *hist); /* right while the sum stays below 2^64 */

/**
 * The value at or below which @percent of all lie: its bucket's upper end, at
 * most the maximum. Exact minimum for 0, exact maximum for 100; 0 when empty.
 */
uint64_t hist_percentile(const struct hist *hist, double percent);

/** Add @other's values to @hist. */
void hist_merge(struct hist *hist, const struct hist *other);

/** One JSON object, no newline: count, min, mean, p50, p90, p99, p999, max. */
void hist_print_json(const struct hist *hist, FILE *out);

/**
 * One JSON array, no newline: [upper end, how many] of each bucket that is not empty. Two of them,
 * taken one after the other, tell what was recorded in between.
 */
void hist_print_buckets_json(const struct hist *hist, FILE *out);

/**
 * For exporters: how many values are <= @upper, or above it in its own bucket (by
 * less than 1/HIST_SUB of it). Never falls, whatever is recorded: the answer depends
 * on no other value.
 */
uint64_t hist_count_upto(const struct hist *hist, uint64_t upper);

#endif
