/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest instructions per second of CPU time. The same object code runs in this
 * process, in `soft`, and in QEMU, taking turns; each is timed by the CPU time of
 * whoever executes it (a thread of this process, QEMU's whole process), since wall time says
 * more about who else wants the cores. Instructions are those that `soft` counts. Ratios are of
 * runs that are neighbours in time.
 */
#include <math.h>
#include <stdio.h>

#include "bare.h"
#include "kernels/kernels.h"
#include "place.h"
#include "rows_cpu.h"
#include "scene.h"

enum { REPETITIONS = 11 };
#define FLOOR 0.12 /* design.md: no integer kernel is slower than this, compared with TCG */
#define MEAN 0.25  /* … their geometric mean */
#define SSE_FLOOR 1.0

enum place { SOFT, TCG, NATIVE, NR_PLACES };

static const char *const place_names[NR_PLACES] = { "soft", "TCG", "native" };

static const struct {
    const char *name;
    const char *ratio_name;
    uint32_t rounds; /* about a hundred million instructions */
    bool is_sse;
} kernels[NR_KERNELS] = {
    [KERNEL_COLLATZ] = { "collatz", "collatz: soft / TCG", 20, false },
    [KERNEL_COPY] = { "copy", "copy: soft / TCG", 9000, false },
    [KERNEL_SHA256] = { "sha256", "sha256: soft / TCG", 25000, false },
    [KERNEL_QUICKSORT] = { "quicksort", "quicksort: soft / TCG", 200, false },
    [KERNEL_BYTECODE] = { "bytecode", "bytecode: soft / TCG", 350, false },
    [KERNEL_NBODY] = { "nbody (SSE2 scalar)", "nbody (SSE2 scalar): soft / TCG", 1500, true },
    [KERNEL_SAXPY] = { "saxpy (SSE packed)", "saxpy (SSE packed): soft / TCG", 20000, true },
};

struct comparison {
    struct bare *bare;
    struct qemu *qemu;
    struct samples seconds[NR_KERNELS][NR_PLACES];
    double ratios[NR_KERNELS][REPETITIONS]; /* of speeds, soft to TCG */
    double instructions[NR_KERNELS];
    uint64_t sums[NR_KERNELS];
    bool agrees[NR_KERNELS];
};

static double seconds_of(clockid_t clock)
{
    struct timespec time = { 0 };

    clock_gettime(clock, &time);
    return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static bool has(const struct comparison *all, enum place place)
{
    return place == NATIVE || (place == TCG ? all->qemu != NULL : all->bare != NULL);
}

/* CPU seconds that kernel @id takes at @place. */
static double run_once(struct comparison *all, enum place place, unsigned id)
{
    clockid_t clock = place == SOFT  ? bare_clock(all->bare)
                      : place == TCG ? all->qemu->clock
                                     : CLOCK_THREAD_CPUTIME_ID;
    double start = seconds_of(clock);
    uint64_t sum = 0;

    switch (place) {
    case SOFT:
        sum = bare_run(all->bare, id, kernels[id].rounds);
        all->instructions[id] = (double)bare_instructions(all->bare);
        break;
    case TCG:
        if (!qemu_run(all->qemu, id, kernels[id].rounds, &sum))
            fprintf(stderr, "bench_cpu: QEMU does not answer\n");
        break;
    case NATIVE:
    case NR_PLACES:
        sum = kernel_run(id, kernels[id].rounds);
        break;
    }
    all->agrees[id] = all->agrees[id] && sum == all->sums[id];
    return seconds_of(clock) - start;
}

static void compare(struct comparison *all, unsigned id)
{
    all->sums[id] = kernel_run(id, kernels[id].rounds); /* also warms up */
    all->agrees[id] = true;
    for (unsigned i = 0; i < NR_PLACES; i++)
        samples_init(&all->seconds[id][i]);
    for (unsigned i = 0; i < NR_PLACES; i++)
        if (has(all, (enum place)i))
            (void)run_once(all, (enum place)i, id);
    for (unsigned repetition = 0; repetition < REPETITIONS; repetition++) {
        double taken[NR_PLACES] = { 0 };

        for (unsigned i = 0; i < NR_PLACES; i++) {
            enum place place = (enum place)((i + repetition) % NR_PLACES);

            if (!has(all, place))
                continue;
            taken[place] = run_once(all, place, id);
            samples_add(&all->seconds[id][place], taken[place]);
        }
        all->ratios[id][repetition] = taken[TCG] / taken[SOFT];
    }
}

static void emit_speed(struct comparison *all, unsigned id, enum place place)
{
    struct interval seconds = samples_interval(&all->seconds[id][place]);
    double millions = all->instructions[id] / 1e6;

    bench_row(&(struct row){
        .name = kernels[id].name,
        .scheme = place_names[place],
        .unit = "MIPS",
        .measured = millions / seconds.median,
        .n = all->seconds[id][place].nr,
        .ci_low = millions / seconds.high,
        .ci_high = millions / seconds.low,
        .note = place == SOFT ? "of CPU time; instructions as soft counts them" : NULL,
    });
}

static void emit_ratio(const char *name, const double *ratios, double bar, const char *bar_is)
{
    struct samples samples;

    samples_init(&samples);
    for (unsigned i = 0; i < REPETITIONS; i++)
        samples_add(&samples, ratios[i]);
    struct interval interval = samples_interval(&samples);
    bench_row(&(struct row){
        .name = name,
        .scheme = "soft",
        .unit = "ratio",
        .measured = interval.median,
        .bar_kind = BAR_AT_LEAST,
        .bar = bar,
        .bar_is = bar_is,
        .n = samples.nr,
        .ci_low = interval.low,
        .ci_high = interval.high,
        .peer = "qemu-system-x86_64 -accel tcg",
        .peer_value = 1.0,
    });
    samples_free(&samples);
}

static void emit_mean(const struct comparison *all)
{
    double means[REPETITIONS];

    for (unsigned i = 0; i < REPETITIONS; i++) {
        double sum = 0;
        unsigned nr = 0;

        for (unsigned id = 0; id < NR_KERNELS; id++) {
            if (kernels[id].is_sse)
                continue;
            sum += log(all->ratios[id][i]);
            nr++;
        }
        means[i] = exp(sum / nr);
    }
    emit_ratio("integer kernels, geometric mean: soft / TCG", means, MEAN, NULL);
}

static void emit_agreement(const struct comparison *all)
{
    unsigned nr = 0;

    for (unsigned id = 0; id < NR_KERNELS; id++)
        nr += all->agrees[id];
    bench_row(&(struct row){
        .name = "kernels with the same checksum everywhere",
        .scheme = "soft",
        .unit = "kernels",
        .measured = nr,
        .bar_kind = BAR_AT_LEAST,
        .bar = NR_KERNELS,
    });
}

static void emit_kernel(struct comparison *all, unsigned id)
{
    for (unsigned i = 0; i < NR_PLACES; i++)
        if (has(all, (enum place)i))
            emit_speed(all, id, (enum place)i);
    if (all->qemu)
        emit_ratio(kernels[id].ratio_name, all->ratios[id], kernels[id].is_sse ? SSE_FLOOR : FLOOR,
                   NULL);
    for (unsigned i = 0; i < NR_PLACES; i++)
        samples_free(&all->seconds[id][i]);
}

static void compare_all(struct comparison *all, const char *reason)
{
    for (unsigned id = 0; id < NR_KERNELS; id++) {
        compare(all, id);
        emit_kernel(all, id);
    }
    if (all->qemu)
        emit_mean(all);
    else
        bench_skip("soft / TCG", "ratio", reason);
    emit_agreement(all);
}

void rows_kernels(struct qemu *qemu, const char *reason)
{
    static char failure[256]; /* rows keep it */
    g_autoptr(GError) error = NULL;
    struct comparison *all = g_new0(struct comparison, 1);

    place_unpin(); /* what is started now may run anywhere */
    all->qemu = qemu;
    all->bare = bare_new(PAYLOAD, &error);
    if (all->bare) {
        compare_all(all, reason);
    } else {
        g_strlcpy(failure, error->message, sizeof(failure));
        bench_skip("kernels", "MIPS", failure);
    }
    bare_free(all->bare);
    g_free(all);
    place_pin(place_own_cpu());
}
