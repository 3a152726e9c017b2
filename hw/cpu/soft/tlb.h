/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Translations that a processor remembers. access.h and mmu.h declare what handlers
 * and the page walk use; this is for blocks and the run loop.
 *
 * A host address in a TLB is borrowed from the view that the processor has pinned. It
 * never outlives the section, unless the view is still the current one at the next:
 * soft_tlb_pin() drops what lies in ranges that have changed since.
 *
 * Only the owner writes its TLBs.
 */
#ifndef HW_CPU_SOFT_TLB_H
#define HW_CPU_SOFT_TLB_H

#include "hw/cpu/soft/access.h"
#include "hw/cpu/soft/soft.h"
#include "hw/mem/mem.h"

/**
 * The page of @va, for fetching at the present privilege. Raises #PF or #GP for the
 * instruction at cpu->rip, which has not begun. Valid until the next call.
 */
const struct fetch_page *soft_fetch(struct soft *cpu, uint64_t va) REQUIRES_SHARED(rcu);

/** The same from the TLB only; NULL if it is not there. */
const struct fetch_page *soft_fetch_peek(struct soft *cpu, uint64_t va);

/** All TLBs empty: at the start. */
void soft_tlb_reset(struct soft *cpu);

/** Remember that the block with @head is at cpu->rip, which has just been fetched from. */
void soft_jumps_add(struct soft *cpu, const struct op *head);

/** Forget where virtual addresses have blocks. */
void soft_jumps_flush(struct soft *cpu);

/** Pin the current view, and drop what differs from what the TLBs were filled from. */
void soft_tlb_pin(struct soft *cpu) REQUIRES_SHARED(rcu);

/** Forget write mappings of @nr host pages. */
void soft_tlb_drop_writes(struct soft *cpu, const uint8_t *const host_pages[], unsigned nr);

/**
 * #GP, or #SS through the stack segment, if no page can be at @va. Of what crosses into another
 * page the last byte is looked at before anything is translated.
 */
void soft_check_canonical(struct soft *cpu, const struct op *op, uint64_t va);

/* What an address means just now. */
struct place {
    gpa_t gpa;
    uint8_t *host;   /* NULL: no memory for this access */
    struct ram *ram; /* of host, if stores to it must be told (code_gate_written) */
    uint64_t ram_offset;
};

/**
 * What @size bytes at @va are, which lie in one page. Raises what the access would;
 * otherwise, without `host`, it is a device, a hole, ROM for a write, or partly memory.
 */
struct place soft_place(struct soft *cpu, const struct op *op, uint64_t va, bool is_write,
                        enum tlb_class class, unsigned size);

/* Copies of code, which others may be writing: no race of ours. */
static inline void code_copy(uint8_t *to, const uint8_t *from, size_t size)
{
    for (size_t i = 0; i < size; i++)
        to[i] = host_load8(from + i);
}

static inline bool code_equals(const uint8_t *bytes, const uint8_t *memory, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if (bytes[i] != host_load8(memory + i))
            return false;
    return true;
}

#endif
