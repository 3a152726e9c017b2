/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the device has, and how long unmaps take, for people and programs (QMP). */
#include <inttypes.h>

#include "hw/gpu/mapping.h"
#include "util/atomic.h"

/* Of resources, and of places in the window: so that a client of QMP is not sent more than it may
 * leave unread (QMP_OUTPUT_MAX). */
enum { LISTED_MAX = 8192 };

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

/* What is attached; a resource that several contexts have counts in each. */
static uint64_t bytes_of(struct gpu *gpu, const struct gpu_context *context) REQUIRES(bql)
{
    uint64_t bytes = 0;
    GHashTableIter iterator;
    gpointer id;

    g_hash_table_iter_init(&iterator, context->resources);
    while (g_hash_table_iter_next(&iterator, &id, NULL)) {
        const struct gpu_resource *resource = g_hash_table_lookup(gpu->resources, id);

        bytes += resource ? resource->bytes : 0;
    }
    return bytes;
}

static void print_contexts(struct gpu *gpu, FILE *out) REQUIRES(bql)
{
    g_autoptr(GList) contexts = ids_of(gpu->contexts);

    for (const GList *at = contexts; at; at = at->next) {
        const struct gpu_context *context = g_hash_table_lookup(gpu->contexts, at->data);

        fprintf(out, "{\"id\":%u,\"capset\":%u,\"resources\":%u,\"bytes\":%" PRIu64 "}%s",
                context->id, context->capset, g_hash_table_size(context->resources),
                bytes_of(gpu, context), at->next ? "," : "");
    }
}

static void print_resources(struct gpu *gpu, FILE *out) REQUIRES(bql)
{
    g_autoptr(GList) resources = ids_of(gpu->resources);
    unsigned nr = 0;

    for (const GList *at = resources; at && nr < LISTED_MAX; at = at->next, nr++) {
        fputs(nr ? "," : "", out);
        print_resource(g_hash_table_lookup(gpu->resources, at->data), out);
    }
    fprintf(out, "],\"unlisted\":%u", g_hash_table_size(gpu->resources) - nr);
}

/* By offset. Who has a place has a resource: the place is given back first. */
static void print_window(const struct gpu *gpu, FILE *out) REQUIRES(bql)
{
    GSequence *places = gpu->window_map ? gpu->window_map->places : NULL;
    GSequenceIter *at = places ? g_sequence_get_begin_iter(places) : NULL;

    fprintf(out, "{\"bytes\":%" PRIu64 ",\"taken\":%" PRIu64 ",\"places\":%d,\"blobs\":[",
            places ? gpu->config.hostmem : 0, places ? gpu->window_map->bytes : 0,
            places ? g_sequence_get_length(places) : 0);
    for (unsigned nr = 0; at && !g_sequence_iter_is_end(at) && nr < LISTED_MAX; nr++) {
        const struct gpu_mapping *mapping = g_sequence_get(at);

        fprintf(out,
                "%s{\"offset\":%" PRIu64 ",\"bytes\":%" PRIu64 ",\"resource\":%u,\"map\":\"%s\"}",
                nr ? "," : "", mapping->offset, mapping->size, mapping->id,
                map_state_name(mapping->resource->map_state));
        at = g_sequence_iter_next(at);
    }
    fputs("]}", out);
}

/* How much of each there is, if that is counted; may be; and how often more was refused. */
static void print_limits(struct gpu *gpu, FILE *out) REQUIRES(bql)
{
    const struct {
        uint64_t max;
        bool is_bytes, is_counted;
        uint64_t used;
    } limits[NR_GPU_LIMITS] = {
        [LIMIT_RESOURCES] = { RESOURCES_MAX, false, true, g_hash_table_size(gpu->resources) },
        [LIMIT_BYTES] = { BYTES_MAX, true, true, load_relaxed(&gpu->usage.bytes) },
        [LIMIT_CONTEXTS] = { CONTEXTS_MAX, false, true, g_hash_table_size(gpu->contexts) },
        [LIMIT_ENTRIES] = { ENTRIES_MAX, false, true, load_relaxed(&gpu->usage.entries) },
        [LIMIT_BACKING] = { BACKING_BYTES_MAX, true, false, 0 },
        [LIMIT_PAYLOAD] = { PAYLOAD_BYTES_MAX, true, true,
                            load_relaxed(&gpu->usage.payload_bytes) },
        [LIMIT_SIDE] = { PICTURE_SIDE_MAX, false, false, 0 },
        [LIMIT_ATTACHED] = { ATTACHED_MAX, false, true, gpu->usage.attached },
        [LIMIT_SCREENS] = { SCREENS_BYTES_MAX, true, false, 0 },
        [LIMIT_WAITING] = { WAITING_MAX, false, false, 0 },
    };

    for (unsigned i = 0; i < NR_GPU_LIMITS; i++) {
        fprintf(out, "%s\"%s\":{\"max\":%" PRIu64 ",\"is-bytes\":%s", i ? "," : "",
                gpu_limit_name(i), limits[i].max, limits[i].is_bytes ? "true" : "false");
        if (limits[i].is_counted)
            fprintf(out, ",\"used\":%" PRIu64, limits[i].used);
        fprintf(out, ",\"refused\":%" PRIu64 "}", load_relaxed(&gpu->stats.limits[i]));
    }
}

void gpu_print_resources_json(struct gpu *gpu, FILE *out)
{
    fputs("{\"resources\":[", out);
    print_resources(gpu, out);
    fputs(",\"contexts\":[", out);
    print_contexts(gpu, out);
    fputs("],\"window\":", out);
    print_window(gpu, out);
    fprintf(out, ",\"orphans\":%u,\"bytes\":%" PRIu64 ",\"in-flight\":%u,\"limits\":{",
            g_hash_table_size(gpu->orphans), load_relaxed(&gpu->usage.bytes),
            load_relaxed(&gpu->nr_in_flight));
    print_limits(gpu, out);
    fputs("}}", out);
}
