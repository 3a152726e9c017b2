/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the device has, and how long unmaps take, for people and programs (QMP). */
#include <inttypes.h>

#include "hw/gpu/mapping.h"
#include "util/atomic.h"

static const char *const stage_names[NR_GPU_STAGES] = {
    [STAGE_QUEUE] = "queue",     [STAGE_COMMIT] = "commit",     [STAGE_GRACE] = "grace",
    [STAGE_RESPOND] = "respond", [STAGE_RENDERER] = "renderer", [STAGE_TOTAL] = "total",
};

const char *gpu_stage_name(enum gpu_stage stage)
{
    return stage_names[stage];
}

/* {"stage": …} by @print. */
static void print_stages(const struct gpu_stats *stats, FILE *out,
                         void (*print)(const struct hist *hist, FILE *out))
{
    for (unsigned i = 0; i < NR_GPU_STAGES; i++) {
        fprintf(out, "%c\"%s\":", i ? ',' : '{', stage_names[i]);
        print(&stats->stage[i], out);
    }
    fputc('}', out);
}

/* Without the brace at its end. */
static void print_latency(struct gpu *gpu, FILE *out)
{
    const struct gpu_stats *stats = &gpu->stats;

    fprintf(out, "{\"maps\":%" PRIu64 ",\"unmaps\":%" PRIu64 ",\"refused-maps\":%" PRIu64,
            load_relaxed(&stats->maps), load_relaxed(&stats->unmaps),
            load_relaxed(&stats->refused_maps));
    fprintf(out, ",\"waits\":%" PRIu64 ",\"unmap\":", load_relaxed(&stats->waits));
    print_stages(stats, out, hist_print_json);
}

void gpu_print_latency_json(struct gpu *gpu, FILE *out)
{
    print_latency(gpu, out);
    fputc('}', out);
}

void gpu_print_latency_buckets_json(struct gpu *gpu, FILE *out)
{
    print_latency(gpu, out);
    fputs(",\"buckets\":", out);
    print_stages(&gpu->stats, out, hist_print_buckets_json);
    fputc('}', out);
}

/* ---- Resources ------------------------------------------------------------------------------- */

static const char *kind_of(const struct gpu_resource *resource)
{
    if (!resource->is_blob)
        return "picture";
    switch (resource->blob_mem) {
    case VIRTIO_GPU_BLOB_MEM_GUEST:
        return "guest-blob";
    case VIRTIO_GPU_BLOB_MEM_HOST3D:
        return "host3d-blob";
    default:
        return "host3d-guest-blob";
    }
}

static const char *map_state_name(enum gpu_map_state state)
{
    switch (state) {
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

static gint by_number(gconstpointer a, gconstpointer b)
{
    const guint left = GPOINTER_TO_UINT(a), right = GPOINTER_TO_UINT(b);

    return left < right ? -1 : left > right;
}

/* The ids of a table, ascending: g_list_free() it. */
static GList *ids_of(GHashTable *table)
{
    return g_list_sort(g_hash_table_get_keys(table), by_number);
}

static void print_resource(const struct gpu_resource *resource, FILE *out) REQUIRES(bql)
{
    fprintf(out, "{\"id\":%u,\"kind\":\"%s\",\"bytes\":%" PRIu64, resource->id, kind_of(resource),
            resource->is_blob ? resource->blob_size : resource->bytes);
    if (!resource->is_blob)
        fprintf(out, ",\"width\":%u,\"height\":%u,\"format\":%u", resource->width, resource->height,
                resource->format);
    fprintf(out, ",\"has-backing\":%s,\"map\":\"%s\"", resource->backing ? "true" : "false",
            map_state_name(resource->map_state));
    if (resource->mapping)
        fprintf(out, ",\"offset\":%" PRIu64, resource->mapping->offset);
    fputc('}', out);
}

void gpu_print_resources_json(struct gpu *gpu, FILE *out)
{
    g_autoptr(GList) resources = ids_of(gpu->resources);
    g_autoptr(GList) contexts = ids_of(gpu->contexts);
    const struct gpu_window *window = gpu->window_map;

    fputs("{\"resources\":[", out);
    for (const GList *at = resources; at; at = at->next) {
        print_resource(g_hash_table_lookup(gpu->resources, at->data), out);
        fputs(at->next ? "," : "", out);
    }
    fputs("],\"contexts\":[", out);
    for (const GList *at = contexts; at; at = at->next) {
        const struct gpu_context *context = g_hash_table_lookup(gpu->contexts, at->data);

        fprintf(out, "{\"id\":%u,\"capset\":%u,\"resources\":%u}%s", context->id, context->capset,
                g_hash_table_size(context->resources), at->next ? "," : "");
    }
    fprintf(out,
            "],\"window\":{\"bytes\":%" PRIu64 ",\"taken\":%" PRIu64 ",\"places\":%d},"
            "\"orphans\":%u,\"bytes\":%" PRIu64 ",\"in-flight\":%u}",
            window ? gpu->config.hostmem : 0, window ? window->bytes : 0,
            window ? g_sequence_get_length(window->places) : 0, g_hash_table_size(gpu->orphans),
            load_relaxed(&gpu->usage.bytes), load_relaxed(&gpu->nr_in_flight));
}
