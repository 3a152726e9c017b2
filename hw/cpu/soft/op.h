/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Operations: what a block of guest instructions is lowered to, and how their
 * handlers are written.
 *
 * A handler is a function of the processor and its operation; it ends with NEXT,
 * a call that gcc and clang turn into a jump (-O2), so registers stay registers
 * and no frame is built. In a SOFT_LOOP build (sanitizers, -O0) handlers return
 * the next operation and a loop calls it.
 *
 *   HANDLER(mov_r32_r32)
 *   {
 *       REG64(op->dst) = REG32(op->src);
 *       NEXT;
 *   }
 *
 * Rules:
 *  1. Whatever may fault comes before the first change of a register or flag: an
 *     instruction that raises is run again from its beginning. Instructions of
 *     several operations keep to it together (use cpu->temp).
 *  2. No host pointer into guest memory is held across another guest access: a
 *     slow access leaves the read section (devices).
 *  3. Guest memory is touched through access.h only.
 *  4. Locked read-modify-writes are the host's, on the host's address.
 *  5. What changes mode, mapping, flow or interruptibility ends its block: the
 *     handler sets cpu->rip (or follows a link) and ends with one of the EXITs.
 */
#ifndef HW_CPU_SOFT_OP_H
#define HW_CPU_SOFT_OP_H

#include "hw/cpu/soft/soft.h"

struct op;
#ifdef SOFT_LOOP
typedef const struct op *op_result;
#define NEXT return op + 1
#define GOTO_OP(next) return (next)
#define LEAVE_RUN return NULL
#else
typedef void op_result;
#define NEXT return op[1].run(cpu, op + 1)
#define GOTO_OP(next)                                                                              \
    do {                                                                                           \
        const struct op *next_ = (next);                                                           \
        return next_->run(cpu, next_);                                                             \
    } while (0)
#define LEAVE_RUN return
#endif

typedef op_result op_fn(struct soft *cpu, const struct op *op);

/* 32 bytes. Offsets are in bytes from cpu->gpr; `zero` where there is none. */
struct op {
    op_fn *run;
    uint8_t dst;  /* offset, or 16 * number of an XMM register */
    uint8_t src;  /* likewise */
    uint8_t base; /* of the memory operand */
    uint8_t index;
    uint8_t shift;  /* of index */
    uint8_t seg;    /* offset of the segment's base */
    uint8_t length; /* of the instruction, in bytes */
    uint8_t left;   /* instructions of the block from this one on */
    int32_t disp;
    uint16_t ip;  /* of the instruction, from block_rip */
    uint16_t aux; /* as the handler likes */
    union {
        uint64_t imm;
        const struct op *link; /* of a jump: the target block's first operation, or a resolver */
        const void *ptr;
    };
};
_Static_assert(sizeof(struct op) == 32, "two operations a cache line");

#define HANDLER(name) op_result name(struct soft *cpu UNUSED, const struct op *op UNUSED)

/* A guest register, or a part, at a byte offset from cpu->gpr. */
#define REG_AT_(type, offset) (*(type *)((uintptr_t)cpu->gpr + (offset)))
typedef uint8_t __attribute__((may_alias)) reg8;
typedef uint16_t __attribute__((may_alias)) reg16;
typedef uint32_t __attribute__((may_alias)) reg32;
typedef uint64_t __attribute__((may_alias)) reg64;
#define REG8(offset) REG_AT_(reg8, offset)
#define REG16(offset) REG_AT_(reg16, offset)
#define REG32(offset)                                                                              \
    REG_AT_(reg32, offset) /* read only: writes clear the upper half, so REG64                     \
                            */
#define REG64(offset) REG_AT_(reg64, offset)

enum { /* offsets */
       OFFSET_ZERO = 8 * NR_GPRS,
       OFFSET_BLOCK_RIP = OFFSET_ZERO + 8,
       OFFSET_SEG_BASE = OFFSET_BLOCK_RIP + 8,
       OFFSET_TEMP = OFFSET_SEG_BASE + 8 * 6,
};
_Static_assert(offsetof(struct soft, zero) - offsetof(struct soft, gpr) == OFFSET_ZERO, "");
_Static_assert(offsetof(struct soft, block_rip) - offsetof(struct soft, gpr) == OFFSET_BLOCK_RIP,
               "");
_Static_assert(offsetof(struct soft, seg_base) - offsetof(struct soft, gpr) == OFFSET_SEG_BASE, "");
_Static_assert(offsetof(struct soft, temp) - offsetof(struct soft, gpr) == OFFSET_TEMP, "");
_Static_assert(OFFSET_TEMP + 8 * SOFT_TEMPS <= 256, "offsets are bytes");

/** The effective address of @op's memory operand, segment included. */
static ALWAYS_INLINE uint64_t op_address(const struct soft *cpu, const struct op *op)
{
    return REG64(op->base) + (REG64(op->index) << op->shift) + (uint64_t)(int64_t)op->disp +
           REG64(op->seg);
}

/** The address of @op's instruction, and of the one behind it. */
static ALWAYS_INLINE uint64_t op_rip(const struct soft *cpu, const struct op *op)
{
    return cpu->block_rip + op->ip;
}

static ALWAYS_INLINE uint64_t op_next_rip(const struct soft *cpu, const struct op *op)
{
    return cpu->block_rip + op->ip + op->length;
}

/* ---- Ends of blocks (exec.c) ------------------------------------------------------- */

/**
 * Go on at cpu->rip: through the jump cache, or by way of soft_exec()'s loop. The
 * end of every handler that has changed rip.
 */
op_fn exit_lookup;
#define EXIT_LOOKUP return exit_lookup(cpu, op)

/** The same after a change of mode, mapping, privilege or interruptibility: leaves the blocks,
 * looks at what is pending, and begins anew. */
#define EXIT_RESYNC                                                                                \
    do {                                                                                           \
        soft_leave(cpu);                                                                           \
        LEAVE_RUN;                                                                                 \
    } while (0)

/* ---- Lowering (lower_*.c) ------------------------------------------------------------ */

struct builder; /* build.h */

/**
 * Append @insn's operations. False if @insn cannot be lowered in its mode (#UD is
 * raised when it is reached). One function a kind, in the table of its family.
 */
typedef bool lower_fn(struct builder *builder, const struct insn *insn);

#endif
