/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The block builder, as lowering functions see it.
 *
 * A block is a run of instructions of one page, decoded first and then lowered
 * one by one with what is known of their neighbours: which flags somebody will
 * read (`flags_live`), and what comes next (for fusion).
 */
#ifndef HW_CPU_SOFT_BUILD_H
#define HW_CPU_SOFT_BUILD_H

#include "hw/cpu/soft/insn.h"
#include "hw/cpu/soft/op.h"

enum {
    BLOCK_INSNS_MAX = 48,
    BLOCK_BYTES_MAX = 512,
    BLOCK_OPS_INSN_MAX = 8, /* of one instruction */
    BLOCK_OPS_MAX = BLOCK_OPS_INSN_MAX * BLOCK_INSNS_MAX + 2,
};

struct builder {
    enum insn_mode mode;
    unsigned nr_insns;
    unsigned at; /* the instruction that is being lowered */
    unsigned nr_ops;
    unsigned nr_bytes;       /* of all the instructions */
    enum decode_result last; /* what became of the last: DECODE_OK, or it raises when reached */
    uint16_t check_op[3];    /* private to lower_sse.c; of no meaning before it has written it */
    uint16_t ip[BLOCK_INSNS_MAX];         /* offset of each instruction in the block */
    uint16_t live_after[BLOCK_INSNS_MAX]; /* flags that are read before they are written */
    struct insn insns[BLOCK_INSNS_MAX];
    struct op ops[BLOCK_OPS_MAX];
};

/** Append an operation of the present instruction: all offsets OFFSET_ZERO, ip, length, left set.
 */
struct op *build_op(struct builder *builder, op_fn *run);

/**
 * The same with insn->memory in its address fields. Where they cannot hold it (32-bit
 * addresses, far displacements) an operation that computes it into temp[0] comes first.
 */
struct op *build_memory_op(struct builder *builder, const struct insn *insn, op_fn *run);

/** Offset of the general register, or the high byte, that @operand names. */
static inline uint8_t build_gpr(const struct insn_operand *operand)
{
    return (uint8_t)(8 * operand->reg + (operand->kind == OPERAND_GPR_HIGH));
}

/** Whether nobody will look at what @insn does to the flags. */
static inline bool build_flags_dead(const struct builder *builder, const struct insn *insn)
{
    unsigned changed = insn->row->flags_written | insn->row->flags_undefined;

    return !(builder->live_after[builder->at] & changed);
}

/** The next instruction, if it is in the same block and is one; else NULL. */
static inline const struct insn *build_next(const struct builder *builder)
{
    const unsigned next = builder->at + 1, last = builder->nr_insns - 1;

    if (next > last || (next == last && builder->last != DECODE_OK))
        return NULL;
    return &builder->insns[next];
}

/**
 * The present instruction and the next are lowered to one operation, which has been
 * appended: it counts for both, and its faults are the first one's.
 */
void build_fuse_next(struct builder *builder, struct op *op);

/**
 * Decode at most @nr_max instructions from @bytes, up to one that ends a block or cannot be
 * decoded, and say which flags live behind each. False: not even the first is complete.
 */
bool build_decode(struct builder *builder, const uint8_t *bytes, size_t size, enum insn_mode mode,
                  unsigned nr_max);

/** Lower what has been decoded, from the head to the link behind the last instruction. */
void build_lower(struct builder *builder);

/* The families. Each returns the function for @kind, or NULL if another family has it. */
lower_fn *lower_integer(enum insn_kind kind); /* lower_integer.c: moves, arithmetic, bits, stack */
lower_fn *lower_string(enum insn_kind kind);
lower_fn *lower_branch(enum insn_kind kind); /* near jumps, calls, returns */
lower_fn *lower_system(enum insn_kind kind); /* all that is privileged, segments, far, interrupts */
lower_fn *lower_sse(enum insn_kind kind);    /* SSE, SSE2, MMX */
lower_fn *lower_x87(enum insn_kind kind);    /* x87, FXSAVE and its like */

#endif
