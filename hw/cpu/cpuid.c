/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Numbers of leaves and bits: AMD64 APM vol. 3, appendix E; Intel SDM vol. 2, CPUID. */
#include "hw/cpu/cpuid.h"

#include <string.h>

#include "util/annotate.h"

#define BIT(n) (UINT32_C(1) << (n))

/* Four letters, as a register has them. */
#define LETTERS(a, b, c, d)                                                                        \
    ((uint32_t)(uint8_t)(a) | (uint32_t)(uint8_t)(b) << 8 | (uint32_t)(uint8_t)(c) << 16 |         \
     (uint32_t)(uint8_t)(d) << 24)

enum {
    LEAF_HIGHEST = 0xb,
    FAMILY = 0xf, /* AMD's first with long mode */
    MODEL = 0x6b,
    STEPPING = 1,
    CACHE_LINE_BYTES = 64,
};

#define LEAF_KVM UINT32_C(0x40000000)
#define LEAF_EXTENDED UINT32_C(0x80000000)
#define LEAF_EXTENDED_HIGHEST UINT32_C(0x80000021)

/* family 15 or more is written as 15 and the rest */
#define SIGNATURE                                                                                  \
    ((uint32_t)STEPPING | (MODEL & 0xf) << 4 | 0xf << 8 | MODEL >> 4 << 16 | (FAMILY - 0xf) << 20)

#define FEATURES_1_EDX                                                                             \
    (BIT(0) /* FPU */ | BIT(3) /* PSE */ | BIT(4) /* TSC */ | BIT(5) /* MSR */ |                   \
     BIT(6) /* PAE */ | BIT(8) /* CX8 */ | BIT(9) /* APIC */ | BIT(13) /* PGE */ |                 \
     BIT(15) /* CMOV */ | BIT(16) /* PAT */ | BIT(19) /* CLFSH */ | BIT(23) /* MMX */ |            \
     BIT(24) /* FXSR */ | BIT(25) /* SSE */ | BIT(26) /* SSE2 */)
#define FEATURE_1_EDX_HTT BIT(28)
#define FEATURES_1_ECX                                                                             \
    (BIT(13) /* CX16 */ | BIT(21) /* x2APIC */ | BIT(24) /* TSC deadline */ |                      \
     BIT(31) /* hypervisor */)
#define FEATURES_6_EAX BIT(2) /* ARAT: the APIC's timer goes on while the processor sleeps */
#define FEATURES_7_EBX (BIT(0) /* FSGSBASE */ | BIT(7) /* SMEP */ | BIT(20) /* SMAP */)
#define FEATURES_7_ECX BIT(2)  /* UMIP */
#define FEATURES_7_EDX BIT(29) /* ARCH_CAPABILITIES */
#define FEATURES_KVM (BIT(3) /* CLOCKSOURCE2 */ | BIT(24) /* CLOCKSOURCE_STABLE */)
#define FEATURES_80000001_ECX BIT(0) /* LAHF in 64-bit code */
#define FEATURE_80000001_ECX_CMP_LEGACY BIT(1)
#define SHARED_WITH_1_EDX UINT32_C(0x0183f3ff) /* AMD says these in both leaves */
#define FEATURES_80000001_EDX                                                                      \
    (BIT(11) /* SYSCALL */ | BIT(20) /* NX */ | BIT(26) /* 1 GiB pages */ | BIT(27) /* RDTSCP */ | \
     BIT(29) /* long mode */ | (FEATURES_1_EDX & SHARED_WITH_1_EDX))
#define FEATURES_80000007_EDX BIT(8) /* the TSC counts on, always alike */
#define FEATURES_80000021_EAX BIT(6) /* a null selector clears the segment's base */

static const char brand[48] = "gracevm virtual processor";

/* The bits of an APIC ID that number a processor. */
static unsigned id_bits(unsigned nr_cpus)
{
    unsigned bits = 0;

    while (1u << bits < nr_cpus)
        bits++;
    return bits;
}

static struct cpuid_regs leaf_1(const struct cpuid_place *place)
{
    return (struct cpuid_regs){
        .eax = SIGNATURE,
        .ebx = place->index << 24 | place->nr_cpus << 16 | CACHE_LINE_BYTES / 8 << 8,
        .ecx = FEATURES_1_ECX,
        .edx = FEATURES_1_EDX | (place->nr_cpus > 1 ? FEATURE_1_EDX_HTT : 0),
    };
}

/* Topology: one thread a core, all cores in one package. */
static struct cpuid_regs leaf_b(uint32_t subleaf, const struct cpuid_place *place)
{
    enum { LEVEL_THREADS = 1, LEVEL_CORES = 2 };
    struct cpuid_regs regs = { .ecx = subleaf & 0xff, .edx = place->index };

    if (subleaf == 0) {
        regs.ebx = 1;
        regs.ecx |= LEVEL_THREADS << 8;
    } else if (subleaf == 1) {
        regs.eax = id_bits(place->nr_cpus);
        regs.ebx = place->nr_cpus;
        regs.ecx |= LEVEL_CORES << 8;
    }
    return regs;
}

static struct cpuid_regs basic(uint32_t leaf, uint32_t subleaf, const struct cpuid_place *place)
{
    switch (leaf) {
    case 0:
        return (struct cpuid_regs){
            .eax = LEAF_HIGHEST,
            .ebx = LETTERS('A', 'u', 't', 'h'),
            .ecx = LETTERS('c', 'A', 'M', 'D'),
            .edx = LETTERS('e', 'n', 't', 'i'),
        };
    case 1:
        return leaf_1(place);
    case 6:
        return (struct cpuid_regs){ .eax = FEATURES_6_EAX };
    case 7:
        if (subleaf)
            break;
        return (struct cpuid_regs){ .ebx = FEATURES_7_EBX,
                                    .ecx = FEATURES_7_ECX,
                                    .edx = FEATURES_7_EDX };
    case 0xb:
        return leaf_b(subleaf, place);
    default:
        break;
    }
    return (struct cpuid_regs){ 0 };
}

/* KVM's name, since that is where guests look for its clock. */
static struct cpuid_regs hypervisor(uint32_t leaf)
{
    if (leaf == LEAF_KVM)
        return (struct cpuid_regs){
            .eax = LEAF_KVM + 1,
            .ebx = LETTERS('K', 'V', 'M', 'K'),
            .ecx = LETTERS('V', 'M', 'K', 'V'),
            .edx = LETTERS('M', 0, 0, 0),
        };
    if (leaf == LEAF_KVM + 1)
        return (struct cpuid_regs){ .eax = FEATURES_KVM };
    return (struct cpuid_regs){ 0 };
}

static struct cpuid_regs brand_part(unsigned n)
{
    uint32_t words[4];

    memcpy(words, brand + n * sizeof(words), sizeof(words)); /* little-endian hosts only */
    return (struct cpuid_regs){ words[0], words[1], words[2], words[3] };
}

/* As KiB, ways, lines a tag and bytes a line. Sizes are what C libraries choose copying loops by.
 */
static struct cpuid_regs leaf_caches(uint32_t leaf)
{
    const uint32_t l1 = 64u << 24 | 2 << 16 | 1 << 8 | CACHE_LINE_BYTES;
    const uint32_t tlb = 0x01ff01ff; /* for small pages: ways, entries, of data and code */
    const uint32_t l2_ways = 8;      /* the code for 16 */

    if (leaf == LEAF_EXTENDED + 5)
        return (struct cpuid_regs){ .eax = tlb, .ebx = tlb, .ecx = l1, .edx = l1 };
    return (struct cpuid_regs){
        .ecx = 512u << 16 | l2_ways << 12 | 1 << 8 | CACHE_LINE_BYTES,
    };
}

static struct cpuid_regs extended(uint32_t leaf, const struct cpuid_place *place)
{
    const bool has_many = place->nr_cpus > 1;

    switch (leaf - LEAF_EXTENDED) {
    case 0:
        return (struct cpuid_regs){
            .eax = LEAF_EXTENDED_HIGHEST,
            .ebx = LETTERS('A', 'u', 't', 'h'),
            .ecx = LETTERS('c', 'A', 'M', 'D'),
            .edx = LETTERS('e', 'n', 't', 'i'),
        };
    case 1:
        return (struct cpuid_regs){
            .eax = SIGNATURE,
            .ecx = FEATURES_80000001_ECX | (has_many ? FEATURE_80000001_ECX_CMP_LEGACY : 0),
            .edx = FEATURES_80000001_EDX,
        };
    case 2:
    case 3:
    case 4:
        return brand_part(leaf - LEAF_EXTENDED - 2);
    case 5:
    case 6:
        return leaf_caches(leaf);
    case 7:
        return (struct cpuid_regs){ .edx = FEATURES_80000007_EDX };
    case 8:
        return (struct cpuid_regs){
            .eax = CPU_PHYS_BITS | CPU_VIRTUAL_BITS << 8,
            .ecx = id_bits(place->nr_cpus) << 12 | (place->nr_cpus - 1),
        };
    case 0x21:
        return (struct cpuid_regs){ .eax = FEATURES_80000021_EAX };
    default:
        return (struct cpuid_regs){ 0 };
    }
}

void cpuid_lookup(uint32_t leaf, uint32_t subleaf, const struct cpuid_place *place,
                  struct cpuid_regs *ret_regs)
{
    if (leaf >> 28 == LEAF_EXTENDED >> 28)
        *ret_regs = extended(leaf, place);
    else if (leaf >> 28 == LEAF_KVM >> 28)
        *ret_regs = hypervisor(leaf);
    else
        *ret_regs = basic(leaf, subleaf, place);
}

bool cpuid_leaf_at(size_t n, struct cpuid_leaf *ret_leaf)
{
    static const struct cpuid_leaf leaves[] = {
        { 0, 0, false },
        { 1, 0, false },
        { 6, 0, false },
        { 7, 0, true },
        { 0xb, 0, true },
        { 0xb, 1, true },
        { 0xb, 2, true }, /* no more levels */
        { LEAF_KVM, 0, false },
        { LEAF_KVM + 1, 0, false },
        { LEAF_EXTENDED, 0, false },
        { LEAF_EXTENDED + 1, 0, false },
        { LEAF_EXTENDED + 2, 0, false },
        { LEAF_EXTENDED + 3, 0, false },
        { LEAF_EXTENDED + 4, 0, false },
        { LEAF_EXTENDED + 5, 0, false },
        { LEAF_EXTENDED + 6, 0, false },
        { LEAF_EXTENDED + 7, 0, false },
        { LEAF_EXTENDED + 8, 0, false },
        { LEAF_EXTENDED + 0x21, 0, false },
    };

    if (n >= ARRAY_SIZE(leaves))
        return false;
    *ret_leaf = leaves[n];
    return true;
}

/* An interpreter speculates nothing: that is what all of them say. */
uint64_t cpuid_arch_capabilities(void)
{
    return BIT(0) /* RDCL_NO */ | BIT(3) /* SKIP_L1DFL_VMENTRY */ | BIT(4) /* SSB_NO */ |
           BIT(5) /* MDS_NO */ | BIT(6) /* PSCHANGE_MC_NO */ | BIT(8) /* TAA_NO */ |
           BIT(13) /* SBDR_SSDP_NO */ | BIT(14) /* FBSDP_NO */ | BIT(15) /* PSDP_NO */ |
           BIT(20) /* BHI_NO */ | BIT(24) /* PBRSB_NO */ | BIT(26) /* GDS_NO */ |
           BIT(27) /* RFDS_NO */ | UINT64_C(1) << 62 /* ITS_NO */;
}
