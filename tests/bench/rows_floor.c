/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the machine itself charges: a store seen by the other core and back, a
 * signal, a futex wake-up, a membarrier. Nothing built on them can be quicker.
 */
#include <limits.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "rows.h"
#include "scene.h"
#include "util/event.h"
#include "util/futex.h"

enum { SAMPLES = 500 };
#define MACHINE "machine"
/* Long enough for the other thread to fall asleep and its core to halt; a vCPU that halted. */
#define SETTLE_NS (300 * NS_PER_US)

static struct {
    CACHE_ALIGNED uint32_t ask;        /* atomic; the measuring thread's */
    CACHE_ALIGNED uint32_t answer;     /* atomic; the other thread's */
    CACHE_ALIGNED int64_t answered_ns; /* atomic; likewise, 0: not yet */
    struct event event;
} line;

static void emit(const char *name, struct samples *samples)
{
    struct row row = row_of_samples(name, MACHINE, "us", samples);

    bench_row(&row);
    samples_free(samples);
}

static void membarrier_idle(void)
{
    struct samples samples;

    samples_init(&samples);
    for (int i = 0; i < SAMPLES; i++) {
        int64_t start = monotonic_ns();
        membarrier_once();
        samples_add(&samples, (double)(monotonic_ns() - start) / 1e3);
    }
    emit("membarrier, nobody on the other core", &samples);
}

static void echo_job(struct other *other)
{
    uint32_t answer = load_relaxed(&line.answer);

    while (!other_must_stop(other)) {
        for (int i = 0; i < 32; i++) {
            uint32_t ask = load_acquire(&line.ask);
            if (ask != answer) /* a store at every turn would hold up whoever polls the line */
                store_release(&line.answer, answer = ask);
        }
        other_beat(other);
    }
}

static void flag_echo(struct other *other)
{
    struct samples samples;

    samples_init(&samples);
    other_start(other, echo_job, NULL);
    for (int i = 0; i < 4 * SAMPLES; i++) {
        struct window window = window_open(other);
        uint32_t ask = line.ask + 1;
        store_release(&line.ask, ask);
        while (load_acquire(&line.answer) != ask)
            ;
        window_close(other, &window, &samples);
    }
    other_stop(other);
    emit("flag store, seen and answered", &samples);
}

static void answer_now(void)
{
    store_release(&line.answered_ns, monotonic_ns());
}

/* Until the other side has stamped; µs from @start_ns to its stamp. */
static double answered_us(int64_t start_ns)
{
    int64_t answered;

    while ((answered = load_acquire(&line.answered_ns)) == 0)
        cpu_relax();
    return (double)(answered - start_ns) / 1e3;
}

static void on_signal(int number UNUSED)
{
    answer_now();
}

static void spin_job(struct other *other)
{
    while (!other_must_stop(other))
        other_beat(other);
}

/* Blocked until its last signal, which other_stop()'s flag precedes. */
static void pause_job(struct other *other)
{
    sigset_t none, usr1;

    sigemptyset(&none);
    sigemptyset(&usr1);
    sigaddset(&usr1, SIGUSR1);
    pthread_sigmask(SIG_BLOCK, &usr1, NULL);
    other_beat(other);
    while (!other_must_stop(other))
        sigsuspend(&none);
    pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
}

static void send_signal(const struct other *other)
{
    (void)syscall(SYS_tgkill, getpid(), other->tid, SIGUSR1);
}

static void signal_spinning(struct other *other)
{
    struct samples samples;

    samples_init(&samples);
    other_start(other, spin_job, NULL);
    for (int i = 0; i < SAMPLES; i++) {
        store_relaxed(&line.answered_ns, 0);
        struct window window = window_open(other);
        send_signal(other);
        (void)answered_us(window.start_ns);
        window_close(other, &window, &samples);
    }
    other_stop(other);
    emit("tgkill to handler, target running", &samples);
}

static void signal_blocked(struct other *other)
{
    struct samples samples;

    samples_init(&samples);
    other_start(other, pause_job, NULL);
    for (int i = 0; i < SAMPLES; i++) {
        sleep_ns(SETTLE_NS);
        store_relaxed(&line.answered_ns, 0);
        int64_t start = monotonic_ns();
        send_signal(other);
        samples_add(&samples, answered_us(start));
    }
    store_relaxed(&other->stop, 1);
    send_signal(other);
    other_stop(other);
    emit("tgkill to handler, target blocked", &samples);
}

static void futex_job(struct other *other)
{
    uint32_t seen = load_acquire(&line.ask);

    other_beat(other);
    while (!other_must_stop(other)) {
        uint32_t ask = load_acquire(&line.ask);
        if (ask == seen) {
            (void)futex_timedwait(&line.ask, seen, DEADLINE_NEVER);
            continue;
        }
        seen = ask;
        answer_now();
    }
}

static void wake_futex(void)
{
    store_release(&line.ask, line.ask + 1);
    futex_wake(&line.ask, INT_MAX);
}

static void event_job(struct other *other)
{
    other_beat(other);
    while (!other_must_stop(other)) {
        event_wait(&line.event);
        event_reset(&line.event);
        answer_now();
    }
}

static void wake_event(void)
{
    event_set(&line.event);
}

static void wake_up(struct other *other, const char *name, void (*job)(struct other *other),
                    void (*wake)(void))
{
    struct samples samples;

    samples_init(&samples);
    event_init(&line.event, false);
    other_start(other, job, NULL);
    for (int i = 0; i < SAMPLES; i++) {
        sleep_ns(SETTLE_NS);
        store_relaxed(&line.answered_ns, 0);
        int64_t start = monotonic_ns();
        wake();
        samples_add(&samples, answered_us(start));
    }
    store_relaxed(&other->stop, 1);
    wake();
    other_stop(other);
    emit(name, &samples);
}

void rows_floor(void)
{
    struct other *other = scene_other();
    struct sigaction action = { .sa_handler = on_signal };
    struct sigaction before;

    membarrier_idle();
    if (!other) {
        bench_skip("flag store, seen and answered", "us", ONE_CORE);
        return;
    }
    flag_echo(other);
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGUSR1, &action, &before) == 0) {
        signal_spinning(other);
        signal_blocked(other);
        (void)sigaction(SIGUSR1, &before, NULL);
    }
    wake_up(other, "futex wake to running, target blocked", futex_job, wake_futex);
    wake_up(other, "event_set to running, target blocked", event_job, wake_event);
}
