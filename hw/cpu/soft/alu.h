/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The nine operations of two operands that set all six flags, as values.
 *
 * Everything here folds away where operation and size are constants. Operands are
 * zero-extended from `bits`; results have more bits than that, on purpose: the one
 * above the top is the carry.
 */
#ifndef HW_CPU_SOFT_ALU_H
#define HW_CPU_SOFT_ALU_H

#include "hw/cpu/soft/flags.h"

enum alu {
    ALU_ADD,
    ALU_OR,
    ALU_ADC,
    ALU_SBB,
    ALU_AND,
    ALU_SUB,
    ALU_XOR,
    ALU_CMP,
    ALU_TEST,
    NR_ALU
};

static ALWAYS_INLINE uint64_t alu_result(enum alu alu, uint64_t a, uint64_t b, uint64_t carry)
{
    switch (alu) {
    case ALU_ADD:
        return a + b;
    case ALU_ADC:
        return a + b + carry;
    case ALU_SUB:
    case ALU_CMP:
        return a - b;
    case ALU_SBB:
        return a - b - carry;
    case ALU_OR:
        return a | b;
    case ALU_XOR:
        return a ^ b;
    default: /* ALU_AND, ALU_TEST */
        return a & b;
    }
}

/* Of a sum or difference, not of the others. */
static ALWAYS_INLINE bool alu_carry(enum alu alu, unsigned bits, uint64_t a, uint64_t b,
                                    uint64_t carry, uint64_t result)
{
    if (alu == ALU_SUB || alu == ALU_CMP)
        return a < b;
    if (bits < 64)
        return result >> bits & 1;
    if (alu == ALU_ADD)
        return result < a;
    if (alu == ALU_ADC)
        return carry ? result <= a : result < a;
    return carry ? a <= b : a < b;
}

static ALWAYS_INLINE void alu_flags(struct soft *cpu, enum alu alu, unsigned bits, uint64_t a,
                                    uint64_t b, uint64_t carry, uint64_t result)
{
    if (alu == ALU_OR || alu == ALU_AND || alu == ALU_XOR || alu == ALU_TEST)
        flags_logic(cpu, bits, result);
    else
        flags_sum(cpu, bits, a, b, result, alu_carry(alu, bits, a, b, carry, result));
}

/**
 * Whether @condition holds after the operation, from its operands. For SUB and CMP all
 * conditions but O and P; for ADD those of carry, zero and sign; for AND and TEST
 * those of zero and sign.
 */
static ALWAYS_INLINE bool alu_condition(enum alu alu, enum cond condition, unsigned bits,
                                        uint64_t a, uint64_t b, uint64_t result)
{
    const bool is_difference = alu == ALU_SUB || alu == ALU_CMP;
    const bool is_negated = condition & 1;
    const int64_t left = (int64_t)flags_extend(bits, is_difference ? a : result);
    const int64_t right = is_difference ? (int64_t)flags_extend(bits, b) : 0;

    switch ((enum cond)(condition & ~1u)) {
    case COND_B:
        return alu_carry(alu, bits, a, b, 0, result) ^ is_negated;
    case COND_E:
        return (left == right) ^ is_negated;
    case COND_BE:
        return (a <= b) ^ is_negated;
    case COND_S:
        return ((int64_t)flags_extend(bits, result) < 0) ^ is_negated;
    case COND_L:
        return (left < right) ^ is_negated;
    default: /* COND_LE */
        return (left <= right) ^ is_negated;
    }
}

#endif
