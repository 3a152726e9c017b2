/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * From the tree of regions to ranges, for one part of a space.
 */
#ifndef HW_MEM_RENDER_H
#define HW_MEM_RENDER_H

#include "hw/mem/mem_internal.h"

/**
 * What there is at [lo, hi) of @root: an array of struct range, ascending, without
 * gaps, adjacent pieces not yet made one. Free with g_array_unref().
 */
GArray *render(struct region *root, gpa_t lo, gpa_t hi) MUST_CHECK REQUIRES(bql);

/** The index of the first of the ascending @ranges that ends after @gpa. */
guint first_after(const GArray *ranges, gpa_t gpa);

#endif
