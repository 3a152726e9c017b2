/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What a processor remembers of where virtual addresses lead: the entries of its
 * TLBs and of its jump cache. tlb.h and exec.h say how they are used.
 */
#ifndef HW_CPU_SOFT_TRANSLATION_H
#define HW_CPU_SOFT_TRANSLATION_H

#include <stdbool.h>
#include <stdint.h>

#include "hw/cpu/cpuid.h"

struct op;
struct ram;

enum { PAGE_SHIFT = 12, PAGE_SIZE = 1 << PAGE_SHIFT };
#define PAGE_MASK (~UINT64_C(0xfff))

/** Whether the bits above those that are translated are copies of the highest of them. */
static inline bool is_canonical(uint64_t va)
{
    return (uint64_t)((int64_t)(va << (64 - CPU_VIRTUAL_BITS)) >> (64 - CPU_VIRTUAL_BITS)) == va;
}

/* One page of the guest's virtual memory. Tags are page addresses, or TLB_NONE. */
struct tlb_entry {
    uint64_t read_tag;
    uint64_t write_tag;
    uint64_t addend; /* host address = guest-virtual address + addend */
    uint64_t meta;   /* private to tlb.c */
};

enum { TLB_BITS = 10, TLB_ENTRIES = 1 << TLB_BITS, TLB_FILLED_MAX = 128, FETCH_ENTRIES = 256 };
#define TLB_NONE UINT64_MAX /* no page begins there */

/* A page that code is fetched from. */
struct fetch_page {
    uint64_t gpa;
    const uint8_t *host;
    struct ram *ram; /* NULL: its stores go unseen, so code in it is not cached */
    uint64_t ram_page;
};

struct fetch_entry {
    uint64_t tag; /* page address, or TLB_NONE */
    bool is_global;
    uint8_t shift; /* of the mapping's size, once the tag has been set */
    struct fetch_page page;
};

/* Where a virtual address has a block: tag is the address, salted with mode and privilege. */
struct jump_entry {
    uint64_t tag;
    const struct op *head;
};

enum { JUMP_BITS = 12, JUMP_ENTRIES = 1 << JUMP_BITS, JUMP_PAGES = 4096, WORD_BITS = 64 };

/* Which accesses a TLB's entries allow. Privilege changes select another, and flush nothing. */
enum tlb_class {
    TLB_USER,       /* CPL 3 */
    TLB_SUPERVISOR, /* CPL 0-2, SMAP in force; and the processor's own (descriptors, stacks) */
    TLB_EXPLICIT,   /* CPL 0-2, SMAP off, or suspended by RFLAGS.AC */
    NR_TLB_CLASSES,
};

#endif
