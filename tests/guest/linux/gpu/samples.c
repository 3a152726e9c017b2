/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "samples.h"

#include <stdio.h>
#include <stdlib.h>

void samples_add(struct samples *samples, double value)
{
    if (samples->nr < SAMPLES_MAX) {
        samples->values[samples->nr++] = value;
    }
}

static int compare(const void *a, const void *b)
{
    const double *first = a, *second = b;
    return (*first > *second) - (*first < *second);
}

static double percentile(const struct samples *samples, unsigned percent)
{
    return samples->values[(samples->nr - 1) * percent / 100];
}

void samples_print(struct samples *samples)
{
    printf("\"n\":%u", samples->nr);
    if (samples->nr == 0) {
        return;
    }
    qsort(samples->values, samples->nr, sizeof(samples->values[0]), compare);
    printf(",\"p50_us\":%.1f,\"p90_us\":%.1f,\"p99_us\":%.1f,\"max_us\":%.1f",
           percentile(samples, 50), percentile(samples, 90), percentile(samples, 99),
           percentile(samples, 100));
    for (unsigned percent = 0; percent <= 100; percent++) {
        printf("%s%.1f", percent == 0 ? ",\"quantiles_us\":[" : ",", percentile(samples, percent));
    }
    printf("]");
}
