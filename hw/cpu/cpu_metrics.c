/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/cpu/cpu.h"
#include "util/atomic.h"
#include "util/metric.h"

static const char *const exit_names[] = {
    [CPU_EXIT_KICKED] = "kicked",
    [CPU_EXIT_HALTED] = "halted",
    [CPU_EXIT_TRIPLE_FAULT] = "triple_fault",
    [CPU_EXIT_FIRMWARE] = "firmware",
    [CPU_EXIT_FAILED] = "failed",
};

static void collect_exits(struct metric_sink *sink, void *arg)
{
    const struct cpus *cpus = arg;
    char number[12];

    for (unsigned i = 0; i < cpus->nr_cpus; i++) {
        (void)g_snprintf(number, sizeof(number), "%u", i);
        for (unsigned why = 0; why < ARRAY_SIZE(exit_names); why++)
            metric_put_u64(sink, METRIC_LABELS({ "cpu", number }, { "why", exit_names[why] }),
                           load_relaxed(&cpus->cpu[i]->stats.exits[why]));
    }
}

static void collect_halted(struct metric_sink *sink, void *arg)
{
    const struct cpus *cpus = arg;
    char number[12];

    for (unsigned i = 0; i < cpus->nr_cpus; i++) {
        (void)g_snprintf(number, sizeof(number), "%u", i);
        metric_put_double(sink, METRIC_LABELS({ "cpu", number }),
                          (double)load_relaxed(&cpus->cpu[i]->stats.halted_ns) / 1e9);
    }
}

void cpus_metrics_register(struct cpus *cpus, struct metrics *metrics)
{
    metric_add_collector(metrics_family(metrics, METRIC_COUNTER, "gracevm_cpu_exits_total",
                                        "Times that a processor came out of the guest."),
                         collect_exits, cpus, cpus);
    metric_add_collector(metrics_family(metrics, METRIC_COUNTER, "gracevm_cpu_halted_seconds_total",
                                        "Time that a processor slept, halted."),
                         collect_halted, cpus, cpus);
}
