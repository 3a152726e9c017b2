/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A small memory map for tests: one space, and what shows its ranges as text.
 */
#ifndef TESTS_UNIT_MEM_SCENE_H
#define TESTS_UNIT_MEM_SCENE_H

#include <glib.h>

#include "hw/mem/view.h"
#include "tests/unit/run.h"
#include "util/bql.h"
#include "util/rcu.h"

struct scene {
    struct mem *mem;
    struct region *root;
    struct space *space;
};

static inline struct scene scene_new(uint64_t size) REQUIRES(bql)
{
    struct scene scene = { .mem = mem_new() };

    scene.root = region_new_container(scene.mem, "root", size);
    scene.space = space_new(scene.mem, "memory", scene.root);
    return scene;
}

/* What is in the root has been taken out. */
static inline void scene_free(struct scene *scene) REQUIRES(bql)
{
    space_free(scene->space);
    region_unref(scene->root);
    drain_call_rcu();
    mem_free(scene->mem);
}

static inline void put_in(struct region *container, uint64_t offset, struct region *child,
                          int priority) REQUIRES(bql)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(region_add(container, offset, child, priority, &error));
    g_assert_no_error(error);
}

static inline void take_out(struct region *child) REQUIRES(bql)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(region_del(child, &error));
    g_assert_no_error(error);
}

static inline void take_out_and_forget(struct region *child) REQUIRES(bql)
{
    take_out(child);
    region_unref(child);
}

static inline struct ram *ram_of(struct scene *scene, uint64_t size)
{
    g_autoptr(GError) error = NULL;
    struct ram *ram = ram_new(scene->mem, "ram", size, &error);

    g_assert_no_error(error);
    return ram;
}

/* A RAM region on a block of its own. */
static inline struct region *ram_region(struct scene *scene, const char *name, uint64_t size)
{
    struct ram *ram = ram_of(scene, size);
    struct region *region = region_new_ram(scene->mem, name, ram, 0, size);

    ram_unref(ram);
    return region;
}

static inline void append_range(const struct range *range, void *text)
{
    if (range->kind != RANGE_HOLE)
        g_string_append_printf(
            text, "%s%" G_GINT64_MODIFIER "x+%" G_GINT64_MODIFIER "x %s@%" G_GINT64_MODIFIER "x",
            ((GString *)text)->len ? ", " : "", range->start, range->size,
            region_name(range->region), range->region_offset);
}

/* "start+size name@offset, …" */
static inline void check_ranges(const struct space *space, const char *expected)
{
    GString *text = g_string_new(NULL);

    WITH_RCU_READ () {
        view_for_each(view_get(space), append_range, text);
    }
    g_assert_cmpstr(text->str, ==, expected);
    g_string_free(text, TRUE);
}

static inline uint64_t generation_of(const struct space *space)
{
    RCU_READ_GUARD();
    return view_generation(view_get(space));
}

static inline void count_release(void *count)
{
    g_assert_false(bql_is_mine());
    g_assert_false(rcu_is_reading());
    (void)fetch_add((int *)count, 1);
}

#endif
