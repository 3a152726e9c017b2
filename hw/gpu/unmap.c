/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How a blob leaves the window; and, since a map that cannot be made must be unmade in the same
 * way, how it gets there. hw/gpu/mapping.h has the stages.
 */
#include <assert.h>

#include "hw/gpu/mapping.h"
#include "util/atomic.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/mutant.h"
#include "util/rcu.h"
#include "util/trace.h"

enum { NEWS_BATCH = 64 }; /* a turn: docs/locking.md, L6 */

static void record(const struct gpu_mapping *mapping, enum gpu_stage stage, int64_t ns)
{
    if (mapping->result == VIRTIO_GPU_RESP_OK_NODATA) /* else it has never been shown */
        hist_record(&mapping->gpu->stats.stage[stage], (uint64_t)MAX(ns, 0));
}

/* ---- The strategy: a region of its own ------------------------------------------------------- */

static void on_region_released(void *opaque)
{
    gpu_mapping_released(opaque);
}

static void own_region_show(struct gpu_mapping *mapping)
{
    bql_assert_held();
    struct gpu *gpu = mapping->gpu;

    if (!mapping->region) { /* else this is another try */
        g_autofree char *name = g_strdup_printf("blob %u", mapping->id);

        mapping->region = region_new_host(gpu->mem, name, mapping->host, mapping->size, false);
        region_on_released(mapping->region, on_region_released, mapping);
    }
    (void)!region_add(gpu->window, mapping->offset, mapping->region, 0, NULL); /* the commit says */
}

static void own_region_hide(struct gpu_mapping *mapping)
{
    bql_assert_held();
    (void)!region_del(mapping->region, NULL); /* the commit says */
}

static void own_region_let_go(struct gpu_mapping *mapping)
{
    struct region *region = mapping->region;

    mapping->region = NULL;
    region_unref(region);
    force_rcu(); /* kicks those who may be in the old view */
}

const struct gpu_strategy gpu_own_region = {
    .name = "own region",
    .show = own_region_show,
    .hide = own_region_hide,
    .let_go = own_region_let_go,
};

/* ---- 5, 6: answer and renderer --------------------------------------------------------------- */

/* Which thread answers follows from what does not change any more. An UNREF the main thread does:
 * then its resource does not count any more. */
static bool answers_at_release(const struct gpu_mapping *mapping)
{
    return mapping->command && !mapping->is_behind_renderer && !mapping->is_unref;
}

static bool answers_behind_unmap(const struct gpu_mapping *mapping)
{
    return mapping->command && mapping->is_behind_renderer && !mapping->is_unref;
}

/* @is_quiet: gpu_window_news() will raise the interrupt, if none is before. */
static void answer(struct gpu_mapping *mapping, bool is_quiet)
{
    int64_t before_ns = monotonic_ns(), after_ns;

    if (is_quiet)
        gpu_answer_quietly(mapping->command, mapping->result);
    else
        gpu_answer(mapping->command, mapping->result);
    after_ns = monotonic_ns();
    record(mapping, STAGE_RESPOND, after_ns - before_ns);
    record(mapping, STAGE_TOTAL, after_ns - mapping->popped_ns);
    TRACE2_AT(gpu_unmap_respond, after_ns, mapping->id, after_ns - mapping->popped_ns);
}

static void mapping_unref(struct gpu_mapping *mapping)
{
    if (fetch_sub(&mapping->refs, 1) == 1)
        g_free(mapping);
}

static void run_unmap(struct render_work *work, void *renderer)
{
    struct gpu_mapping *mapping = container_of(work, struct gpu_mapping, work);
    int64_t ns;

    mapping->gpu->renderer->unmap(renderer, mapping->id);
    mapping->resource->is_renderer_mapped = false; /* it goes behind this on the same thread */
    ns = monotonic_ns() - mapping->released_ns;
    record(mapping, STAGE_RENDERER, ns);
    TRACE2_AT(gpu_unmap_renderer, mapping->released_ns + ns, mapping->id, ns);
    if (answers_behind_unmap(mapping))
        answer(mapping, false);
    mapping_unref(mapping);
}

/* Stage 6, of which nobody waits for the end. */
static void unmap_in_renderer(struct gpu_mapping *mapping)
{
    mapping->work.run = run_unmap;
    mapping->work.what = "unmap";
    render_queue(mapping->gpu->render, &mapping->work);
}

/* ---- 1, 2: into the map, and out of it ------------------------------------------------------- */

void gpu_map(struct gpu_resource *resource, struct gpu_command *command)
{
    struct gpu_mapping *mapping = resource->mapping;

    assert(resource->map_state == MAP_MAPPING);
    mapping->command = command;
    mapping->is_behind_renderer = gpu_is_fenced(command); /* if it has to be taken back */
    mapping->host = command->mapped;
    list_insert_tail(&mapping->gpu->window_map->to_show, &mapping->way_link);
}

static void unmap(struct gpu_resource *resource, struct gpu_command *command, bool is_unref)
    REQUIRES(bql)
{
    struct gpu_mapping *mapping = resource->mapping;

    assert(resource->map_state == MAP_MAPPED);
    resource->map_state = MAP_UNMAPPING;
    mapping->command = command;
    mapping->is_unref = is_unref;
    store_relaxed(&mapping->is_waited_for, false); /* it may have been refused before */
    mapping->is_behind_renderer =
        command &&
        (gpu_is_fenced(command) || (is_unref && resource->blob_mem != VIRTIO_GPU_BLOB_MEM_HOST3D));
    mapping->popped_ns = command ? command->popped_ns : monotonic_ns();
    list_insert_tail(&mapping->gpu->window_map->to_hide, &mapping->way_link);
}

void gpu_unmap(struct gpu_resource *resource, struct gpu_command *command)
{
    unmap(resource, command, false);
}

void gpu_unref_mapped(struct gpu_resource *resource, struct gpu_command *command)
{
    unmap(resource, command, true);
}

static void shown(struct gpu_mapping *mapping) REQUIRES(bql)
{
    struct gpu_command *command = mapping->command;

    mapping->resource->map_state = MAP_MAPPED;
    mapping->command = NULL;
    (void)fetch_add_relaxed(&mapping->gpu->stats.maps, 1);
    TRACE3(gpu_map, mapping->id, mapping->offset, mapping->size);
    gpu_answer(command, VIRTIO_GPU_RESP_OK_MAP_INFO);
}

/* A listener has refused. The command is answered when the memory is the renderer's again. */
static void show_failed(struct gpu_mapping *mapping, const GError *error) REQUIRES(bql)
{
    LOG_RATELIMITED(log_warn, "virtio-gpu: resource %u cannot be mapped: %s", mapping->id,
                    error->message);
    (void)fetch_add_relaxed(&mapping->gpu->stats.refused_maps, 1);
    mapping->result = VIRTIO_GPU_RESP_ERR_OUT_OF_MEMORY;
    mapping->resource->map_state = MAP_UNMAPPING;
    mapping->strategy->let_go(mapping);
}

static void hidden(struct gpu_mapping *mapping, int64_t start_ns, int64_t end_ns) REQUIRES(bql)
{
    if (MUTANT(gpu_answer_at_commit) && answers_at_release(mapping)) {
        answer(mapping, false);
        mapping->command = NULL;
    }
    if (MUTANT(gpu_renderer_at_commit))
        unmap_in_renderer(mapping);
    record(mapping, STAGE_QUEUE, start_ns - mapping->popped_ns);
    record(mapping, STAGE_COMMIT, end_ns - start_ns);
    TRACE4_AT(gpu_unmap_queue, start_ns, mapping->id, mapping->offset, mapping->size,
              start_ns - mapping->popped_ns);
    TRACE2_AT(gpu_unmap_commit, end_ns, mapping->id, end_ns - start_ns);
    mapping->committed_ns = end_ns;
    mapping->strategy->let_go(mapping);
}

static void hide_failed(struct gpu_mapping *mapping, const GError *error) REQUIRES(bql)
{
    struct gpu_command *command = mapping->command;

    LOG_RATELIMITED(log_warn, "virtio-gpu: resource %u cannot be unmapped: %s", mapping->id,
                    error->message);
    if (!command) { /* a reset, which lasts until it is hidden */
        list_insert_tail(&mapping->gpu->window_map->to_hide, &mapping->way_link);
        return;
    }
    mapping->resource->map_state = MAP_MAPPED;
    mapping->command = NULL;
    mapping->is_unref = false;
    gpu_answer(command, VIRTIO_GPU_RESP_ERR_UNSPEC);
}

/* ---- The commit ------------------------------------------------------------------------------ */

struct changes {
    struct list to_show, to_hide;
    int64_t start_ns, end_ns;
};

static bool try_to_make(struct gpu *gpu, struct changes *changes, GError **error) REQUIRES(bql)
{
    struct gpu_mapping *mapping;

    changes->start_ns = monotonic_ns();
    mem_begin(gpu->mem);
    list_for_each (mapping, &changes->to_hide, way_link)
        mapping->strategy->hide(mapping);
    list_for_each (mapping, &changes->to_show, way_link)
        mapping->strategy->show(mapping);
    if (!mem_commit(gpu->mem, error))
        return false;
    changes->end_ns = monotonic_ns();
    return true;
}

/* All of them, or none if @error. */
static void tell(struct changes *changes, const GError *error) REQUIRES(bql)
{
    struct gpu_mapping *mapping, *following;

    list_for_each_safe (mapping, following, &changes->to_hide, way_link) {
        list_remove(&mapping->way_link);
        if (error)
            hide_failed(mapping, error);
        else
            hidden(mapping, changes->start_ns, changes->end_ns);
    }
    list_for_each_safe (mapping, following, &changes->to_show, way_link) {
        list_remove(&mapping->way_link);
        if (error)
            show_failed(mapping, error);
        else
            shown(mapping);
    }
}

/* Which one is it that is refused? What goes out first may be room for what comes in. */
static void make_each(struct gpu *gpu, struct changes *changes) REQUIRES(bql)
{
    struct list *const lists[] = { &changes->to_hide, &changes->to_show };

    for (unsigned i = 0; i < G_N_ELEMENTS(lists); i++) {
        struct gpu_mapping *mapping, *following;

        list_for_each_safe (mapping, following, lists[i], way_link) {
            g_autoptr(GError) error = NULL;
            struct changes one;

            list_init(&one.to_show);
            list_init(&one.to_hide);
            list_move_tail(i == 0 ? &one.to_hide : &one.to_show, &mapping->way_link);
            (void)try_to_make(gpu, &one, &error); /* the error says it */
            tell(&one, error);
        }
    }
}

void gpu_window_commit(struct gpu *gpu)
{
    struct gpu_window *window = gpu->window_map;
    g_autoptr(GError) error = NULL;
    struct changes changes;

    if (!window || (list_is_empty(&window->to_show) && list_is_empty(&window->to_hide)))
        return;
    list_init(&changes.to_show);
    list_init(&changes.to_hide);
    list_move_all(&changes.to_show, &window->to_show);
    list_move_all(&changes.to_hide, &window->to_hide);
    if (try_to_make(gpu, &changes, &error))
        tell(&changes, NULL);
    else
        make_each(gpu, &changes);
    gpu_order_wake(gpu->order);
}

/* ---- 4: release ----------------------------------------------------------------------------- */

void gpu_mapping_released(struct gpu_mapping *mapping)
{
    struct gpu *gpu = mapping->gpu;
    struct gpu_window *window = gpu->window_map;

    mapping->released_ns = monotonic_ns();
    record(mapping, STAGE_GRACE, mapping->released_ns - mapping->committed_ns);
    TRACE2_AT(gpu_unmap_release, mapping->released_ns, mapping->id,
              mapping->released_ns - mapping->committed_ns);
    /* release: pairs with the acquire in is_in_the_way(). Before the guest can know. */
    store_release(&mapping->is_released, 1);
    /* An interrupt costs the guest far more than the way to the main thread takes, where what waits
     * for the release, as a rule the UNREF of the same blob, is answered. */
    if (answers_at_release(mapping))
        answer(mapping, load_relaxed(&mapping->is_waited_for));
    if (!MUTANT(gpu_renderer_at_commit) || mapping->result != VIRTIO_GPU_RESP_OK_NODATA)
        unmap_in_renderer(mapping);
    WITH_MUTEX (&window->lock) { /* which gpu_window_fini() takes: after it, this thread is gone */
        list_insert_tail(&window->released, &mapping->way_link);
        (void)loop_defer(&window->news); /* pending already is as good */
    }
}

/* ---- Back on the main thread ----------------------------------------------------------------- */

static void answer_unref(struct gpu_mapping *mapping) REQUIRES(bql)
{
    if (mapping->is_behind_renderer)
        gpu_render(mapping->command);
    else
        answer(mapping, true);
}

static void end(struct gpu_mapping *mapping) REQUIRES(bql)
{
    struct gpu *gpu = mapping->gpu;
    struct gpu_resource *resource = mapping->resource;

    gpu_window_give(mapping);
    list_remove(&mapping->link);
    resource->mapping = NULL;
    resource->map_state = MAP_NONE;
    if (mapping->result == VIRTIO_GPU_RESP_OK_NODATA)
        (void)fetch_add_relaxed(&gpu->stats.unmaps, 1);
    if (mapping->is_unref ||
        g_hash_table_lookup(gpu->orphans, GUINT_TO_POINTER(mapping->id)) == resource)
        gpu_resource_retire(resource);
    if (mapping->command && mapping->is_unref)
        answer_unref(mapping);
    mapping_unref(mapping);
}

static struct gpu_mapping *take_released(struct gpu_window *window)
{
    MUTEX_GUARD(&window->lock);
    struct gpu_mapping *mapping = list_first_entry(&window->released, struct gpu_mapping, way_link);

    if (mapping)
        list_remove(&mapping->way_link);
    return mapping;
}

void gpu_window_news(struct deferred *deferred)
{
    bql_assert_held();
    struct gpu_window *window = container_of(deferred, struct gpu_window, news);
    struct gpu_mapping *mapping;
    struct gpu *gpu = NULL;
    unsigned nr = 0;

    while (nr < NEWS_BATCH && (mapping = take_released(window))) {
        gpu = mapping->gpu;
        end(mapping);
        nr++;
    }
    if (nr == NEWS_BATCH)
        (void)loop_defer(&window->news); /* pending already is as good */
    if (!gpu)
        return;
    gpu_order_wake(gpu->order);
    if (!MUTANT(gpu_unmap_untold))
        gpu_answers_notify(gpu); /* of what was answered quietly, and nothing behind it was */
}

/* ---- Reset ----------------------------------------------------------------------------------- */

/* One mapping of before it. Whether the memory map has it, or may have. */
static bool forget(struct gpu_mapping *mapping) REQUIRES(bql)
{
    struct gpu_resource *resource = mapping->resource;

    switch (resource->map_state) {
    case MAP_NONE:
        break;
    case MAP_MAPPING: /* finish() will not be called; the renderer hears of it with the unref */
        gpu_window_give(mapping);
        list_remove(&mapping->link);
        resource->mapping = NULL;
        resource->map_state = MAP_NONE;
        g_free(mapping);
        return false;
    case MAP_MAPPED:
        unmap(resource, NULL, false);
        gpu_window_give(mapping); /* the reset lasts until nobody finds it there any more */
        return true;
    case MAP_UNMAPPING:
        gpu_window_give(mapping);
        return true;
    }
    g_assert_not_reached();
}

static void on_grace_period(struct rcu_head *head)
{
    bql_assert_held();
    struct gpu_window *window = container_of(head, struct gpu_window, reset);

    gpu_window_news(&window->news);         /* so that there are fewer orphans */
    if (!list_is_empty(&window->to_hide)) { /* it was refused: another try, another period */
        gpu_window_commit(window->gpu);
        call_rcu1_bql(&window->reset, on_grace_period, sizeof(window->reset));
        return;
    }
    gpu_reset_go_on(window->gpu);
}

void gpu_unmap_all(struct gpu *gpu)
{
    struct gpu_window *window = gpu->window_map;
    bool is_mapped = false;

    if (window) {
        struct gpu_mapping *mapping, *following;

        list_for_each_safe (mapping, following, &window->mappings, link) {
            if (forget(mapping))
                is_mapped = true;
        }
        gpu_window_commit(gpu);
    }
    if (!is_mapped || MUTANT(gpu_reset_without_grace)) {
        gpu_reset_go_on(gpu);
        return;
    }
    call_rcu1_bql(&window->reset, on_grace_period, sizeof(window->reset));
    force_rcu();
}

bool gpu_window_is_idle(struct gpu *gpu)
{
    return !gpu->window_map || list_is_empty(&gpu->window_map->mappings);
}

void gpu_unref_begin(struct gpu_resource *resource, void *renderer)
{
    if (resource->is_renderer_mapped)
        resource->gpu->renderer->unmap(renderer, resource->id);
    resource->is_renderer_mapped = false;
}
