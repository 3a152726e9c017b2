/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Oversubscription: a busy kickable reader on each of the two cores, and the
 * requester wherever the scheduler puts it. Its wake-up chain is measured under
 * the same load for comparison: a thread asleep for the same time, and how late
 * it runs again.
 */
#include "kicked.h"
#include "place.h"
#include "rows.h"
#include "scene.h"

enum { SAMPLES = 300 };
#define PATIENCE_NS (3 * NS_PER_S)

void rows_crowd(void)
{
    struct other *far = scene_other();
    struct other near;
    struct kicked kicked[2];
    struct samples forced, late;

    if (!far)
        return bench_skip("forced, a busy reader on each core", "us", ONE_CORE);
    samples_init(&forced);
    samples_init(&late);
    other_init(&near, place_own_cpu());
    place_unpin();
    other_start(&near, kicked_job, &kicked[0]);
    other_start(far, kicked_job, &kicked[1]);
    int64_t deadline = monotonic_ns() + PATIENCE_NS;
    for (int i = 0; i < SAMPLES && monotonic_ns() < deadline; i++) {
        int64_t pause = draw_ns(NS_PER_MS / 2, 4 * NS_PER_MS);
        int64_t start = monotonic_ns();
        sleep_ns(pause);
        int64_t awake = monotonic_ns();
        synchronize_rcu();
        samples_add(&forced, (double)(monotonic_ns() - awake) / 1e3);
        samples_add(&late, (double)(awake - start - pause) / 1e3);
    }
    other_stop(&near);
    other_stop(far);
    other_fini(&near);
    place_pin(place_own_cpu());
    struct row row = row_of_samples("forced, a busy reader on each core", NULL, "us", &forced);
    bench_row(&row);
    row = row_of_samples("timer wake-up under that load", "machine", "us", &late);
    bench_row(&row);
    samples_free(&forced);
    samples_free(&late);
}
