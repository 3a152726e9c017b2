/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The renderer of the storm. What is unmapped is made inaccessible there and then: who still uses
 * it dies by it. It holds the device to the order of what it is asked for.
 */
#include <sys/mman.h>

#include "tests/torture/torture.h"
#include "tests/torture/torture_gpu.h"

/* The render thread's, all of it. */
static struct {
    struct renderer_host host;
    struct blob {
        uint64_t *words; /* NULL: there is none */
        bool is_mapped;
        bool is_attached[STORM_CONTEXTS + 1];
    } blobs[STORM_BLOBS + 1];
    struct {
        struct timeline_id timeline;
        uint64_t number; /* 0: none */
    } fences[STORM_TIMELINES];
} renderer;

static bool start(const struct renderer_host *host, bool want_venus UNUSED, void **ret_renderer,
                  struct renderer_caps *ret_caps, GError **error UNUSED)
{
    renderer.host = *host;
    *ret_renderer = &renderer;
    *ret_caps = (struct renderer_caps){ .name = "torture", .has_gl = true };
    return true;
}

static void stop(void *opaque UNUSED)
{
    for (unsigned i = 0; i <= STORM_BLOBS; i++)
        torture_check(!renderer.blobs[i].words);
}

static uint32_t create_blob(void *opaque UNUSED,
                            const struct virtio_gpu_resource_create_blob *request,
                            struct iovec *iov UNUSED, unsigned nr_iov UNUSED)
{
    struct blob *blob = &renderer.blobs[request->resource_id];

    torture_check(!blob->words);
    *blob = (struct blob){ .words = mmap(NULL, STORM_BLOB_BYTES, PROT_NONE,
                                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) };
    torture_check(blob->words != MAP_FAILED);
    return 0;
}

static void resource_unref(void *opaque UNUSED, uint32_t resource)
{
    struct blob *blob = &renderer.blobs[resource];

    torture_check(blob->words && !blob->is_mapped);
    (void)munmap(blob->words, STORM_BLOB_BYTES);
    blob->words = NULL;
}

static uint32_t map(void *opaque UNUSED, uint32_t resource, uint64_t size UNUSED, void **ret_host,
                    uint32_t *ret_map_info)
{
    struct blob *blob = &renderer.blobs[resource];

    torture_check(blob->words && !blob->is_mapped);
    torture_check(mprotect(blob->words, STORM_BLOB_BYTES, PROT_READ | PROT_WRITE) == 0);
    for (unsigned i = 0; i < STORM_BLOB_BYTES / sizeof(uint64_t); i++)
        store_relaxed(&blob->words[i], resource);
    blob->is_mapped = true;
    *ret_host = blob->words;
    *ret_map_info = VIRTIO_GPU_MAP_CACHE_CACHED;
    return 0;
}

static void unmap(void *opaque UNUSED, uint32_t resource)
{
    struct blob *blob = &renderer.blobs[resource];

    torture_check(blob->words && blob->is_mapped);
    torture_check(mprotect(blob->words, STORM_BLOB_BYTES, PROT_NONE) == 0);
    blob->is_mapped = false;
}

static uint32_t context_create(void *opaque UNUSED,
                               const struct virtio_gpu_ctx_create *request UNUSED)
{
    return 0;
}

static void context_destroy(void *opaque UNUSED, uint32_t context)
{
    for (unsigned i = 0; i <= STORM_BLOBS; i++)
        renderer.blobs[i].is_attached[context] = false;
}

static void context_attach(void *opaque UNUSED, uint32_t context, uint32_t resource)
{
    renderer.blobs[resource].is_attached[context] = true;
}

static void context_detach(void *opaque UNUSED, uint32_t context, uint32_t resource)
{
    renderer.blobs[resource].is_attached[context] = false;
}

/* A stream names a resource, which a real one would look for, too. */
static uint32_t submit(void *opaque UNUSED, uint32_t context, uint32_t *words,
                       uint32_t nr_words UNUSED)
{
    if (!renderer.blobs[words[0]].is_attached[context])
        torture_fail("a stream of context %u finds resource %u not attached", context, words[0]);
    return 0;
}

static bool fence(void *opaque UNUSED, const struct timeline_id *timeline, uint64_t number)
{
    const unsigned index = timeline->is_global ? 0 : 1;

    torture_check(number > renderer.fences[index].number);
    renderer.fences[index].timeline = *timeline;
    renderer.fences[index].number = number;
    return true;
}

static void pass_fences(void *opaque UNUSED)
{
    for (unsigned i = 0; i < STORM_TIMELINES; i++) {
        if (renderer.fences[i].number)
            renderer.host.fence_passed(renderer.host.opaque, &renderer.fences[i].timeline,
                                       renderer.fences[i].number);
    }
}

const struct renderer_ops torture_renderer = {
    .name = "torture",
    .start = start,
    .stop = stop,
    .create_blob = create_blob,
    .resource_unref = resource_unref,
    .context_create = context_create,
    .context_destroy = context_destroy,
    .context_attach = context_attach,
    .context_detach = context_detach,
    .submit = submit,
    .map = map,
    .unmap = unmap,
    .fence = fence,
    .poll = pass_fences,
};
