/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Telling listeners what a commit is about to change.
 */
#ifndef HW_MEM_NOTIFY_H
#define HW_MEM_NOTIFY_H

#include "hw/mem/mem_internal.h"
#include "hw/mem/tree.h"

/* What a transaction makes of one space. */
struct space_change {
    struct space *space;
    struct node *root; /* of the next view */
    struct tree_edit edit;
    size_t nr_ranges;    /* in it */
    GArray *dels, *adds; /* struct range: whole ranges that go and come */
    GArray *extents;     /* struct mem_extent: where something else answers */
};

/** Tell all listeners. False, with everything told back: one has refused. */
bool notify_all(const struct space_change *changes, guint nr_changes, GError **error) REQUIRES(bql);

#endif
