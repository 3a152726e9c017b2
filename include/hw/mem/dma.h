/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Host pointers into guest RAM for devices: for one request, and for rings.
 *
 * A *mapping* holds a reference on its region, so that an unmap of the region
 * waits for it: it lives for one request and no longer. One that is held for more
 * than a second is reported by its holder's name.
 *
 * A *cache* holds nothing. It keeps the pointer for a fixed place, and looks
 * again when the view has changed; what it gives is valid inside the section.
 *
 * Guest memory changes while one looks: read once, then check (docs/locking.md, L5).
 */
#ifndef HW_MEM_DMA_H
#define HW_MEM_DMA_H

#include "hw/mem/view.h"
#include "util/list.h"

enum dma_direction {
    DMA_FROM_GUEST, /* the device reads guest memory */
    DMA_TO_GUEST,   /* the device writes guest memory */
};

#define DMA_OLD_NS (INT64_C(1000000000))

/* In the holder's memory, where it stays while mapped. */
struct dma_mapping {
    void *host;
    size_t length;
    gpa_t gpa;
    /* The rest is private. */
    struct mem *mem;
    struct region *region;
    struct ram *ram;
    uint64_t ram_offset;
    enum dma_direction direction;
    const char *holder;
    int64_t since_ns;
    bool is_reported;
    struct list_node link;
};

/**
 * Map RAM at @gpa: @length bytes, or fewer where the range ends before; the rest is
 * a mapping of its own. Returns how many, 0 if @gpa is no RAM (ROM: only
 * DMA_FROM_GUEST). @holder (a literal) is who, for reports. Any thread.
 */
size_t dma_map(struct space *space, gpa_t gpa, size_t length, enum dma_direction direction,
               const char *holder, struct dma_mapping *ret_mapping) MUST_CHECK;

/**
 * The request is done; the first @written bytes have been written (0: none). After
 * it the pointer is void. No lock held that the region's on_released() takes.
 */
void dma_unmap(struct dma_mapping *mapping, size_t written);

/**
 * Report each mapping that has been held for DMA_OLD_NS at @now_ns and was not reported;
 * returns how many are that old. The machine calls it once a second. Any thread.
 */
unsigned dma_check_age(struct mem *mem, int64_t now_ns);

/* One user thread at a time. */
struct mem_cache {
    struct space *space;
    gpa_t gpa;
    uint64_t length;
    /* The rest is private. */
    uint64_t generation; /* of the view that `host` was found in; 0: none */
    uint8_t *host;       /* NULL: no RAM there */
    struct ram *ram;
    uint64_t ram_offset;
};

/** Nothing to free. @length is at least 1. */
void mem_cache_init(struct mem_cache *cache, struct space *space, gpa_t gpa, uint64_t length);

/** The place's host address, or NULL if it is not one range of writable RAM now. */
void *mem_cache_get(struct mem_cache *cache) REQUIRES_SHARED(rcu);

/** After a write through mem_cache_get()'s pointer, in the same section. */
void mem_cache_written(const struct mem_cache *cache, uint64_t offset, uint64_t length)
    REQUIRES_SHARED(rcu);

#endif
