/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Histograms against a sorted array of the same values. The first byte says
 * after how many values a second histogram begins, which is merged in the end;
 * each value is a byte with its length (1 to 8) and then its bytes.
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/target.h"
#include "util/annotate.h"
#include "util/hist.h"

enum { MOST_VALUES = 512 };

struct oracle {
    uint64_t values[MOST_VALUES];
    size_t count;
};

static void require(bool holds)
{
    if (!holds)
        abort();
}

static int compare(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left;
    uint64_t b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

static void read_values(struct oracle *oracle, const uint8_t *data, size_t size)
{
    size_t at = 0;

    while (at < size && oracle->count < MOST_VALUES) {
        size_t length = 1 + data[at] % 8;
        uint64_t value = 0;

        at++;
        for (size_t i = 0; i < length && at < size; i++)
            value |= (uint64_t)data[at++] << (8 * i);
        oracle->values[oracle->count++] = value;
    }
}

/* The largest that a bucket with @value in it may hold. */
static uint64_t largest_like(uint64_t value)
{
    uint64_t upper;

    return __builtin_add_overflow(value, value / HIST_SUB, &upper) ? UINT64_MAX : upper;
}

static void check_percentiles(const struct hist *hist, const struct oracle *sorted)
{
    static const unsigned thousandths[] = { 1, 1000, 33333, 50000, 90000, 99000, 99900, 99999 };

    for (size_t i = 0; i < ARRAY_SIZE(thousandths); i++) {
        size_t rank = (thousandths[i] * sorted->count + 99999) / 100000; /* rounded up */
        uint64_t want = sorted->values[rank - 1];
        uint64_t got = hist_percentile(hist, thousandths[i] / 1000.0);

        require(got >= want && got <= largest_like(want) && got <= hist_max(hist));
    }
    require(hist_percentile(hist, 0) == sorted->values[0]);
    require(hist_percentile(hist, 100) == sorted->values[sorted->count - 1]);
}

static void check_counts_upto(const struct hist *hist, const struct oracle *sorted)
{
    for (size_t i = 0; i < sorted->count; i += 1 + sorted->count / 8) {
        uint64_t upper = sorted->values[i];
        uint64_t got = hist_count_upto(hist, upper);
        size_t at_most = 0;  /* all that may share a bucket with @upper, or are below it */
        size_t at_least = 0; /* all values up to @upper */

        for (size_t k = 0; k < sorted->count; k++) {
            at_most += sorted->values[k] <= largest_like(upper);
            at_least += sorted->values[k] <= upper;
        }
        require(got >= at_least && got <= at_most);
    }
}

static void check_json(const struct hist *hist, const struct oracle *sorted)
{
    char text[512] = "";
    char want[64];
    FILE *out = fmemopen(text, sizeof(text), "w");

    require(out != NULL);
    hist_print_json(hist, out);
    require(fclose(out) == 0);
    (void)snprintf(want, sizeof(want), "{\"count\":%zu,\"min\":%llu,", sorted->count,
                   (unsigned long long)sorted->values[0]);
    require(strncmp(text, want, strlen(want)) == 0);
    (void)snprintf(want, sizeof(want), ",\"max\":%llu}",
                   (unsigned long long)sorted->values[sorted->count - 1]);
    require(strcmp(text + strlen(text) - strlen(want), want) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct hist first, second;
    static struct oracle oracle;
    size_t nr_in_first = size ? data[0] : 0;

    if (size == 0)
        return 0;
    oracle.count = 0;
    read_values(&oracle, data + 1, size - 1);
    hist_reset(&first);
    hist_reset(&second);
    for (size_t i = 0; i < oracle.count; i++)
        hist_record(i < nr_in_first ? &first : &second, oracle.values[i]);
    hist_merge(&first, &second);

    require(hist_count(&first) == oracle.count);
    if (oracle.count == 0)
        return 0;
    qsort(oracle.values, oracle.count, sizeof(oracle.values[0]), compare);
    require(hist_min(&first) == oracle.values[0]);
    require(hist_max(&first) == oracle.values[oracle.count - 1]);
    check_percentiles(&first, &oracle);
    check_counts_upto(&first, &oracle);
    check_json(&first, &oracle);
    return 0;
}
