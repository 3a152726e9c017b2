/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What a processor of ours says of itself: one table for both back ends, so that a
 * guest, its snapshots and its bug reports are the same on both. `soft` implements
 * all of it; KVM takes away what the host lacks.
 *
 * It is the x86-64 baseline and what an operating system likes to have beside it
 * (docs/cpu.md says why each), under AMD's name: as that of an old family, which
 * draws the fewest model-specific registers and no workarounds.
 *
 * Threads: any; it is constant.
 */
#ifndef HW_CPU_CPUID_H
#define HW_CPU_CPUID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of guest-physical addresses. Bits above, in page tables and CR3, are reserved. */
enum { CPU_PHYS_BITS = 40, CPU_VIRTUAL_BITS = 48 };

/* The time stamp counter's, for all processors of all machines. */
#define CPU_TSC_HZ UINT64_C(2500000000)

struct cpuid_regs {
    uint32_t eax, ebx, ecx, edx;
};

/* Which processor asks. Its APIC ID is its index. */
struct cpuid_place {
    unsigned index;
    unsigned nr_cpus;
};

/**
 * What CPUID answers: zeros for a leaf that there is not. OSXSAVE and the like depend on
 * nothing here: no bit follows a control register.
 */
void cpuid_lookup(uint32_t leaf, uint32_t subleaf, const struct cpuid_place *place,
                  struct cpuid_regs *ret_regs);

/* A leaf of the table, for who must list them. */
struct cpuid_leaf {
    uint32_t leaf;
    uint32_t subleaf;
    bool has_subleaves; /* ECX matters */
};

/** Leaf number @n of all, ascending; false behind the last. */
bool cpuid_leaf_at(size_t n, struct cpuid_leaf *ret_leaf);

/** IA32_ARCH_CAPABILITIES: which faults of real processors ours does not have. */
uint64_t cpuid_arch_capabilities(void);

#endif
