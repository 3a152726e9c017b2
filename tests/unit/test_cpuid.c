/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include <glib.h>

#include "hw/cpu/cpuid.h"

static struct cpuid_regs lookup(uint32_t leaf, uint32_t subleaf, unsigned index, unsigned nr_cpus)
{
    const struct cpuid_place place = { .index = index, .nr_cpus = nr_cpus };
    struct cpuid_regs regs;

    cpuid_lookup(leaf, subleaf, &place, &regs);
    return regs;
}

static bool is_zero(const struct cpuid_regs *regs)
{
    return !(regs->eax | regs->ebx | regs->ecx | regs->edx);
}

/* verify_cpu of Linux 6.1 refuses to start without these (research/cpu.md, 1.3). */
static void linux_finds_what_it_requires(void)
{
    const uint32_t required_1_edx =
        1 << 0 | 1 << 5 | 1 << 6 | 1 << 8 | 1 << 15 | 1 << 24 | 1 << 25 | 1 << 26;
    const uint32_t required_80000001_edx = 1 << 11 | 1 << 20 | 1 << 29;

    g_assert_cmphex(lookup(1, 0, 0, 1).edx & required_1_edx, ==, required_1_edx);
    g_assert_cmphex(lookup(0x80000001, 0, 0, 1).edx & required_80000001_edx, ==,
                    required_80000001_edx);
    g_assert_cmpuint(lookup(0x80000000, 0, 0, 1).eax, >=, 0x80000008);
    g_assert_cmphex(lookup(0x80000007, 0, 0, 1).edx & 1 << 8, !=, 0); /* invariant TSC */
}

/* What the processor does not do it must not announce: above all state that it does not save. */
static void nothing_beyond_the_baseline_is_announced(void)
{
    const struct cpuid_regs one = lookup(1, 0, 0, 4), seven = lookup(7, 0, 0, 4);
    const struct cpuid_regs far = lookup(0x80000001, 0, 0, 4);

    /* SSE3 PCLMUL MONITOR SSSE3 FMA PCID SSE4.1 SSE4.2 MOVBE POPCNT AES XSAVE OSXSAVE AVX F16C
     * RDRAND */
    g_assert_cmphex(one.ecx & 0x7eda120b, ==, 0);
    /* VME DE MCE SEP MTRR MCA PSE36 */
    g_assert_cmphex(one.edx & 0x00025886, ==, 0);
    /* BMI1 AVX2 BMI2 ERMS INVPCID, all of AVX-512, SHA */
    g_assert_cmphex(seven.ebx & ~(uint32_t)(1 << 0 | 1 << 7 | 1 << 20), ==, 0);
    g_assert_cmphex(seven.ecx & ~(uint32_t)(1 << 2), ==, 0);
    /* SVM ABM SSE4A XOP FMA4 TBM TOPOEXT */
    g_assert_cmphex(far.ecx & 0x00610864, ==, 0);
    g_assert_true(lookup(0xd, 0, 0, 1).eax == 0);
}

static void leaf_80000001_repeats_leaf_1(void)
{
    const uint32_t shared = 0x0183f3ff;

    g_assert_cmphex(lookup(1, 0, 0, 1).edx & shared, ==, lookup(0x80000001, 0, 0, 1).edx & shared);
    g_assert_cmphex(lookup(1, 0, 0, 1).eax, ==, lookup(0x80000001, 0, 0, 1).eax);
}

static void signature_is_of_family_15(void)
{
    const uint32_t eax = lookup(1, 0, 0, 1).eax;

    g_assert_cmpuint((eax >> 8 & 15) + (eax >> 20 & 255), ==, 15);
    g_assert_cmphex((eax >> 4 & 15) | (eax >> 12 & 0xf0), ==, 0x6b);
}

static void names_are_spelt_right(void)
{
    const struct cpuid_regs vendor = lookup(0, 0, 0, 1), kvm = lookup(0x40000000, 0, 0, 1);
    char name[13] = { 0 }, brand[49] = { 0 };

    memcpy(name, &vendor.ebx, 4);
    memcpy(name + 4, &vendor.edx, 4);
    memcpy(name + 8, &vendor.ecx, 4);
    g_assert_cmpstr(name, ==, "AuthenticAMD");
    memcpy(name, &kvm.ebx, 12);
    g_assert_cmpstr(name, ==, "KVMKVMKVM");
    g_assert_cmphex(kvm.eax, ==, 0x40000001);
    for (unsigned i = 0; i < 3; i++) {
        const struct cpuid_regs part = lookup(0x80000002 + i, 0, 0, 1);

        memcpy(brand + 16 * i, &part, 16);
    }
    g_assert_cmpstr(brand, ==, "gracevm virtual processor");
}

static void each_processor_has_its_own_id(void)
{
    for (unsigned nr_cpus = 1; nr_cpus <= 64; nr_cpus++) {
        const unsigned bits = lookup(0xb, 1, 0, nr_cpus).eax;

        g_assert_cmpuint(1u << bits, >=, nr_cpus);
        g_assert_cmpuint(bits ? 1u << (bits - 1) : 0, <, nr_cpus);
        for (unsigned i = 0; i < nr_cpus; i++) {
            const struct cpuid_regs one = lookup(1, 0, i, nr_cpus), b = lookup(0xb, 1, i, nr_cpus);

            g_assert_cmpuint(one.ebx >> 24, ==, i);
            g_assert_cmpuint(b.edx, ==, i);
            g_assert_cmpuint(lookup(0xb, 0, i, nr_cpus).edx, ==, i);
            g_assert_cmpuint(b.ebx, ==, nr_cpus);
            g_assert_cmpuint(one.ebx >> 16 & 255, ==, nr_cpus);
            g_assert_cmpuint(lookup(0x80000008, 0, i, nr_cpus).ecx & 255, ==, nr_cpus - 1);
            g_assert_cmpuint(one.edx >> 28 & 1, ==, nr_cpus > 1);
        }
        g_assert_cmpuint(lookup(0xb, 2, 0, nr_cpus).ebx, ==, 0); /* no more levels */
        g_assert_cmpuint(lookup(0xb, 2, 0, nr_cpus).ecx, ==, 2);
    }
}

/* Who copies the table leaf by leaf (KVM) must get all of it. */
static void all_leaves_that_say_something_are_listed(void)
{
    static const uint32_t bases[] = { 0, 0x40000000, 0x80000000 };
    struct cpuid_leaf leaf;
    unsigned nr_found = 0, nr_listed = 0;
    uint64_t last = 0;

    while (cpuid_leaf_at(nr_listed, &leaf)) {
        const uint64_t key = (uint64_t)leaf.leaf << 8 | leaf.subleaf;

        g_assert_true(nr_listed == 0 || key > last);
        last = key;
        nr_listed++;
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(bases); i++) {
        for (uint32_t n = 0; n < 0x100; n++) {
            const struct cpuid_regs regs = lookup(bases[i] + n, 0, 1, 4);
            bool is_listed = false;

            if (is_zero(&regs))
                continue;
            for (unsigned k = 0; cpuid_leaf_at(k, &leaf); k++)
                is_listed = is_listed || leaf.leaf == bases[i] + n;
            g_assert_true(is_listed);
            nr_found++;
        }
    }
    g_assert_cmpuint(nr_found, ==, 16); /* 0xb has three subleaves, and the brand ends in zeros */
    g_assert_cmpuint(nr_listed, ==, 19);
}

static void unknown_leaves_are_zero(void)
{
    static const uint32_t unknown[] = { 2,          4,          0xc,        0xd,
                                        0x3fffffff, 0x40000002, 0x7fffffff, 0x80000009,
                                        0x80000022, 0xc0000000, UINT32_MAX };

    for (unsigned i = 0; i < G_N_ELEMENTS(unknown); i++) {
        const struct cpuid_regs regs = lookup(unknown[i], 0, 0, 1);

        g_assert_true(is_zero(&regs));
    }
    g_assert_cmphex(lookup(7, 1, 0, 1).ebx, ==, 0);
}

static void addresses_are_as_wide_as_the_walk_has_them(void)
{
    const uint32_t eax = lookup(0x80000008, 0, 0, 1).eax;

    g_assert_cmpuint(eax & 255, ==, CPU_PHYS_BITS);
    g_assert_cmpuint(eax >> 8 & 255, ==, CPU_VIRTUAL_BITS);
    g_assert_cmphex(cpuid_arch_capabilities() & 0x21, ==, 0x21); /* RDCL_NO, MDS_NO */
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cpuid/linux_finds_what_it_requires", linux_finds_what_it_requires);
    g_test_add_func("/cpuid/nothing_beyond_the_baseline_is_announced",
                    nothing_beyond_the_baseline_is_announced);
    g_test_add_func("/cpuid/leaf_80000001_repeats_leaf_1", leaf_80000001_repeats_leaf_1);
    g_test_add_func("/cpuid/signature_is_of_family_15", signature_is_of_family_15);
    g_test_add_func("/cpuid/names_are_spelt_right", names_are_spelt_right);
    g_test_add_func("/cpuid/each_processor_has_its_own_id", each_processor_has_its_own_id);
    g_test_add_func("/cpuid/all_leaves_that_say_something_are_listed",
                    all_leaves_that_say_something_are_listed);
    g_test_add_func("/cpuid/unknown_leaves_are_zero", unknown_leaves_are_zero);
    g_test_add_func("/cpuid/addresses_are_as_wide_as_the_walk_has_them",
                    addresses_are_as_wide_as_the_walk_has_them);
    return g_test_run();
}
