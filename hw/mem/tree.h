/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The balanced tree of a view: ranges by their start, in nodes that do not change
 * once they are published.
 *
 * An AVL tree whose only construction is *join*: a node over two finished trees,
 * rebalanced along one spine. Splitting a tree copies the path to the cut and
 * shares all the rest, so versions of a tree cost the logarithm of its size.
 *
 * Versions follow one another, and readers of the older ones leave first. So
 * nodes are not counted: an *edit*, which makes one version of the last one,
 * collects the nodes that the new version no longer has, and they are freed
 * together when nobody is in the old one any more.
 *
 * Threads: edits by one thread at a time.
 */
#ifndef HW_MEM_TREE_H
#define HW_MEM_TREE_H

#include <glib.h>

#include "hw/mem/view.h"

/* What a search looks at comes first, so that it is mostly on one cache line. */
struct node {
    union {
        struct {
            struct node *left, *right;
        };
        struct node *side[2];
    };
    struct range range;
    uint64_t edit; /* that made it, and until its end may change it in place */
    uint32_t height;
};

struct tree_edit {
    uint64_t number;     /* no other edit of the same tree has it */
    GPtrArray *leavings; /* nodes that only old versions have */
};

/* Trees that are given to an edit are used up. */

/** Balanced, of ascending ranges. */
struct node *tree_build(const struct tree_edit *edit, const struct range *ranges, size_t nr_ranges);

/** All of @left, then all of @right. */
struct node *tree_join(struct tree_edit *edit, struct node *left, struct node *right);

/** What starts before @key, and the rest. */
void tree_split(struct tree_edit *edit, struct node *tree, gpa_t key, struct node **ret_left,
                struct node **ret_right);

/** Not in the new version. */
void tree_drop(struct tree_edit *edit, struct node *tree);

/** The new version @tree is not to be: free what the edit has made. The old one is as it was. */
void tree_abandon(const struct tree_edit *edit, struct node *tree);

/** The range that @gpa lies in, or NULL. */
const struct range *tree_find(const struct node *tree, gpa_t gpa);

void tree_for_each(const struct node *tree, void (*visit)(const struct range *range, void *arg),
                   void *arg);

#endif
