/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the device counts: gracevm_gpu_*.
 */
#include "hw/gpu/gpu_internal.h"
#include "hw/gpu/watchdog.h"
#include "util/metric.h"

static const char *const limit_names[NR_GPU_LIMITS] = {
    [LIMIT_RESOURCES] = "resources", [LIMIT_BYTES] = "bytes",       [LIMIT_CONTEXTS] = "contexts",
    [LIMIT_ENTRIES] = "entries",     [LIMIT_BACKING] = "backing",   [LIMIT_PAYLOAD] = "payload",
    [LIMIT_SIDE] = "side",           [LIMIT_ATTACHED] = "attached", [LIMIT_SCREENS] = "screens",
    [LIMIT_WAITING] = "waiting",
};

const char *gpu_limit_name(enum gpu_limit limit)
{
    return limit_names[limit];
}

/* ---- Metrics --------------------------------------------------------------------------------- */

static void add_counters(struct gpu *gpu, struct metrics *metrics)
{
    const struct metric_label *labels = METRIC_LABELS({ "device", gpu->device.place });
    struct gpu_stats *stats = &gpu->stats;
    const struct {
        const char *name, *help;
        const uint64_t *value;
    } counters[] = {
        { "gracevm_gpu_commands_total", "Commands taken from the queues.", &stats->commands },
        { "gracevm_gpu_errors_total", "Commands answered with an error.", &stats->errors },
        { "gracevm_gpu_fences_total", "Commands with a fence.", &stats->fences },
        { "gracevm_gpu_resets_total", "Resets of the device.", &stats->resets },
        { "gracevm_gpu_maps_total", "Blobs mapped into the window.", &stats->maps },
        { "gracevm_gpu_unmaps_total", "Blobs unmapped from the window.", &stats->unmaps },
        { "gracevm_gpu_refused_maps_total", "Maps answered with an error.", &stats->refused_maps },
        { "gracevm_gpu_waits_total", "Commands that waited for a map or an unmap.", &stats->waits },
        { "gracevm_gpu_frames_total", "Pictures read for screens.", &stats->frames },
    };

    for (size_t i = 0; i < ARRAY_SIZE(counters); i++)
        metric_add_u64(metrics_family(metrics, METRIC_COUNTER, counters[i].name, counters[i].help),
                       labels, counters[i].value, gpu);
}

void gpu_metrics_register(struct gpu *gpu, struct metrics *metrics)
{
    struct metric_family *limits =
        metrics_family(metrics, METRIC_COUNTER, "gracevm_gpu_limit_total",
                       "Commands that asked for more than there may be, by what.");
    struct metric_family *stages =
        metrics_family(metrics, METRIC_SECONDS, "gracevm_gpu_unmap_seconds",
                       "Time that an unmap takes, by stage.");
    struct metric_family *bytes =
        metrics_family(metrics, METRIC_GAUGE, "gracevm_gpu_resource_bytes",
                       "What resources count for that live in the host.");

    const char *place = gpu->device.place;

    add_counters(gpu, metrics);
    for (unsigned i = 0; i < NR_GPU_LIMITS; i++)
        metric_add_u64(limits, METRIC_LABELS({ "device", place }, { "limit", limit_names[i] }),
                       &gpu->stats.limits[i], gpu);
    for (unsigned i = 0; i < NR_GPU_STAGES; i++)
        metric_add_hist(stages, METRIC_LABELS({ "device", place }, { "stage", gpu_stage_name(i) }),
                        &gpu->stats.stage[i], gpu);
    metric_add_u64(bytes, METRIC_LABELS({ "device", place }), &gpu->usage.bytes, gpu);
    watchdog_metrics_register(gpu->watchdog, metrics, place, gpu);
}
