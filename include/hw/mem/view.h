/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Spaces and their views: which region is at which address.
 *
 * A space is an address space (memory, or I/O ports) over a tree of regions. Its
 * *view* is the flat picture: ranges in ascending order, without gaps, since what
 * nobody answers is a range too. A view is immutable; a commit publishes the next
 * one, which shares with it all that has not changed.
 *
 * Lifetime: inside a read section, what view_get() gave and the ranges and host
 * pointers found in it stay valid. Nothing else does.
 */
#ifndef HW_MEM_VIEW_H
#define HW_MEM_VIEW_H

#include <stdio.h>

#include "hw/mem/mem.h"
#include "hw/mem/region.h"
#include "util/rcu.h"

struct space;
struct view;

enum range_kind { RANGE_HOLE, RANGE_RAM, RANGE_ROM, RANGE_MMIO };

struct range {
    gpa_t start;
    uint64_t size;          /* bytes; the last range may end at 2^64 */
    uint8_t *host;          /* of `start`; RAM and ROM only */
    struct region *region;  /* NULL: a hole */
    uint64_t region_offset; /* of `start` in the region */
    struct ram *ram;        /* NULL: no RAM, or RAM by host pointer */
    uint64_t ram_offset;    /* of `start` in the block */
    enum range_kind kind;
};

/* [start, start + size) */
struct mem_extent {
    gpa_t start;
    uint64_t size;
};

/** Retires the view. No listeners left. Its regions may be released after a grace period. */
void space_free(struct space *space) REQUIRES(bql); /* NULL is fine */

/** A space of the size of @root, a container in no other tree; holds a reference to it. */
struct space *space_new(struct mem *mem, const char *name, struct region *root) OWNED_BY(space_free)
    REQUIRES(bql);

const char *space_name(const struct space *space);
struct mem *space_mem(const struct space *space);

/** The current view. */
const struct view *view_get(const struct space *space) REQUIRES_SHARED(rcu);

/** The range that @gpa lies in: never NULL. */
const struct range *view_find(const struct view *view, gpa_t gpa) REQUIRES_SHARED(rcu);

/**
 * The host address of @length bytes at @gpa that lie in one range of RAM (or ROM,
 * unless @is_write), or NULL. What is written through it: code_gate_written().
 */
void *view_pointer(const struct view *view, gpa_t gpa, uint64_t length, bool is_write)
    REQUIRES_SHARED(rcu);

/** Grows by 1 with each view of a space; the first is 1. */
uint64_t view_generation(const struct view *view) REQUIRES_SHARED(rcu);

enum { VIEW_CHANGES = 64 };

/**
 * Where @view differs from the same space's view of generation @since: extents, in
 * no order, perhaps overlapping. False: too far behind, anything may differ.
 */
bool view_changes(const struct view *view, uint64_t since, struct mem_extent ret[VIEW_CHANGES],
                  unsigned *ret_nr) MUST_CHECK REQUIRES_SHARED(rcu);

/** How many ranges there are, holes included. */
size_t view_nr_ranges(const struct view *view) REQUIRES_SHARED(rcu);

/** Call @visit for each range, in ascending order. */
void view_for_each(const struct view *view, void (*visit)(const struct range *range, void *arg),
                   void *arg) REQUIRES_SHARED(rcu);

/**
 * The ranges as one JSON object, no newline; the tree of regions as text for people.
 * @out is a memory stream or the like: a section is open, or the BQL held.
 */
void space_print_json(struct space *space, FILE *out);
void space_print_tree(struct space *space, FILE *out) REQUIRES(bql);

#endif
