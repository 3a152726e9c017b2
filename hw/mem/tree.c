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

/*
 * To change a tree is to open nodes and to make them anew with other children. A
 * node that nobody else refers to is in no view: it is made in place. That can
 * only turn from false to true meanwhile, when the rcu thread drops an old view.
 */
static bool is_ours_alone(const struct node *node)
{
    return load_acquire(&node->refs) == 1; /* pairs with the full barrier in node_unref() */
}

/* A reference on each child; @node, still referenced, is good for make() only. */
static void open_node(struct node *node, struct node **ret_left, struct node **ret_right)
{
    if (is_ours_alone(node)) {
        *ret_left = g_steal_pointer(&node->left);
        *ret_right = g_steal_pointer(&node->right);
    } else {
        *ret_left = node_ref(node->left);
        *ret_right = node_ref(node->right);
    }
}

/* @node's range over these children. Takes all three references. */
static struct node *make(struct node *left, struct node *node, struct node *right)
{
    struct node *copy;

    if (is_ours_alone(node)) {
        node_unref(node->left); /* NULL, unless it has become ours since it was opened */
        node_unref(node->right);
        node->left = left;
        node->right = right;
        node->height = 1 + MAX(height(left), height(right));
        return node;
    }
    copy = node_new(left, &node->range, right);
    node_unref(node);
    return copy;
}

/* @left is higher by two: what is too deep comes up. */
static struct node *rotate_right(struct node *left, struct node *node, struct node *right)
{
    struct node *outer, *inner, *inner_left, *inner_right;

    open_node(left, &outer, &inner);
    if (height(outer) >= height(inner))
        return make(outer, left, make(inner, node, right));
    open_node(inner, &inner_left, &inner_right);
    return make(make(outer, left, inner_left), inner, make(inner_right, node, right));
}

static struct node *rotate_left(struct node *left, struct node *node, struct node *right)
{
    struct node *outer, *inner, *inner_left, *inner_right;

    open_node(right, &inner, &outer);
    if (height(outer) >= height(inner))
        return make(make(left, node, inner), right, outer);
    open_node(inner, &inner_left, &inner_right);
    return make(make(left, node, inner_left), inner, make(inner_right, right, outer));
}

/* Heights that differ by two at most. */
static struct node *balance(struct node *left, struct node *node, struct node *right)
{
    if (height(left) > height(right) + 1)
        return rotate_right(left, node, right);
    if (height(right) > height(left) + 1)
        return rotate_left(left, node, right);
    return make(left, node, right);
}

/* @left, @node, @right in this order: down the higher one's spine to where the other fits. */
static struct node *join_around(struct node *left, struct node *node, struct node *right)
{
    struct node *outer, *inner;

    if (height(left) > height(right) + 1) {
        open_node(left, &outer, &inner);
        return balance(outer, left, join_around(inner, node, right));
    }
    if (height(right) > height(left) + 1) {
        open_node(right, &inner, &outer);
        return balance(join_around(left, node, inner), right, outer);
    }
    return make(left, node, right);
}

/* @tree, which is not empty, without its first node; that one opened in *@ret_first. */
static struct node *without_first(struct node *tree, struct node **ret_first)
{
    struct node *left, *right;

    open_node(tree, &left, &right);
    if (left)
        return balance(without_first(left, ret_first), tree, right);
    *ret_first = tree;
    return right;
}

struct node *tree_join(struct node *left, struct node *right)
{
    struct node *first, *rest;

    if (!left || !right)
        return left ? left : right;
    rest = without_first(right, &first);
    return join_around(left, first, rest);
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
        *ret_left = join_around(left, tree, middle);
    } else {
        tree_split(left, key, ret_left, &middle);
        *ret_right = join_around(middle, tree, right);
    }
}

struct node *tree_build(const struct range *ranges, size_t nr_ranges)
{
    size_t middle = nr_ranges / 2;

    if (nr_ranges == 0)
        return NULL;
    return node_new(tree_build(ranges, middle), &ranges[middle],
                    tree_build(ranges + middle + 1, nr_ranges - middle - 1));
}

/* The last range that starts at @gpa or before. Which side to go is a number, not a branch: that
 * would be guessed wrong every other time, which costs more than the few levels to the bottom. */
const struct range *tree_find(const struct node *tree, gpa_t gpa)
{
    const struct node *last = NULL;

    while (tree) {
        bool is_right = gpa >= tree->range.start;

        last = is_right ? tree : last;
        tree = tree->side[is_right];
    }
    return last && gpa - last->range.start < last->range.size ? &last->range : NULL;
}

void tree_for_each(const struct node *tree, void (*visit)(const struct range *range, void *arg),
                   void *arg)
{
    for (; tree; tree = tree->right) {
        tree_for_each(tree->left, visit, arg);
        visit(&tree->range, arg);
    }
}
