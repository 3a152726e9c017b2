/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "hw/cpu/soft/sse.h"

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

void sse_unmasked_end(struct soft *cpu, const struct op *op)
{
    const uint32_t before = MXCSR_IE | MXCSR_DE | MXCSR_ZE; /* found before there is a result */
    const uint32_t not_masked = ~cpu->fpu.mxcsr >> MXCSR_MASKS_SHIFT & MXCSR_FLAGS;
    uint32_t flags;

    if (!cpu->fpu.is_sse_unmasked)
        return;
    flags = cpu->fpu.sse_flags | (host_get() & MXCSR_UE);
    if (flags & not_masked & before)
        flags &= before;
    cpu->fpu.mxcsr |= flags;
    host_set(cpu->fpu.mxcsr | MXCSR_MASKS);
    if (flags & not_masked)
        soft_raise(cpu, op, cpu->cr4 & CR4_OSXMMEXCPT ? VECTOR_XM : VECTOR_UD);
}
