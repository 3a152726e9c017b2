/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A forced grace period with one reader on the other core that leaves only when
 * kicked; what one membarrier to that same running reader costs, alternating
 * with it in short batches; and the same with a lazy grace period pending.
 */
#include "kicked.h"
#include "rows.h"
#include "scene.h"

enum {
    BATCHES = 150,
    A_BATCH = 20,
    PENDING_SAMPLES = 250,
};
#define DRIVE_NS (50 * NS_PER_US) /* a main loop's turn, design.md §4: "a few tens of µs" */

static double synchronize_p50; /* for the bar of the pending rows */

static void sample_membarrier(struct other *other, struct samples *samples)
{
    struct window window = window_open(other);

    membarrier_once();
    window_close(other, &window, samples);
}

static void sample_synchronize(struct other *other, struct samples *samples)
{
    struct window window = window_open(other);

    synchronize_rcu();
    window_close(other, &window, samples);
}

static void sample_polled(struct other *other, struct samples *samples)
{
    struct window window = window_open(other);
    rcu_cookie cookie = start_poll_synchronize_rcu();

    force_rcu();
    while (!poll_state_synchronize_rcu(cookie))
        rcu_drive_forced(DRIVE_NS);
    window_close(other, &window, samples);
}

static void emit_bars(const char *name, const char *name_p99, struct samples *samples,
                      struct samples *membarrier)
{
    double floor_p50 = samples_percentile(membarrier, 50);
    struct row row = row_of_samples(name, NULL, "us", samples);

    row.peer = "membarrier";
    row.peer_value = floor_p50;
    row.peer_p99 = samples_percentile(membarrier, 99);
    row.bar_kind = BAR_AT_MOST;
    row.bar = 2 * floor_p50;
    row.bar_is = "2 x p50 of one membarrier to that core";
    bench_row(&row);
    row.name = name_p99;
    row.measured = row.p99;
    row.bar = 5 * floor_p50;
    row.bar_is = "5 x p50 of one membarrier to that core";
    bench_row(&row);
}

static void flag_kick(struct other *other)
{
    struct samples membarrier, waited, polled;

    samples_init(&membarrier);
    samples_init(&waited);
    samples_init(&polled);
    for (int batch = 0; batch < BATCHES; batch++) {
        for (int i = 0; i < A_BATCH; i++)
            sample_membarrier(other, &membarrier);
        for (int i = 0; i < A_BATCH; i++)
            sample_synchronize(other, &waited);
        for (int i = 0; i < A_BATCH; i++)
            sample_polled(other, &polled);
        sleep_ns(draw_ns(NS_PER_MS / 2, 3 * NS_PER_MS)); /* other weather for the next */
    }
    struct row row =
        row_of_samples("membarrier, reader on the other core", "machine", "us", &membarrier);
    bench_row(&row);
    emit_bars("forced, flag kick", "forced, flag kick, p99", &waited, &membarrier);
    emit_bars("forced, flag kick, polled", "forced, flag kick, polled, p99", &polled, &membarrier);
    synchronize_p50 = samples_percentile(&waited, 50);
    samples_free(&membarrier);
    samples_free(&waited);
    samples_free(&polled);
}

/* Forces after a pause in which an ordinary call_rcu has started a lazy grace period, or not. */
static void sample_after_pause(struct other *other, bool is_pending, struct samples *samples)
{
    rcu_cookie lazy = 0;
    struct stamp stamp;
    int64_t start = monotonic_ns();

    if (is_pending) {
        peer_own->call_stamp(&stamp);
        lazy = start_poll_synchronize_rcu();
    }
    sleep_ns(draw_ns(NS_PER_MS / 5, 9 * NS_PER_MS));
    if (is_pending && poll_state_synchronize_rcu(lazy))
        samples->discarded++; /* it has ended by itself: nothing was pending */
    else
        sample_synchronize(other, samples);
    if (is_pending)
        (void)stamp_wait_us(&stamp, start);
}

static void lazy_pending(struct other *other)
{
    struct samples idle, pending;

    samples_init(&idle);
    samples_init(&pending);
    for (int i = 0; i < PENDING_SAMPLES; i++) {
        sample_after_pause(other, false, &idle);
        sample_after_pause(other, true, &pending);
    }
    struct row row = row_of_samples("forced while a lazy one is pending", NULL, "us", &pending);
    row.bar_kind = BAR_AT_MOST;
    row.bar = 2 * synchronize_p50;
    row.bar_is = "2 x p50 of 'forced, flag kick'";
    row.peer = "forced after the same pause, none pending";
    row.peer_value = samples_percentile(&idle, 50);
    row.peer_p99 = samples_percentile(&idle, 99);
    bench_row(&row);
    row = row_of_samples("forced after a pause, none pending", NULL, "us", &idle);
    bench_row(&row);
    samples_free(&idle);
    samples_free(&pending);
}

void rows_forced(void)
{
    struct other *other = scene_other();
    struct kicked kicked;

    if (!other) {
        bench_skip("forced, flag kick", "us", ONE_CORE);
        bench_skip("forced while a lazy one is pending", "us", ONE_CORE);
        return;
    }
    other_start(other, kicked_job, &kicked);
    flag_kick(other);
    lazy_pending(other);
    other_stop(other);
}
