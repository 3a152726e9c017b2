/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>

#include "hw/mem/mem_internal.h"
#include "hw/mem/tree.h"
#include "util/mutant.h"

/* ---- Spaces ----------------------------------------------------------------------- */

struct space *space_new(struct mem *mem, const char *name, struct region *root)
{
    struct space *space = g_new0(struct space, 1);
    const struct range nothing = { .size = root->size, .kind = RANGE_HOLE };
    const struct span all = { 0, root->size };

    assert(root->kind == REGION_CONTAINER && root->mem == mem && !root->container && !root->space);
    space->mem = mem;
    space->name = g_strdup(name);
    space->root = region_ref(root);
    space->dirty = g_array_new(FALSE, FALSE, sizeof(struct span));
    list_init(&space->listeners);
    list_insert_tail(&mem->spaces, &space->link);
    root->space = space;
    /* First empty, then what there is: nobody listens, so it cannot be refused. */
    space->view = view_new(space, tree_build(&(struct tree_edit){ 0 }, &nothing, 1), 1, 1);
    mem_begin(mem);
    g_array_append_val(space->dirty, all);
    if (!mem_commit(mem, NULL))
        assert(!"a space without listeners has refused");
    return space;
}

static void collect_answering(const struct range *range, void *to)
{
    if (range->region)
        g_array_append_vals(to, range, 1);
}

/* After it comes nothing: all nodes and ranges go with it. */
static void retire_last(struct space *space) REQUIRES(bql)
{
    struct tree_edit edit = { .number = ++space->nr_edits, .leavings = g_ptr_array_new() };
    GArray *ranges = g_array_new(FALSE, FALSE, sizeof(struct range));

    tree_for_each(space->view->root, collect_answering, ranges);
    tree_drop(&edit, space->view->root);
    view_retire(space->view, edit.leavings, ranges);
}

void space_free(struct space *space)
{
    if (!space)
        return;
    assert(space->mem->depth == 0 && list_is_empty(&space->listeners));
    list_remove(&space->link);
    space->root->space = NULL;
    retire_last(space);
    region_unref(space->root);
    g_array_unref(space->dirty);
    g_free(space->name);
    g_free(space);
}

const char *space_name(const struct space *space)
{
    return space->name;
}

struct mem *space_mem(const struct space *space)
{
    return space->mem;
}

/* ---- Views ------------------------------------------------------------------------ */

const struct view *view_get(const struct space *space)
{
    return atomic_rcu_read(&space->view); /* pairs with the release in publish() */
}

const struct range *view_find(const struct view *view, gpa_t gpa)
{
    const struct range *range = tree_find(view->root, gpa);

    return range ? range : &view->beyond;
}

void *view_pointer(const struct view *view, gpa_t gpa, uint64_t length, bool is_write)
{
    const struct range *range = view_find(view, gpa);
    uint64_t skipped = gpa - range->start;

    if (range->kind != RANGE_RAM && (is_write || range->kind != RANGE_ROM))
        return NULL;
    return length <= range->size - skipped ? range->host + skipped : NULL;
}

uint64_t view_generation(const struct view *view)
{
    return view->generation;
}

bool view_changes(const struct view *view, uint64_t since, struct mem_extent ret[VIEW_CHANGES],
                  unsigned *ret_nr)
{
    uint64_t number = view->nr_changes;
    unsigned nr = 0;

    if (since > view->generation || since < view->forgotten)
        return false;
    while (number > 0 && nr < VIEW_CHANGES) {
        const struct view_change *change = &view->changes[--number % VIEW_CHANGES];

        if (change->generation <= since)
            break;
        ret[nr++] = change->extent;
    }
    if (MUTANT(changes_one_short) && nr > 0)
        nr--;
    *ret_nr = nr;
    return true;
}

size_t view_nr_ranges(const struct view *view)
{
    return view->nr_ranges;
}

void view_for_each(const struct view *view, void (*visit)(const struct range *range, void *arg),
                   void *arg)
{
    tree_for_each(view->root, visit, arg);
}
