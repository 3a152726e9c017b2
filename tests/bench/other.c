/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "other.h"

#include <assert.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "peer.h"
#include "place.h"

enum { NODES = 16 };

static struct node nodes[NODES];

static void check(int error)
{
    assert(error == 0);
    (void)error;
}

static void *run_jobs(void *arg)
{
    struct other *other = arg;

    if (other->cpu >= 0)
        place_pin(other->cpu);
    peers_begin_thread();
    check(pthread_mutex_lock(&other->lock));
    other->tid = (pid_t)syscall(SYS_gettid);
    for (;;) {
        while (!other->is_running && !other->must_quit)
            check(pthread_cond_wait(&other->changed, &other->lock));
        if (!other->is_running)
            break;
        check(pthread_mutex_unlock(&other->lock));
        store_relaxed(&other->beat_ns, monotonic_ns());
        other->job(other);
        check(pthread_mutex_lock(&other->lock));
        other->is_running = false;
        check(pthread_cond_broadcast(&other->changed));
    }
    check(pthread_mutex_unlock(&other->lock));
    peers_end_thread();
    return NULL;
}

void other_init(struct other *other, int cpu)
{
    for (int i = 0; i < NODES; i++)
        nodes[i] = (struct node){ .next = i + 1 < NODES ? &nodes[i + 1] : NULL, .value = i };
    *other = (struct other){ .cpu = cpu, .list = nodes };
    check(pthread_mutex_init(&other->lock, NULL));
    check(pthread_cond_init(&other->changed, NULL));
    check(pthread_create(&other->thread, NULL, run_jobs, other));
}

void other_fini(struct other *other)
{
    check(pthread_mutex_lock(&other->lock));
    other->must_quit = true;
    check(pthread_cond_broadcast(&other->changed));
    check(pthread_mutex_unlock(&other->lock));
    check(pthread_join(other->thread, NULL));
    check(pthread_cond_destroy(&other->changed));
    check(pthread_mutex_destroy(&other->lock));
}

void other_start(struct other *other, void (*job)(struct other *other), void *arg)
{
    int64_t last_beat = load_relaxed(&other->beat_ns);

    check(pthread_mutex_lock(&other->lock));
    assert(!other->is_running);
    other->job = job;
    other->arg = arg;
    store_relaxed(&other->stop, 0);
    other->is_running = true;
    check(pthread_cond_broadcast(&other->changed));
    check(pthread_mutex_unlock(&other->lock));
    while (load_relaxed(&other->beat_ns) == last_beat)
        cpu_relax();
}

void other_stop(struct other *other)
{
    store_relaxed(&other->stop, 1);
    check(pthread_mutex_lock(&other->lock));
    while (other->is_running)
        check(pthread_cond_wait(&other->changed, &other->lock));
    check(pthread_mutex_unlock(&other->lock));
}

/* Sees the beat move, for 1 ms at most: past that the reader is not on its core. */
static bool sees_beat(const struct other *other)
{
    int64_t beat = load_relaxed(&other->beat_ns);
    int64_t deadline = monotonic_ns() + NS_PER_MS;

    /* acquire: pairs with the release in other_beat() */
    while (load_acquire(&other->beat_ns) == beat) {
        if (monotonic_ns() > deadline)
            return false;
        cpu_relax();
    }
    return true;
}

struct window window_open(const struct other *other)
{
    struct window window = { .away = load_relaxed(&other->away), .is_good = sees_beat(other) };

    window.start_ns = monotonic_ns();
    return window;
}

void window_close(const struct other *other, struct window *window, struct samples *samples)
{
    int64_t end = monotonic_ns();

    /* The beat that is seen now may report a pause that began inside the window. */
    window->is_good =
        sees_beat(other) && window->is_good && load_relaxed(&other->away) == window->away;
    if (window->is_good)
        samples_add(samples, (double)(end - window->start_ns) / 1e3);
    else
        samples->discarded++;
}
