/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the device tells about itself: metrics, and JSON for control connections.
 */
#include <inttypes.h>

#include "hw/gpu/mapping.h"
#include "util/atomic.h"
#include "util/metric.h"

static const char *const stage_names[NR_GPU_STAGES] = {
    [STAGE_QUEUE] = "queue",     [STAGE_COMMIT] = "commit",     [STAGE_GRACE] = "grace",
    [STAGE_RESPOND] = "respond", [STAGE_RENDERER] = "renderer", [STAGE_TOTAL] = "total",
};

static const char *const limit_names[NR_GPU_LIMITS] = {
    [LIMIT_RESOURCES] = "resources", [LIMIT_BYTES] = "bytes",     [LIMIT_CONTEXTS] = "contexts",
    [LIMIT_ENTRIES] = "entries",     [LIMIT_PAYLOAD] = "payload", [LIMIT_SIDE] = "side",
    [LIMIT_ATTACHED] = "attached",
};

/* ---- Metrics -----------------------------------------------------------------------------------
 */

static void add_counters(struct gpu *gpu, struct metrics *metrics)
{
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
                       METRIC_NO_LABELS, counters[i].value, gpu);
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

    add_counters(gpu, metrics);
    for (unsigned i = 0; i < NR_GPU_LIMITS; i++)
        metric_add_u64(limits, METRIC_LABELS({ "limit", limit_names[i] }), &gpu->stats.limits[i],
                       gpu);
    for (unsigned i = 0; i < NR_GPU_STAGES; i++)
        metric_add_hist(stages, METRIC_LABELS({ "stage", stage_names[i] }), &gpu->stats.stage[i],
                        gpu);
    metric_add_u64(bytes, METRIC_NO_LABELS, &gpu->usage.bytes, gpu);
}

/* ---- JSON ---------------------------------------------------------------------------------------
 */

void gpu_print_latency_json(struct gpu *gpu, FILE *out)
{
    fputs("{\"unmap\":{", out);
    for (unsigned i = 0; i < NR_GPU_STAGES; i++) {
        fprintf(out, "%s\"%s\":", i ? "," : "", stage_names[i]);
        hist_print_json(&gpu->stats.stage[i], out);
    }
    fputs("}}", out);
}

static const char *map_state_name(const struct gpu_resource *resource)
{
    switch (resource->map_state) {
    case MAP_NONE:
        return "none";
    case MAP_MAPPING:
        return "mapping";
    case MAP_MAPPED:
        return "mapped";
    case MAP_UNMAPPING:
        return "unmapping";
    }
    g_assert_not_reached();
}

static void print_resource(const struct gpu_resource *resource, FILE *out) REQUIRES(bql)
{
    fprintf(out, "{\"id\":%" PRIu32 ",\"bytes\":%" PRIu64 ",\"backing\":%s", resource->id,
            resource->bytes, resource->backing ? "true" : "false");
    if (resource->is_blob)
        fprintf(out, ",\"blob\":{\"mem\":%" PRIu32 ",\"flags\":%" PRIu32 ",\"size\":%" PRIu64 "}",
                resource->blob_mem, resource->blob_flags, resource->blob_size);
    else
        fprintf(out,
                ",\"picture\":{\"width\":%" PRIu32 ",\"height\":%" PRIu32 ",\"format\":%" PRIu32
                "}",
                resource->width, resource->height, resource->format);
    fprintf(out, ",\"map\":\"%s\"}", map_state_name(resource));
}

static void print_resources(struct gpu *gpu, FILE *out) REQUIRES(bql)
{
    const char *separator = "";
    GHashTableIter iter;
    void *resource;

    g_hash_table_iter_init(&iter, gpu->resources);
    while (g_hash_table_iter_next(&iter, NULL, &resource)) {
        fputs(separator, out);
        print_resource(resource, out);
        separator = ",";
    }
}

static void print_contexts(struct gpu *gpu, FILE *out) REQUIRES(bql)
{
    const char *separator = "";
    GHashTableIter iter;
    void *value;

    g_hash_table_iter_init(&iter, gpu->contexts);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const struct gpu_context *context = value;

        fprintf(out, "%s{\"id\":%" PRIu32 ",\"capset\":%" PRIu32 ",\"attached\":%u}", separator,
                context->id, context->capset, g_hash_table_size(context->resources));
        separator = ",";
    }
}

void gpu_print_resources_json(struct gpu *gpu, FILE *out)
{
    fprintf(out,
            "{\"in-flight\":%u,\"orphans\":%u,\"window\":{\"size\":%" PRIu64 ",\"used\":%" PRIu64
            "},\"contexts\":[",
            load_relaxed(&gpu->nr_in_flight), gpu->nr_orphans, gpu->config.hostmem,
            gpu->window_map ? gpu->window_map->bytes : 0);
    print_contexts(gpu, out);
    fputs("],\"resources\":[", out);
    print_resources(gpu, out);
    fputs("]}", out);
}
