/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Waiting for a grace period, every scheme: no reader, 64 registered idle
 * threads, a reader with short sections on the other core, sections of 1 and
 * 10 ms. None of these readers has a notifier: all leave by themselves.
 */
#include "idle.h"
#include "rows.h"
#include "scene.h"

#define RATIO_BAR 0.7 /* design.md §4, with one-barrier grace periods */

enum {
    BATCHES = 60, /* of the ratio */
    A_BATCH = 25,
    SAMPLES = 400,
};
#define PATIENCE_NS (400 * NS_PER_MS) /* for the schemes that sleep 10 ms at a time */

static void sample_once(const struct peer *peer, struct other *other, struct samples *samples)
{
    struct window window = window_open(other);

    peer->synchronize();
    window_close(other, &window, samples);
}

/* A batch of its own start and stop of the reader; its median, or 0 if no window was good. */
static double short_batch(const struct peer *peer, struct other *other, struct samples *all)
{
    struct samples batch;
    double median = 0;

    samples_init(&batch);
    other_start(other, peer->short_sections, NULL);
    for (int i = 0; i < A_BATCH; i++)
        sample_once(peer, other, &batch);
    other_stop(other);
    if (batch.nr)
        median = samples_percentile(&batch, 50);
    for (size_t i = 0; i < batch.nr; i++)
        samples_add(all, batch.values[i]);
    all->discarded += batch.discarded;
    samples_free(&batch);
    return median;
}

static void emit_short(const struct peer *peer, struct samples *samples)
{
    struct row row =
        row_of_samples("synchronize, short reader on other core", peer->name, "us", samples);

    bench_row(&row);
}

static void ratio_to_memb(struct other *other)
{
    struct samples own, memb, ratios;

    samples_init(&own);
    samples_init(&memb);
    samples_init(&ratios);
    for (int i = 0; i < BATCHES; i++) {
        double a = 0, b = 0;
        if (i % 2)
            b = short_batch(peer_memb, other, &memb);
        a = short_batch(peer_own, other, &own);
        if (i % 2 == 0)
            b = short_batch(peer_memb, other, &memb);
        if (a > 0 && b > 0)
            samples_add(&ratios, a / b);
    }
    struct interval interval = samples_interval(&ratios);
    bench_row(&(struct row){
        .name = "synchronize, short reader, ratio to urcu-memb",
        .unit = "ratio",
        .measured = interval.median,
        .bar_kind = BAR_AT_MOST,
        .bar = RATIO_BAR,
        .bar_is = "design.md section 4",
        .n = ratios.nr,
        .ci_low = interval.low,
        .ci_high = interval.high,
        .peer = peer_memb->name,
        .peer_value = 1.0,
        .skipped = ratios.nr ? NULL : "the reader never ran throughout a sample window",
    });
    emit_short(peer_own, &own);
    emit_short(peer_memb, &memb);
    samples_free(&own);
    samples_free(&memb);
    samples_free(&ratios);
}

static void short_readers(struct other *other)
{
    if (peer_memb)
        ratio_to_memb(other);
    else
        bench_skip("synchronize, short reader, ratio to urcu-memb", "ratio",
                   "liburcu-memb not found");
    for (int i = peer_memb ? 2 : 0; i < NR_PEERS; i++) {
        const struct peer *peer = peer_at(i);
        int64_t deadline = monotonic_ns() + PATIENCE_NS;
        struct samples samples;
        if (!peer)
            continue;
        samples_init(&samples);
        for (int j = 0; j < BATCHES / 6 && monotonic_ns() < deadline; j++)
            (void)short_batch(peer, other, &samples);
        emit_short(peer, &samples);
        samples_free(&samples);
    }
}

/* Nobody is inside anything: no window to check. */
static void without_readers(const char *name)
{
    for (int i = 0; i < NR_PEERS; i++) {
        const struct peer *peer = peer_at(i);
        int64_t deadline = monotonic_ns() + PATIENCE_NS;
        struct samples samples;
        if (!peer)
            continue;
        samples_init(&samples);
        for (int j = 0; j < SAMPLES && monotonic_ns() < deadline; j++) {
            int64_t start = monotonic_ns();
            peer->synchronize();
            samples_add(&samples, (double)(monotonic_ns() - start) / 1e3);
        }
        struct row row = row_of_samples(name, peer->name, "us", &samples);
        bench_row(&row);
        samples_free(&samples);
    }
}

static void with_idle_threads(void)
{
    struct idle_threads idle;

    idle_threads_start(&idle);
    without_readers("synchronize, 64 idle threads");
    idle_threads_stop(&idle);
}

/* Waited for, which forces; and by call_rcu, which leaves the grace period in the normal state. */
static void long_sections(struct other *other, int64_t section_ns, int nr, const char *name,
                          const char *name_callback)
{
    const struct peer *const both[] = { peer_own, peer_memb };

    for (size_t i = 0; i < ARRAY_SIZE(both); i++) {
        struct samples waited, called;
        if (!both[i])
            continue;
        samples_init(&waited);
        samples_init(&called);
        other->section_ns = section_ns;
        other_start(other, both[i]->long_sections, NULL);
        for (int j = 0; j < nr; j++) {
            struct stamp stamp;
            sleep_ns(draw_ns(0, section_ns)); /* anywhere in a section */
            sample_once(both[i], other, &waited);
            sleep_ns(draw_ns(0, section_ns));
            int64_t start = monotonic_ns();
            both[i]->call_stamp(&stamp);
            samples_add(&called, stamp_wait_us(&stamp, start));
        }
        other_stop(other);
        struct row row = row_of_samples(name, both[i]->name, "us", &waited);
        bench_row(&row);
        row = row_of_samples(name_callback, both[i]->name, "us", &called);
        bench_row(&row);
        samples_free(&waited);
        samples_free(&called);
    }
}

void rows_synchronize(void)
{
    struct other *other = scene_other();

    without_readers("synchronize, no reader");
    with_idle_threads();
    if (!other) {
        bench_skip("synchronize, short reader, ratio to urcu-memb", "ratio", ONE_CORE);
        return;
    }
    short_readers(other);
    long_sections(other, NS_PER_MS, 60, "synchronize, sections of 1 ms",
                  "call_rcu (normal), sections of 1 ms");
    long_sections(other, 10 * NS_PER_MS, 20, "synchronize, sections of 10 ms",
                  "call_rcu (normal), sections of 10 ms");
}
