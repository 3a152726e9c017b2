/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One producer queues a million malloc'd objects of 64 bytes as fast as it can,
 * callbacks free them. Throughput counts until the last one has run. Rounds of
 * ours and liburcu-memb's alternate.
 */
#include "rows.h"
#include "scene.h"
#include "util/rcu_control.h"

enum {
    OBJECTS = 1000000,
    WARM_UP = 100000,
    ROUNDS = 9,
    ROUNDS_OF_OTHERS = 3,
    PEAK_BAR = 100000, /* design.md §4 */
};

struct tally {
    struct samples done;   /* million callbacks a second, until the last has run */
    struct samples queued; /* million call_rcu a second, the producer's side */
    unsigned long peak;
};

static void run_round(const struct peer *peer, struct tally *tally)
{
    struct flood flood = { .nr = OBJECTS };

    peer->flood(&flood);
    samples_add(&tally->done, OBJECTS * 1e3 / (double)flood.done_ns);
    samples_add(&tally->queued, OBJECTS * 1e3 / (double)flood.queued_ns);
    if (flood.peak_pending > tally->peak)
        tally->peak = flood.peak_pending;
    sleep_ns(20 * NS_PER_MS); /* liburcu's worker goes back to sleep */
}

static void warm_up(const struct peer *peer)
{
    struct flood flood = { .nr = WARM_UP };

    peer->flood(&flood);
}

static void tally_init(struct tally *tally)
{
    samples_init(&tally->done);
    samples_init(&tally->queued);
    tally->peak = 0;
}

static void tally_free(struct tally *tally)
{
    samples_free(&tally->done);
    samples_free(&tally->queued);
}

static void emit_tally(const struct peer *peer, struct tally *tally)
{
    struct row row = row_of_samples("call_rcu throughput", peer->name, "M/s", &tally->done);

    row.p99 = 0; /* of a handful of rounds */
    bench_row(&row);
    row = row_of_samples("call_rcu throughput, producer's side", peer->name, "M/s", &tally->queued);
    row.p99 = 0;
    bench_row(&row);
    bench_row(&(struct row){ .name = "peak pending of 1 M",
                             .scheme = peer->name,
                             .unit = "count",
                             .measured = (double)tally->peak });
}

static void emit_ratio(const char *name, const struct samples *own, const struct samples *memb,
                       enum bar_kind bar_kind)
{
    struct samples ratios;

    samples_init(&ratios);
    for (size_t i = 0; i < own->nr; i++)
        samples_add(&ratios, own->values[i] / memb->values[i]);
    struct interval interval = samples_interval(&ratios);
    bench_row(&(struct row){ .name = name,
                             .unit = "ratio",
                             .measured = interval.median,
                             .bar_kind = bar_kind,
                             .bar = 1.0,
                             .n = ratios.nr,
                             .ci_low = interval.low,
                             .ci_high = interval.high,
                             .peer = peer_memb->name,
                             .peer_value = 1.0 });
    if (bar_kind != BAR_NONE) /* a scheme that collapses now and then has a fine median */
        bench_row(&(struct row){ .name = "call_rcu throughput, worst round, ratio",
                                 .unit = "ratio",
                                 .measured = samples_percentile(&ratios, 0),
                                 .n = ratios.nr });
    samples_free(&ratios);
}

/* Before anything sorts the samples: the ratios pair neighbouring rounds. */
static void emit_ratios(const struct tally *own, const struct tally *memb)
{
    emit_ratio("call_rcu throughput, ratio to urcu-memb", &own->done, &memb->done, BAR_AT_LEAST);
    emit_ratio("producer's side, ratio to urcu-memb", &own->queued, &memb->queued, BAR_NONE);
}

static void emit_peak(const struct tally *own, const struct tally *memb)
{
    struct rcu_stats stats;

    rcu_get_stats(&stats);
    double peak = (double)stats.callbacks_peak;
    bench_row(&(struct row){
        .name = "peak pending callbacks of 1 M",
        .unit = "count",
        .measured = peak > (double)own->peak ? peak : (double)own->peak,
        .bar_kind = BAR_AT_MOST,
        .bar = PEAK_BAR,
        .bar_is = "design.md section 4",
        .peer = peer_memb ? peer_memb->name : NULL,
        .peer_value = (double)memb->peak,
        .note = "the larger of rcu_get_stats() and the producer's count",
    });
}

void rows_flood(void)
{
    struct tally own, memb;

    tally_init(&own);
    tally_init(&memb);
    warm_up(peer_own);
    if (peer_memb)
        warm_up(peer_memb);
    for (int i = 0; i < ROUNDS; i++) {
        if (peer_memb && i % 2)
            run_round(peer_memb, &memb);
        run_round(peer_own, &own);
        if (peer_memb && i % 2 == 0)
            run_round(peer_memb, &memb);
    }
    if (peer_memb)
        emit_ratios(&own, &memb);
    else
        bench_skip("call_rcu throughput, ratio to urcu-memb", "ratio", "liburcu-memb not found");
    emit_peak(&own, &memb);
    emit_tally(peer_own, &own);
    if (peer_memb)
        emit_tally(peer_memb, &memb);
    for (int i = 2; i < NR_PEERS; i++) {
        const struct peer *peer = peer_at(i);
        struct tally tally;
        if (!peer || !peer->flood)
            continue;
        tally_init(&tally);
        for (int j = 0; j < ROUNDS_OF_OTHERS; j++)
            run_round(peer, &tally);
        emit_tally(peer, &tally);
        tally_free(&tally);
    }
    tally_free(&own);
    tally_free(&memb);
}
