/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The path of an unmap (design.md §8) without the machine around it: publish,
 * hand the old view to call_rcu, force, and drive from a main loop's turn, with
 * a kickable reader on the other core. When the grace period is seen to have
 * ended, and when the callback (the release) has run.
 */
#include "kicked.h"
#include "place.h"
#include "rows.h"
#include "scene.h"

enum { SAMPLES = 600 };
#define DRIVE_NS (50 * NS_PER_US)
#define CROWD_NS (2 * NS_PER_S)

static const struct node *view; /* published */

/* The time of the grace period's end, as the main loop sees it: it has promised to drive. */
static int64_t unmap_once(struct stamp *stamp)
{
    static const struct node views[2];

    atomic_rcu_set(&view, view == &views[0] ? &views[1] : &views[0]);
    peer_own->call_stamp(stamp);
    rcu_cookie cookie = start_poll_synchronize_rcu();
    force_rcu();
    while (!poll_state_synchronize_rcu(cookie))
        rcu_drive_forced(DRIVE_NS);
    return monotonic_ns();
}

static void one_reader(struct other *other, struct samples *grace, struct samples *release)
{
    struct kicked kicked;

    other_start(other, kicked_job, &kicked);
    for (int i = 0; i < SAMPLES; i++) {
        struct stamp stamp;
        sleep_ns(draw_ns(NS_PER_MS / 5, NS_PER_MS));
        struct window window = window_open(other);
        (void)unmap_once(&stamp);
        window_close(other, &window, grace);
        double released = stamp_wait_us(&stamp, window.start_ns);
        if (window.is_good)
            samples_add(release, released);
        else
            release->discarded++;
    }
    other_stop(other);
}

/* A busy reader on each core, the main loop wherever the scheduler puts it. No windows: whose
 * turn it is on which core is what is measured. */
static void crowd(struct other *far, struct samples *grace, struct samples *release)
{
    int64_t deadline = monotonic_ns() + CROWD_NS;
    struct kicked kicked[2];
    struct other near;

    other_init(&near, place_own_cpu());
    place_unpin();
    other_start(&near, kicked_job, &kicked[0]);
    other_start(far, kicked_job, &kicked[1]);
    while (monotonic_ns() < deadline) {
        struct stamp stamp;
        sleep_ns(draw_ns(NS_PER_MS / 2, 4 * NS_PER_MS));
        int64_t start = monotonic_ns();
        samples_add(grace, (double)(unmap_once(&stamp) - start) / 1e3);
        samples_add(release, stamp_wait_us(&stamp, start));
    }
    other_stop(&near);
    other_stop(far);
    other_fini(&near);
    place_pin(place_own_cpu());
}

static void measure(struct other *other, const char *name_grace, const char *name_release,
                    void (*scene)(struct other *, struct samples *, struct samples *))
{
    struct samples grace, release;

    samples_init(&grace);
    samples_init(&release);
    scene(other, &grace, &release);
    struct row row = row_of_samples(name_grace, NULL, "us", &grace);
    bench_row(&row);
    row = row_of_samples(name_release, NULL, "us", &release);
    bench_row(&row);
    samples_free(&grace);
    samples_free(&release);
}

void rows_unmap(void)
{
    struct other *other = scene_other();

    if (!other)
        return bench_skip("unmap path: grace period ended", "us", ONE_CORE);
    rcu_promise_drive(true);
    measure(other, "unmap path: grace period ended", "unmap path: callback has run", one_reader);
    measure(other, "unmap path, all cores busy: grace period",
            "unmap path, all cores busy: callback", crowd);
    rcu_promise_drive(false);
}
