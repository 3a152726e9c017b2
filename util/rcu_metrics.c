/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "util/metric.h"
#include "util/rcu_control.h"

/* The statistics are one snapshot; each family takes its own and shows one member of it. */
struct figure {
    enum metric_type type;
    const char *name;
    const char *help;
    uint64_t (*read)(const struct rcu_stats *stats);
};

#define MEMBER(member)                                                                             \
    static uint64_t read_##member(const struct rcu_stats *stats)                                   \
    {                                                                                              \
        return stats->member;                                                                      \
    }
MEMBER(forces)
MEMBER(kicks)
MEMBER(rekicks)
MEMBER(barriers)
MEMBER(sleeps)
MEMBER(reports)
MEMBER(stalls)
MEMBER(misuses)
MEMBER(callbacks_queued)
MEMBER(callbacks_run)
MEMBER(callbacks_peak)
MEMBER(throttles)
MEMBER(readers)
#undef MEMBER

static uint64_t read_pending(const struct rcu_stats *stats)
{
    /* A snapshot's members are not of one instant: more may have run than were seen queued. */
    return stats->callbacks_queued > stats->callbacks_run
               ? stats->callbacks_queued - stats->callbacks_run
               : 0;
}

static const struct figure figures[] = {
    { METRIC_COUNTER, "gracevm_rcu_forces_total",
      "Calls of force_rcu() that found something to force.", read_forces },
    { METRIC_COUNTER, "gracevm_rcu_kicks_total", "Notifiers called to get readers out.",
      read_kicks },
    { METRIC_COUNTER, "gracevm_rcu_rekicks_total", "Kicks repeated for one section.",
      read_rekicks },
    { METRIC_COUNTER, "gracevm_rcu_barriers_total", "Barriers that drivers ran for grace periods.",
      read_barriers },
    { METRIC_COUNTER, "gracevm_rcu_sleeps_total", "Times that a grace period's driver slept.",
      read_sleeps },
    { METRIC_COUNTER, "gracevm_rcu_reports_total",
      "Times that a reader reported its exit to a driver.", read_reports },
    { METRIC_COUNTER, "gracevm_rcu_stalls_total", "Reports of grace periods that do not end.",
      read_stalls },
    { METRIC_COUNTER, "gracevm_rcu_misuses_total", "Wrong uses of RCU survived.", read_misuses },
    { METRIC_COUNTER, "gracevm_rcu_callbacks_queued_total", "Callbacks asked for.",
      read_callbacks_queued },
    { METRIC_COUNTER, "gracevm_rcu_callbacks_run_total", "Callbacks that have run.",
      read_callbacks_run },
    { METRIC_COUNTER, "gracevm_rcu_throttles_total",
      "Times that a producer of callbacks was made to wait.", read_throttles },
    { METRIC_GAUGE, "gracevm_rcu_callbacks_pending", "Callbacks that have not run yet.",
      read_pending },
    { METRIC_GAUGE, "gracevm_rcu_callbacks_peak", "Most callbacks that were pending at once.",
      read_callbacks_peak },
    { METRIC_GAUGE, "gracevm_rcu_readers", "Threads registered as readers.", read_readers },
};

static void collect(struct metric_sink *sink, void *arg)
{
    const struct figure *figure = arg;
    struct rcu_stats stats;

    rcu_get_stats(&stats);
    metric_put_u64(sink, METRIC_NO_LABELS, figure->read(&stats));
}

static void add_grace_periods(struct metrics *metrics)
{
    struct metric_family *family =
        metrics_family(metrics, METRIC_SECONDS, "gracevm_rcu_grace_period_seconds",
                       "How long grace periods lasted; forced ones from when they were.");

    metric_add_hist(family, METRIC_LABELS({ "state", "normal" }), &rcu_hist_normal, NULL);
    metric_add_hist(family, METRIC_LABELS({ "state", "forced" }), &rcu_hist_forced, NULL);
}

void rcu_metrics_register(struct metrics *metrics)
{
    for (size_t i = 0; i < ARRAY_SIZE(figures); i++) {
        struct metric_family *family =
            metrics_family(metrics, figures[i].type, figures[i].name, figures[i].help);
        union {
            const struct figure *table;
            void *arg;
        } figure = { &figures[i] };

        metric_add_collector(family, collect, figure.arg, NULL);
    }
    add_grace_periods(metrics);
    metric_add_hist(metrics_family(metrics, METRIC_SECONDS, "gracevm_rcu_kick_to_exit_seconds",
                                   "From a section's first kick until it is seen left."),
                    METRIC_NO_LABELS, &rcu_hist_kick, NULL);
    metric_add_hist(metrics_family(metrics, METRIC_SECONDS, "gracevm_rcu_callback_delay_seconds",
                                   "From call_rcu() until it ran; the oldest of each batch."),
                    METRIC_NO_LABELS, &rcu_hist_callback, NULL);
}
