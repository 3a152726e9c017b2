/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "hw/cpu/soft/mxcsr.h"

static inline uint32_t host_get(void)
{
    uint32_t mxcsr;

    __asm__ volatile("stmxcsr %0" : "=m"(mxcsr)::"memory");
    return mxcsr;
}

static inline void host_set(uint32_t mxcsr)
{
    __asm__ volatile("ldmxcsr %0" ::"m"(mxcsr) : "memory");
}

void soft_fp_enter(struct soft *cpu)
{
    cpu->host_mxcsr = host_get();
    host_set(cpu->fpu.mxcsr | MXCSR_MASKS);
}

void soft_fp_leave(struct soft *cpu)
{
    cpu->fpu.mxcsr |= host_get() & MXCSR_FLAGS;
    host_set(cpu->host_mxcsr);
    x87_save(cpu);
}

uint32_t sse_get_mxcsr(const struct soft *cpu)
{
    return cpu->fpu.mxcsr | (host_get() & MXCSR_FLAGS);
}

void sse_set_mxcsr(struct soft *cpu, uint32_t value)
{
    cpu->fpu.mxcsr = value;
    cpu->fpu.is_sse_unmasked = ~value & MXCSR_MASKS;
    host_set(value | MXCSR_MASKS);
}

static uint32_t not_masked(const struct soft *cpu)
{
    return ~cpu->fpu.mxcsr >> MXCSR_MASKS_SHIFT & MXCSR_FLAGS;
}

/*
 * Exceptions that are not masked (Intel SDM vol. 1, 11.5.2 and E.4.2). The instruction
 * runs masked, with all flags clear, and the flags say what it would have raised.
 *
 * But tiny results raise underflow even if they are exact, and set no flag then: so it
 * runs once more with FTZ, which does. FTZ itself counts only while underflow is masked.
 */
void sse_unmasked_begin(struct soft *cpu)
{
    uint32_t mxcsr;

    if (!cpu->fpu.is_sse_unmasked)
        return;
    cpu->fpu.mxcsr |= host_get() & MXCSR_FLAGS;
    mxcsr = (cpu->fpu.mxcsr & ~MXCSR_FLAGS) | MXCSR_MASKS;
    if (!(cpu->fpu.mxcsr & (MXCSR_UE << MXCSR_MASKS_SHIFT)))
        mxcsr &= ~MXCSR_FTZ;
    host_set(mxcsr);
}

bool sse_unmasked_again(struct soft *cpu)
{
    if (!cpu->fpu.is_sse_unmasked)
        return false;
    cpu->fpu.sse_flags = host_get() & MXCSR_FLAGS;
    if (cpu->fpu.mxcsr & (MXCSR_UE << MXCSR_MASKS_SHIFT))
        return false;
    host_set(host_get() | MXCSR_FTZ);
    return true;
}

/* @flags: what the instruction found. */
static void raise_or_go_on(struct soft *cpu, const struct op *op, uint32_t flags)
{
    const uint32_t before = MXCSR_IE | MXCSR_DE | MXCSR_ZE; /* found before there is a result */
    const uint32_t raising = flags & not_masked(cpu);

    cpu->fpu.mxcsr |= raising & before ? flags & before : flags;
    host_set(cpu->fpu.mxcsr | MXCSR_MASKS);
    if (raising)
        soft_raise(cpu, op, cpu->cr4 & CR4_OSXMMEXCPT ? VECTOR_XM : VECTOR_UD);
}

void sse_unmasked_end(struct soft *cpu, const struct op *op)
{
    if (cpu->fpu.is_sse_unmasked)
        raise_or_go_on(cpu, op, cpu->fpu.sse_flags | (host_get() & MXCSR_UE));
}

void sse_unmasked_end_rounded(struct soft *cpu, const struct op *op, enum sse_operation operation,
                              unsigned width, unsigned count, const void *from)
{
    const uint32_t range = MXCSR_OE | MXCSR_UE;
    const char *first = (const char *)cpu->xmm + op->dst, *second = from;
    bool is_inexact = false;
    uint32_t flags;

    if (!cpu->fpu.is_sse_unmasked)
        return;
    flags = cpu->fpu.sse_flags | (host_get() & MXCSR_UE);
    /* A number out of range whose exception is masked is inexact. */
    if ((flags & range & not_masked(cpu)) && !(flags & range & ~not_masked(cpu))) {
        x87_save(cpu);
        for (unsigned i = 0; i < count; i++)
            is_inexact |= sse_is_inexact(cpu, operation, width, first + (size_t)width * i,
                                         second + (size_t)width * i);
        if (!is_inexact)
            flags &= ~(uint32_t)MXCSR_PE;
    }
    raise_or_go_on(cpu, op, flags);
}
