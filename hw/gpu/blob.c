/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Blobs in the window (virtio 1.2, 5.7.6.10): what a guest may ask. The path: hw/gpu/mapping.h. */
#include "hw/gpu/handlers.h"
#include "hw/gpu/mapping.h"
#include "util/atomic.h"

/* ---- RESOURCE_MAP_BLOB ----------------------------------------------------------------------- */

/* The gate, but for what else is in the window: 0, or the answer. */
static uint32_t check_map(const struct gpu *gpu, const struct gpu_resource *resource,
                          uint64_t offset) REQUIRES(bql)
{
    if (!resource)
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    if (!resource->is_blob || resource->blob_mem == VIRTIO_GPU_BLOB_MEM_GUEST ||
        !(resource->blob_flags & VIRTIO_GPU_BLOB_FLAG_USE_MAPPABLE))
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    if (resource->map_state != MAP_NONE) /* twice; the others are waited for (order.c) */
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    if (!gpu->window || !gpu->renderer->map)
        return VIRTIO_GPU_RESP_ERR_UNSPEC;
    if (offset % RAM_PAGE != 0 || resource->blob_size > gpu->config.hostmem ||
        offset > gpu->config.hostmem - resource->blob_size)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    return 0;
}

const struct gpu_mapping *gpu_map_obstacle(struct gpu *gpu, const struct gpu_command *command)
{
    const struct virtio_gpu_resource_map_blob *request = &command->request.map_blob;
    const struct gpu_resource *resource;

    if (command->type->type != VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB)
        return NULL;
    resource = gpu_resource_find(gpu, request->resource_id);
    if (check_map(gpu, resource, request->offset) != 0)
        return NULL;
    return gpu_window_find(gpu, request->offset, resource->blob_size);
}

static void refuse(struct gpu_command *command, uint32_t error)
{
    (void)fetch_add_relaxed(&command->gpu->stats.refused_maps, 1);
    gpu_refuse(command, error, "it cannot be mapped there");
}

void gpu_map_blob(struct gpu *gpu, struct gpu_command *command)
{
    const struct virtio_gpu_resource_map_blob *request = &command->request.map_blob;
    struct gpu_resource *resource = gpu_resource_find(gpu, request->resource_id);
    uint32_t error = check_map(gpu, resource, request->offset);
    struct gpu_mapping *mapping;

    if (error) {
        refuse(command, error);
        return;
    }
    mapping = g_new0(struct gpu_mapping, 1);
    *mapping = (struct gpu_mapping){
        .gpu = gpu,
        .resource = resource,
        .id = resource->id,
        .offset = request->offset,
        .size = resource->blob_size,
        .strategy = &gpu_own_region,
        .result = VIRTIO_GPU_RESP_OK_NODATA,
        .refs = 2,
    };
    if (!gpu_window_take(gpu, mapping)) {
        g_free(mapping);
        refuse(command, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER);
        return;
    }
    list_insert_tail(&gpu->window_map->mappings, &mapping->link);
    resource->mapping = mapping;
    resource->map_state = MAP_MAPPING;
    command->resource = gpu_resource_ref(resource);
    gpu_render(command);
}

uint32_t gpu_map_blob_render(struct gpu_command *command, void *renderer)
{
    const struct renderer_ops *ops = command->gpu->renderer;
    struct gpu_resource *resource = command->resource;
    uint32_t map_info = 0, error;
    void *host = NULL;

    if (resource->has_failed)
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    error = ops->map(renderer, resource->id, resource->blob_size, &host, &map_info);
    if (error)
        return error;
    if (!host || (uintptr_t)host % RAM_PAGE != 0) { /* a page has strangers in it, otherwise */
        ops->unmap(renderer, resource->id);
        return VIRTIO_GPU_RESP_ERR_UNSPEC;
    }
    resource->is_renderer_mapped = true;
    command->mapped = host;
    command->response.map_info.map_info = map_info & VIRTIO_GPU_MAP_CACHE_MASK;
    command->response_size = sizeof(command->response.map_info);
    return 0;
}

void gpu_map_blob_finish(struct gpu *gpu, struct gpu_command *command)
{
    struct gpu_resource *resource = command->resource;
    struct gpu_mapping *mapping = resource->mapping;

    if (command->result == 0) {
        gpu_map(resource, command);
        return;
    }
    gpu_window_give(mapping);
    list_remove(&mapping->link);
    resource->mapping = NULL;
    resource->map_state = MAP_NONE;
    g_free(mapping);
    if (resource->is_doomed)
        gpu_resource_retire(resource);
    refuse(command, command->result);
    gpu_order_wake_later(gpu->order);
}

/* ---- RESOURCE_UNMAP_BLOB --------------------------------------------------------------------- */

void gpu_unmap_blob(struct gpu *gpu, struct gpu_command *command)
{
    struct gpu_resource *resource = gpu_resource_find(gpu, command->request.unmap_blob.resource_id);

    if (!resource)
        gpu_refuse(command, VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID, "there is no such resource");
    else if (resource->map_state != MAP_MAPPED)
        gpu_refuse(command, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, "it is not mapped");
    else
        gpu_unmap(resource, command);
}
