/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Arithmetic flags, in the three words that soft.h describes: what sets them, and
 * what they say.
 *
 * Operands and results are given zero-extended or longer than `bits`, which is 8,
 * 16, 32 or 64 and a constant wherever speed matters: then all folds away.
 */
#ifndef HW_CPU_SOFT_FLAGS_H
#define HW_CPU_SOFT_FLAGS_H

#include "hw/cpu/soft/soft.h"

/* As the low 4 bits of Jcc, SETcc and CMOVcc number them (Intel SDM vol. 1, B.1). Odd: negated. */
enum cond {
    COND_O,
    COND_NO,
    COND_B,
    COND_AE,
    COND_E,
    COND_NE,
    COND_BE,
    COND_A,
    COND_S,
    COND_NS,
    COND_P,
    COND_NP,
    COND_L,
    COND_GE,
    COND_LE,
    COND_G,
    NR_CONDS,
};

/* @value as an integer of @bits with a sign, extended to 64. */
static ALWAYS_INLINE uint64_t flags_extend(unsigned bits, uint64_t value)
{
    return bits == 8    ? (uint64_t)(int64_t)(int8_t)value
           : bits == 16 ? (uint64_t)(int64_t)(int16_t)value
           : bits == 32 ? (uint64_t)(int64_t)(int32_t)value
                        : value;
}

static ALWAYS_INLINE uint64_t flags_truncate(unsigned bits, uint64_t value)
{
    return bits == 8    ? (uint8_t)value
           : bits == 16 ? (uint16_t)value
           : bits == 32 ? (uint32_t)value
                        : value;
}

/* ---- Questions: each 0 or 1 ---------------------------------------------------------- */

static ALWAYS_INLINE unsigned flags_cf(const struct soft *cpu)
{
    return (unsigned)cpu->flag_cf;
}

static ALWAYS_INLINE unsigned flags_pf(const struct soft *cpu)
{
    const bool is_odd = __builtin_parity((uint8_t)cpu->flag_res);

    return !is_odd ^ (unsigned)!!(cpu->flag_x & FLAGX_PF);
}

static ALWAYS_INLINE unsigned flags_af(const struct soft *cpu)
{
    return !!(cpu->flag_x & FLAGX_AF);
}

static ALWAYS_INLINE unsigned flags_zf(const struct soft *cpu)
{
    return !cpu->flag_res;
}

static ALWAYS_INLINE unsigned flags_sf(const struct soft *cpu)
{
    return (unsigned)(cpu->flag_res >> 63) ^ (unsigned)!!(cpu->flag_x & FLAGX_SF);
}

static ALWAYS_INLINE unsigned flags_of(const struct soft *cpu)
{
    return (unsigned)(cpu->flag_x >> 63) ^ flags_cf(cpu);
}

/** Whether @condition holds. */
static ALWAYS_INLINE bool flags_condition(const struct soft *cpu, enum cond condition)
{
    const bool is_negated = condition & 1;

    switch ((enum cond)(condition & ~1u)) {
    case COND_O:
        return flags_of(cpu) ^ is_negated;
    case COND_B:
        return flags_cf(cpu) ^ is_negated;
    case COND_E:
        return flags_zf(cpu) ^ is_negated;
    case COND_BE:
        return (flags_cf(cpu) | flags_zf(cpu)) ^ is_negated;
    case COND_S:
        return flags_sf(cpu) ^ is_negated;
    case COND_P:
        return flags_pf(cpu) ^ is_negated;
    case COND_L:
        return (flags_sf(cpu) ^ flags_of(cpu)) ^ is_negated;
    default: /* COND_LE */
        return ((flags_sf(cpu) ^ flags_of(cpu)) | flags_zf(cpu)) ^ is_negated;
    }
}

/** The six, at their places in RFLAGS. */
uint64_t flags_get(const struct soft *cpu);

/* ---- Setters ---------------------------------------------------------------------------- */

/** Exactly the six of @rflags. */
void flags_set(struct soft *cpu, uint64_t rflags);

/** CF; OF stays as it is. */
static ALWAYS_INLINE void flags_set_cf(struct soft *cpu, bool cf)
{
    cpu->flag_x ^= (cpu->flag_cf ^ cf) << 63;
    cpu->flag_cf = cf;
}

/** CF and OF, and no other. */
static ALWAYS_INLINE void flags_set_cf_of(struct soft *cpu, bool cf, bool of)
{
    cpu->flag_x = (cpu->flag_x & ~FLAGX_OF) | (uint64_t)(cf ^ of) << 63;
    cpu->flag_cf = cf;
}

/** After AND, OR, XOR, TEST: CF, OF and AF are 0. */
static ALWAYS_INLINE void flags_logic(struct soft *cpu, unsigned bits, uint64_t result)
{
    cpu->flag_res = flags_extend(bits, result);
    cpu->flag_x = 0;
    cpu->flag_cf = 0;
}

/** After a sum or difference of @a and @b, also with a carry-in; @cf is the carry or borrow. */
static ALWAYS_INLINE void flags_sum(struct soft *cpu, unsigned bits, uint64_t a, uint64_t b,
                                    uint64_t result, bool cf)
{
    cpu->flag_res = flags_extend(bits, result);
    cpu->flag_x = flags_extend(bits, a ^ b ^ result) & FLAGX_CARRIES;
    cpu->flag_cf = cf;
}

/** SF, ZF and PF of @result; AF is 0. */
static ALWAYS_INLINE void flags_result(struct soft *cpu, unsigned bits, uint64_t result, bool cf,
                                       bool of)
{
    cpu->flag_res = flags_extend(bits, result);
    cpu->flag_x = (uint64_t)(cf ^ of) << 63;
    cpu->flag_cf = cf;
}

/** After INC (@is_dec: DEC) of @a: all but CF. */
static ALWAYS_INLINE void flags_step(struct soft *cpu, unsigned bits, uint64_t a, uint64_t result,
                                     bool is_dec)
{
    const uint64_t before = flags_extend(bits, a), after = flags_extend(bits, result);
    const uint64_t overflow = is_dec ? before & ~after : after & ~before;

    cpu->flag_res = after;
    cpu->flag_x = ((overflow ^ cpu->flag_cf << 63) & FLAGX_OF) | ((a ^ result) & FLAGX_AF);
}

#endif
