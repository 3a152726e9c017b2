/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Four levels, pages of 4 KiB, 2 MiB and 1 GiB. Where the manuals leave a choice:
 *
 *  - Accessed and dirty bits are set when a walk has succeeded, and not before.
 *  - An entry that is not in RAM reads as all ones, as from a bus that nobody
 *    answers: its reserved bits are a fault.
 *  - Bit 8 of an entry that leads to another table is ignored (Intel's rule).
 *  - PWT, PCD and PAT are ignored: memory types are the host's affair.
 */
#include "hw/cpu/soft/mmu.h"

#include "hw/cpu/cpuid.h"
#include "util/atomic.h"

enum {
    PTE_P = 1 << 0,
    PTE_W = 1 << 1,
    PTE_U = 1 << 2,
    PTE_A = 1 << 5,
    PTE_D = 1 << 6,
    PTE_PS = 1 << 7,
    PTE_G = 1 << 8,
};
#define PTE_NX (UINT64_C(1) << 63)
#define PTE_ADDRESS (((UINT64_C(1) << CPU_PHYS_BITS) - 1) & PAGE_MASK)
#define PTE_HIGH_RESERVED (((UINT64_C(1) << 52) - 1) & ~((UINT64_C(1) << CPU_PHYS_BITS) - 1))

enum { LEVELS = 4, WALK_TRIES = 100 };

/* Entries that were met, from the root down; the last is the page's. */
struct walk {
    unsigned nr;
    uint64_t gpa[LEVELS];
    uint64_t *host[LEVELS];
    uint64_t entry[LEVELS];
    uint64_t rights; /* PTE_W and PTE_U if all have them, PTE_NX if one has it */
    uint64_t page;   /* physical, of 4 KiB */
};

/* The bits that must be zero in @entry, which leads from @level (4: the root) down. */
static uint64_t reserved_bits(const struct soft *cpu, unsigned level, uint64_t entry)
{
    uint64_t reserved = PTE_HIGH_RESERVED;

    if (!(cpu->efer & EFER_NXE))
        reserved |= PTE_NX;
    if (level == 4)
        reserved |= PTE_PS;
    else if (level > 1 && (entry & PTE_PS)) /* address bits of a large page, but for PAT's */
        reserved |= ((UINT64_C(1) << (PAGE_SHIFT + 9 * (level - 1))) - 1) & PAGE_MASK &
                    ~(UINT64_C(1) << PAGE_SHIFT);
    return reserved;
}

/* False: @ret_error has PF_PRESENT and PF_RESERVED as they must be. */
static bool walk_down(struct soft *cpu, uint64_t va, struct walk *walk, uint32_t *ret_error)
{
    uint64_t table = cpu->cr3 & PTE_ADDRESS;

    walk->rights = PTE_W | PTE_U;
    for (unsigned level = LEVELS, i = 0;; level--, i++) {
        const unsigned shift = PAGE_SHIFT + 9 * (level - 1);
        uint64_t entry;

        walk->gpa[i] = table + 8 * (va >> shift & 511);
        walk->host[i] = soft_phys(cpu, walk->gpa[i], 8);
        entry = walk->host[i] ? load_relaxed(walk->host[i]) : UINT64_MAX;
        walk->entry[i] = entry;
        if (!(entry & PTE_P)) {
            *ret_error = 0;
            return false;
        }
        if (entry & reserved_bits(cpu, level, entry)) {
            *ret_error = PF_PRESENT | PF_RESERVED;
            return false;
        }
        walk->rights = (walk->rights & (entry | PTE_NX)) | (entry & PTE_NX);
        table = entry & PTE_ADDRESS;
        if (level == 1 || (entry & PTE_PS)) {
            const uint64_t offset = (UINT64_C(1) << shift) - 1;

            walk->nr = i + 1;
            walk->page = ((table & ~offset) | (va & offset)) & PAGE_MASK;
            return true;
        }
    }
}

static bool is_allowed(const struct soft *cpu, uint64_t rights, enum mmu_access access,
                       enum tlb_class class)
{
    if (access == MMU_FETCH && (rights & PTE_NX))
        return false;
    if (class == TLB_USER)
        return (rights & PTE_U) && (access != MMU_WRITE || (rights & PTE_W));
    if (access == MMU_FETCH)
        return !(rights & PTE_U) || !(cpu->cr4 & CR4_SMEP);
    if (access == MMU_WRITE && !(rights & PTE_W) && (cpu->cr0 & CR0_WP))
        return false;
    return !(rights & PTE_U) || class != TLB_SUPERVISOR || !(cpu->cr4 & CR4_SMAP);
}

/* Accessed bits of all entries, and the last one's dirty bit. False: one has changed meanwhile. */
static bool set_accessed(struct soft *cpu, struct walk *walk, bool is_write)
{
    for (unsigned i = 0; i < walk->nr; i++) {
        uint64_t wanted = walk->entry[i] | PTE_A;

        if (is_write && i == walk->nr - 1)
            wanted |= PTE_D;
        if (wanted == walk->entry[i])
            continue;
        if (!atomic_cas(walk->host[i], &walk->entry[i], wanted)) /* with others' walks and stores */
            return false;
        walk->entry[i] = wanted;
        soft_phys_written(cpu, walk->gpa[i], 8);
    }
    return true;
}

static void describe(const struct soft *cpu, const struct walk *walk, enum tlb_class class,
                     struct mmu_page *ret_page)
{
    const uint64_t leaf = walk->entry[walk->nr - 1];

    *ret_page = (struct mmu_page){
        .gpa = walk->page,
        .may_read = is_allowed(cpu, walk->rights, MMU_READ, class),
        .may_write = (leaf & PTE_D) && is_allowed(cpu, walk->rights, MMU_WRITE, class),
        .is_global = (leaf & PTE_G) && (cpu->cr4 & CR4_PGE),
        .shift = (uint8_t)(PAGE_SHIFT + 9 * (LEVELS - walk->nr)),
    };
}

static bool walk_once(struct soft *cpu, uint64_t va, enum mmu_access access, enum tlb_class class,
                      struct walk *walk, uint32_t *ret_error)
{
    if (!walk_down(cpu, va, walk, ret_error))
        return false;
    *ret_error = PF_PRESENT;
    return is_allowed(cpu, walk->rights, access, class);
}

bool mmu_walk(struct soft *cpu, uint64_t va, enum mmu_access access, enum tlb_class class,
              struct mmu_page *ret_page, uint32_t *ret_error)
{
    const bool tells_fetch = (cpu->efer & EFER_NXE) || (cpu->cr4 & CR4_SMEP);
    uint32_t error = 0;

    if (!(cpu->cr0 & CR0_PG)) {
        *ret_page = (struct mmu_page){ .gpa = va & UINT32_MAX & PAGE_MASK,
                                       .may_read = true,
                                       .may_write = true,
                                       .shift = PAGE_SHIFT };
        return true;
    }
    /* Another processor can change an entry again and again: then it is a fault, as if we had
     * come when the entry was not present. Else a guest could keep us in the section for ever. */
    for (unsigned i = 0; i < WALK_TRIES; i++) {
        struct walk walk;

        if (!walk_once(cpu, va, access, class, &walk, &error))
            break;
        error = 0;
        if (set_accessed(cpu, &walk, access == MMU_WRITE)) {
            describe(cpu, &walk, class, ret_page);
            return true;
        }
    }
    *ret_error = error | (access == MMU_WRITE ? PF_WRITE : 0) | (class == TLB_USER ? PF_USER : 0) |
                 (access == MMU_FETCH && tells_fetch ? PF_FETCH : 0);
    return false;
}
