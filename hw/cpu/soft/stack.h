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

/** What is not canonical raises #SS here, where it would be #GP elsewhere. For slow instances. */
static inline void stack_check(struct soft *cpu, const struct op *op, uint64_t va, unsigned size)
{
    const uint64_t last = va + size - 1;

    if ((int64_t)(va << 16) >> 16 != (int64_t)va || (int64_t)(last << 16) >> 16 != (int64_t)last)
        soft_raise_error(cpu, op, VECTOR_SS, 0);
}

/* LOAD and STORE (access.h) at an address on the stack. */
#define STACK_LOAD(bits, variable, address)                                                        \
    do {                                                                                           \
        const uint64_t stack_va_ = (address);                                                      \
        if (is_slow)                                                                               \
            stack_check(cpu, op, stack_va_, (bits) / 8);                                           \
        LOAD(bits, variable, stack_va_);                                                           \
    } while (0)

/* The last access of a body. */
#define PUSH(bits, wide, value)                                                                    \
    do {                                                                                           \
        const uint64_t stack_va_ = stack_address(cpu, wide, -(bits) / 8);                          \
        if (is_slow)                                                                               \
            stack_check(cpu, op, stack_va_, (bits) / 8);                                           \
        STORE(bits, stack_va_, (value));                                                           \
        stack_move(cpu, wide, -(bits) / 8);                                                        \
    } while (0)

#endif
