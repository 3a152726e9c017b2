/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Host-visible memory.
 *
 * What the library returns is as long as the GL buffer behind the blob, which the guest has made
 * with a command of its own and of another size: past its end lies our heap. So a blob is mapped
 * only where the buffer has all its bytes, and in whole pages.
 */
#include <inttypes.h>
#include <unistd.h>
#include <virglrenderer.h>

#include "hw/gpu/virgl.h"

static bool is_in_pages(const void *host, uint64_t size)
{
    const uint64_t mask = (uint64_t)sysconf(_SC_PAGESIZE) - 1;

    return ((uintptr_t)host & mask) == 0 && (size & mask) == 0;
}

static uint32_t check(const struct virgl_resource *resource, const void *host, uint64_t host_size,
                      uint64_t size)
{
    if (host && host_size >= size && is_in_pages(host, size))
        return 0;
    LOG_RATELIMITED(log_virgl,
                    "resource %u: %" PRIu64 " bytes of host memory do not hold %" PRIu64
                    " in whole pages",
                    resource->id, host_size, size);
    return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
}

uint32_t virgl_map(void *renderer, uint32_t id, uint64_t size, void **ret_host,
                   uint32_t *ret_map_info)
{
    struct virgl_resource *resource = virgl_find(renderer, id);
    uint32_t map_info = 0, answer;
    uint64_t host_size = 0;
    void *host = NULL;
    int error;

    if (!resource)
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    if (!resource->is_blob || resource->host || size == 0)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    error = virgl_renderer_resource_map(id, &host, &host_size);
    if (error)
        return virgl_response(error);
    answer = check(resource, host, host_size, size);
    if (!answer)
        answer = virgl_response(virgl_renderer_resource_get_map_info(id, &map_info));
    if (answer) {
        (void)virgl_renderer_resource_unmap(id); /* just mapped, and used by nobody */
        return answer;
    }
    resource->host = host;
    resource->host_size = size;
    *ret_host = host;
    *ret_map_info = map_info & VIRTIO_GPU_MAP_CACHE_MASK;
    return 0;
}

void virgl_unmap(void *renderer, uint32_t id)
{
    struct virgl_resource *resource = virgl_find(renderer, id);
    int error;

    if (!resource || !resource->host)
        return;
    resource->host = NULL;
    error = virgl_renderer_resource_unmap(id);
    if (error)
        LOG_RATELIMITED(log_warn, "virgl: resource %u cannot be unmapped: error %d", id, error);
}
