/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SRCU: what a read pair costs beside the other schemes', and how long
 * synchronize_srcu() takes. "No 10 ms anywhere" (design.md §5) is checked as: a
 * tenth of that is not reached, at the 99th percentile where nobody sleeps, at
 * the median where somebody does (a driver that polled would show 5 ms there).
 */
#include "rows_srcu.h"

#include "callgrind.h"
#include "idle.h"
#include "scene.h"
#include "util/srcu.h"

#define BAR_INSTRUCTIONS 15 /* design.md §5 */
#define BAR_US 1000

enum {
    PAIRS_A_BATCH = 20000,
    BATCHES = 160,
    SAMPLES = 1000,
    BATCHES_SHORT = 40,
    A_BATCH = 25,
    LONG_SAMPLES = 60,
};

void rows_srcu_instructions(void)
{
    const struct peer *const all[] = { peer_srcu, peer_srcu_shared, peer_own, peer_memb };
    struct row row = {
        .name = "SRCU read pair, instructions",
        .unit = "instr",
        .bar_kind = BAR_AT_MOST,
        .bar = BAR_INSTRUCTIONS,
        .bar_is = "design.md section 5",
    };

    (void)callgrind_pair(peer_srcu->name, &row.measured, &row.skipped); /* false: skipped is set */
    bench_row(&row);
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        if (!all[i])
            continue;
        row = (struct row){ .name = "instructions of a read pair",
                            .scheme = all[i]->name,
                            .unit = "instr" };
        (void)callgrind_pair(all[i]->name, &row.measured, &row.skipped); /* likewise */
        bench_row(&row);
    }
}

/* A batch of each in turn, at each code placement: all see the same weather. */
void rows_srcu_pairs(void)
{
    const struct peer *const all[] = {
        peer_srcu, peer_srcu_shared, peer_own, peer_memb, peer_bp, peer_ck, peer_mutex, peer_rwlock,
    };
    struct samples samples[ARRAY_SIZE(all)];

    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        samples_init(&samples[i]);
    for (unsigned batch = 0; batch < BATCHES; batch++)
        for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
            if (!all[i])
                continue;
            int64_t start = monotonic_ns();
            all[i]->pairs(PAIRS_A_BATCH, batch % PLACEMENTS);
            samples_add(&samples[i], (double)(monotonic_ns() - start) / PAIRS_A_BATCH);
        }
    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        if (all[i]) {
            struct row row = row_of_samples("read pair", all[i]->name, "ns", &samples[i]);
            bench_row(&row);
        }
        samples_free(&samples[i]);
    }
}

static void emit_with_bar(const char *name, const char *name_p99, struct samples *samples)
{
    struct row row = row_of_samples(name, NULL, "us", samples);

    bench_row(&row);
    row.name = name_p99;
    row.measured = row.p99;
    row.bar_kind = BAR_AT_MOST;
    row.bar = BAR_US;
    row.bar_is = "a tenth of the 10 ms that are nowhere";
    bench_row(&row);
}

static void without_readers(const char *name, const char *name_p99)
{
    struct samples samples;

    samples_init(&samples);
    for (int i = 0; i < SAMPLES; i++) {
        int64_t start = monotonic_ns();
        peer_srcu->synchronize();
        samples_add(&samples, (double)(monotonic_ns() - start) / 1e3);
    }
    emit_with_bar(name, name_p99, &samples);
    samples_free(&samples);
}

static void sample_once(const struct peer *peer, struct other *other, struct samples *samples)
{
    struct window window = window_open(other);

    peer->synchronize();
    window_close(other, &window, samples);
}

static void short_readers(struct other *other)
{
    const struct peer *const all[] = { peer_srcu, peer_own, peer_memb, peer_rwlock };
    struct samples samples[ARRAY_SIZE(all)];

    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        samples_init(&samples[i]);
    for (int batch = 0; batch < BATCHES_SHORT; batch++)
        for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
            if (!all[i])
                continue;
            other_start(other, all[i]->short_sections, NULL);
            for (int j = 0; j < A_BATCH; j++)
                sample_once(all[i], other, &samples[i]);
            other_stop(other);
        }
    emit_with_bar("synchronize, short reader on other core",
                  "synchronize_srcu, short reader on other core, p99", &samples[0]);
    for (size_t i = 1; i < ARRAY_SIZE(all); i++) {
        if (!all[i])
            continue;
        struct row row = row_of_samples("synchronize, short reader on other core", all[i]->name,
                                        "us", &samples[i]);
        bench_row(&row);
    }
    for (size_t i = 0; i < ARRAY_SIZE(all); i++)
        samples_free(&samples[i]);
}

/* What the long and the sleeping readers leave behind: when the section that is waited for ended.
 */
static struct {
    struct srcu_struct domain;
    int64_t left_ns; /* atomic */
} nap;

static void nap_job(struct other *other)
{
    other_beat(other);
    while (!other_must_stop(other)) {
        int index = srcu_read_lock(&nap.domain);
        sleep_ns(other->section_ns);
        store_release(&nap.left_ns, monotonic_ns());
        srcu_read_unlock(&nap.domain, index);
        sleep_ns(other->section_ns / 10); /* outside, so that each section is waited for alone */
    }
}

/* How much later than the reader's exit synchronize_srcu() returns, when the reader sleeps. */
static void sleeping_reader(struct other *other)
{
    struct samples samples;

    samples_init(&samples);
    init_srcu_struct(&nap.domain, "nap");
    other->section_ns = 2 * NS_PER_MS;
    other_start(other, nap_job, NULL);
    for (int i = 0; i < 2 * LONG_SAMPLES; i++) {
        sleep_ns(draw_ns(0, NS_PER_MS));
        int64_t start = monotonic_ns();
        synchronize_srcu(&nap.domain);
        int64_t end = monotonic_ns();
        int64_t left = load_acquire(&nap.left_ns);
        if (left > start && left < end) /* else no section was open */
            samples_add(&samples, (double)(end - left) / 1e3);
        else
            samples.discarded++;
    }
    other_stop(other);
    /* The p50: its tail is the scheduler's, who has to wake a thread for each sample. */
    struct row row = row_of_samples("exit of a sleeping reader to return", NULL, "us", &samples);
    row.bar_kind = BAR_AT_MOST;
    row.bar = BAR_US;
    row.bar_is = "a tenth of the 10 ms that are nowhere";
    bench_row(&row);
    if (cleanup_srcu_struct(&nap.domain) != 0)
        bench_skip("exit of a sleeping reader to return", "us", "a reader was left behind");
    samples_free(&samples);
}

static void long_sections(struct other *other, int64_t section_ns, int nr, const char *name)
{
    struct samples samples;

    samples_init(&samples);
    other->section_ns = section_ns;
    other_start(other, peer_srcu->long_sections, NULL);
    for (int i = 0; i < nr; i++) {
        sleep_ns(draw_ns(0, section_ns)); /* anywhere in a section */
        sample_once(peer_srcu, other, &samples);
    }
    other_stop(other);
    struct row row = row_of_samples(name, NULL, "us", &samples);
    bench_row(&row);
    samples_free(&samples);
}

void rows_srcu_synchronize(void)
{
    struct other *other = scene_other();
    struct idle_threads idle;

    without_readers("synchronize, no reader", "synchronize_srcu, no reader, p99");
    idle_threads_start(&idle);
    without_readers("synchronize, 64 idle threads", "synchronize_srcu, 64 idle threads, p99");
    idle_threads_stop(&idle);
    if (!other)
        return bench_skip("synchronize_srcu, short reader on other core, p99", "us", ONE_CORE);
    short_readers(other);
    sleeping_reader(other);
    long_sections(other, NS_PER_MS, LONG_SAMPLES, "synchronize, sections of 1 ms");
    long_sections(other, 10 * NS_PER_MS, LONG_SAMPLES / 3, "synchronize, sections of 10 ms");
}
