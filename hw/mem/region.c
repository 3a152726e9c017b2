/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>

#include "hw/mem/children.h"
#include "hw/mem/mem_internal.h"
#include "util/atomic.h"
#include "util/mutant.h"

/* ---- References ------------------------------------------------------------------- */

struct region *region_ref(struct region *region)
{
    fetch_add_relaxed(&region->refs, 1); /* whoever has one may make more */
    return region;
}

/* The last reference has gone, and nothing is held that the owner's function might take. */
static void release(struct region *region)
{
    struct mem *mem = region->mem;

    if (region->on_released)
        region->on_released(region->released_opaque);
    ram_unref(region->ram);
    g_free(region->name);
    g_free(region);
    fetch_sub(&mem->stats.regions_alive, 1); /* mem_free() looks: nothing of @mem is used after */
}

static void release_later(struct rcu_head *head)
{
    release(container_of(head, struct region, head));
}

/* Of a container or an alias, which only the tree and the owner refer to. */
static void leave_tree(struct region *region)
{
    bql_assert_held();         /* the last reference of a container or an alias goes under it */
    assert(!region->children); /* a container is emptied first */
    assert(!region->space);
    if (region->kind == REGION_ALIAS) {
        list_remove(&region->alias_link);
        region_unref(region->target);
    }
}

void region_unref(struct region *region)
{
    bool is_awaited;

    /* A full barrier: what other holders did comes before the release. */
    if (!region || fetch_sub(&region->refs, 1) != 1)
        return;
    if (region->kind == REGION_CONTAINER || region->kind == REGION_ALIAS)
        leave_tree(region);
    if (!bql_is_mine() && !rcu_is_reading()) {
        release(region);
        return;
    }
    is_awaited = region->on_released != NULL;
    call_rcu1_sized(&region->head, release_later, sizeof(*region));
    if (is_awaited)
        force_rcu(); /* somebody waits, and nothing but our lock is in the way */
}

/* ---- Constructors ----------------------------------------------------------------- */

static struct region *region_new(struct mem *mem, enum region_kind kind, const char *name,
                                 uint64_t size) NO_THREAD_SAFETY /* nobody else has it yet */
{
    struct region *region = g_new0(struct region, 1);

    assert(size > 0 && size <= REGION_SIZE_MAX);
    region->mem = mem;
    region->kind = kind;
    region->name = g_strdup(name);
    region->size = size;
    region->refs = 1;
    region->is_enabled = true;
    list_init(&region->aliases);
    fetch_add_relaxed(&mem->stats.regions_alive, 1);
    return region;
}

struct region *region_new_container(struct mem *mem, const char *name, uint64_t size)
{
    return region_new(mem, REGION_CONTAINER, name, size);
}

static bool is_access_size(unsigned size)
{
    return size <= 8 && (size & (size - 1)) == 0; /* 0: the default */
}

struct region *region_new_mmio(struct mem *mem, const char *name, uint64_t size,
                               const struct mmio_ops *ops, void *opaque)
{
    struct region *region = region_new(mem, REGION_MMIO, name, size);

    assert(is_access_size(ops->min_access) && is_access_size(ops->max_access));
    assert(!ops->max_access || ops->min_access <= ops->max_access);
    region->ops = ops;
    region->opaque = opaque;
    return region;
}

static struct region *region_on_ram(struct mem *mem, enum region_kind kind, const char *name,
                                    struct ram *ram, uint64_t offset, uint64_t size)
{
    struct region *region = region_new(mem, kind, name, size);

    assert(ram_mem(ram) == mem);
    assert((offset | size) % RAM_PAGE == 0);
    region->ram = ram_ref(ram);
    region->ram_offset = offset;
    region->host = ram_pointer(ram, offset, size);
    assert(region->host); /* the caller has taken them from inside the block */
    return region;
}

struct region *region_new_ram(struct mem *mem, const char *name, struct ram *ram, uint64_t offset,
                              uint64_t size)
{
    return region_on_ram(mem, REGION_RAM, name, ram, offset, size);
}

struct region *region_new_rom(struct mem *mem, const char *name, struct ram *ram, uint64_t offset,
                              uint64_t size)
{
    return region_on_ram(mem, REGION_ROM, name, ram, offset, size);
}

struct region *region_new_host(struct mem *mem, const char *name, void *host, uint64_t size,
                               bool is_readonly)
{
    struct region *region = region_new(mem, is_readonly ? REGION_ROM : REGION_RAM, name, size);

    assert(host && ((uintptr_t)host | size) % RAM_PAGE == 0);
    region->host = host;
    return region;
}

struct region *region_new_alias(struct mem *mem, const char *name, struct region *target,
                                uint64_t offset, uint64_t size)
{
    struct region *region = region_new(mem, REGION_ALIAS, name, size);

    assert(target->mem == mem && offset <= target->size && size <= target->size - offset);
    region->target = region_ref(target);
    region->target_offset = offset;
    list_insert_tail(&target->aliases, &region->alias_link);
    return region;
}

void region_on_released(struct region *region, void (*on_released)(void *opaque), void *opaque)
{
    region->on_released = on_released;
    region->released_opaque = opaque;
}

/* ---- What a change touches --------------------------------------------------------- */

static void space_touched(struct space *space, uint64_t lo, uint64_t hi) REQUIRES(bql)
{
    struct span span = { lo, hi };

    g_array_append_val(space->dirty, span);
}

/* [lo, hi) of @region may look different: find in which spaces, and where. */
static void touched(struct region *region, uint64_t lo, uint64_t hi) REQUIRES(bql)
{
    struct region *alias;

    if (region->space)
        space_touched(region->space, lo, hi);
    if (region->container && region->offset < region->container->size) {
        uint64_t room = region->container->size - region->offset; /* the rest is cut off */

        if (lo < room)
            touched(region->container, region->offset + lo, region->offset + MIN(hi, room));
    }
    list_for_each (alias, &region->aliases, alias_link) {
        uint64_t first = MAX(lo, alias->target_offset);
        uint64_t end = MIN(hi, alias->target_offset + alias->size);

        if (first < end)
            touched(alias, first - alias->target_offset, end - alias->target_offset);
    }
}

/* Whether @region shows, in itself or through an alias, inside @container or is it. */
static bool holds(const struct region *region, const struct region *container) REQUIRES(bql)
{
    struct region *alias;

    if (region == container)
        return true;
    if (container->container && holds(region, container->container))
        return true;
    list_for_each (alias, &container->aliases, alias_link) {
        if (holds(region, alias))
            return true;
    }
    return false;
}

/* ---- Changes, and how they are undone ------------------------------------------------ */

enum change_kind { CHANGE_ADD, CHANGE_DEL, CHANGE_MOVE, CHANGE_ENABLE };

/* A place as it was before; both regions are referenced. */
struct change {
    enum change_kind kind;
    struct region *region, *container;
    uint64_t offset, sequence;
    int priority;
    bool was_enabled;
};

static void attach(struct region *container, struct region *child, uint64_t offset, int priority,
                   uint64_t sequence) REQUIRES(bql)
{
    child->container = container;
    child->offset = offset;
    child->priority = priority;
    child->sequence = sequence;
    children_insert(container, region_ref(child));
    touched(child, 0, child->size);
}

static void detach(struct region *child) REQUIRES(bql)
{
    uint32_t refs = fetch_sub(&child->refs, 1); /* the tree's */

    assert(refs > 1); /* the undo log has one, so that the release is not here */
    touched(child, 0, child->size);
    children_remove(child->container, child);
    child->container = NULL;
}

static void set_enabled(struct region *region, bool is_enabled) REQUIRES(bql)
{
    region->is_enabled = is_enabled;
    touched(region, 0, region->size);
}

/* Open a transaction, and note @region's place in it. */
static void begin_change(enum change_kind kind, struct region *region, struct region *container)
    REQUIRES(bql)
{
    struct change change = {
        .kind = kind,
        .region = region_ref(region),
        .container = container ? region_ref(container) : NULL,
        .offset = region->offset,
        .sequence = region->sequence,
        .priority = region->priority,
        .was_enabled = region->is_enabled,
    };

    mem_begin(region->mem);
    g_array_append_val(region->mem->undo, change);
}

static void undo(const struct change *change) REQUIRES(bql)
{
    switch (change->kind) {
    case CHANGE_ADD:
        detach(change->region);
        break;
    case CHANGE_DEL:
        attach(change->container, change->region, change->offset, change->priority,
               change->sequence);
        break;
    case CHANGE_MOVE:
        detach(change->region);
        attach(change->container, change->region, change->offset, change->priority,
               change->sequence);
        break;
    case CHANGE_ENABLE:
        set_enabled(change->region, change->was_enabled);
        break;
    }
}

void region_undo_all(struct mem *mem)
{
    for (guint i = mem->undo->len; i > 0; i--)
        undo(&g_array_index(mem->undo, struct change, i - 1));
    region_forget_undo(mem);
}

GArray *region_undo_new(void)
{
    return g_array_new(FALSE, FALSE, sizeof(struct change));
}

void region_forget_undo(struct mem *mem)
{
    for (guint i = 0; i < mem->undo->len; i++) {
        const struct change *change = &g_array_index(mem->undo, struct change, i);

        region_unref(change->region); /* under the BQL: no on_released() runs here */
        region_unref(change->container);
    }
    g_array_set_size(mem->undo, 0);
}

bool region_add(struct region *container, uint64_t offset, struct region *child, int priority,
                GError **error)
{
    assert(container->kind == REGION_CONTAINER && container->mem == child->mem);
    assert(!child->container && !child->space);
    assert(!holds(child, container)); /* else it would show itself, without end */
    begin_change(CHANGE_ADD, child, container);
    attach(container, child, offset, priority, child->mem->next_sequence++);
    return mem_commit(container->mem, error);
}

bool region_del(struct region *child, GError **error)
{
    struct mem *mem = child->mem;

    assert(child->container);
    begin_change(CHANGE_DEL, child, child->container);
    detach(child);
    return mem_commit(mem, error);
}

bool region_move(struct region *child, uint64_t offset, GError **error)
{
    struct region *container = child->container;

    assert(container);
    if (offset == child->offset)
        return true;
    begin_change(CHANGE_MOVE, child, container);
    detach(child);
    attach(container, child, offset, child->priority, child->sequence);
    return mem_commit(child->mem, error);
}

bool region_set_enabled(struct region *region, bool is_enabled, GError **error)
{
    if (region->is_enabled == is_enabled)
        return true;
    begin_change(CHANGE_ENABLE, region, NULL);
    set_enabled(region, is_enabled);
    return mem_commit(region->mem, error);
}

/* ---- Questions -------------------------------------------------------------------- */

const char *region_name(const struct region *region)
{
    return region->name;
}

enum region_kind region_kind(const struct region *region)
{
    return region->kind;
}

uint64_t region_size(const struct region *region)
{
    return region->size;
}

bool region_is_added(const struct region *region)
{
    return region->container != NULL;
}
