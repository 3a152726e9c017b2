/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The stack, as handlers use it: `wide` in 64-bit code, with 64-bit RSP and no
 * segment; else 32-bit ESP in SS. The stack pointer changes after all that can fault.
 */
#ifndef HW_CPU_SOFT_STACK_H
#define HW_CPU_SOFT_STACK_H

#include "hw/cpu/soft/access.h"

/* The linear address of @displacement from the top. */
static ALWAYS_INLINE uint64_t stack_address(const struct soft *cpu, bool wide, int64_t displacement)
{
    const uint64_t address = cpu->gpr[RSP] + (uint64_t)displacement;

    return wide ? address : (uint32_t)((uint32_t)address + cpu->seg_base[SEG_SS]);
}

static ALWAYS_INLINE void stack_move(struct soft *cpu, bool wide, int64_t displacement)
{
    const uint64_t address = cpu->gpr[RSP] + (uint64_t)displacement;

    cpu->gpr[RSP] = wide ? address : (uint32_t)address;
}

/* In a MEMORY_HANDLER, whose last access it is. */
#define PUSH(bits, wide, value)                                                                    \
    do {                                                                                           \
        STORE(bits, stack_address(cpu, wide, -(bits) / 8), (value));                               \
        stack_move(cpu, wide, -(bits) / 8);                                                        \
    } while (0)

#endif
