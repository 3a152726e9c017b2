/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How soon a processor that runs a guest leaves its read section when it is kicked:
 * from the kick's store until this thread sees it outside, less half of what a bare
 * store between these two cores and its answer take, since the news that it is outside has to
 * come back. And a forced grace period with such a processor as its only reader, compared in
 * short batches with a reader that is nothing but the flag (kicked.h).
 *
 * The guest spins with interrupts off. Batches in which one of the two threads waited for a core
 * (by the kernel's account) are not counted among the times, but each kick must have come through.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "bare.h"
#include "hw/cpu/backend.h"
#include "hw/cpu/soft/soft.h"
#include "kicked.h"
#include "place.h"
#include "rows_cpu.h"
#include "scene.h"

enum {
    KICKS = 1000000,
    KICKS_A_BATCH = 500,
    WIRE_SAMPLES = 500,
    WIRE_EVERY = 20, /* batches of kicks */
    BATCHES = 100,
    A_BATCH = 20,
};
#define LOST_NS (20 * NS_PER_MS)
#define P50_US 0.5 /* design.md: with a free core */
#define P999_US 5.0

/* cli; then without end: inc rax; add rbx, rax; xor rcx, rbx; jmp */
static const uint8_t spin[] = {
    0xfa, 0x48, 0xff, 0xc0, 0x48, 0x01, 0xc3, 0x48, 0x31, 0xd9, 0xeb, 0xf5,
};

struct scene_kick {
    struct bare *bare;
    pid_t tid;    /* the processor's thread */
    int waits[3]; /* schedstat of it, of this thread, and of the other one */
};

static void pin_thread(struct cpu *cpu UNUSED, void *arg)
{
    place_pin(place_other_cpu());
    *(pid_t *)arg = (pid_t)syscall(SYS_gettid);
}

static int open_schedstat(pid_t tid)
{
    char path[64];

    snprintf(path, sizeof(path), "/proc/self/task/%d/schedstat", (int)tid);
    return open(path, O_RDONLY | O_CLOEXEC);
}

/* ns that the two threads have waited for a core (Documentation/scheduler/sched-stats). */
static int64_t waited(const struct scene_kick *scene)
{
    int64_t sum = 0;

    for (unsigned i = 0; i < ARRAY_SIZE(scene->waits); i++) {
        char text[96] = "";
        char *end;

        if (pread(scene->waits[i], text, sizeof(text) - 1, 0) <= 0)
            continue; /* a kernel without it: then nothing is left out */
        (void)strtoll(text, &end, 10);
        sum += strtoll(end, NULL, 10);
    }
    return sum;
}

static bool is_running(const struct soft *cpu)
{
    return load_relaxed(&cpu->is_running) && load_relaxed(&cpu->kick.limit) != 0;
}

/* The guest is inside, and has been for a moment. */
static void wait_until_inside(struct scene_kick *scene)
{
    const struct soft *cpu = soft_of(bare_cpu(scene->bare));
    int64_t until;

    while (!is_running(cpu))
        cpu_relax();
    until = monotonic_ns() + draw_ns(0, 2 * NS_PER_US);
    while (monotonic_ns() < until)
        cpu_relax();
}

/* ---- Kicks ------------------------------------------------------------------------------------
 */

static int64_t clock_ns(clockid_t clock)
{
    struct timespec time = { 0 };

    clock_gettime(clock, &time);
    return time.tv_sec * NS_PER_S + time.tv_nsec;
}

/*
 * Wait until @cpu has taken the event. False if it has run for LOST_NS since the first look, on
 * its core, and has not: the kick is lost. A processor that waits for a core is only late.
 */
static bool wait_until_taken(struct scene_kick *scene)
{
    const struct cpu *cpu = bare_cpu(scene->bare);
    int64_t patience = monotonic_ns() + LOST_NS, ran_ns = -1;

    while (load_acquire(&cpu->events) & CPU_EVENT_RCU) {
        if (monotonic_ns() < patience)
            continue;
        if (ran_ns < 0)
            ran_ns = clock_ns(bare_clock(scene->bare));
        else if (clock_ns(bare_clock(scene->bare)) > ran_ns + LOST_NS)
            return false;
    }
    return true;
}

/*
 * ns from the kick's store until the processor was seen outside, or -1: lost. As cpu_post(), in
 * two halves. The moment between two sections may be missed; that the event is taken can not.
 */
static int64_t kick_once(struct scene_kick *scene)
{
    struct cpu *cpu = bare_cpu(scene->bare);
    const uint32_t *is_running = &soft_of(cpu)->is_running;
    int64_t start, end;

    fetch_or(&cpu->events, CPU_EVENT_RCU);
    smp_mb_after_rmw();
    start = end = monotonic_ns();
    cpu->cpus->backend->kick(cpu);
    while (load_acquire(is_running) && (load_acquire(&cpu->events) & CPU_EVENT_RCU) &&
           end < start + LOST_NS)
        end = monotonic_ns();
    end = monotonic_ns();
    return wait_until_taken(scene) ? end - start : -1;
}

static unsigned kick_batch(struct scene_kick *scene, struct samples *samples)
{
    int64_t times[KICKS_A_BATCH], before = waited(scene);
    unsigned nr_lost = 0;

    for (unsigned i = 0; i < KICKS_A_BATCH; i++) {
        wait_until_inside(scene);
        times[i] = kick_once(scene);
        nr_lost += times[i] < 0;
    }
    bool is_good = waited(scene) - before < AWAY_NS;
    for (unsigned i = 0; i < KICKS_A_BATCH; i++)
        if (is_good && times[i] >= 0)
            samples_add(samples, (double)times[i] / 1e3);
        else
            samples->discarded++;
    return nr_lost;
}

/* What is stored here is answered there. */
static struct {
    CACHE_ALIGNED uint64_t question; /* atomic */
    CACHE_ALIGNED uint64_t answer;   /* atomic */
} wire;

static void answer_job(struct other *other)
{
    other_beat(other);
    while (!other_must_stop(other))
        store_release(&wire.answer, load_acquire(&wire.question));
}

/* µs. The same pauses as between kicks, and the same batches left out. */
static void sample_wire(struct scene_kick *scene, struct samples *samples)
{
    struct cpus *cpus = bare_cpu(scene->bare)->cpus;
    double times[WIRE_SAMPLES];

    cpus_pause(cpus);
    other_start(scene_other(), answer_job, NULL);
    int64_t before = waited(scene);
    for (unsigned i = 0; i < WIRE_SAMPLES; i++) {
        int64_t until = monotonic_ns() + draw_ns(0, 2 * NS_PER_US), start;

        while (monotonic_ns() < until)
            cpu_relax();
        start = monotonic_ns();
        store_relaxed(&wire.question, wire.question + 1);
        while (load_acquire(&wire.answer) != wire.question)
            ;
        times[i] = (double)(monotonic_ns() - start) / 1e3;
    }
    bool is_good = waited(scene) - before < AWAY_NS;
    other_stop(scene_other());
    cpus_resume(cpus);
    for (unsigned i = 0; i < WIRE_SAMPLES; i++)
        if (is_good)
            samples_add(samples, times[i]);
        else
            samples->discarded++;
}

static double kick_p50; /* for the bar of the forced grace period */

static void emit_kicks(struct samples *kicks, struct samples *wire_samples)
{
    struct row row = row_of_samples("a store and its answer", "machine", "us", wire_samples);
    double way_back = row.p50 / 2, wire_p999 = samples_percentile(wire_samples, 99.9);

    bench_row(&row);
    row = row_of_samples("kick: store to section seen left", "soft", "us", kicks);
    bench_row(&row);
    kick_p50 = row.p50 - way_back;
    row = (struct row){
        .name = "kick: store to section left",
        .scheme = "soft",
        .unit = "us",
        .measured = kick_p50,
        .bar_kind = BAR_AT_MOST,
        .bar = P50_US,
        .n = kicks->nr,
        .discarded = kicks->discarded,
        .note = "as seen, less half of p50 of 'a store and its answer'",
    };
    bench_row(&row);
    row.name = "kick: store to section left, p99.9";
    row.measured = samples_percentile(kicks, 99.9) - way_back;
    row.bar = wire_p999 > P999_US ? wire_p999 : P999_US;
    row.bar_is =
        "5 us, or p99.9 of 'a store and its answer' where that is more: no core is free then";
    row.peer = "a store and its answer, p99.9";
    row.peer_value = wire_p999;
    bench_row(&row);
}

static void kicks(struct scene_kick *scene)
{
    struct samples samples, wire_samples;
    unsigned nr_lost = 0;

    samples_init(&samples);
    samples_init(&wire_samples);
    for (unsigned i = 0; i < KICKS / KICKS_A_BATCH && nr_lost < 10; i++) {
        nr_lost += kick_batch(scene, &samples);
        if (i % WIRE_EVERY == 0)
            sample_wire(scene, &wire_samples);
    }
    emit_kicks(&samples, &wire_samples);
    bench_row(&(struct row){
        .name = "kick: lost in a million",
        .scheme = "soft",
        .unit = "kicks",
        .measured = nr_lost,
        .bar_kind = BAR_AT_MOST,
        .n = KICKS,
    });
    samples_free(&samples);
    samples_free(&wire_samples);
}

/* ---- A forced grace period ------------------------------------------------------------------ */

static void sample_guest(struct scene_kick *scene, struct samples *samples)
{
    int64_t before = waited(scene), start;

    wait_until_inside(scene);
    start = monotonic_ns();
    synchronize_rcu();
    int64_t end = monotonic_ns();
    if (waited(scene) - before < AWAY_NS)
        samples_add(samples, (double)(end - start) / 1e3);
    else
        samples->discarded++;
}

static void sample_flag(struct other *other, struct samples *samples)
{
    struct window window = window_open(other);

    synchronize_rcu();
    window_close(other, &window, samples);
}

static void emit_forced(struct samples *guest, struct samples *flag)
{
    struct row row = row_of_samples("forced grace period, flag-kicked reader", "rcu", "us", flag);

    bench_row(&row);
    row =
        row_of_samples("forced grace period, guest spins with interrupts off", "soft", "us", guest);
    row.bar_kind = BAR_AT_MOST;
    row.bar = samples_percentile(flag, 50) + kick_p50;
    row.bar_is = "p50 with a flag-kicked reader + p50 of 'kick: store to section left'";
    row.peer = "a reader that only polls a flag";
    row.peer_value = samples_percentile(flag, 50);
    row.peer_p99 = samples_percentile(flag, 99);
    bench_row(&row);
}

static void forced(struct scene_kick *scene)
{
    struct cpus *cpus = bare_cpu(scene->bare)->cpus;
    struct samples guest, flag;
    struct kicked kicked;

    samples_init(&guest);
    samples_init(&flag);
    for (unsigned batch = 0; batch < BATCHES; batch++) {
        for (unsigned i = 0; i < A_BATCH; i++)
            sample_guest(scene, &guest);
        cpus_pause(cpus);
        other_start(scene_other(), kicked_job, &kicked);
        for (unsigned i = 0; i < A_BATCH; i++)
            sample_flag(scene_other(), &flag);
        other_stop(scene_other());
        cpus_resume(cpus);
    }
    emit_forced(&guest, &flag);
    samples_free(&guest);
    samples_free(&flag);
}

void rows_kick(void)
{
    static char failure[256]; /* rows keep it */
    g_autoptr(GError) error = NULL;
    struct scene_kick scene = { 0 };

    if (!scene_other()) {
        bench_skip("kick: store to section left", "us", ONE_CORE);
        return;
    }
    scene.bare = bare_new_code(spin, sizeof(spin), &error);
    if (!scene.bare) {
        g_strlcpy(failure, error->message, sizeof(failure));
        bench_skip("kick: store to section left", "us", failure);
        return;
    }
    cpu_run_on(bare_cpu(scene.bare), pin_thread, &scene.tid);
    scene.waits[0] = open_schedstat(scene.tid);
    scene.waits[1] = open_schedstat((pid_t)syscall(SYS_gettid));
    scene.waits[2] = open_schedstat(scene_other()->tid);
    kicks(&scene);
    forced(&scene);
    for (unsigned i = 0; i < ARRAY_SIZE(scene.waits); i++)
        if (scene.waits[i] >= 0)
            close(scene.waits[i]);
    bare_free(scene.bare);
}
