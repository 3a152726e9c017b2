/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The page walk: virtual to guest-physical addresses, with all the rights that
 * page tables give and take (AMD64 APM vol. 2, chapter 5; Intel SDM vol. 3,
 * chapter 4). It caches nothing; tlb.c does.
 */
#ifndef HW_CPU_SOFT_MMU_H
#define HW_CPU_SOFT_MMU_H

#include <stdbool.h>
#include <stdint.h>

#include "hw/cpu/soft/soft.h"

enum mmu_access { MMU_READ, MMU_WRITE, MMU_FETCH };

struct mmu_page {
    uint64_t gpa;   /* of the 4 KiB page that has the address, whatever the mapping's size */
    bool may_read;  /* in the class it was walked for */
    bool may_write; /* and the dirty bit is set, so no walk is needed for a write */
    bool is_global; /* survives a write to CR3 */
    uint8_t shift;  /* the mapping has 2^shift bytes: INVLPG of any address in it drops it */
};

/**
 * Walk for @access to @va as @class. Sets accessed bits, and the dirty bit for a
 * write, as a locked operation on the entry (other processors walk too). False:
 * a page fault, with @ret_error as its error code, and nothing set that a
 * processor would not set. Without paging the address is itself.
 */
bool mmu_walk(struct soft *cpu, uint64_t va, enum mmu_access access, enum tlb_class class,
              struct mmu_page *ret_page, uint32_t *ret_error);

/**
 * Host pointer to @size bytes of RAM at @gpa in the pinned view, inside one page; NULL
 * if there is no RAM. Valid until the next access that may be slow. tlb.c
 */
void *soft_phys(struct soft *cpu, uint64_t gpa, unsigned size);

/** @size bytes at @gpa have been stored through soft_phys() by a locked operation. tlb.c */
void soft_phys_written(struct soft *cpu, uint64_t gpa, unsigned size);

#endif
