/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <inttypes.h>

#include "util/atomic.h"
#include "util/hist.h"

/*
 * Counters are independent and relaxed: nobody draws a conclusion from one
 * about another, except that a value is in min before it is in max, and in both
 * before it is counted (as seen on x86): a maximum says that there is a minimum,
 * and a percentile is not cut by a maximum still to come.
 */

/* Buckets 0 … 2*HIST_SUB-1 hold one value each; from there on each power of two has HIST_SUB. */
static unsigned bucket_of(uint64_t value)
{
    if (value < 2 * HIST_SUB)
        return (unsigned)value;
    const unsigned shift = 63 - (unsigned)__builtin_clzll(value) - HIST_SUB_BITS;

    return shift * HIST_SUB + (unsigned)(value >> shift); /* the shifted value is 32 … 63 */
}

/* The largest value in the bucket. */
static uint64_t bucket_upper(unsigned bucket)
{
    if (bucket < 2 * HIST_SUB)
        return bucket;
    const unsigned shift = bucket / HIST_SUB - 1;
    const uint64_t top = bucket - shift * HIST_SUB; /* 32 … 63 */

    return ((top + 1) << shift) - 1; /* 64 << 58 is 0, so the last one ends at UINT64_MAX */
}

static void raise_to(uint64_t *p, uint64_t value)
{
    uint64_t seen = load_relaxed(p);

    while (seen < value && !atomic_cas(p, &seen, value))
        continue;
}

void hist_record(struct hist *hist, uint64_t value)
{
    raise_to(&hist->min_inverted, ~value);
    raise_to(&hist->max, value);
    fetch_add_relaxed(&hist->sum, value);
    fetch_add_relaxed(&hist->counts[bucket_of(value)], 1);
}

void hist_reset(struct hist *hist)
{
    for (unsigned i = 0; i < HIST_BUCKETS; i++)
        store_relaxed(&hist->counts[i], 0);
    store_relaxed(&hist->sum, 0);
    store_relaxed(&hist->max, 0);
    store_relaxed(&hist->min_inverted, 0);
}

uint64_t hist_count(const struct hist *hist)
{
    uint64_t total = 0;

    for (unsigned i = 0; i < HIST_BUCKETS; i++)
        total += load_relaxed(&hist->counts[i]);
    return total;
}

uint64_t hist_min(const struct hist *hist)
{
    /* 0 stands for "nothing recorded" and, inverted, for UINT64_MAX; max tells which.
     * acquire: keeps the second load second; pairs with hist_record(). */
    return load_acquire(&hist->max) ? ~load_relaxed(&hist->min_inverted) : 0;
}

uint64_t hist_max(const struct hist *hist)
{
    return load_relaxed(&hist->max);
}

double hist_mean(const struct hist *hist)
{
    const uint64_t count = hist_count(hist);

    return count ? (double)load_relaxed(&hist->sum) / (double)count : 0.0;
}

/* Which of @count sorted values, counted from 1, @percent stands for. */
static uint64_t percent_rank(double percent, uint64_t count)
{
    /* Without the slack of four roundings, 99.9 % of 41000 values would be a little more than
     * 40959 of them, and so the next one. */
    const double exact = percent * (double)count / 100.0 * (1.0 - 0x1p-51);
    uint64_t rank;

    if (!(exact > 0.0)) /* NaN too */
        return 1;
    if (exact >= (double)count)
        return count;
    rank = (uint64_t)exact;
    return (double)rank < exact ? rank + 1 : rank;
}

uint64_t hist_percentile(const struct hist *hist, double percent)
{
    const uint64_t count = hist_count(hist);
    const uint64_t max = hist_max(hist);
    const uint64_t rank = percent_rank(percent, count);
    uint64_t below = 0;

    if (count == 0 || percent >= 100.0)
        return max;
    if (!(percent > 0.0))
        return hist_min(hist);
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        below += load_relaxed(&hist->counts[i]);
        if (below >= rank)
            return bucket_upper(i) < max ? bucket_upper(i) : max;
    }
    return max; /* reset by another thread on the way */
}

void hist_merge(struct hist *hist, const struct hist *other)
{
    uint64_t max = load_acquire(&other->max); /* as in hist_min() */

    raise_to(&hist->min_inverted, load_relaxed(&other->min_inverted));
    raise_to(&hist->max, max);
    fetch_add_relaxed(&hist->sum, load_relaxed(&other->sum));
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        const uint64_t n = load_relaxed(&other->counts[i]);

        if (n)
            fetch_add_relaxed(&hist->counts[i], n);
    }
}

void hist_print_json(const struct hist *hist, FILE *out)
{
    const uint64_t count = hist_count(hist);
    const uint64_t sum = load_relaxed(&hist->sum);
    const uint64_t whole = count ? sum / count : 0;
    const uint64_t thousandths = count ? sum % count * 1000 / count : 0;

    /* The mean by integers, since %f prints a comma in some locales. An error of @out stays
     * recorded in it, where its owner looks. */
    (void)fprintf(out,
                  "{\"count\":%" PRIu64 ",\"min\":%" PRIu64 ",\"mean\":%" PRIu64 ".%03" PRIu64
                  ",\"p50\":%" PRIu64 ",\"p90\":%" PRIu64 ",\"p99\":%" PRIu64 ",\"p999\":%" PRIu64
                  ",\"max\":%" PRIu64 "}",
                  count, hist_min(hist), whole, thousandths, hist_percentile(hist, 50.0),
                  hist_percentile(hist, 90.0), hist_percentile(hist, 99.0),
                  hist_percentile(hist, 99.9), hist_max(hist));
}

void hist_print_buckets_json(const struct hist *hist, FILE *out)
{
    const char *comma = "";

    (void)fputc('[', out);
    for (unsigned i = 0; i < HIST_BUCKETS; i++) {
        const uint64_t count = load_relaxed(&hist->counts[i]);

        if (!count)
            continue;
        (void)fprintf(out, "%s[%" PRIu64 ",%" PRIu64 "]", comma, bucket_upper(i), count);
        comma = ",";
    }
    (void)fputc(']', out);
}

uint64_t hist_count_upto(const struct hist *hist, uint64_t upper)
{
    const unsigned last = bucket_of(upper);
    uint64_t total = 0;

    for (unsigned i = 0; i <= last; i++)
        total += load_relaxed(&hist->counts[i]);
    return total;
}
