/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a guest has made: resources, the memory behind them, contexts. The tables are the main
 * thread's, under the BQL; a retired resource is freed behind the render thread's last use of it.
 */
#ifndef HW_GPU_RESOURCE_H
#define HW_GPU_RESOURCE_H

#include <glib.h>
#include <linux/virtio_gpu.h>
#include <stdbool.h>
#include <sys/uio.h>

#include "hw/gpu/gpu_limits.h"
#include "hw/gpu/render.h"
#include "hw/mem/ram.h"
#include "util/bql.h"

struct gpu;
struct gpu_mapping;

/* Guest memory behind a resource. RAM of the machine only: memory that is mapped into the window
 * would have to stay for as long as this does. Freed on any thread. */
struct gpu_backing {
    struct gpu *gpu;
    unsigned nr, nr_counted; /* pieces; entries, as the limit counts them */
    struct iovec *iov;
    struct ram **ram;     /* of each piece, a reference … */
    uint64_t *ram_offset; /* … and where in it: for gpu_backing_written() */
    uint64_t size;
};

enum gpu_map_state {
    MAP_NONE,
    MAP_MAPPING, /* the renderer is asked for the pointer; commands that name it wait */
    MAP_MAPPED,
    MAP_UNMAPPING, /* out of the map, until the renderer's unmap is queued; the same */
};

struct gpu_resource {
    uint32_t id;
    uint32_t references; /* the table's, or that of who retires it; commands'; atomic */
    struct gpu *gpu;
    struct render_work retire;
    uint32_t width, height, format; /* not of blobs */
    bool is_blob;
    uint32_t blob_mem, blob_flags; /* VIRTIO_GPU_BLOB_* */
    uint64_t blob_size;
    uint64_t bytes;              /* what it counts for in the limits */
    struct gpu_backing *backing; /* NULL: none. The main thread's; the renderer has it or will */
    uint32_t nr_backings;        /* that it has had by ATTACH_BACKING */
    bool has_uuid;
    uint8_t uuid[16];
    bool has_failed; /* the renderer has not made it: render thread */
    bool is_doomed;  /* the same, and it leaves the table with MAP_MAPPING: main thread */

    /* The window (blob.c). */
    enum gpu_map_state map_state;
    struct gpu_mapping *mapping; /* NULL in MAP_NONE */
    bool is_renderer_mapped;     /* render thread */
};

struct gpu_context {
    uint32_t id;
    uint32_t references; /* as a resource's */
    struct gpu *gpu;
    struct render_work retire;
    uint32_t capset;       /* 0: virgl */
    GHashTable *resources; /* ids attached; the main thread's */
    bool has_failed;       /* as a resource's */
};

/* resource.c, context.c, backing.c: tables and limits. */
/** One of the limits is met: counts it, and is the answer. */
uint32_t gpu_limit_met(struct gpu *gpu, enum gpu_limit limit);
struct gpu_resource *gpu_resource_find(struct gpu *gpu, uint32_t id) REQUIRES(bql);
struct gpu_resource *gpu_resource_new(struct gpu *gpu, uint32_t id, uint64_t bytes,
                                      uint32_t *ret_error) REQUIRES(bql);
/** Any thread. */
struct gpu_resource *gpu_resource_ref(struct gpu_resource *resource);
void gpu_resource_unref(struct gpu_resource *resource); /* NULL is fine */
/** Out of the tables and off the screens; the renderer is told, and then it is freed. */
void gpu_resource_retire(struct gpu_resource *resource) REQUIRES(bql);
/** All of them, for a reset. */
void gpu_resources_retire(struct gpu *gpu) REQUIRES(bql);
struct gpu_context *gpu_context_find(struct gpu *gpu, uint32_t id) REQUIRES(bql);
struct gpu_context *gpu_context_ref(struct gpu_context *context);
void gpu_context_unref(struct gpu_context *context); /* NULL is fine */
void gpu_context_retire(struct gpu_context *context) REQUIRES(bql);
void gpu_contexts_retire(struct gpu *gpu) REQUIRES(bql);
/** The resource is attached to none any more. */
void gpu_contexts_forget(struct gpu *gpu, uint32_t resource) REQUIRES(bql);
struct gpu_backing *gpu_backing_new(struct gpu *gpu, const struct virtio_gpu_mem_entry *entries,
                                    uint32_t nr_entries, uint32_t *ret_error) REQUIRES(bql);
void gpu_backing_free(struct gpu_backing *backing);
/** Whose `iov` it is. */
const struct gpu_backing *gpu_backing_of(const struct iovec *iov);
/** After the renderer has written into it. Any thread. */
void gpu_backing_written(const struct gpu_backing *backing);

#endif
