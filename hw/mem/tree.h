/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The balanced tree of a view: ranges by their start, in nodes that do not change
 * once they are published.
 *
 * An AVL tree whose only construction is *join*: a new node over two finished
 * trees, rebalanced along one spine. Splitting a tree copies the path to the cut
 * and shares all the rest, so versions of a tree cost the logarithm of its size.
 *
 * Nodes are counted: each parent, and each holder of a root, has one reference. A
 * node holds one on its range's region. Functions take over the references of the
 * trees they are given, and return one.
 *
 * Threads: versions are made by one thread at a time; references drop on any.
 */
#ifndef HW_MEM_TREE_H
#define HW_MEM_TREE_H

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
    uint32_t refs; /* atomic */
    uint32_t height;
};

struct node *node_ref(struct node *node); /* NULL is fine, in all of these */
void node_unref(struct node *node);

/** Balanced, of ascending ranges. */
struct node *tree_build(const struct range *ranges, size_t nr_ranges);

/** All of @left, then all of @right. */
struct node *tree_join(struct node *left, struct node *right);

/** What starts before @key, and the rest. */
void tree_split(struct node *tree, gpa_t key, struct node **ret_left, struct node **ret_right);

/** The range that @gpa lies in, or NULL. */
const struct range *tree_find(const struct node *tree, gpa_t gpa);

void tree_for_each(const struct node *tree, void (*visit)(const struct range *range, void *arg),
                   void *arg);

#endif
