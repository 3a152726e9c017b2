/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Guest memory behind resources: a list of pieces of the machine's RAM, each with a reference to
 * its block. Renderers read and write it by pointer, on their thread, until it is detached.
 */
#include "hw/gpu/gpu_internal.h"
#include "hw/gpu/handlers.h"
#include "hw/mem/code_gate.h"
#include "hw/mem/view.h"
#include "util/atomic.h"

/* A renderer knows a backing by its pieces only. */
struct pieces {
    const struct gpu_backing *backing;
    struct iovec iov[];
};

static struct pieces *pieces_of(const struct iovec *iov)
{
    return (struct pieces *)((uintptr_t)iov - offsetof(struct pieces, iov));
}

static struct iovec *pieces_new(const struct gpu_backing *backing, unsigned room)
{
    struct pieces *pieces = g_try_malloc(sizeof(*pieces) + room * sizeof(pieces->iov[0]));

    if (!pieces)
        return NULL;
    pieces->backing = backing;
    return pieces->iov;
}

const struct gpu_backing *gpu_backing_of(const struct iovec *iov)
{
    return pieces_of(iov)->backing;
}

void gpu_backing_free(struct gpu_backing *backing)
{
    if (!backing)
        return;
    for (unsigned i = 0; i < backing->nr; i++)
        ram_unref(backing->ram[i]);
    (void)fetch_sub(&backing->gpu->usage.entries, backing->nr_counted);
    if (backing->iov)
        g_free(pieces_of(backing->iov));
    g_free(backing->ram);
    g_free(backing->ram_offset);
    g_free(backing);
}

void gpu_backing_written(const struct gpu_backing *backing)
{
    for (unsigned i = 0; i < backing->nr; i++)
        code_gate_written(backing->ram[i], backing->ram_offset[i], backing->iov[i].iov_len);
}

/* A piece; as part of the one before where that goes on in it. False: there are too many. */
static bool add_piece(struct gpu_backing *backing, unsigned room, const struct range *range,
                      uint64_t skipped, uint64_t length)
{
    const uint64_t offset = range->ram_offset + skipped;
    unsigned n = backing->nr;

    if (n > 0 && backing->ram[n - 1] == range->ram &&
        backing->ram_offset[n - 1] + backing->iov[n - 1].iov_len == offset) {
        backing->iov[n - 1].iov_len += length;
    } else {
        if (n == room)
            return false;
        backing->iov[n] = (struct iovec){ range->host + skipped, length };
        backing->ram[n] = ram_ref(range->ram);
        backing->ram_offset[n] = offset;
        backing->nr++;
    }
    backing->size += length; /* of 2^18 times 2^32 bytes at most */
    return true;
}

/* Of the machine's RAM, all of it. */
static bool add_entry(struct gpu_backing *backing, unsigned room, const struct view *view,
                      const struct range **range, const struct virtio_gpu_mem_entry *entry)
    REQUIRES_SHARED(rcu)
{
    gpa_t at = entry->addr;
    uint64_t left = entry->length, end;

    if (__builtin_add_overflow(at, left, &end))
        return false;
    while (left > 0) {
        uint64_t skipped, length;

        if (at < (*range)->start || at - (*range)->start >= (*range)->size)
            *range = view_find(view, at); /* else it is where the last one was */
        skipped = at - (*range)->start;
        length = MIN(left, (*range)->size - skipped);
        if ((*range)->kind != RANGE_RAM || !(*range)->ram ||
            !add_piece(backing, room, *range, skipped, length))
            return false;
        at += length;
        left -= length;
    }
    return true;
}

static bool add_entries(struct gpu_backing *backing, unsigned room, const struct space *memory,
                        const struct virtio_gpu_mem_entry *entries, uint32_t nr_entries)
{
    RCU_READ_GUARD();
    const struct view *view = view_get(memory);
    const struct range *range = view_find(view, 0);

    for (uint32_t i = 0; i < nr_entries; i++) {
        if (!add_entry(backing, room, view, &range, &entries[i]))
            return false;
    }
    return true;
}

struct gpu_backing *gpu_backing_new(struct gpu *gpu, const struct virtio_gpu_mem_entry *entries,
                                    uint32_t nr_entries, uint32_t *ret_error)
{
    const unsigned room = nr_entries + 2; /* an entry can lie on both sides of the hole in RAM */
    struct gpu_backing *backing;

    if (nr_entries > BACKING_ENTRIES_MAX ||
        nr_entries > ENTRIES_MAX - load_relaxed(&gpu->usage.entries)) {
        *ret_error = gpu_limit_met(gpu, LIMIT_ENTRIES);
        return NULL;
    }
    backing = g_new0(struct gpu_backing, 1);
    backing->gpu = gpu;
    backing->nr_counted = nr_entries;
    fetch_add_relaxed(&gpu->usage.entries, nr_entries);
    backing->iov = pieces_new(backing, room);
    backing->ram = g_try_new(struct ram *, room);
    backing->ram_offset = g_try_new(uint64_t, room);
    if (!backing->iov || !backing->ram || !backing->ram_offset)
        *ret_error = VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    else if (!add_entries(backing, room, gpu->memory, entries, nr_entries))
        *ret_error = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    else if (backing->size > BACKING_BYTES_MAX)
        *ret_error = gpu_limit_met(gpu, LIMIT_BACKING);
    else
        return backing;
    gpu_backing_free(backing);
    return NULL;
}

/* ---- RESOURCE_ATTACH_BACKING, RESOURCE_DETACH_BACKING ---------------------------------------- */

/* Blobs of guest memory have one from the beginning, which may be taken away and another one given
 * (virtio 1.2, 5.7.6.8). Linux takes it away where it has imported the memory from another driver
 * (6.14 on). An error, or 0. */
static uint32_t check_attach(const struct gpu_resource *resource, uint32_t nr_entries)
{
    if (resource->is_blob && resource->blob_mem == VIRTIO_GPU_BLOB_MEM_HOST3D)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    if (resource->backing || nr_entries == 0)
        return VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    return 0;
}

uint32_t gpu_attach_backing_read(struct gpu *gpu, struct gpu_command *command)
{
    const uint32_t nr = command->request.attach_backing.nr_entries;

    if (nr > BACKING_ENTRIES_MAX)
        return gpu_limit_met(gpu, LIMIT_ENTRIES);
    return gpu_read_payload(gpu, command, nr * sizeof(struct virtio_gpu_mem_entry));
}

void gpu_attach_backing(struct gpu *gpu, struct gpu_command *command)
{
    const struct virtio_gpu_resource_attach_backing *request = &command->request.attach_backing;
    struct gpu_resource *resource = gpu_named_resource(gpu, command, request->resource_id);
    struct gpu_backing *backing = NULL;
    uint32_t error;

    if (!resource)
        return;
    error = check_attach(resource, request->nr_entries);
    if (!error)
        backing = gpu_backing_new(gpu, command->payload, request->nr_entries, &error);
    gpu_drop_payload(command);
    if (backing && resource->is_blob && backing->size < resource->blob_size) {
        gpu_backing_free(backing);
        error = VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER;
    }
    if (error) {
        gpu_refuse(command, error, "a blob of the host, a second backing, or no such memory");
        return;
    }
    resource->backing = backing;
    command->memory_number = ++resource->nr_backings;
    command->memory = backing;
    command->resource = gpu_resource_ref(resource);
    gpu_render(command);
}

uint32_t gpu_attach_backing_render(struct gpu_command *command, void *renderer)
{
    const struct gpu_backing *memory = command->memory;
    uint32_t error;

    if (command->detached) { /* the second time: nobody looks at it any more */
        g_clear_pointer(&command->detached, gpu_backing_free);
        return command->result;
    }
    if (command->resource->has_failed)
        return VIRTIO_GPU_RESP_ERR_INVALID_RESOURCE_ID;
    if (!gpu_begin_writing(command))
        return VIRTIO_GPU_RESP_ERR_UNSPEC;
    error = command->gpu->renderer->attach_backing(renderer, command->resource->id, memory->iov,
                                                   memory->nr);
    gpu_backing_written(memory); /* by virglrenderer, of what it has kept itself till then */
    gpu_end_writing(command->gpu);
    return gpu_answer_of(error);
}

/* What the renderer has refused is no backing: it goes behind those that have found it there. The
 * guest may have detached it, and attached another one, before it knew. */
void gpu_attach_backing_finish(struct gpu *gpu, struct gpu_command *command)
{
    struct gpu_resource *resource = command->resource;

    if (command->result != VIRTIO_GPU_RESP_OK_NODATA &&
        gpu_resource_find(gpu, resource->id) == resource && resource->backing &&
        resource->nr_backings == command->memory_number) {
        command->detached = resource->backing;
        resource->backing = NULL;
        gpu_render(command);
        return;
    }
    gpu_answer(command, command->result);
}

void gpu_detach_backing(struct gpu *gpu, struct gpu_command *command)
{
    struct gpu_resource *resource =
        gpu_named_resource(gpu, command, command->request.detach_backing.resource_id);

    if (!resource)
        return;
    if (!resource->backing) {
        gpu_refuse(command, VIRTIO_GPU_RESP_ERR_INVALID_PARAMETER, "no backing");
        return;
    }
    command->detached = resource->backing;
    resource->backing = NULL;
    command->resource = gpu_resource_ref(resource);
    gpu_render(command);
}

uint32_t gpu_detach_backing_render(struct gpu_command *command, void *renderer)
{
    if (!command->resource->has_failed)
        command->gpu->renderer->detach_backing(renderer, command->resource->id);
    g_clear_pointer(&command->detached, gpu_backing_free); /* its entries count no more */
    return VIRTIO_GPU_RESP_OK_NODATA;
}
