/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Commands that wait. One that names a resource whose mapping is being made or unmade does, one
 * that maps to where such a one is does, and so does one that names any resource, context
 * or scanout of a command that waits already: a stream that is executed before the resource that it
 * uses is attached would poison its context for good, and of what a screen is to show the last
 * counts. They keep their order among themselves. All others go on.
 */
#include <assert.h>
#include <string.h>

#include "hw/gpu/mapping.h"
#include "util/atomic.h"
#include "util/mutant.h"

enum { WAKE_BATCH = 64 }; /* a turn: docs/locking.md, L6 */

struct gpu_order {
    struct gpu *gpu;
    struct list waiting;
    unsigned nr;
    GHashTable *resources, *contexts; /* ids that those name */
    uint32_t scanouts;                /* a bit each */
    bool is_awake;                    /* in gpu_order_wake() … */
    bool wake_again;                  /* … and there is more news */
    unsigned nr_left;                 /* so many may yet go on in this one */
    bool is_put_off;                  /* to the next turn … */
    struct deferred turn;             /* … of the main loop */
};

struct names { /* 0: none */
    uint32_t resource, context;
    uint32_t scanout; /* its bit */
};
_Static_assert(GPU_SCANOUTS_MAX <= 32, "a bit each");

static struct names names_of(const struct gpu_command *command)
{
    const struct gpu_command_type *type = command->type;
    struct names names = { 0 };

    if (type->resource_at)
        memcpy(&names.resource, (const uint8_t *)&command->request + type->resource_at,
               sizeof(names.resource));
    if (type->names_context)
        names.context = command->request.hdr.ctx_id;
    if (type->scanout_at) {
        uint32_t index;

        memcpy(&index, (const uint8_t *)&command->request + type->scanout_at, sizeof(index));
        names.scanout = index < GPU_SCANOUTS_MAX ? UINT32_C(1) << index : 0;
    }
    return names;
}

static bool is_changing(struct gpu *gpu, uint32_t id) REQUIRES(bql)
{
    const struct gpu_resource *resource = gpu_resource_find(gpu, id);

    if (g_hash_table_contains(gpu->orphans, GUINT_TO_POINTER(id)))
        return true; /* the renderer knows it by this number */
    return resource && (resource->map_state == MAP_MAPPING || resource->map_state == MAP_UNMAPPING);
}

/* Whether what is where a command wants to map something may yet go, by commands that came before.
 * If there are none, it is gone when it is released. */
static bool is_place_changing(const struct gpu_order *order, const struct gpu_command *command)
    REQUIRES(bql)
{
    const struct gpu_mapping *obstacle = gpu_map_obstacle(order->gpu, command);

    /* Those that may go on, and have not, may yet be about a place that is free by now. */
    if (order->is_put_off && order->nr > 0 &&
        command->type->type == VIRTIO_GPU_CMD_RESOURCE_MAP_BLOB)
        return true;
    if (!obstacle)
        return false;
    if (obstacle->resource->map_state == MAP_UNMAPPING && order->nr == 0)
        return !load_acquire(&obstacle->is_released); /* as in gpu_window_take() */
    return obstacle->resource->map_state != MAP_MAPPED ||
           g_hash_table_contains(order->resources, GUINT_TO_POINTER(obstacle->id));
}

static bool has_to_wait(const struct gpu_order *order, const struct gpu_command *command,
                        struct names names) REQUIRES(bql)
{
    if (names.resource &&
        (g_hash_table_contains(order->resources, GUINT_TO_POINTER(names.resource)) ||
         is_changing(order->gpu, names.resource)))
        return true;
    if (names.scanout & order->scanouts)
        return true;
    if (is_place_changing(order, command))
        return true;
    return names.context && !MUTANT(gpu_context_goes_on) &&
           g_hash_table_contains(order->contexts, GUINT_TO_POINTER(names.context));
}

/* Who unmaps a blob and destroys it gets one interrupt, not two: see gpu_mapping_released(). */
static void tell_mapping(struct gpu *gpu, uint32_t id) REQUIRES(bql)
{
    const struct gpu_resource *resource = gpu_resource_find(gpu, id);

    if (resource && resource->map_state == MAP_UNMAPPING)
        store_relaxed(&resource->mapping->is_waited_for, true);
}

static void note(struct gpu_order *order, struct names names) REQUIRES(bql)
{
    if (names.resource) {
        (void)g_hash_table_add(order->resources, GUINT_TO_POINTER(names.resource));
        tell_mapping(order->gpu, names.resource);
    }
    if (names.context)
        (void)g_hash_table_add(order->contexts, GUINT_TO_POINTER(names.context));
    order->scanouts |= names.scanout;
}

static void forget_names(struct gpu_order *order)
{
    g_hash_table_remove_all(order->resources);
    g_hash_table_remove_all(order->contexts);
    order->scanouts = 0;
}

bool gpu_order_park(struct gpu_order *order, struct gpu_command *command)
{
    const struct names names = names_of(command);

    if (!has_to_wait(order, command, names))
        return false;
    if (order->nr == WAITING_MAX) {
        gpu_refuse(command, gpu_limit_met(order->gpu, LIMIT_WAITING), "too many commands wait");
        return true;
    }
    note(order, names);
    list_insert_tail(&order->waiting, &command->wait_link);
    order->nr++;
    (void)fetch_add_relaxed(&order->gpu->stats.waits, 1);
    return true;
}

/* One time along all that wait: what goes on may make those behind it wait again. When so many have
 * gone on that the turn is over, those that are left wait as they did: in order. */
static void walk(struct gpu_order *order) REQUIRES(bql)
{
    struct list waiting;
    struct gpu_command *command;

    list_init(&waiting);
    list_move_all(&waiting, &order->waiting);
    forget_names(order);
    order->nr = 0;
    while ((command = list_first_entry(&waiting, struct gpu_command, wait_link))) {
        const struct names names = names_of(command);

        list_remove(&command->wait_link);
        if (order->nr_left == 0 || has_to_wait(order, command, names)) {
            note(order, names);
            list_insert_tail(&order->waiting, &command->wait_link);
            order->nr++;
        } else {
            order->nr_left--;
            gpu_dispatch(order->gpu, command);
        }
    }
}

void gpu_order_wake(struct gpu_order *order)
{
    order->wake_again = true;
    if (order->is_awake || order->is_put_off)
        return;
    order->is_awake = true;
    order->nr_left = WAKE_BATCH;
    while (order->wake_again && order->nr > 0 && order->nr_left > 0) {
        order->wake_again = false;
        walk(order);
        gpu_window_commit(order->gpu); /* and if that fails, there is news */
    }
    order->wake_again = false;
    order->is_awake = false;
    if (order->nr_left == 0 && order->nr > 0)
        gpu_order_wake_later(order);
}

void gpu_order_wake_later(struct gpu_order *order)
{
    order->is_put_off = true;
    (void)loop_defer(&order->turn); /* pending already is as good */
}

static void on_turn(struct deferred *deferred)
{
    bql_assert_held();
    struct gpu_order *order = container_of(deferred, struct gpu_order, turn);

    order->is_put_off = false;
    gpu_order_wake(order);
}

void gpu_order_drop(struct gpu_order *order)
{
    struct gpu_command *command, *following;

    list_for_each_safe (command, following, &order->waiting, wait_link) {
        list_remove(&command->wait_link);
        gpu_command_drop(command);
    }
    order->nr = 0;
    forget_names(order);
}

struct gpu_order *gpu_order_new(struct gpu *gpu)
{
    struct gpu_order *order = g_new0(struct gpu_order, 1);

    order->gpu = gpu;
    list_init(&order->waiting);
    deferred_init(&order->turn, on_turn);
    order->resources = g_hash_table_new(NULL, NULL);
    order->contexts = g_hash_table_new(NULL, NULL);
    return order;
}

void gpu_order_free(struct gpu_order *order)
{
    if (!order)
        return;
    assert(order->nr == 0);
    loop_cancel(&order->turn);
    g_hash_table_unref(order->resources);
    g_hash_table_unref(order->contexts);
    g_free(order);
}
