/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "samples.h"

#include <assert.h>
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { RESAMPLINGS = 4000 };

void samples_init(struct samples *samples)
{
    *samples = (struct samples){ .capacity = 256 };
    samples->values = malloc(samples->capacity * sizeof(double));
    assert(samples->values);
}

void samples_free(struct samples *samples)
{
    free(samples->values);
    samples->values = NULL;
}

void samples_add(struct samples *samples, double value)
{
    if (samples->nr == samples->capacity) {
        samples->capacity *= 2;
        samples->values = realloc(samples->values, samples->capacity * sizeof(double));
        assert(samples->values);
    }
    samples->values[samples->nr++] = value;
    samples->is_sorted = false;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Nearest rank. */
static double rank(const double *sorted, size_t nr, double percent)
{
    size_t index = (size_t)ceil(percent / 100.0 * (double)nr);

    return sorted[index ? index - 1 : 0];
}

double samples_percentile(struct samples *samples, double percent)
{
    if (!samples->nr)
        return (double)NAN;
    if (!samples->is_sorted) {
        qsort(samples->values, samples->nr, sizeof(double), compare);
        samples->is_sorted = true;
    }
    return rank(samples->values, samples->nr, percent);
}

static uint64_t next_random(uint64_t *state)
{
    /* xorshift64* (Vigna 2016) */
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

struct interval samples_interval(const struct samples *samples)
{
    struct interval result = { (double)NAN, (double)NAN, (double)NAN };
    uint64_t seed = UINT64_C(0x9e3779b97f4a7c15);
    size_t nr = samples->nr;

    if (!nr)
        return result;
    double *draw = malloc(nr * sizeof(double));
    double *medians = malloc(RESAMPLINGS * sizeof(double));
    assert(draw && medians);
    for (int i = 0; i < RESAMPLINGS; i++) {
        for (size_t j = 0; j < nr; j++)
            draw[j] = samples->values[(size_t)(next_random(&seed) >> 33) % nr];
        qsort(draw, nr, sizeof(double), compare);
        medians[i] = rank(draw, nr, 50);
    }
    qsort(medians, RESAMPLINGS, sizeof(double), compare);
    memcpy(draw, samples->values, nr * sizeof(double));
    qsort(draw, nr, sizeof(double), compare);
    result.median = rank(draw, nr, 50);
    result.low = rank(medians, RESAMPLINGS, 2.5);
    result.high = rank(medians, RESAMPLINGS, 97.5);
    free(draw);
    free(medians);
    return result;
}
