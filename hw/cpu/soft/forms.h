/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What integer handlers are generated over: sizes, forms of operands, and whether
 * the flags are wanted.
 *
 * A body is written once, for `bits` that are a constant in each instance. Tables
 * of instances are indexed by size_index().
 */
#ifndef HW_CPU_SOFT_FORMS_H
#define HW_CPU_SOFT_FORMS_H

#include "hw/cpu/soft/access.h"
#include "hw/cpu/soft/build.h"
#include "hw/cpu/soft/flags.h"
#include "hw/cpu/soft/locked.h"

/* A general register's low @bits. Writing 32 of them clears the rest (AMD64 APM vol. 1, 3.1.2). */
#define GET(bits, offset) ((uint##bits##_t)REG##bits(offset))
#define SET(bits, offset, value) SET_##bits##_(offset, value)
#define SET_8_(offset, value) (REG8(offset) = (uint8_t)(value))
#define SET_16_(offset, value) (REG16(offset) = (uint16_t)(value))
#define SET_32_(offset, value) (REG64(offset) = (uint32_t)(value))
#define SET_64_(offset, value) (REG64(offset) = (uint64_t)(value))

/* Offsets of general registers. */
#define GPR(name) (8 * (name))

static inline unsigned size_index(unsigned bytes)
{
    return (unsigned)__builtin_ctz(bytes) & 3;
}

/* @value of @bits, negative if its top bit is set; and the reverse. */
#define SIGNED(bits, value) ((int##bits##_t)(value))

/* ---- Memory operands ------------------------------------------------------------------ */

/*
 * A MEMORY_HANDLER (access.h) with a third instance for addresses that are a base and
 * a displacement only, as most are; its body says ADDRESS.
 */
#define MEMORY_FORMS(name)                                                                         \
    static ALWAYS_INLINE op_result name##_body(struct soft *cpu, const struct op *op,              \
                                               bool is_slow, bool is_plain, op_fn *slow);          \
    static COLD HANDLER(name##_slow)                                                               \
    {                                                                                              \
        return name##_body(cpu, op, true, false, NULL);                                            \
    }                                                                                              \
    static HANDLER(name)                                                                           \
    {                                                                                              \
        return name##_body(cpu, op, false, false, name##_slow);                                    \
    }                                                                                              \
    static HANDLER(name##_plain)                                                                   \
    {                                                                                              \
        return name##_body(cpu, op, false, true, name##_slow);                                     \
    }                                                                                              \
    static ALWAYS_INLINE op_result name##_body(struct soft *cpu, const struct op *op,              \
                                               bool is_slow UNUSED, bool is_plain UNUSED,          \
                                               op_fn *slow UNUSED)

#define ADDRESS (is_plain ? REG64(op->base) + (uint64_t)(int64_t)op->disp : op_address(cpu, op))

struct memory_run {
    op_fn *any, *plain;
};
#define MEMORY_RUN(name)                                                                           \
    {                                                                                              \
        name, name##_plain                                                                         \
    }

static inline struct op *build_memory_form(struct builder *builder, const struct insn *insn,
                                           const struct memory_run *run)
{
    struct op *op = build_memory_op(builder, insn, run->any);

    if (op->index == OFFSET_ZERO && op->seg == OFFSET_ZERO)
        op->run = run->plain;
    return op;
}

/* ---- Locked read-modify-writes: the host's -------------------------------------------- */

/*
 * In a MEMORY_HANDLER: @host is the host's address of @bits at @address, between LOCK_BEGIN and
 * LOCK_END. Nothing in between but what the host does to it.
 */
#define LOCK_BEGIN(bits, address, host)                                                            \
    do {                                                                                           \
        const uint64_t va_ = (address);                                                            \
        const struct tlb_entry *entry_ = tlb_entry(cpu, va_);                                      \
        if (is_slow)                                                                               \
            (host) = soft_lock_begin(cpu, op, va_, (bits) / 8);                                    \
        else if (TLB_HITS_(entry_->write_tag, va_, (bits) / 8))                                    \
            (host) = (void *)(uintptr_t)(va_ + entry_->addend);                                    \
        else                                                                                       \
            return slow(cpu, op);                                                                  \
    } while (0)

#define LOCK_END(bits, address, host)                                                              \
    do {                                                                                           \
        if (is_slow)                                                                               \
            soft_lock_end(cpu, (address), (bits) / 8, (host));                                     \
    } while (0)

#define HOST_LOCKED_(bits, suffix, reg)                                                            \
    /** Exchange; add and give what was; store @value if there is *@expected, else load that. */   \
    static ALWAYS_INLINE uint##bits##_t host_xchg##bits(void *host, uint##bits##_t value)          \
    {                                                                                              \
        __asm__ volatile("xchg" suffix " %0, %1"                                                   \
                         : "+" reg(value), "+m"(*(host_any##bits *)host)                           \
                         :                                                                         \
                         : "memory");                                                              \
        return value;                                                                              \
    }                                                                                              \
    static ALWAYS_INLINE uint##bits##_t host_xadd##bits(void *host, uint##bits##_t value)          \
    {                                                                                              \
        __asm__ volatile("lock xadd" suffix " %0, %1"                                              \
                         : "+" reg(value), "+m"(*(host_any##bits *)host)                           \
                         :                                                                         \
                         : "memory", "cc");                                                        \
        return value;                                                                              \
    }                                                                                              \
    static ALWAYS_INLINE bool host_cmpxchg##bits(void *host, uint##bits##_t *expected,             \
                                                 uint##bits##_t value)                             \
    {                                                                                              \
        bool is_stored;                                                                            \
        __asm__ volatile("lock cmpxchg" suffix " %3, %1"                                           \
                         : "=@ccz"(is_stored), "+m"(*(host_any##bits *)host), "+a"(*expected)      \
                         : reg(value)                                                              \
                         : "memory");                                                              \
        return is_stored;                                                                          \
    }
HOST_LOCKED_(8, "b", "q")
HOST_LOCKED_(16, "w", "r")
HOST_LOCKED_(32, "l", "r")
HOST_LOCKED_(64, "q", "r")
#undef HOST_LOCKED_

/* ---- Faults -------------------------------------------------------------------------------- */

/* As handlers, so that whoever finds a fault needs no frame: `return raise_gp(cpu, op)`. */
op_fn raise_gp; /* #GP(0) */
op_fn raise_de;

/* ---- The files of lower_integer() ------------------------------------------------------- */

enum alu; /* alu.h */

lower_fn lower_alu;
bool lower_alu_locked(struct builder *builder, const struct insn *insn, enum alu alu);
/* With the Jcc behind it, if that is one of the pairs in fuse.c; else false and nothing done. */
bool lower_alu_fused(struct builder *builder, const struct insn *insn, enum alu alu);
bool lower_step_fused(struct builder *builder, const struct insn *insn);

lower_fn lower_step, lower_not, lower_neg;                             /* step.c */
lower_fn lower_shift, lower_double_shift;                              /* shift.c */
lower_fn lower_mul, lower_div;                                         /* muldiv.c */
lower_fn lower_bit_test, lower_bit_scan, lower_bswap;                  /* bits.c */
lower_fn lower_mov, lower_movzx, lower_movsx, lower_cbw, lower_cwd;    /* moves.c */
lower_fn lower_lea, lower_setcc, lower_cmovcc;                         /* moves.c */
lower_fn lower_xchg, lower_xadd, lower_cmpxchg, lower_cmpxchg_pair;    /* exchange.c */
lower_fn lower_push, lower_pop, lower_pusha, lower_enter, lower_leave; /* stack.c */

#endif
