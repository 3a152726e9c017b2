/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The oracle knows the header only: buckets below 2 * HIST_SUB are exact, and
 * each power of two above is cut into HIST_SUB equal ones. It finds a value's
 * bucket by walking through them all.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>

#include "tests/tap.h"
#include "util/atomic.h"
#include "util/hist.h"

static struct hist hist; /* 15 KiB: not for the stack of each test */
static struct hist other;

/* xorshift64: every run tests the same values. */
static uint64_t random_state;

static uint64_t random_u64(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* Of all magnitudes alike. */
static uint64_t random_value(void)
{
    return random_u64() >> (random_u64() % 64);
}

static void begin(void)
{
    hist_reset(&hist);
    hist_reset(&other);
    random_state = 88172645463325252u;
}

/* The largest value of the bucket that @value is in. */
static uint64_t oracle_upper(uint64_t value)
{
    uint64_t low = 0;
    uint64_t width = 1;

    for (;;) {
        for (int i = 0; i < (low < 2 * HIST_SUB ? 2 * HIST_SUB : HIST_SUB); i++) {
            const uint64_t upper = low + (width - 1);

            if (value <= upper)
                return upper;
            low = upper + 1;
        }
        width *= 2;
    }
}

static int compare(const void *left, const void *right)
{
    const uint64_t a = *(const uint64_t *)left;
    const uint64_t b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

static void empty_histogram_is_all_zero(void)
{
    begin();
    is(hist_count(&hist), 0);
    is(hist_min(&hist), 0);
    is(hist_max(&hist), 0);
    ok(hist_mean(&hist) >= 0.0 && hist_mean(&hist) <= 0.0);
    is(hist_percentile(&hist, 0.0), 0);
    is(hist_percentile(&hist, 50.0), 0);
    is(hist_percentile(&hist, 100.0), 0);
    is(hist_count_upto(&hist, UINT64_MAX), 0);
}

/* Next to a larger value, so that the bucket's end is not cut off at the maximum. */
static void check_bucket(uint64_t value)
{
    hist_reset(&hist);
    hist_record(&hist, value);
    hist_record(&hist, UINT64_MAX);
    is(hist_percentile(&hist, 50.0), oracle_upper(value));
}

static void buckets_are_the_oracles(void)
{
    begin();
    for (uint64_t value = 0; value < 5000; value++)
        check_bucket(value);
    for (unsigned bit = 6; bit < 64; bit++) {
        for (uint64_t step = 0; step < HIST_SUB; step++) {
            const uint64_t low = (HIST_SUB + step) << (bit - HIST_SUB_BITS);

            check_bucket(low - 1);
            check_bucket(low);
            check_bucket(low + 1);
        }
    }
    check_bucket(UINT64_MAX - 1);
    for (int i = 0; i < 5000; i++)
        check_bucket(random_value());
}

static void extremes_are_kept(void)
{
    begin();
    hist_record(&hist, 0);
    is(hist_count(&hist), 1);
    is(hist_min(&hist), 0);
    is(hist_max(&hist), 0);
    is(hist_percentile(&hist, 50.0), 0);
    hist_record(&hist, UINT64_MAX);
    is(hist_count(&hist), 2);
    is(hist_min(&hist), 0);
    is(hist_max(&hist), UINT64_MAX);
    is(hist_percentile(&hist, 50.0), 0);
    is(hist_percentile(&hist, 50.1), UINT64_MAX);
    is(hist_count_upto(&hist, UINT64_MAX / 2), 1);
    is(hist_count_upto(&hist, UINT64_MAX), 2);

    hist_reset(&hist);
    hist_record(&hist, UINT64_MAX);
    is(hist_min(&hist), UINT64_MAX);
    is(hist_percentile(&hist, 0.0), UINT64_MAX);
    is(hist_percentile(&hist, 1.0), UINT64_MAX);
}

/* Percentages in thousandths, so that the rank is a matter of integers here. */
static void check_percentiles(const uint64_t *sorted, uint64_t count)
{
    static const unsigned thousandths[] = {
        1, 1000, 25000, 33333, 50000, 66667, 90000, 95000, 99000, 99900, 99990, 99999,
    };

    for (size_t i = 0; i < ARRAY_SIZE(thousandths); i++) {
        const uint64_t rank = (thousandths[i] * count + 99999) / 100000;
        const uint64_t upper = oracle_upper(sorted[rank - 1]);
        const uint64_t max = sorted[count - 1];
        const double percent = thousandths[i] / 1000.0;

        is(hist_percentile(&hist, percent), upper < max ? upper : max);
    }
    is(hist_percentile(&hist, 100.0), sorted[count - 1]);
    is(hist_percentile(&hist, 1000.0), sorted[count - 1]);
    is(hist_percentile(&hist, 0.0), sorted[0]);
    is(hist_percentile(&hist, -1.0), sorted[0]);
}

static void percentiles_are_those_of_the_sorted_values(void)
{
    static const unsigned counts[] = { 1, 2, 3, 7, 10, 99, 100, 101, 1000, 1001, 10000 };
    static uint64_t values[10000];

    begin();
    for (size_t i = 0; i < ARRAY_SIZE(counts); i++) {
        uint64_t sum = 0;

        hist_reset(&hist);
        for (unsigned j = 0; j < counts[i]; j++) {
            values[j] = random_value() >> 14; /* so that 10000 of them do not overflow the sum */
            sum += values[j];
            hist_record(&hist, values[j]);
        }
        qsort(values, counts[i], sizeof(values[0]), compare);
        check_percentiles(values, counts[i]);
        is(hist_count(&hist), counts[i]);
        is(hist_min(&hist), values[0]);
        is(hist_max(&hist), values[counts[i] - 1]);
        is(hist.sum, sum);
    }
}

/* 99.9 times 41000 is a little more than 99.9 % of it, in binary. */
static void whole_rank_is_not_rounded_up(void)
{
    begin();
    for (int i = 0; i < 41000; i++)
        hist_record(&hist, i < 40959 ? 1 : 10);
    is(hist_percentile(&hist, 99.9), 1);
    is(hist_percentile(&hist, 99.901), 10);
}

static void count_upto_a_bucket_end_is_exact(void)
{
    static uint64_t values[2000];

    begin();
    for (size_t i = 0; i < ARRAY_SIZE(values); i++) {
        values[i] = random_value() >> 20;
        hist_record(&hist, values[i]);
    }
    for (int round = 0; round < 500; round++) {
        const uint64_t upper = oracle_upper(random_value());
        unsigned expected = 0;

        for (size_t i = 0; i < ARRAY_SIZE(values); i++)
            expected += values[i] <= upper;
        is(hist_count_upto(&hist, upper), expected);
    }
    is(hist_count_upto(&hist, hist_max(&hist)), ARRAY_SIZE(values));
}

static void count_upto_takes_a_bucket_whole(void)
{
    begin();
    for (uint64_t value = 1000; value < 1010; value++) /* buckets of 16: 992 and 1008 */
        hist_record(&hist, value);
    is(hist_count_upto(&hist, 991), 0);
    is(hist_count_upto(&hist, 992), 8);
    is(hist_count_upto(&hist, 1007), 8);
    is(hist_count_upto(&hist, 1008), 10);
}

/* To a reader of the exported text a count that falls is a restart of the program. */
static void count_upto_never_falls(void)
{
    begin();
    hist_record(&hist, 4096);
    is(hist_count_upto(&hist, 4096), 1);
    hist_record(&hist, 100000); /* a new maximum */
    is(hist_count_upto(&hist, 4096), 1);
    is(hist_count_upto(&hist, 4095), 0);
}

static void merge_is_recording_both(void)
{
    static struct hist both;

    begin();
    hist_reset(&both);
    hist_merge(&hist, &other); /* nothing into nothing */
    is(memcmp(&hist, &both, sizeof(hist)), 0);
    for (int i = 0; i < 3000; i++) {
        const uint64_t value = random_value() >> 14;

        hist_record(i % 3 ? &hist : &other, value);
        hist_record(&both, value);
    }
    hist_merge(&hist, &other);
    is(memcmp(&hist, &both, sizeof(hist)), 0);
    hist_reset(&other);
    hist_merge(&hist, &other);
    is(memcmp(&hist, &both, sizeof(hist)), 0);
    hist_merge(&other, &hist);
    is(memcmp(&other, &both, sizeof(hist)), 0);
}

/* What @print writes, for as long as the next call does not come. */
static const char *text_by(void (*print)(const struct hist *hist, FILE *out))
{
    static char text[512];
    FILE *file = tmpfile();
    size_t length;

    if (!file)
        bail_out("no temporary file");
    print(&hist, file);
    rewind(file);
    length = fread(text, 1, sizeof(text) - 1, file);
    text[length] = '\0';
    ok(fclose(file) == 0);
    return text;
}

static const char *json(void)
{
    return text_by(hist_print_json);
}

static void json_has_buckets(void)
{
    begin();
    is_str(text_by(hist_print_buckets_json), "[]");
    hist_record(&hist, 0);
    hist_record(&hist, 3);
    hist_record(&hist, 3);
    hist_record(&hist, 1000);
    is_str(text_by(hist_print_buckets_json), "[[0,1],[3,2],[1007,1]]");
}

static void json_has_every_member(void)
{
    begin();
    is_str(json(), "{\"count\":0,\"min\":0,\"mean\":0.000,\"p50\":0,\"p90\":0,\"p99\":0,"
                   "\"p999\":0,\"max\":0}");
    for (unsigned value = 1; value <= 10; value++)
        hist_record(&hist, value);
    is_str(json(), "{\"count\":10,\"min\":1,\"mean\":5.500,\"p50\":5,\"p90\":9,\"p99\":10,"
                   "\"p999\":10,\"max\":10}");
    hist_reset(&hist);
    hist_record(&hist, UINT64_MAX);
    is_str(json(), "{\"count\":1,\"min\":18446744073709551615,\"mean\":18446744073709551615.000,"
                   "\"p50\":18446744073709551615,\"p90\":18446744073709551615,"
                   "\"p99\":18446744073709551615,\"p999\":18446744073709551615,"
                   "\"max\":18446744073709551615}");
    hist_reset(&hist);
    hist_record(&hist, 1);
    hist_record(&hist, 1);
    hist_record(&hist, 2);
    ok(strstr(json(), "\"mean\":1.333,") != NULL);
    ok(hist_mean(&hist) > 1.33333 && hist_mean(&hist) < 1.33334);
}

enum { NR_THREADS = 4, RECORDS = 100000 };

enum { NR_FRESH = 300 };
static struct hist fresh[NR_FRESH]; /* each gets one value, 5 */

static void *record_in_each(void *unused UNUSED)
{
    for (unsigned i = 0; i < NR_FRESH; i++) {
        for (int pause = 0; pause < 200; pause++)
            cpu_relax();
        hist_record(&fresh[i], 5);
    }
    return NULL;
}

/* Also while the first one is being recorded. */
static void minimum_is_one_of_the_values(void)
{
    pthread_t thread;
    unsigned nr_wrong = 0;

    if (pthread_create(&thread, NULL, record_in_each, NULL) != 0)
        bail_out("no thread");
    for (unsigned i = 0; i < NR_FRESH; i++) {
        uint64_t min = 0;

        while (min != 5) {
            min = hist_min(&fresh[i]);
            nr_wrong += min != 0 && min != 5;
        }
    }
    pthread_join(thread, NULL);
    is(nr_wrong, 0);
}

static unsigned nr_started; /* atomic */

/* The threads' values interleave, so that they raise the maximum in turns. */
static void *record_many(void *opaque)
{
    const uint64_t first = *(const uint64_t *)opaque;
    uint64_t lost_maxima = 0;

    fetch_add(&nr_started, 1);
    while (load_relaxed(&nr_started) < NR_THREADS)
        cpu_relax();
    for (uint64_t i = 0; i < RECORDS; i++) {
        hist_record(&hist, first + i * NR_THREADS);
        lost_maxima += hist_max(&hist) < first + i * NR_THREADS;
    }
    is(lost_maxima, 0);
    return NULL;
}

static void threads_lose_no_record(void)
{
    const uint64_t last = NR_THREADS * RECORDS;
    pthread_t threads[NR_THREADS];
    uint64_t first[NR_THREADS];

    begin();
    store_relaxed(&nr_started, 0);
    for (unsigned i = 0; i < NR_THREADS; i++) {
        first[i] = i + 1;
        if (pthread_create(&threads[i], NULL, record_many, &first[i]) != 0)
            bail_out("no thread");
    }
    while (hist_count(&hist) < last / 2) /* readers beside writers */
        ok(hist_percentile(&hist, 50.0) <= last);
    for (unsigned i = 0; i < NR_THREADS; i++)
        pthread_join(threads[i], NULL);
    is(hist_count(&hist), last);
    is(hist.sum, last * (last + 1) / 2);
    is(hist_min(&hist), 1);
    is(hist_max(&hist), last);
}

int main(int argc, char **argv)
{
    static const struct tap_test tests[] = {
        TAP_TEST(empty_histogram_is_all_zero),
        TAP_TEST(buckets_are_the_oracles),
        TAP_TEST(extremes_are_kept),
        TAP_TEST(percentiles_are_those_of_the_sorted_values),
        TAP_TEST(whole_rank_is_not_rounded_up),
        TAP_TEST(count_upto_a_bucket_end_is_exact),
        TAP_TEST(count_upto_takes_a_bucket_whole),
        TAP_TEST(count_upto_never_falls),
        TAP_TEST(minimum_is_one_of_the_values),
        TAP_TEST(merge_is_recording_both),
        TAP_TEST(json_has_every_member),
        TAP_TEST(json_has_buckets),
        TAP_TEST(threads_lose_no_record),
    };

    return TAP_RUN(tests, argc, argv);
}
