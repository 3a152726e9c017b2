/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Shifts and rotations as values, with what they do to CF and OF.
 *
 * Counts are masked already (to 31, or 63 of 64 bits). OF is defined after a shift by 1 only;
 * here it is always what the last of so many shifts by 1 would leave.
 */
#ifndef HW_CPU_SOFT_SHIFT_H
#define HW_CPU_SOFT_SHIFT_H

#include "hw/cpu/soft/flags.h"

enum shift {
    SHIFT_ROL,
    SHIFT_ROR,
    SHIFT_RCL,
    SHIFT_RCR,
    SHIFT_SHL,
    SHIFT_SHR,
    SHIFT_SAR,
    NR_SHIFTS
};

static ALWAYS_INLINE bool shift_bit(uint64_t value, unsigned bit)
{
    return value >> bit & 1;
}

/* By how many bits to the left a rotation of @bits bits in all is. */
static ALWAYS_INLINE unsigned shift_left_turn(enum shift shift, unsigned bits, unsigned count)
{
    const unsigned turn = count % bits;

    return shift == SHIFT_ROL || shift == SHIFT_RCL ? turn : (bits - turn) % bits;
}

/* Through CF: a rotation of one bit more. */
static ALWAYS_INLINE uint64_t shift_through_carry(enum shift shift, unsigned bits, uint64_t value,
                                                  uint64_t carry, unsigned count)
{
    const unsigned left = shift_left_turn(shift, bits + 1, count);

    if (left == 0)
        return value;
    return (left < 64 ? value << left : 0) | carry << (left - 1) |
           (left > 1 ? value >> (bits + 1 - left) : 0);
}

/** @value is zero-extended; the result may have more bits than @bits. */
static ALWAYS_INLINE uint64_t shift_result(enum shift shift, unsigned bits, uint64_t value,
                                           uint64_t carry, unsigned count)
{
    switch (shift) {
    case SHIFT_ROL:
        return value << (count & (bits - 1)) | value >> (-count & (bits - 1));
    case SHIFT_ROR:
        return value >> (count & (bits - 1)) | value << (-count & (bits - 1));
    case SHIFT_RCL:
    case SHIFT_RCR:
        return shift_through_carry(shift, bits, value, carry, count);
    case SHIFT_SHL:
        return value << count;
    case SHIFT_SHR:
        return value >> count;
    default: /* SHIFT_SAR */
        return (uint64_t)((int64_t)flags_extend(bits, value) >> count);
    }
}

/* The last bit that was moved into CF; @count is not 0. */
static ALWAYS_INLINE bool shift_carry(enum shift shift, unsigned bits, uint64_t value,
                                      uint64_t carry, unsigned count, uint64_t result)
{
    unsigned left;

    switch (shift) {
    case SHIFT_ROL:
        return result & 1;
    case SHIFT_ROR:
        return shift_bit(result, bits - 1);
    case SHIFT_RCL:
    case SHIFT_RCR:
        left = shift_left_turn(shift, bits + 1, count);
        return left ? shift_bit(value, bits - left) : carry;
    case SHIFT_SHL:
        return count <= bits && shift_bit(value, bits - count);
    default: /* SHIFT_SHR, SHIFT_SAR */
        return (int64_t)(shift == SHIFT_SAR ? flags_extend(bits, value) : value) >> (count - 1) & 1;
    }
}

/** After a shift by @count, which is not 0. A full turn rotates nothing, but sets CF and OF. */
static ALWAYS_INLINE void shift_flags(struct soft *cpu, enum shift shift, unsigned bits,
                                      uint64_t value, unsigned count, uint64_t result)
{
    const bool carry = shift_carry(shift, bits, value, cpu->flag_cf, count, result);
    const bool top = shift_bit(result, bits - 1), second = shift_bit(result, bits - 2);

    switch (shift) {
    case SHIFT_ROL:
    case SHIFT_RCL:
        flags_set_cf_of(cpu, carry, top ^ carry);
        break;
    case SHIFT_ROR:
    case SHIFT_RCR:
        flags_set_cf_of(cpu, carry, top ^ second);
        break;
    case SHIFT_SHL:
        flags_result(cpu, bits, result, carry, top ^ carry);
        break;
    case SHIFT_SHR: /* the sign before the last of so many shifts */
        flags_result(cpu, bits, result, carry, second);
        break;
    default: /* SHIFT_SAR */
        flags_result(cpu, bits, result, carry, false);
        break;
    }
}

#endif
