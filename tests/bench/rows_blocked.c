/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A forced grace period with a reader that blocks in the kernel inside its
 * section (a virtual CPU in KVM_RUN, an I/O thread): its notifier sends a signal.
 */
#include <poll.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rows.h"
#include "scene.h"
#include "util/rcu.h"

enum { SAMPLES = 400 };
#define SETTLE_NS (300 * NS_PER_US) /* as in rows_floor.c, for comparison */

struct blocked {
    struct rcu_notifier notifier;
    pid_t tid;
    uint32_t turns; /* atomic: sections left */
};

static void kick(struct rcu_notifier *notifier)
{
    struct blocked *blocked = container_of(notifier, struct blocked, notifier);

    (void)syscall(SYS_tgkill, getpid(), blocked->tid, SIGUSR1);
}

static void on_signal(int number UNUSED)
{
}

/* SIGUSR1 is let in by ppoll() alone, so that none is lost between two turns. */
static void blocked_job(struct other *other)
{
    struct blocked *blocked = other->arg;
    sigset_t usr1, before;

    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &usr1, &before);
    blocked->notifier = (struct rcu_notifier){ .kick = kick };
    blocked->tid = other->tid;
    rcu_add_force_rcu_notifier(&blocked->notifier);
    other_beat(other);
    while (!other_must_stop(other)) {
        rcu_read_lock();
        (void)ppoll(NULL, 0, NULL, &before);
        rcu_read_unlock();
        store_relaxed(&blocked->turns, blocked->turns + 1);
    }
    rcu_remove_force_rcu_notifier(&blocked->notifier);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

void rows_blocked(void)
{
    struct sigaction action = { .sa_handler = on_signal };
    struct other *other = scene_other();
    struct sigaction before;
    struct blocked blocked = { .turns = 0 };
    struct samples samples;

    if (!other)
        return bench_skip("forced, signal kick of a blocked reader", "us", ONE_CORE);
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGUSR1, &action, &before) != 0)
        return bench_skip("forced, signal kick of a blocked reader", "us", "sigaction failed");
    samples_init(&samples);
    other_start(other, blocked_job, &blocked);
    for (int i = 0; i < SAMPLES; i++) {
        sleep_ns(SETTLE_NS);
        uint32_t turns = load_relaxed(&blocked.turns);
        int64_t start = monotonic_ns();
        synchronize_rcu();
        double took = (double)(monotonic_ns() - start) / 1e3;
        if (load_relaxed(&blocked.turns) == turns) /* seen between two sections: no kick */
            samples.discarded++;
        else
            samples_add(&samples, took);
    }
    store_relaxed(&other->stop, 1);
    (void)syscall(SYS_tgkill, getpid(), other->tid, SIGUSR1);
    other_stop(other);
    (void)sigaction(SIGUSR1, &before, NULL);
    struct row row =
        row_of_samples("forced, signal kick of a blocked reader", NULL, "us", &samples);
    bench_row(&row);
    samples_free(&samples);
}
