/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <inttypes.h>

#include "hw/mem/listener.h"
#include "hw/mem/notify.h"
#include "hw/mem/tree.h"
#include "util/log.h"

static const struct range *range_at(const GArray *ranges, guint i)
{
    return &g_array_index(ranges, struct range, i);
}

static void del_ranges(struct mem_listener *listener, const GArray *ranges, guint nr_ranges)
{
    for (guint i = 0; i < nr_ranges; i++)
        listener->del(listener, range_at(ranges, i));
}

/* Add until one is refused; how many were added in *@ret_nr. */
static bool add_ranges(struct mem_listener *listener, const GArray *ranges, guint *ret_nr,
                       GError **error)
{
    for (*ret_nr = 0; *ret_nr < ranges->len; (*ret_nr)++) {
        if (!listener->add(listener, range_at(ranges, *ret_nr), error))
            return false;
    }
    return true;
}

/* They were there a moment ago, so there is room; if not, the listener goes on without. */
static void add_back(struct mem_listener *listener, const GArray *ranges)
{
    for (guint i = 0; i < ranges->len; i++) {
        g_autoptr(GError) error = NULL;

        if (!listener->add(listener, range_at(ranges, i), &error))
            log_error("%s: cannot restore %s at 0x%" PRIx64 ": %s", listener->name,
                      region_name(range_at(ranges, i)->region), range_at(ranges, i)->start,
                      error ? error->message : "no reason given");
    }
}

static void begin(struct mem_listener *listener)
{
    if (listener->begin)
        listener->begin(listener);
}

static void end(struct mem_listener *listener, bool is_done)
{
    if (listener->end)
        listener->end(listener, is_done);
}

/* In the order of registration, and against it. NULL: from the start. */
static struct mem_listener *after(struct space *space, struct mem_listener *listener) REQUIRES(bql)
{
    struct list_node *node =
        listener ? list_next(&space->listeners, &listener->link) : list_first(&space->listeners);

    return list_entry_or_null(node, struct mem_listener, link);
}

static struct mem_listener *before(struct space *space, struct mem_listener *listener) REQUIRES(bql)
{
    struct list_node *node =
        listener ? list_prev(&space->listeners, &listener->link) : list_last(&space->listeners);

    return list_entry_or_null(node, struct mem_listener, link);
}

/* All deletions are told; additions to the listeners before @refuser, and @nr of them to it. */
static void tell_back(const struct space_change *change, struct mem_listener *refuser, guint nr)
    REQUIRES(bql)
{
    struct mem_listener *listener = refuser;

    if (refuser)
        del_ranges(refuser, change->adds, nr);
    while ((listener = before(change->space, listener)))
        del_ranges(listener, change->adds, change->adds->len);
    while ((listener = after(change->space, listener)))
        add_back(listener, change->dels);
}

static bool notify_space(const struct space_change *change, GError **error) REQUIRES(bql)
{
    struct mem_listener *listener = NULL;

    while ((listener = before(change->space, listener)))
        del_ranges(listener, change->dels, change->dels->len);
    while ((listener = after(change->space, listener))) {
        guint nr;

        if (!add_ranges(listener, change->adds, &nr, error)) {
            tell_back(change, listener, nr);
            return false;
        }
    }
    return true;
}

bool notify_all(const struct space_change *changes, guint nr_changes, GError **error)
{
    guint nr_told = 0;
    bool is_done = true;

    for (guint i = 0; i < nr_changes; i++) {
        for (struct mem_listener *l = NULL; (l = after(changes[i].space, l));)
            begin(l);
    }
    while (is_done && nr_told < nr_changes) {
        is_done = notify_space(&changes[nr_told], error);
        nr_told += is_done;
    }
    for (guint i = nr_told; !is_done && i > 0; i--)
        tell_back(&changes[i - 1], NULL, 0);
    for (guint i = 0; i < nr_changes; i++) {
        for (struct mem_listener *l = NULL; (l = after(changes[i].space, l));)
            end(l, is_done);
    }
    return is_done;
}

/* ---- Coming and going ------------------------------------------------------------------ */

static void collect_answering(const struct range *range, void *to)
{
    if (range->region)
        g_array_append_vals(to, range, 1);
}

static GArray *answering_ranges(struct space *space) REQUIRES(bql)
{
    GArray *ranges = g_array_new(FALSE, FALSE, sizeof(struct range));

    tree_for_each(view_of_holder(space)->root, collect_answering, ranges);
    return ranges;
}

bool space_add_listener(struct space *space, struct mem_listener *listener, GError **error)
{
    g_autoptr(GArray) ranges = answering_ranges(space);
    guint nr;
    bool is_done;

    assert(space->mem->depth == 0);
    begin(listener);
    is_done = add_ranges(listener, ranges, &nr, error);
    if (is_done)
        list_insert_tail(&space->listeners, &listener->link);
    else
        del_ranges(listener, ranges, nr);
    end(listener, is_done);
    return is_done;
}

void space_del_listener(struct space *space, struct mem_listener *listener)
{
    g_autoptr(GArray) ranges = answering_ranges(space);

    assert(space->mem->depth == 0);
    list_remove(&listener->link);
    begin(listener);
    del_ranges(listener, ranges, ranges->len);
    end(listener, true);
}
