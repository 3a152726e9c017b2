/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The path of an unmap (design.md §8) without the machine around it: publish,
 * hand the old view to call_rcu, force, and drive from a main loop's turn, with
 * a kickable reader on the other core. When the grace period is seen to have
 * ended, and when the callback (the release) has run.
 */
#include "kicked.h"
#include "rows.h"
#include "scene.h"

enum { SAMPLES = 600 };
#define DRIVE_NS (50 * NS_PER_US)

static const struct node *view; /* published */

static void unmap_once(struct other *other, struct samples *grace, struct samples *release)
{
    static const struct node views[2];
    struct stamp stamp;

    struct window window = window_open(other);
    atomic_rcu_set(&view, view == &views[0] ? &views[1] : &views[0]);
    peer_own->call_stamp(&stamp);
    rcu_cookie cookie = start_poll_synchronize_rcu();
    force_rcu();
    while (!poll_state_synchronize_rcu(cookie))
        rcu_drive_forced(DRIVE_NS);
    window_close(other, &window, grace);
    double released = stamp_wait_us(&stamp, window.start_ns);
    if (window.is_good)
        samples_add(release, released);
    else
        release->discarded++;
}

void rows_unmap(void)
{
    struct other *other = scene_other();
    struct samples grace, release;
    struct kicked kicked;

    if (!other)
        return bench_skip("unmap path: grace period ended", "us", ONE_CORE);
    samples_init(&grace);
    samples_init(&release);
    other_start(other, kicked_job, &kicked);
    for (int i = 0; i < SAMPLES; i++) {
        sleep_ns(draw_ns(NS_PER_MS / 5, NS_PER_MS));
        unmap_once(other, &grace, &release);
    }
    other_stop(other);
    struct row row = row_of_samples("unmap path: grace period ended", NULL, "us", &grace);
    bench_row(&row);
    row = row_of_samples("unmap path: callback has run", NULL, "us", &release);
    bench_row(&row);
    samples_free(&grace);
    samples_free(&release);
}
