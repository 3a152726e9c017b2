/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <glib.h>

#include "hw/mem/region.h"
#include "hw/mem/tree.h"
#include "util/atomic.h"

static uint32_t height(const struct node *node)
{
    return node ? node->height : 0;
}

struct node *node_ref(struct node *node)
{
    if (node)
        fetch_add_relaxed(&node->refs, 1); /* whoever has one may make more */
    return node;
}

/* Recursion is as deep as the tree is high: 46 for the largest that memory holds. */
void node_unref(struct node *node)
{
    while (node && fetch_sub(&node->refs, 1) == 1) {
        struct node *right = node->right;

        node_unref(node->left);
        region_unref(node->range.region);
        g_free(node);
        node = right;
    }
}

static struct node *node_new(struct node *left, const struct range *range, struct node *right)
{
    struct node *node = g_new(struct node, 1);

    *node = (struct node){
        .range = *range,
        .left = left,
        .right = right,
        .refs = 1,
        .height = 1 + MAX(height(left), height(right)),
    };
    if (range->region)
        region_ref(range->region);
    return node;
}

/* Take @node apart: one reference each of its subtrees instead of that on @node, whose range is
 * still needed. So the caller drops @node at the end. */
static void open_node(const struct node *node, struct node **ret_left, struct node **ret_right)
{
    *ret_left = node_ref(node->left);
    *ret_right = node_ref(node->right);
}

/* @left is higher by two: what is too deep comes up. */
static struct node *rotate_right(struct node *left, const struct range *range, struct node *right)
{
    struct node *outer, *inner, *tree;

    open_node(left, &outer, &inner);
    if (height(outer) >= height(inner)) {
        tree = node_new(outer, &left->range, node_new(inner, range, right));
    } else {
        struct node *inner_left, *inner_right;

        open_node(inner, &inner_left, &inner_right);
        tree = node_new(node_new(outer, &left->range, inner_left), &inner->range,
                        node_new(inner_right, range, right));
        node_unref(inner);
    }
    node_unref(left);
    return tree;
}

static struct node *rotate_left(struct node *left, const struct range *range, struct node *right)
{
    struct node *outer, *inner, *tree;

    open_node(right, &inner, &outer);
    if (height(outer) >= height(inner)) {
        tree = node_new(node_new(left, range, inner), &right->range, outer);
    } else {
        struct node *inner_left, *inner_right;

        open_node(inner, &inner_left, &inner_right);
        tree = node_new(node_new(left, range, inner_left), &inner->range,
                        node_new(inner_right, &right->range, outer));
        node_unref(inner);
    }
    node_unref(right);
    return tree;
}

/* Heights that differ by two at most. */
static struct node *balance(struct node *left, const struct range *range, struct node *right)
{
    if (height(left) > height(right) + 1)
        return rotate_right(left, range, right);
    if (height(right) > height(left) + 1)
        return rotate_left(left, range, right);
    return node_new(left, range, right);
}

/* @left, @range, @right in this order: down the higher one's spine to where the other fits. */
static struct node *join_around(struct node *left, const struct range *range, struct node *right)
{
    struct node *outer, *inner, *tree;

    if (height(left) > height(right) + 1) {
        open_node(left, &outer, &inner);
        tree = balance(outer, &left->range, join_around(inner, range, right));
        node_unref(left);
        return tree;
    }
    if (height(right) > height(left) + 1) {
        open_node(right, &inner, &outer);
        tree = balance(join_around(left, range, inner), &right->range, outer);
        node_unref(right);
        return tree;
    }
    return node_new(left, range, right);
}

/* @tree, which is not empty, without its first node. That one is borrowed from what the caller
 * holds of @tree besides. */
static struct node *without_first(struct node *tree, const struct range **ret_first)
{
    struct node *left, *right, *rest;

    open_node(tree, &left, &right);
    if (left) {
        rest = balance(without_first(left, ret_first), &tree->range, right);
    } else {
        *ret_first = &tree->range;
        rest = right;
    }
    node_unref(tree);
    return rest;
}

struct node *tree_join(struct node *left, struct node *right)
{
    const struct range *first;
    struct node *rest, *tree;

    if (!left || !right)
        return left ? left : right;
    rest = without_first(node_ref(right), &first);
    tree = join_around(left, first, rest);
    node_unref(right);
    return tree;
}

void tree_split(struct node *tree, gpa_t key, struct node **ret_left, struct node **ret_right)
{
    struct node *left, *right, *middle;

    if (!tree) {
        *ret_left = *ret_right = NULL;
        return;
    }
    open_node(tree, &left, &right);
    if (tree->range.start < key) {
        tree_split(right, key, &middle, ret_right);
        *ret_left = join_around(left, &tree->range, middle);
    } else {
        tree_split(left, key, ret_left, &middle);
        *ret_right = join_around(middle, &tree->range, right);
    }
    node_unref(tree);
}

struct node *tree_build(const struct range *ranges, size_t nr_ranges)
{
    size_t middle = nr_ranges / 2;

    if (nr_ranges == 0)
        return NULL;
    return node_new(tree_build(ranges, middle), &ranges[middle],
                    tree_build(ranges + middle + 1, nr_ranges - middle - 1));
}

const struct range *tree_find(const struct node *tree, gpa_t gpa)
{
    while (tree) {
        if (gpa < tree->range.start)
            tree = tree->left;
        else if (gpa - tree->range.start < tree->range.size)
            return &tree->range;
        else
            tree = tree->right;
    }
    return NULL;
}

void tree_for_each(const struct node *tree, void (*visit)(const struct range *range, void *arg),
                   void *arg)
{
    for (; tree; tree = tree->right) {
        tree_for_each(tree->left, visit, arg);
        visit(&tree->range, arg);
    }
}
