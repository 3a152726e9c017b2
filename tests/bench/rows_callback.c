/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From call_rcu to its callback, with no reader inside: one object at a time,
 * after a pause, so that each finds the callback thread asleep.
 */
#include "rows.h"
#include "scene.h"

#define BAR_US 100 /* design.md §4 */

enum { SAMPLES = 600, SAMPLES_OF_OTHERS = 60 };

static void sample_callbacks(const struct peer *peer, int nr, struct samples *samples)
{
    for (int i = 0; i < nr; i++) {
        struct stamp stamp;
        sleep_ns(draw_ns(NS_PER_MS / 2, 3 * NS_PER_MS / 2));
        int64_t start = monotonic_ns();
        peer->call_stamp(&stamp);
        samples_add(samples, stamp_wait_us(&stamp, start));
    }
}

void rows_callback(void)
{
    struct samples own, memb;

    samples_init(&own);
    samples_init(&memb);
    for (int i = 0; i < 10; i++) {
        sample_callbacks(peer_own, SAMPLES / 10, &own);
        if (peer_memb)
            sample_callbacks(peer_memb, SAMPLES_OF_OTHERS / 10, &memb);
    }
    struct row row = row_of_samples("callback, no reader inside", NULL, "us", &own);
    row.bar_kind = BAR_AT_MOST;
    row.bar = BAR_US;
    row.bar_is = "design.md section 4";
    row.peer = peer_memb ? peer_memb->name : NULL;
    row.peer_value = peer_memb ? samples_percentile(&memb, 50) : 0;
    row.peer_p99 = peer_memb ? samples_percentile(&memb, 99) : 0;
    bench_row(&row);
    row = row_of_samples("call_rcu to callback, no reader", NULL, "us", &own);
    bench_row(&row);
    for (int i = 1; i < NR_PEERS; i++) {
        const struct peer *peer = peer_at(i);
        struct samples samples;
        if (!peer || !peer->call_stamp)
            continue;
        samples_init(&samples);
        if (peer != peer_memb)
            sample_callbacks(peer, SAMPLES_OF_OTHERS, &samples);
        row = row_of_samples("call_rcu to callback, no reader", peer->name, "us",
                             peer == peer_memb ? &memb : &samples);
        bench_row(&row);
        samples_free(&samples);
    }
    samples_free(&own);
    samples_free(&memb);
}
