/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The time of a read pair: lock and unlock in a loop, on one pinned core, in
 * short batches that alternate with liburcu-memb's. The bar is on the ratio of
 * each batch to its neighbour at the same code placement (peer.h), so that clock
 * speed and stolen time cancel.
 */
#include "rows.h"
#include "scene.h"

enum {
    PAIRS_A_BATCH = 100000, /* 50-60 µs for the quick ones: shorter than a scheduler's tick */
    BATCHES = 400,
    PAIRS_OF_OTHERS = 20000,
    BATCHES_OF_OTHERS = 60,
};

static double batch_ns(const struct peer *peer, unsigned long n, unsigned placement)
{
    int64_t start = monotonic_ns();

    peer->pairs(n, placement);
    return (double)(monotonic_ns() - start) / (double)n;
}

static void emit_pair(const struct peer *peer, struct samples *samples)
{
    struct row row = row_of_samples("read pair", peer->name, "ns", samples);

    row.note = "the loop's own 1 cycle included";
    bench_row(&row);
}

static void ratio_to_memb(void)
{
    struct samples own, memb, ratios;

    samples_init(&own);
    samples_init(&memb);
    samples_init(&ratios);
    for (int i = 0; i < BATCHES; i++) {
        bool is_first = i % 2 == 0;
        unsigned placement = (unsigned)i / 2 % PLACEMENTS;
        double a = batch_ns(is_first ? peer_own : peer_memb, PAIRS_A_BATCH, placement);
        double b = batch_ns(is_first ? peer_memb : peer_own, PAIRS_A_BATCH, placement);
        samples_add(&own, is_first ? a : b);
        samples_add(&memb, is_first ? b : a);
        samples_add(&ratios, is_first ? a / b : b / a);
    }
    struct interval interval = samples_interval(&ratios);
    bench_row(&(struct row){
        .name = "read pair, ratio to urcu-memb inlined",
        .unit = "ratio",
        .measured = interval.median,
        .bar_kind = BAR_REACHES,
        .bar = 1.0,
        .bar_is = "the 95 % interval reaches below 1.0",
        .n = ratios.nr,
        .ci_low = interval.low,
        .ci_high = interval.high,
        .peer = peer_memb->name,
        .peer_value = 1.0,
    });
    emit_pair(peer_own, &own);
    emit_pair(peer_memb, &memb);
    samples_free(&own);
    samples_free(&memb);
    samples_free(&ratios);
}

void rows_pairs(void)
{
    if (peer_memb)
        ratio_to_memb();
    else
        bench_skip("read pair, ratio to urcu-memb inlined", "ratio", "liburcu-memb not found");
    for (int i = peer_memb ? 2 : 0; i < NR_PEERS; i++) {
        const struct peer *peer = peer_at(i);
        struct samples samples;
        if (!peer)
            continue;
        samples_init(&samples);
        for (int j = 0; j < BATCHES_OF_OTHERS; j++)
            samples_add(&samples, batch_ns(peer, PAIRS_OF_OTHERS, (unsigned)j % PLACEMENTS));
        emit_pair(peer, &samples);
        samples_free(&samples);
    }
}
