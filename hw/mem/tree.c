/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/mem/tree.h"

static uint32_t height(const struct node *node)
{
    return node ? node->height : 0;
}

static struct node *node_new(const struct tree_edit *edit, struct node *left,
                             const struct range *range, struct node *right)
{
    struct node *node = g_new(struct node, 1);

    *node = (struct node){
        .left = left,
        .right = right,
        .range = *range,
        .edit = edit->number,
        .height = 1 + MAX(height(left), height(right)),
    };
    return node;
}

/* @node's range over these children: in place, if no version has @node yet. */
static struct node *make(struct tree_edit *edit, struct node *left, struct node *node,
                         struct node *right)
{
    struct node *copy;

    if (node->edit != edit->number) {
        copy = node_new(edit, left, &node->range, right);
        g_ptr_array_add(edit->leavings, node);
        return copy;
    }
    node->left = left;
    node->right = right;
    node->height = 1 + MAX(height(left), height(right));
    return node;
}

/* @left is higher by two: what is too deep comes up. */
static struct node *rotate_right(struct tree_edit *edit, struct node *left, struct node *node,
                                 struct node *right)
{
    struct node *outer = left->left, *inner = left->right, *inner_left, *inner_right;

    if (height(outer) >= height(inner))
        return make(edit, outer, left, make(edit, inner, node, right));
    inner_left = inner->left;
    inner_right = inner->right;
    return make(edit, make(edit, outer, left, inner_left), inner,
                make(edit, inner_right, node, right));
}

static struct node *rotate_left(struct tree_edit *edit, struct node *left, struct node *node,
                                struct node *right)
{
    struct node *outer = right->right, *inner = right->left, *inner_left, *inner_right;

    if (height(outer) >= height(inner))
        return make(edit, make(edit, left, node, inner), right, outer);
    inner_left = inner->left;
    inner_right = inner->right;
    return make(edit, make(edit, left, node, inner_left), inner,
                make(edit, inner_right, right, outer));
}

/* Heights that differ by two at most. */
static struct node *balance(struct tree_edit *edit, struct node *left, struct node *node,
                            struct node *right)
{
    if (height(left) > height(right) + 1)
        return rotate_right(edit, left, node, right);
    if (height(right) > height(left) + 1)
        return rotate_left(edit, left, node, right);
    return make(edit, left, node, right);
}

/* @left, @node, @right in this order: down the higher one's spine to where the other fits. */
static struct node *join_around(struct tree_edit *edit, struct node *left, struct node *node,
                                struct node *right)
{
    if (height(left) > height(right) + 1)
        return balance(edit, left->left, left, join_around(edit, left->right, node, right));
    if (height(right) > height(left) + 1)
        return balance(edit, join_around(edit, left, node, right->left), right, right->right);
    return make(edit, left, node, right);
}

/* @tree, which is not empty, without its first node; that one, still to be made, in *@ret_first. */
static struct node *without_first(struct tree_edit *edit, struct node *tree,
                                  struct node **ret_first)
{
    if (tree->left)
        return balance(edit, without_first(edit, tree->left, ret_first), tree, tree->right);
    *ret_first = tree;
    return tree->right;
}

struct node *tree_join(struct tree_edit *edit, struct node *left, struct node *right)
{
    struct node *first, *rest;

    if (!left || !right)
        return left ? left : right;
    rest = without_first(edit, right, &first);
    return join_around(edit, left, first, rest);
}

void tree_split(struct tree_edit *edit, struct node *tree, gpa_t key, struct node **ret_left,
                struct node **ret_right)
{
    struct node *middle;

    if (!tree) {
        *ret_left = *ret_right = NULL;
    } else if (tree->range.start < key) {
        struct node *left = tree->left;

        tree_split(edit, tree->right, key, &middle, ret_right);
        *ret_left = join_around(edit, left, tree, middle);
    } else {
        struct node *right = tree->right;

        tree_split(edit, tree->left, key, ret_left, &middle);
        *ret_right = join_around(edit, middle, tree, right);
    }
}

struct node *tree_build(const struct tree_edit *edit, const struct range *ranges, size_t nr_ranges)
{
    size_t middle = nr_ranges / 2;

    if (nr_ranges == 0)
        return NULL;
    return node_new(edit, tree_build(edit, ranges, middle), &ranges[middle],
                    tree_build(edit, ranges + middle + 1, nr_ranges - middle - 1));
}

/* Recursion is as deep as the tree is high: 46 for the largest that memory holds. */
void tree_drop(struct tree_edit *edit, struct node *tree)
{
    while (tree) {
        struct node *right = tree->right;

        tree_drop(edit, tree->left);
        if (tree->edit == edit->number)
            g_free(tree);
        else
            g_ptr_array_add(edit->leavings, tree);
        tree = right;
    }
}

/* What the edit has made is at the top: what is older refers to nothing that is newer. */
void tree_abandon(const struct tree_edit *edit, struct node *tree)
{
    while (tree && tree->edit == edit->number) {
        struct node *right = tree->right;

        tree_abandon(edit, tree->left);
        g_free(tree);
        tree = right;
    }
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
