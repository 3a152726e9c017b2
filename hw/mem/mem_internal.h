/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What the files of this floor know of each other's structs.
 */
#ifndef HW_MEM_MEM_INTERNAL_H
#define HW_MEM_MEM_INTERNAL_H

#include "hw/mem/code_gate.h"
#include "hw/mem/mem.h"
#include "hw/mem/region.h"
#include "hw/mem/view.h"
#include "util/list.h"
#include "util/lock.h"
#include "util/rcu.h"

struct code_gate {
    struct mutex lock;
    uint64_t sequence;                     /* written under lock, read by any; atomic */
    struct code_change log[CODE_GATE_LOG]; /* guarded by lock; number n is at n modulo size */
    uint64_t nr_touched;                   /* atomic */
    void (*touched)(void *opaque);         /* set before vCPUs run */
    void *opaque;
};

struct mem {
    unsigned depth GUARDED_BY(bql); /* of open transactions */
    bool is_committing GUARDED_BY(bql);
    struct list spaces GUARDED_BY(bql);
    GArray *undo GUARDED_BY(bql);           /* struct change, since the outermost begin */
    uint64_t next_sequence GUARDED_BY(bql); /* of region_add(): the later is in front */

    struct mutex dma_lock;
    struct list dma_holders; /* guarded by dma_lock */

    struct mem_stats stats; /* each member atomic */
    struct code_gate gate;
};

struct region {
    struct rcu_head head; /* first; of a release that is put off */
    struct mem *mem;
    char *name;
    uint32_t refs; /* atomic */
    enum region_kind kind;
    void (*on_released)(void *opaque);
    void *released_opaque;

    /* RAM, ROM. */
    struct ram *ram; /* NULL: by host pointer */
    uint64_t ram_offset;
    uint8_t *host;

    /* MMIO. */
    const struct mmio_ops *ops;
    void *opaque;

    /* Alias. */
    struct region *target;
    uint64_t target_offset;
    struct list_node alias_link GUARDED_BY(bql); /* in target->aliases */

    /* In the container's tree of children; together, since a search looks at these only. */
    uint64_t offset GUARDED_BY(bql);
    uint64_t size;
    uint64_t last_end GUARDED_BY(bql); /* of this and what is below it */
    uint64_t sequence GUARDED_BY(bql);
    struct region *left GUARDED_BY(bql), *right GUARDED_BY(bql);
    uint64_t weight GUARDED_BY(bql); /* of the heap */

    /* Place in the tree of regions. */
    struct region *container GUARDED_BY(bql); /* NULL: in none */
    struct region *children GUARDED_BY(bql);  /* children.h: root of the tree of them */
    struct list aliases GUARDED_BY(bql);
    struct space *space GUARDED_BY(bql); /* whose root this is, or NULL */
    int priority GUARDED_BY(bql);
    bool is_enabled GUARDED_BY(bql);
};

struct space {
    struct list_node link GUARDED_BY(bql);
    struct mem *mem;
    char *name;
    struct region *root;
    struct view *view;                 /* published */
    uint64_t nr_edits GUARDED_BY(bql); /* numbers them */
    GArray *dirty GUARDED_BY(bql);     /* struct span, of the open transaction */
    struct list listeners GUARDED_BY(bql);
};

struct node; /* tree.h */

struct view_change {
    uint64_t generation;
    struct mem_extent extent;
};

struct view {
    struct rcu_head head; /* first */
    struct mem *mem;
    struct node *root;
    uint64_t generation;
    size_t nr_ranges;
    struct range beyond; /* from the end of the space to 2^64 */
    uint64_t nr_changes; /* ever; number n is at n modulo size */
    uint64_t forgotten;  /* generation of the newest change that was overwritten */

    /* Once there is a newer one: what goes with this. Owned by whoever frees it. */
    GPtrArray *leavings; /* struct node: that only this and older views have */
    GArray *dels;        /* struct range: the same; each has a reference on its region */
    struct view_change changes[VIEW_CHANGES];
};

/* [lo, hi), not empty; ends at most at REGION_SIZE_MAX */
struct span {
    uint64_t lo, hi;
};

/* region.c: the log of a transaction; undo what it says, or forget. */
GArray *region_undo_new(void);
void region_undo_all(struct mem *mem) REQUIRES(bql);
void region_forget_undo(struct mem *mem) REQUIRES(bql);

/* commit.c */
bool commit_all(struct mem *mem, GError **error) REQUIRES(bql);
void view_retire(struct view *view, GPtrArray *leavings, GArray *dels);
struct view *view_new(struct space *space, struct node *root, size_t nr_ranges,
                      uint64_t generation);

/* code_gate.c */
void code_gate_init(struct code_gate *gate);
void code_gate_fini(struct code_gate *gate);

/* The part [lo, hi) of @range, which it contains. */
struct range range_clip(const struct range *range, gpa_t lo, gpa_t hi);

static inline gpa_t range_end(const struct range *range)
{
    return range->start + range->size;
}

/* The view while the BQL keeps it from being replaced. */
static inline const struct view *view_of_holder(const struct space *space) REQUIRES(bql)
{
    return load_relaxed(&space->view);
}

#endif
