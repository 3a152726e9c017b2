/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What is where in the host-visible window. Places are the guest's to choose: if it leaves gaps
 * that are too small, or there is no room at all, that is its affair.
 */
#include <assert.h>
#include <inttypes.h>

#include "hw/gpu/mapping.h"
#include "util/atomic.h"

static gint by_offset(gconstpointer a, gconstpointer b, gpointer unused UNUSED)
{
    const struct gpu_mapping *left = a, *right = b;

    return left->offset < right->offset ? -1 : left->offset > right->offset;
}

/* Whether @at is a place that reaches into [offset, offset + size). */
static bool is_in_the_way(GSequenceIter *at, const struct gpu_mapping *mapping) REQUIRES(bql)
{
    struct gpu_mapping *other;

    if (g_sequence_iter_is_end(at))
        return false;
    other = g_sequence_get(at);
    if (other->offset >= mapping->offset + mapping->size ||
        mapping->offset >= other->offset + other->size)
        return false;
    /* acquire: pairs with the release in gpu_mapping_released(). The guest knows that the place is
     * free, perhaps before this thread has heard of it. */
    if (!load_acquire(&other->is_released))
        return true;
    gpu_window_give(other);
    return false;
}

bool gpu_window_take(struct gpu *gpu, struct gpu_mapping *mapping)
{
    GSequence *places = gpu->window_map->places;

    for (;;) {
        GSequenceIter *after = g_sequence_search(places, mapping, by_offset, NULL);
        GSequenceIter *before = g_sequence_iter_prev(after);
        gint nr = g_sequence_get_length(places);

        if (is_in_the_way(after, mapping) || (before != after && is_in_the_way(before, mapping)))
            return false;
        if (nr == g_sequence_get_length(places)) {
            mapping->place = g_sequence_insert_before(after, mapping);
            gpu->window_map->bytes += mapping->size;
            return true;
        }
        /* Something was given back, and with it the neighbours have changed. */
    }
}

const struct gpu_mapping *gpu_window_find(struct gpu *gpu, uint64_t offset, uint64_t size)
{
    struct gpu_mapping wanted = { .offset = offset, .size = size };
    GSequenceIter *after = g_sequence_search(gpu->window_map->places, &wanted, by_offset, NULL);
    GSequenceIter *const around[] = { g_sequence_iter_prev(after), after };

    for (unsigned i = 0; i < G_N_ELEMENTS(around); i++) {
        const struct gpu_mapping *other;

        if (g_sequence_iter_is_end(around[i]))
            continue;
        other = g_sequence_get(around[i]);
        if (other->offset < offset + size && offset < other->offset + other->size)
            return other;
    }
    return NULL;
}

void gpu_window_give(struct gpu_mapping *mapping)
{
    if (!mapping->place)
        return;
    g_sequence_remove(mapping->place);
    mapping->place = NULL;
    mapping->gpu->window_map->bytes -= mapping->size;
}

bool gpu_window_init(struct gpu *gpu, GError **error)
{
    const uint64_t size = gpu->config.hostmem;
    struct gpu_window *window;

    if (size == 0)
        return true;
    if (size & (size - 1) || size < RAM_PAGE || size > GPU_HOSTMEM_MAX) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                    "hostmem is %" PRIu64 " bytes; it must be a power of two from %u to %" PRIu64,
                    size, RAM_PAGE, (uint64_t)GPU_HOSTMEM_MAX);
        return false;
    }
    gpu->window = region_new_container(gpu->mem, "gpu window", size);
    virtio_set_shared_memory(&gpu->device, VIRTIO_GPU_SHM_ID_HOST_VISIBLE, gpu->window);
    window = gpu->window_map = g_new0(struct gpu_window, 1);
    window->places = g_sequence_new(NULL);
    window->gpu = gpu;
    list_init(&window->mappings);
    list_init(&window->to_show);
    list_init(&window->to_hide);
    mutex_init(&window->lock, "gpu window", RANK_LEAF);
    list_init(&window->released);
    deferred_init(&window->news, gpu_window_news);
    return true;
}

void gpu_window_fini(struct gpu *gpu)
{
    struct gpu_window *window = gpu->window_map;

    if (!window)
        return;
    loop_cancel(&window->news);
    assert(list_is_empty(&window->mappings));
    WITH_MUTEX (&window->lock) /* whoever has put in the last is gone */
        assert(list_is_empty(&window->released));
    g_sequence_free(window->places);
    mutex_fini(&window->lock);
    g_free(window);
    gpu->window_map = NULL;
    region_unref(gpu->window);
    gpu->window = NULL;
}
