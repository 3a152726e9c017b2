/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The children of a container, found by address: a heap-ordered search tree
 * inside the regions, each node of which knows the last end below it.
 */
#ifndef HW_MEM_CHILDREN_H
#define HW_MEM_CHILDREN_H

#include "hw/mem/mem_internal.h"

/** Where @child ends in its container; cut off at the largest number. */
uint64_t child_end(const struct region *child) REQUIRES(bql);

void children_insert(struct region *container, struct region *child) REQUIRES(bql);
void children_remove(struct region *container, struct region *child) REQUIRES(bql);

/** Append to @ret those that meet [lo, hi), by ascending offset. */
void children_find(struct region *container, uint64_t lo, uint64_t hi, GPtrArray *ret)
    REQUIRES(bql);

#endif
