/* SPDX-License-Identifier: GPL-2.0-or-later */
/** What a guest's processor does with its local APIC, by MSRs; in the scene of irq_scene.h. */
#ifndef TESTS_UNIT_IRQ_GUEST_H
#define TESTS_UNIT_IRQ_GUEST_H

#include "tests/unit/irq_scene.h"

/* ---- MSRs --------------------------------------------------------------------------------------
 */

enum {
    MSR_BASE = 0x1b,
    MSR_DEADLINE = 0x6e0,
    X2_ID = 0x802,
    X2_VERSION = 0x803,
    X2_TPR = 0x808,
    X2_PPR = 0x80a,
    X2_EOI = 0x80b,
    X2_LDR = 0x80d,
    X2_SVR = 0x80f,
    X2_ISR = 0x810,
    X2_TMR = 0x818,
    X2_IRR = 0x820,
    X2_ESR = 0x828,
    X2_ICR = 0x830,
    X2_LVT_TIMER = 0x832,
    X2_LVT_LINT0 = 0x835,
    X2_LVT_ERROR = 0x837,
    X2_INITIAL = 0x838,
    X2_CURRENT = 0x839,
    X2_DIVIDE = 0x83e,
    X2_SELF_IPI = 0x83f,

    BASE_XAPIC = 0x800,
    BASE_X2APIC = 0xc00,
};

static inline bool can_write(unsigned index, uint32_t msr, uint64_t value)
{
    return lapics_write_msr(irq_scene.lapics, index, msr, value);
}

static inline void write_msr(unsigned index, uint32_t msr, uint64_t value)
{
    g_assert_true(can_write(index, msr, value));
}

static inline bool can_read(unsigned index, uint32_t msr)
{
    uint64_t value;

    return lapics_read_msr(irq_scene.lapics, index, msr, &value);
}

static inline uint64_t read_msr(unsigned index, uint32_t msr)
{
    uint64_t value = 0;

    g_assert_true(lapics_read_msr(irq_scene.lapics, index, msr, &value));
    return value;
}

/* x2APIC mode, and enabled by software, with spurious vector 0xff. */
static inline void enable_x2apic(unsigned index)
{
    write_msr(index, MSR_BASE, read_msr(index, MSR_BASE) | BASE_X2APIC);
    write_msr(index, X2_SVR, 0x1ff);
}

static inline void irq_scene_new_x2apic(unsigned nr_cpus)
{
    irq_scene_new(nr_cpus);
    for (unsigned i = 0; i < nr_cpus; i++)
        enable_x2apic(i);
}

static inline bool has_interrupt(unsigned index)
{
    return lapics_has_interrupt(irq_scene.lapics, index);
}

/* The vector that the processor takes, or -1; as a back end asks. */
static inline int acknowledge(unsigned index)
{
    if (!has_interrupt(index))
        return -1;
    return lapics_acknowledge(irq_scene.lapics, index);
}

static inline void end_of_interrupt(unsigned index)
{
    write_msr(index, X2_EOI, 0);
}

#endif
