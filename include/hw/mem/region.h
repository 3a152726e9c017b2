/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Regions: pieces of guest address space, in a tree.
 *
 * RAM, ROM and MMIO answer accesses. A container holds other regions at offsets,
 * the higher priority in front, and among equals the one added later; where none
 * is it lets through what lies behind it. An alias shows a part of another
 * region. What of a child exceeds its container is cut off.
 *
 * Lifetime: counted. The owner has the first reference; the tree, each view that
 * names the region and each DMA mapping of it have others. With the last, its
 * on_released() runs, once, on whatever thread that was, with no lock held and
 * outside any read section, and then the region is freed. Where the last
 * reference goes under the BQL or in a section, that is put off to the rcu thread.
 * Containers (empty) and aliases lose their last reference under the BQL.
 *
 * Threads: the tree is changed under the BQL; references from any thread.
 */
#ifndef HW_MEM_REGION_H
#define HW_MEM_REGION_H

#include "hw/mem/mem.h"
#include "hw/mem/ram.h"

struct region;

#define REGION_SIZE_MAX (UINT64_C(1) << 63)

enum region_kind { REGION_CONTAINER, REGION_ALIAS, REGION_RAM, REGION_ROM, REGION_MMIO };

/*
 * Called with the BQL, outside any section, with the region referenced: a handler
 * may change the map, its own region's place included. @size is 1, 2, 4 or 8,
 * within the limits below, and @offset a multiple of it. Wider or unaligned
 * accesses come in pieces, in ascending order. A narrower read gets its part of a
 * read of min_access; a narrower write is ignored as an unassigned one is.
 */
struct mmio_ops {
    uint64_t (*read)(void *opaque, uint64_t offset, unsigned size);
    void (*write)(void *opaque, uint64_t offset, uint64_t value, unsigned size);
    unsigned min_access; /* bytes, a power of two; 0: 1 */
    unsigned max_access; /* bytes, a power of two up to 8; 0: 8 */
};

/** Drop a reference. Any thread; callers that hold a device lock: on_released() may run here. */
void region_unref(struct region *region); /* NULL is fine */
struct region *region_ref(struct region *region);

/* Constructors. @name is copied. Sizes: 1 to REGION_SIZE_MAX bytes; RAM, ROM in pages of 4 KiB. */
struct region *region_new_container(struct mem *mem, const char *name, uint64_t size)
    OWNED_BY(region_unref);
struct region *region_new_mmio(struct mem *mem, const char *name, uint64_t size,
                               const struct mmio_ops *ops, void *opaque) OWNED_BY(region_unref);

/** The part of @ram at @offset, which exists. Holds a reference to @ram. */
struct region *region_new_ram(struct mem *mem, const char *name, struct ram *ram, uint64_t offset,
                              uint64_t size) OWNED_BY(region_unref);
struct region *region_new_rom(struct mem *mem, const char *name, struct ram *ram, uint64_t offset,
                              uint64_t size) OWNED_BY(region_unref);

/** Memory at @host (page-aligned), which stays until on_released(). No code is cached from it. */
struct region *region_new_host(struct mem *mem, const char *name, void *host, uint64_t size,
                               bool is_readonly) OWNED_BY(region_unref);

/** @size bytes of @target at @offset. Holds a reference to it. */
struct region *region_new_alias(struct mem *mem, const char *name, struct region *target,
                                uint64_t offset, uint64_t size) OWNED_BY(region_unref)
    REQUIRES(bql);

/** Before the region is first used. At the start: none. */
void region_on_released(struct region *region, void (*on_released)(void *opaque), void *opaque);

/*
 * Changes: each its own transaction, unless one is open. False as mem_commit(); inside an
 * open transaction they are true. A region has one place (aliases show it elsewhere).
 */
bool region_add(struct region *container, uint64_t offset, struct region *child, int priority,
                GError **error) MUST_CHECK REQUIRES(bql);
bool region_del(struct region *child, GError **error) MUST_CHECK REQUIRES(bql);
bool region_move(struct region *child, uint64_t offset, GError **error) MUST_CHECK REQUIRES(bql);

/** A disabled region is as if it were not there. At the start: enabled. */
bool region_set_enabled(struct region *region, bool is_enabled, GError **error)
    MUST_CHECK REQUIRES(bql);

/* Questions. */
const char *region_name(const struct region *region);
enum region_kind region_kind(const struct region *region);
uint64_t region_size(const struct region *region);
bool region_is_added(const struct region *region) REQUIRES(bql);

#endif
