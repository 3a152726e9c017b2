/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * MMX registers: the mantissas of x87's, by physical number.
 *
 * While MMX instructions run, x87 is saved, so the registers are cpu->fpu's; the host's
 * MMX registers are used within one handler, and emptied again.
 */
#ifndef HW_CPU_SOFT_MMX_H
#define HW_CPU_SOFT_MMX_H

#include "hw/cpu/soft/sse.h"

#define MMX(offset) (*(mem64 *)(void *)((char *)cpu->fpu.reg + (offset)))

/** For MMX: x87_save(), and #MF if an exception is pending. */
void mmx_begin(struct soft *cpu, const struct op *op);

/** What each MMX instruction but EMMS does to x87, behind all that may fault. */
static ALWAYS_INLINE void mmx_enter(struct soft *cpu)
{
    cpu->fpu.status &= (uint16_t)~0x3800; /* TOP */
    cpu->fpu.full_tag = 0xff;
}

/* At the beginning of a MEMORY_HANDLER that names MMX registers. */
#define MMX_BEGIN                                                                                  \
    do {                                                                                           \
        if (is_slow)                                                                               \
            mmx_begin(cpu, op);                                                                    \
        else if (unlikely(cpu->fpu.x87 != X87_SAVED || (cpu->fpu.status & 0x80)))                  \
            return slow(cpu, op);                                                                  \
    } while (0)

/* A write of a MMX register: the exponent above it is all ones. */
static ALWAYS_INLINE void mmx_set_exponent(struct soft *cpu, unsigned offset)
{
    memset((char *)cpu->fpu.reg + offset + 8, 0xff, 2);
}

static ALWAYS_INLINE void mmx_set(struct soft *cpu, unsigned offset, uint64_t value)
{
    MMX(offset) = value;
    mmx_set_exponent(cpu, offset);
}

#endif
