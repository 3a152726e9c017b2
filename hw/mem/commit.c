/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The outermost commit: render what was touched, compare, tell the listeners, publish.
 */
#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "hw/mem/listener.h"
#include "hw/mem/notify.h"
#include "hw/mem/render.h"
#include "hw/mem/tree.h"
#include "util/log.h"
#include "util/mutant.h"

static int span_order(const void *a, const void *b)
{
    const struct span *left = a, *right = b;

    return left->lo < right->lo ? -1 : left->lo > right->lo;
}

/* Sorted, with those that meet or touch made one. */
static void merge_spans(GArray *spans)
{
    guint nr_merged = 0;

    if (spans->len == 0)
        return;
    qsort(spans->data, spans->len, sizeof(struct span), span_order);
    for (guint i = 1; i < spans->len; i++) {
        const struct span next = g_array_index(spans, struct span, i);
        struct span *last = &g_array_index(spans, struct span, nr_merged);

        if (next.lo <= last->hi)
            last->hi = MAX(last->hi, next.hi);
        else
            g_array_index(spans, struct span, ++nr_merged) = next;
    }
    g_array_set_size(spans, nr_merged + 1);
}

/* ---- From a span of addresses to whole ranges ------------------------------------------ */

/*
 * The ranges of @tree that @span meets, and one neighbour on each side, with which what
 * is rendered may become one. So a tree is only ever cut between ranges.
 */
static struct span with_neighbours(const struct node *tree, struct span span, uint64_t space_size)
{
    const struct range *first = tree_find(tree, span.lo ? span.lo - 1 : 0);
    const struct range *last = tree_find(tree, span.hi < space_size ? span.hi : span.hi - 1);

    return (struct span){ first->start, range_end(last) };
}

static bool continues(const struct range *range, const struct range *next)
{
    return range->region == next->region &&
           (!range->region || range->region_offset + range->size == next->region_offset);
}

/* Append @range, which begins where the last one ends, and make them one where possible. */
static void append(GArray *ranges, const struct range *range)
{
    struct range *last = ranges->len ? &g_array_index(ranges, struct range, ranges->len - 1) : NULL;

    if (last && continues(last, range))
        last->size += range->size;
    else
        g_array_append_vals(ranges, range, 1);
}

/* Append the part of the ascending @ranges that lies in @part. */
static void append_part(GArray *ranges, const GArray *from, struct span part)
{
    for (guint i = first_after(from, part.lo); i < from->len && part.lo < part.hi; i++) {
        const struct range *range = &g_array_index(from, struct range, i);
        gpa_t end = MIN(range_end(range), part.hi);
        struct range clipped = range_clip(range, part.lo, end);

        append(ranges, &clipped);
        part.lo = end;
    }
}

/* What @whole looks like now: rendered in the @spans (all inside), as in @old between them. */
static GArray *render_spans(struct space *space, const GArray *old, struct span whole,
                            const struct span *spans, guint nr_spans) REQUIRES(bql)
{
    GArray *fresh = g_array_new(FALSE, FALSE, sizeof(struct range));
    uint64_t at = whole.lo;

    for (guint i = 0; i < nr_spans; i++) {
        g_autoptr(GArray) rendered = render(space->root, spans[i].lo, spans[i].hi);

        append_part(fresh, old, (struct span){ at, spans[i].lo });
        append_part(fresh, rendered, spans[i]);
        at = spans[i].hi;
    }
    append_part(fresh, old, (struct span){ at, whole.hi });
    return fresh;
}

/* ---- Differences ------------------------------------------------------------------------ */

static bool is_same_range(const struct range *a, const struct range *b)
{
    return a->start == b->start && a->size == b->size && a->region == b->region &&
           a->region_offset == b->region_offset;
}

static void note(GArray *to, const struct range *range)
{
    if (range->region)
        g_array_append_vals(to, range, 1);
}

/* Whole ranges that are in one list only: for listeners. Both lists cover the same addresses. */
static void compare_ranges(const GArray *old, const GArray *fresh, struct space_change *change)
{
    guint j = 0;

    for (guint i = 0; i < old->len; i++) {
        const struct range *was = &g_array_index(old, struct range, i), *is = NULL;

        for (; j < fresh->len; j++) {
            is = &g_array_index(fresh, struct range, j);
            if (is->start >= was->start)
                break;
            note(change->adds, is);
        }
        if (is && is_same_range(was, is))
            j++;
        else
            note(change->dels, was);
    }
    for (; j < fresh->len; j++)
        note(change->adds, &g_array_index(fresh, struct range, j));
}

static bool is_same_at(const struct range *a, const struct range *b, gpa_t at)
{
    return a->region == b->region &&
           (!a->region || at - a->start + a->region_offset == at - b->start + b->region_offset);
}

/* Addresses at which the two, which cover the same, differ: for CPUs. */
static void compare_addresses(const GArray *old, const GArray *fresh, GArray *extents)
{
    guint i = 0, j = 0;
    gpa_t at = g_array_index(old, struct range, 0).start, changed_to = at;

    while (i < old->len) {
        const struct range *was = &g_array_index(old, struct range, i);
        const struct range *is = &g_array_index(fresh, struct range, j);
        gpa_t end = MIN(range_end(was), range_end(is));

        if (!is_same_at(was, is, at)) {
            if (extents->len && changed_to == at) {
                g_array_index(extents, struct mem_extent, extents->len - 1).size += end - at;
            } else {
                struct mem_extent extent = { at, end - at };

                g_array_append_val(extents, extent);
            }
            changed_to = end;
        }
        at = end;
        i += range_end(was) == end;
        j += range_end(is) == end;
    }
}

/* ---- One space -------------------------------------------------------------------------- */

static void collect(const struct range *range, void *to)
{
    g_array_append_vals(to, range, 1);
}

/* Replace what the @spans (one group: their neighbourhoods meet) touch in the new tree. */
static void replace_group(struct space_change *change, struct span whole, const struct span *spans,
                          guint nr_spans) REQUIRES(bql)
{
    g_autoptr(GArray) old = g_array_new(FALSE, FALSE, sizeof(struct range));
    g_autoptr(GArray) fresh = NULL;
    guint nr_extents = change->extents->len;
    struct tree_edit *edit = &change->edit;
    struct node *before, *middle, *after;

    tree_split(edit, change->root, whole.lo, &before, &middle);
    tree_split(edit, middle, whole.hi, &middle, &after);
    tree_for_each(middle, collect, old);
    fresh = render_spans(change->space, old, whole, spans, nr_spans);
    compare_addresses(old, fresh, change->extents);
    if (change->extents->len > nr_extents) {
        compare_ranges(old, fresh, change);
        change->nr_ranges = change->nr_ranges + fresh->len - old->len;
        tree_drop(edit, middle);
        middle = tree_build(edit, (const struct range *)fresh->data, fresh->len);
    }
    change->root = tree_join(edit, tree_join(edit, before, middle), after);
}

/* The next state of @space; nothing is published. */
static void prepare(struct space *space, struct space_change *change) REQUIRES(bql)
{
    const struct view *view = view_of_holder(space);
    const GArray *dirty = space->dirty;
    uint64_t size = space->root->size;
    guint next;

    *change = (struct space_change){
        .space = space,
        .root = view->root,
        .edit = { .number = ++space->nr_edits, .leavings = g_ptr_array_new() },
        .nr_ranges = view->nr_ranges,
        .dels = g_array_new(FALSE, FALSE, sizeof(struct range)),
        .adds = g_array_new(FALSE, FALSE, sizeof(struct range)),
        .extents = g_array_new(FALSE, FALSE, sizeof(struct mem_extent)),
    };
    merge_spans(space->dirty);
    for (guint first = 0; first < dirty->len; first = next) {
        const struct span *spans = &g_array_index(dirty, struct span, first);
        struct span whole = with_neighbours(view->root, spans[0], size);

        for (next = first + 1; next < dirty->len; next++) {
            const struct span more =
                with_neighbours(view->root, g_array_index(dirty, struct span, next), size);

            if (more.lo >= whole.hi)
                break;
            whole.hi = more.hi;
        }
        replace_group(change, whole, spans, next - first);
    }
}

/* It is not to be. */
static void abandon(struct space_change *change)
{
    tree_abandon(&change->edit, change->root);
    g_ptr_array_unref(change->edit.leavings);
    g_array_unref(change->dels);
    g_array_unref(change->adds);
    g_array_unref(change->extents);
}

/* ---- Publication ------------------------------------------------------------------------- */

struct view *view_new(struct space *space, struct node *root, size_t nr_ranges, uint64_t generation)
{
    struct view *view = g_new0(struct view, 1);
    uint64_t size = space->root->size;

    view->mem = space->mem;
    view->root = root;
    view->nr_ranges = nr_ranges;
    view->generation = generation;
    view->beyond = (struct range){ .start = size, .size = -size, .kind = RANGE_HOLE };
    fetch_add_relaxed(&space->mem->stats.views_alive, 1);
    return view;
}

static void view_free(struct view *view)
{
    struct mem *mem = view->mem;

    for (guint i = 0; i < view->dels->len; i++)
        region_unref(g_array_index(view->dels, struct range, i).region);
    g_ptr_array_foreach(view->leavings, (GFunc)(void (*)(void))g_free, NULL);
    g_ptr_array_unref(view->leavings);
    g_array_unref(view->dels);
    g_free(view);
    fetch_sub(&mem->stats.views_alive, 1); /* mem_free() looks: nothing of @mem is used after */
}

static void view_free_head(struct rcu_head *head)
{
    view_free(container_of(head, struct view, head));
}

void view_retire(struct view *view, GPtrArray *leavings, GArray *dels)
{
    size_t size_bytes = sizeof(*view) + leavings->len * sizeof(struct node);

    view->leavings = leavings;
    view->dels = dels;
    if (MUTANT(view_without_grace))
        view_free(view);
    else
        call_rcu1_sized(&view->head, view_free_head, size_bytes);
}

static void remember(struct view *view, const struct mem_extent *extent)
{
    struct view_change *slot = &view->changes[view->nr_changes++ % VIEW_CHANGES];

    view->forgotten = slot->generation; /* 0 where none was there */
    *slot = (struct view_change){ view->generation, *extent };
}

static void publish(struct space_change *change) REQUIRES(bql)
{
    struct space *space = change->space;
    struct view *old = load_relaxed(&space->view);
    struct view *view = view_new(space, change->root, change->nr_ranges,
                                 old->generation + !MUTANT(generation_stays));

    for (guint i = 0; i < change->adds->len; i++)
        (void)region_ref(g_array_index(change->adds, struct range, i).region);
    view->nr_changes = old->nr_changes;
    view->forgotten = old->forgotten;
    memcpy(view->changes, old->changes, sizeof(view->changes));
    for (guint i = 0; i < change->extents->len; i++)
        remember(view, &g_array_index(change->extents, struct mem_extent, i));
    log_topic(mem, "%s: view %" PRIu64 ", %zu ranges, %u out, %u in", space->name, view->generation,
              view->nr_ranges, change->dels->len, change->adds->len);
    atomic_rcu_set(&space->view, view); /* pairs with the acquire in view_get() */
    fetch_add_relaxed(&space->mem->stats.commits, 1);
    view_retire(old, change->edit.leavings, change->dels);
    g_array_unref(change->adds);
    g_array_unref(change->extents);
}

bool commit_all(struct mem *mem, GError **error)
{
    g_autoptr(GArray) changes = g_array_new(FALSE, FALSE, sizeof(struct space_change));
    struct space *space;
    bool is_done;

    list_for_each (space, &mem->spaces, link) {
        struct space_change change;

        if (space->dirty->len == 0)
            continue;
        prepare(space, &change);
        g_array_set_size(space->dirty, 0);
        if (change.extents->len)
            g_array_append_val(changes, change);
        else
            abandon(&change); /* what was touched cannot be seen */
    }
    is_done = notify_all((struct space_change *)changes->data, changes->len, error);
    for (guint i = 0; i < changes->len; i++) {
        struct space_change *change = &g_array_index(changes, struct space_change, i);

        if (is_done)
            publish(change);
        else
            abandon(change);
    }
    return is_done;
}
