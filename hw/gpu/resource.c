/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The table of resources: ids that the guest chooses, and what is behind them. A resource goes
 * from the table at once; what the renderer has of it goes by a message to the render thread, in
 * front of all commands that come later, so that its id can be used again right away.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "hw/gpu/handlers.h"
#include "hw/gpu/mapping.h"
#include "util/atomic.h"

uint32_t gpu_limit_met(struct gpu *gpu, enum gpu_limit limit)
{
    fetch_add_relaxed(&gpu->stats.limits[limit], 1);
    return VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
}

struct gpu_resource *gpu_resource_find(struct gpu *gpu, uint32_t id)
{
    return g_hash_table_lookup(gpu->resources, GUINT_TO_POINTER(id));
}

struct gpu_resource *gpu_named_resource(struct gpu *gpu, struct gpu_command *command, uint32_t id)
{
    struct gpu_resource *resource = gpu_resource_find(gpu, id);

    if (!resource)
        gpu_refuse(command, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID, "there is no such resource");
    return resource;
}

/* ---- Life ------------------------------------------------------------------------------------ */

struct gpu_resource *gpu_resource_ref(struct gpu_resource *resource)
{
    fetch_add_relaxed(&resource->references, 1);
    return resource;
}

void gpu_resource_unref(struct gpu_resource *resource)
{
    if (!resource || fetch_sub(&resource->references, 1) != 1)
        return;
    gpu_backing_free(resource->backing);
    g_free(resource);
}

static void retire(struct render_work *work, void *renderer)
{
    struct gpu_resource *resource = container_of(work, struct gpu_resource, retire);
    struct gpu *gpu = resource->gpu;

    gpu_unref_begin(resource, renderer);
    if (!resource->has_failed)
        gpu->renderer->resource_unref(renderer, resource->id);
    gpu_backing_free(resource->backing);
    resource->backing = NULL;
    gpu_resource_unref(resource);
}

struct gpu_resource *gpu_resource_new(struct gpu *gpu, uint32_t id, uint64_t bytes,
                                      uint32_t *ret_error)
{
    struct gpu_resource *resource;
    uint32_t error = 0;

    if (id == 0 || gpu_resource_find(gpu, id))
        error = VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    else if (g_hash_table_size(gpu->resources) >= RESOURCES_MAX)
        error = gpu_limit_met(gpu, LIMIT_RESOURCES);
    else if (bytes > BYTES_MAX - gpu->usage.bytes)
        error = gpu_limit_met(gpu, LIMIT_BYTES);
    if (error) {
        *ret_error = error;
        return NULL;
    }
    resource = g_new0(struct gpu_resource, 1);
    resource->id = id;
    resource->references = 1;
    resource->gpu = gpu;
    resource->bytes = bytes;
    resource->retire.run = retire;
    resource->retire.what = "RESOURCE_UNREF";
    store_relaxed(&gpu->usage.bytes, gpu->usage.bytes + bytes);
    g_hash_table_insert(gpu->resources, GUINT_TO_POINTER(id), resource);
    return resource;
}

/* With the table's reference, which the render thread drops. What it has counted for it counts no
 * longer: the renderer frees it before it makes what may come instead. */
static void let_go(struct gpu_resource *resource) REQUIRES(bql)
{
    struct gpu_usage *usage = &resource->gpu->usage;

    store_relaxed(&usage->bytes, usage->bytes - resource->bytes);
    gpu_scanouts_forget(resource->gpu, resource);
    render_queue(resource->gpu->render, &resource->retire);
}

void gpu_resource_retire(struct gpu_resource *resource)
{
    struct gpu *gpu = resource->gpu;

    void *const id = GUINT_TO_POINTER(resource->id);

    if (g_hash_table_lookup(gpu->orphans, id) == resource) {
        (void)g_hash_table_remove(gpu->orphans, id); /* it is there */
    } else {
        assert(g_hash_table_lookup(gpu->resources, id) == resource);
        (void)g_hash_table_remove(gpu->resources, id); /* it is there */
        gpu_contexts_forget(gpu, resource->id);
    }
    let_go(resource);
}

void gpu_resources_retire(struct gpu *gpu)
{
    GHashTableIter iter;
    void *value;

    g_hash_table_iter_init(&iter, gpu->resources);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        struct gpu_resource *resource = value;

        g_hash_table_iter_remove(&iter);
        if (resource->map_state == MAP_UNMAPPING)
            g_hash_table_insert(gpu->orphans, GUINT_TO_POINTER(resource->id), resource);
        else
            let_go(resource);
    }
}

/* ---- RESOURCE_UNREF -------------------------------------------------------------------------- */

/* Which it waits for; not for the end of what has never been the guest's, unless it is fenced: then
 * an unmap and the unref behind it are answered by one interrupt. */
static bool is_behind_renderer(const struct gpu_command *command,
                               const struct gpu_resource *resource)
{
    return gpu_is_fenced(command) || !resource->is_blob ||
           resource->blob_mem != VIRTIO_GPU_BLOB_MEM_HOST3D;
}

/* The answer comes behind the renderer's last use of the guest's memory. */
void gpu_unref(struct gpu *gpu, struct gpu_command *command)
{
    struct gpu_resource *resource =
        gpu_named_resource(gpu, command, command->request.unref.resource_id);

    bool is_behind;

    if (!resource)
        return;
    if (resource->map_state == MAP_MAPPED) {
        gpu_unref_mapped(resource, command);
        return;
    }
    is_behind = is_behind_renderer(command, resource);
    gpu_resource_retire(resource);
    if (is_behind)
        gpu_render(command);
    else
        gpu_answer(command, VIRTIO_GPU_RESP_OK_NODATA);
}

/* ---- RESOURCE_ASSIGN_UUID -------------------------------------------------------------------- */

static bool make_uuid(uint8_t uuid[16])
{
    ssize_t got;

    do
        got = getrandom(uuid, 16, 0);
    while (got < 0 && errno == EINTR);
    uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40); /* RFC 9562, 5.4: version 4, … */
    uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80); /* … variant 10 */
    return got == 16;
}

void gpu_assign_uuid(struct gpu *gpu, struct gpu_command *command)
{
    struct gpu_resource *resource =
        gpu_named_resource(gpu, command, command->request.assign_uuid.resource_id);

    if (!resource)
        return;
    if (!resource->has_uuid && !make_uuid(resource->uuid)) {
        gpu_answer(command, VIRTIO_GPU_RESP_ERR_UNSPEC);
        return;
    }
    resource->has_uuid = true;
    memcpy(command->response.uuid.uuid, resource->uuid, sizeof(resource->uuid));
    command->response_size = sizeof(command->response.uuid);
    gpu_answer(command, VIRTIO_GPU_RESP_OK_RESOURCE_UUID);
}
