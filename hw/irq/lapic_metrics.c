/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/irq/lapic_internal.h"
#include "util/metric.h"

/* A counter that each processor has. */
static void collect(struct metric_sink *sink, const struct lapics *lapics, size_t offset)
{
    char number[12];

    for (unsigned i = 0; i < lapics->nr; i++) {
        const char *stats = (const char *)&lapics->lapic[i].stats;

        (void)g_snprintf(number, sizeof(number), "%u", i);
        metric_put_u64(sink, METRIC_LABELS({ "cpu", number }),
                       load_relaxed((const uint64_t *)(const void *)(stats + offset)));
    }
}

static void collect_interrupts(struct metric_sink *sink, void *lapics)
{
    collect(sink, lapics, offsetof(struct lapic_stats, interrupts));
}

static void collect_ipis(struct metric_sink *sink, void *lapics)
{
    collect(sink, lapics, offsetof(struct lapic_stats, ipis));
}

static void collect_timer(struct metric_sink *sink, void *lapics)
{
    collect(sink, lapics, offsetof(struct lapic_stats, timer));
}

static void collect_refused(struct metric_sink *sink, void *lapics)
{
    collect(sink, lapics, offsetof(struct lapic_stats, refused));
}

static struct metric_family *counter(struct metrics *metrics, const char *name, const char *help)
{
    return metrics_family(metrics, METRIC_COUNTER, name, help);
}

void lapics_metrics_register(struct lapics *lapics, struct metrics *metrics)
{
    metric_add_collector(
        counter(metrics, "gracevm_apic_interrupts_total", "Interrupts that a processor has taken."),
        collect_interrupts, lapics, lapics);
    metric_add_collector(counter(metrics, "gracevm_apic_ipis_total",
                                 "Interrupts that a processor has sent to processors."),
                         collect_ipis, lapics, lapics);
    metric_add_collector(
        counter(metrics, "gracevm_apic_timer_total", "Times that a processor's timer expired."),
        collect_timer, lapics, lapics);
    metric_add_collector(counter(metrics, "gracevm_apic_guest_errors_total",
                                 "Accesses to a local APIC against the specification."),
                         collect_refused, lapics, lapics);
    metric_add_u64(counter(metrics, "gracevm_apic_timer_wakes_total",
                           "Times that the thread of the timers woke up."),
                   METRIC_NO_LABELS, &lapics->timer_wakes, lapics);
    metric_add_u64(counter(metrics, "gracevm_apic_ignored_messages_total",
                           "Messages to local APICs that are reserved or none."),
                   METRIC_NO_LABELS, &lapics->ignored, lapics);
    metric_add_u64(counter(metrics, "gracevm_apic_unclaimed_messages_total",
                           "Messages to local APICs that there are not, or that are disabled."),
                   METRIC_NO_LABELS, &lapics->unclaimed, lapics);
}
