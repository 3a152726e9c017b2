/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>

#include "hw/mem/children.h"

uint64_t child_end(const struct region *child)
{
    uint64_t end;

    return __builtin_add_overflow(child->offset, child->size, &end) ? UINT64_MAX : end;
}

static bool is_before(const struct region *a, const struct region *b) REQUIRES(bql)
{
    return a->offset != b->offset ? a->offset < b->offset : a->sequence < b->sequence;
}

/* Spreads sequence numbers: the tree's shape is as random, and the same in each run. */
static uint64_t spread(uint64_t number)
{
    number = (number ^ number >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    number = (number ^ number >> 27) * UINT64_C(0x94d049bb133111eb);
    return number ^ number >> 31;
}

static void update(struct region *node) REQUIRES(bql)
{
    node->last_end = child_end(node);
    if (node->left)
        node->last_end = MAX(node->last_end, node->left->last_end);
    if (node->right)
        node->last_end = MAX(node->last_end, node->right->last_end);
}

static void split(struct region *tree, const struct region *at, struct region **ret_left,
                  struct region **ret_right) REQUIRES(bql)
{
    if (!tree) {
        *ret_left = *ret_right = NULL;
        return;
    }
    if (is_before(tree, at)) {
        split(tree->right, at, &tree->right, ret_right);
        *ret_left = tree;
    } else {
        split(tree->left, at, ret_left, &tree->left);
        *ret_right = tree;
    }
    update(tree);
}

static struct region *merge(struct region *left, struct region *right) REQUIRES(bql)
{
    struct region *top;

    if (!left || !right)
        return left ? left : right;
    if (left->weight > right->weight) {
        left->right = merge(left->right, right);
        top = left;
    } else {
        right->left = merge(left, right->left);
        top = right;
    }
    update(top);
    return top;
}

void children_insert(struct region *container, struct region *child)
{
    struct region *left, *right;

    assert(!child->left && !child->right);
    child->weight = spread(child->sequence);
    update(child);
    split(container->children, child, &left, &right);
    container->children = merge(merge(left, child), right);
}

static struct region *remove_from(struct region *tree, struct region *child) REQUIRES(bql)
{
    assert(tree);
    if (tree == child)
        return merge(tree->left, tree->right);
    if (is_before(child, tree))
        tree->left = remove_from(tree->left, child);
    else
        tree->right = remove_from(tree->right, child);
    update(tree);
    return tree;
}

void children_remove(struct region *container, struct region *child)
{
    container->children = remove_from(container->children, child);
    child->left = child->right = NULL;
}

static void find(struct region *tree, uint64_t lo, uint64_t hi, GPtrArray *ret) REQUIRES(bql)
{
    if (!tree || tree->last_end <= lo)
        return;
    find(tree->left, lo, hi, ret);
    if (tree->offset >= hi)
        return;
    if (child_end(tree) > lo)
        g_ptr_array_add(ret, tree);
    find(tree->right, lo, hi, ret);
}

void children_find(struct region *container, uint64_t lo, uint64_t hi, GPtrArray *ret)
{
    find(container->children, lo, hi, ret);
}
