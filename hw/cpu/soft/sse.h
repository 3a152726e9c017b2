/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What the SSE, MMX and x87 files share: operands for the host's instructions, and
 * the way from an instruction to its handlers.
 *
 * Arithmetic is inline assembly, never intrinsics: compilers may swap the operands
 * of those, and of two NaNs the first one's payload is the result. XMM registers in
 * memory are read and written whole, so that the host forwards stores to loads.
 */
#ifndef HW_CPU_SOFT_SSE_H
#define HW_CPU_SOFT_SSE_H

#include "hw/cpu/soft/forms.h"
#include "hw/cpu/soft/fpu.h"
#include "util/annotate.h"

typedef uint64_t __attribute__((vector_size(16), may_alias)) v128;
/* Memory operands of assembly, by size; at any address. */
typedef struct {
    uint64_t word[2];
} __attribute__((packed, may_alias)) mem128;
typedef uint64_t __attribute__((may_alias, aligned(1))) mem64;
typedef uint32_t __attribute__((may_alias, aligned(1))) mem32;
typedef uint16_t __attribute__((may_alias, aligned(1))) mem16;

#define XMM(offset) (*(v128 *)(void *)((char *)cpu->xmm + (offset)))

/* ---- Memory ------------------------------------------------------------------------- */

/** The slow ways. @align is 16 where other addresses raise #GP, else 1. */
void sse_probe_write(struct soft *cpu, const struct op *op, uint64_t va, unsigned size);
void sse_load(struct soft *cpu, const struct op *op, uint64_t va, void *to, unsigned size,
              unsigned align);
void sse_store(struct soft *cpu, const struct op *op, uint64_t va, const void *from, unsigned size,
               unsigned align);

/* No page has an address that is not aligned: such an access misses, and the slow way raises. */
#define ALIGNED_HITS_(tag, va) likely(((va) & (PAGE_MASK | 15)) == (tag))
#define HITS_1(tag, va, size) TLB_HITS_(tag, va, size)
#define HITS_16(tag, va, size) ALIGNED_HITS_(tag, va)

/*
 * In a MEMORY_HANDLER: @pointer to @size bytes at @address, for one read by one instruction.
 * @copy is a v128 of the caller's that the slow way uses.
 */
#define READ_POINTER(size, align, pointer, copy, address)                                          \
    do {                                                                                           \
        const uint64_t va_ = (address);                                                            \
        const struct tlb_entry *entry_ = tlb_entry(cpu, va_);                                      \
        if (is_slow) {                                                                             \
            sse_load(cpu, op, va_, &(copy), (size), (align));                                      \
            (pointer) = &(copy);                                                                   \
        } else if (HITS_##align(entry_->read_tag, va_, size)) {                                    \
            (pointer) = (const void *)(uintptr_t)(va_ + entry_->addend);                           \
        } else {                                                                                   \
            return slow(cpu, op);                                                                  \
        }                                                                                          \
    } while (0)

/* 16, 8 or 4 bytes; the rest is 0. */
static ALWAYS_INLINE v128 read_v128(const void *from)
{
    v128 value;

    __asm__ volatile("movups %1, %0" : "=x"(value) : "m"(*(const mem128 *)from));
    return value;
}

static ALWAYS_INLINE v128 read_v64(const void *from)
{
    v128 value;

    __asm__ volatile("movsd %1, %0" : "=x"(value) : "m"(*(const mem64 *)from));
    return value;
}

static ALWAYS_INLINE v128 read_v32(const void *from)
{
    v128 value;

    __asm__ volatile("movss %1, %0" : "=x"(value) : "m"(*(const mem32 *)from));
    return value;
}

/* Store 16 bytes, of which no processor promises that they are one access. */
#define STORE_V128(align, address, value)                                                          \
    do {                                                                                           \
        const uint64_t va_ = (address);                                                            \
        const v128 value_ = (value);                                                               \
        const struct tlb_entry *entry_ = tlb_entry(cpu, va_);                                      \
        if (is_slow)                                                                               \
            sse_store(cpu, op, va_, &value_, 16, (align));                                         \
        else if (HITS_##align(entry_->write_tag, va_, 16))                                         \
            __asm__ volatile("movups %1, %0"                                                       \
                             : "=m"(*(mem128 *)(uintptr_t)(va_ + entry_->addend))                  \
                             : "x"(value_));                                                       \
        else                                                                                       \
            return slow(cpu, op);                                                                  \
    } while (0)

/* ---- x87 ---------------------------------------------------------------------------------- */

/** Bring the x87 registers into the host's x87, or back into cpu->fpu. Any state before. */
void x87_load(struct soft *cpu);
void x87_save(struct soft *cpu);

/* ---- Lowering -------------------------------------------------------------------------------- */

enum sse_check {
    CHECK_SSE, /* #UD if CR0.EM or not CR4.OSFXSR, #NM if CR0.TS */
    CHECK_MMX, /* #UD if CR0.EM, #NM if CR0.TS */
    CHECK_X87, /* #NM if CR0.EM or CR0.TS; also FXSAVE, FXRSTOR */
};

/**
 * See to it that the present block has checked for @check before the present instruction. Once a
 * block is enough: what changes CR0 or CR4 ends it.
 */
void sse_build_check(struct builder *builder, enum sse_check check);

/* The handlers of a kind, by what the operands are. NULL where there is no such form. */
struct sse_ops {
    op_fn *rr;              /* register from register */
    op_fn *ri;              /* by an immediate alone */
    struct memory_run rm;   /* from memory */
    struct memory_run mr;   /* to memory */
    op_fn *mmx_rr, *mmx_ri; /* the same where one of them is a MMX register */
    struct memory_run mmx_rm, mmx_mr;
    const void *stubs, *mmx_stubs; /* for an immediate: sse_stubs.h */
};

/* A MEMORY_HANDLER that has no form for plain addresses: what is rare. */
#define ONE_RUN(name)                                                                              \
    {                                                                                              \
        name, name                                                                                 \
    }

/* By file, for a kind of that file's; its operands may choose too. */
const struct sse_ops *sse_move_ops(const struct insn *insn);
const struct sse_ops *sse_int_ops(const struct insn *insn);
const struct sse_ops *sse_float_ops(const struct insn *insn);
const struct sse_ops *sse_convert_ops(const struct insn *insn);

#endif
