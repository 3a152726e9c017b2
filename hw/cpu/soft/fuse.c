/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An operation with the Jcc behind it, as one: the condition follows from the
 * operands, without a detour through the flags. They are set all the same, since a
 * jump ends its block and nobody knows who looks at them next.
 *
 * Only what compilers emit often; other pairs go the plain way.
 */
#include "hw/cpu/soft/alu.h"
#include "hw/cpu/soft/branch.h"
#include "hw/cpu/soft/exec.h"
#include "hw/cpu/soft/forms.h"

#define BRANCH_(ALU, bits, cond)                                                                   \
    do {                                                                                           \
        alu_flags(cpu, ALU, bits, a, b, 0, result);                                                \
        if (alu_condition(ALU, COND_##cond, bits, a, b, result))                                   \
            return enter_link(cpu, op + LINK_TAKEN);                                               \
        return enter_link(cpu, op + LINK_NEXT);                                                    \
    } while (0)

#define REGISTERS_(name, ALU, writes, form, source, bits, cond)                                    \
    static HANDLER(name##_##form##_##bits##_##cond)                                                \
    {                                                                                              \
        const uint64_t a = GET(bits, op->dst), b = (source);                                       \
        const uint64_t result = alu_result(ALU, a, b, 0);                                          \
        if (writes)                                                                                \
            SET(bits, op->dst, result);                                                            \
        BRANCH_(ALU, bits, cond);                                                                  \
    }
#define DEFINE_RR(name, ALU, writes, bits, cond)                                                   \
    REGISTERS_(name, ALU, writes, rr, GET(bits, op->src), bits, cond)
#define DEFINE_RI(name, ALU, writes, bits, cond)                                                   \
    REGISTERS_(name, ALU, writes, ri, (uint##bits##_t)op->imm, bits, cond)

/* `m` is what was loaded. */
#define MEMORY_(name, ALU, form, left, right, bits, cond)                                          \
    MEMORY_FORMS(name##_##form##_##bits##_##cond)                                                  \
    {                                                                                              \
        uint64_t m, a, b, result;                                                                  \
        LOAD(bits, m, ADDRESS);                                                                    \
        a = left;                                                                                  \
        b = right;                                                                                 \
        result = alu_result(ALU, a, b, 0);                                                         \
        BRANCH_(ALU, bits, cond);                                                                  \
    }
#define DEFINE_RM(name, ALU, writes, bits, cond)                                                   \
    MEMORY_(name, ALU, rm, GET(bits, op->dst), m, bits, cond)
#define DEFINE_MR(name, ALU, writes, bits, cond)                                                   \
    MEMORY_(name, ALU, mr, m, GET(bits, op->src), bits, cond)
#define DEFINE_MI(name, ALU, writes, bits, cond)                                                   \
    MEMORY_(name, ALU, mi, m, (uint##bits##_t)op->imm, bits, cond)

/* ---- Which there are ------------------------------------------------------------------ */

/* clang-format off */
#define ZERO_OR_SIGN(X, ...)                                                                       \
    X(__VA_ARGS__, E) X(__VA_ARGS__, NE) X(__VA_ARGS__, S) X(__VA_ARGS__, NS)
#define LOGIC(X, ...) ZERO_OR_SIGN(X, __VA_ARGS__) X(__VA_ARGS__, LE) X(__VA_ARGS__, G)
#define CARRY(X, ...) ZERO_OR_SIGN(X, __VA_ARGS__) X(__VA_ARGS__, B) X(__VA_ARGS__, AE)
#define DIFFERENCE(X, ...)                                                                         \
    LOGIC(X, __VA_ARGS__) X(__VA_ARGS__, B) X(__VA_ARGS__, AE) X(__VA_ARGS__, BE)                  \
    X(__VA_ARGS__, A) X(__VA_ARGS__, L) X(__VA_ARGS__, GE)

#define CMP_(FORM, SIZE) DIFFERENCE(FORM, cmp, ALU_CMP, false, SIZE)
#define TEST_(FORM, SIZE) LOGIC(FORM, test, ALU_TEST, false, SIZE)
#define SUB_(FORM, SIZE) DIFFERENCE(FORM, sub, ALU_SUB, true, SIZE)
#define AND_(FORM, SIZE) LOGIC(FORM, and, ALU_AND, true, SIZE)
#define ADD_(FORM, SIZE) CARRY(FORM, add, ALU_ADD, true, SIZE)

#define COMPARES(RR, RI, RM, MR, MI)                                                               \
    CMP_(RR, 8) CMP_(RR, 32) CMP_(RR, 64) CMP_(RI, 8) CMP_(RI, 32) CMP_(RI, 64)                    \
    CMP_(RM, 8) CMP_(RM, 32) CMP_(RM, 64) CMP_(MR, 8) CMP_(MR, 32) CMP_(MR, 64)                    \
    CMP_(MI, 8) CMP_(MI, 32) CMP_(MI, 64)
#define TESTS(RR, RI, MI)                                                                          \
    TEST_(RR, 8) TEST_(RR, 32) TEST_(RR, 64) TEST_(RI, 8) TEST_(RI, 32) TEST_(RI, 64)              \
    TEST_(MI, 8) TEST_(MI, 32) TEST_(MI, 64)
#define SUBS(RR, RI) SUB_(RR, 32) SUB_(RR, 64) SUB_(RI, 32) SUB_(RI, 64)
#define ANDS(RR, RI) AND_(RR, 32) AND_(RR, 64) AND_(RI, 32) AND_(RI, 64)
#define ADDS(RR, RI) ADD_(RR, 32) ADD_(RR, 64) ADD_(RI, 32) ADD_(RI, 64)
/* clang-format on */

COMPARES(DEFINE_RR, DEFINE_RI, DEFINE_RM, DEFINE_MR, DEFINE_MI)
TESTS(DEFINE_RR, DEFINE_RI, DEFINE_MI)
SUBS(DEFINE_RR, DEFINE_RI)
ANDS(DEFINE_RR, DEFINE_RI)
ADDS(DEFINE_RR, DEFINE_RI)

/* INC and DEC: as ADD and SUB of 1, but CF stays. */
#define DEFINE_STEP(name, ALU, bits, cond)                                                         \
    static HANDLER(name##_##bits##_##cond)                                                         \
    {                                                                                              \
        const uint64_t a = GET(bits, op->dst), result = alu_result(ALU, a, 1, 0);                  \
        SET(bits, op->dst, result);                                                                \
        flags_step(cpu, bits, a, result, ALU == ALU_SUB);                                          \
        if (alu_condition(ALU, COND_##cond, bits, a, 1, result))                                   \
            return enter_link(cpu, op + LINK_TAKEN);                                               \
        return enter_link(cpu, op + LINK_NEXT);                                                    \
    }
#define STEPS(X)                                                                                   \
    ZERO_OR_SIGN(X, inc, ALU_ADD, 32)                                                              \
    ZERO_OR_SIGN(X, inc, ALU_ADD, 64)                                                              \
    ZERO_OR_SIGN(X, dec, ALU_SUB, 32)                                                              \
    ZERO_OR_SIGN(X, dec, ALU_SUB, 64)
STEPS(DEFINE_STEP)

/* ---- Tables ----------------------------------------------------------------------------- */

enum fuse_form { FUSE_RR, FUSE_RI, FUSE_RM, FUSE_MR, FUSE_MI, NR_FUSE_FORMS };

typedef struct memory_run fuse_table[NR_FUSE_FORMS][4][NR_CONDS]; /* by form, size, condition */

#define SIZE_8_ 0
#define SIZE_32_ 2
#define SIZE_64_ 3
#define REGISTERS_RUN_(FORM, name, form, bits, cond)                                               \
    [FORM][SIZE_##bits##_][COND_##cond] = { name##_##form##_##bits##_##cond, NULL },
#define MEMORY_RUN_(FORM, name, form, bits, cond)                                                  \
    [FORM][SIZE_##bits##_][COND_##cond] = MEMORY_RUN(name##_##form##_##bits##_##cond),
#define RUN_RR(name, ALU, writes, bits, cond) REGISTERS_RUN_(FUSE_RR, name, rr, bits, cond)
#define RUN_RI(name, ALU, writes, bits, cond) REGISTERS_RUN_(FUSE_RI, name, ri, bits, cond)
#define RUN_RM(name, ALU, writes, bits, cond) MEMORY_RUN_(FUSE_RM, name, rm, bits, cond)
#define RUN_MR(name, ALU, writes, bits, cond) MEMORY_RUN_(FUSE_MR, name, mr, bits, cond)
#define RUN_MI(name, ALU, writes, bits, cond) MEMORY_RUN_(FUSE_MI, name, mi, bits, cond)
#define RUN_STEP(name, ALU, bits, cond)                                                            \
    [ALU == ALU_SUB][SIZE_##bits##_][COND_##cond] = name##_##bits##_##cond,

static const fuse_table cmp_runs = { COMPARES(RUN_RR, RUN_RI, RUN_RM, RUN_MR, RUN_MI) };
static const fuse_table test_runs = { TESTS(RUN_RR, RUN_RI, RUN_MI) };
static const fuse_table sub_runs = { SUBS(RUN_RR, RUN_RI) };
static const fuse_table and_runs = { ANDS(RUN_RR, RUN_RI) };
static const fuse_table add_runs = { ADDS(RUN_RR, RUN_RI) };
static op_fn *const step_runs[2][4][NR_CONDS] = { STEPS(RUN_STEP) };

static const fuse_table *const tables[NR_ALU] = {
    [ALU_ADD] = &add_runs, [ALU_AND] = &and_runs,   [ALU_SUB] = &sub_runs,
    [ALU_CMP] = &cmp_runs, [ALU_TEST] = &test_runs,
};

/* ---- Lowering ----------------------------------------------------------------------------- */

/* The Jcc that comes next, or NULL. */
static const struct insn *next_jcc(const struct builder *builder)
{
    const struct insn *next = build_next(builder);

    return next && next->row->kind == INSN_JCC && can_link(builder, next) ? next : NULL;
}

/* Which condition @jcc stands for behind @alu: AND and TEST clear CF and OF. */
static enum cond jcc_condition(enum alu alu, const struct insn *jcc)
{
    const enum cond condition = (enum cond)(jcc->opcode & 15);

    if (alu != ALU_AND && alu != ALU_TEST)
        return condition;
    switch (condition) {
    case COND_BE:
        return COND_E;
    case COND_A:
        return COND_NE;
    case COND_L:
        return COND_S;
    case COND_GE:
        return COND_NS;
    default:
        return condition;
    }
}

static void finish(struct builder *builder, struct op *op)
{
    const unsigned at = builder->at + 1;

    build_fuse_next(builder, op);
    build_branch_links(builder, at);
}

bool lower_alu_fused(struct builder *builder, const struct insn *insn, enum alu alu)
{
    const struct insn_operand *to = &insn->operands[0], *from = &insn->operands[1];
    const struct insn *jcc = next_jcc(builder);
    const enum fuse_form form = to->kind == OPERAND_MEMORY
                                    ? (from->kind == OPERAND_IMM ? FUSE_MI : FUSE_MR)
                                : from->kind == OPERAND_MEMORY ? FUSE_RM
                                : from->kind == OPERAND_IMM    ? FUSE_RI
                                                               : FUSE_RR;
    const struct memory_run *run;
    struct op *op;

    if (!jcc || !tables[alu])
        return false;
    run = &(*tables[alu])[form][size_index(to->size)][jcc_condition(alu, jcc)];
    if (!run->any)
        return false;
    if (form == FUSE_RR || form == FUSE_RI)
        op = build_op(builder, run->any);
    else
        op = build_memory_form(builder, insn, run);
    if (to->kind != OPERAND_MEMORY)
        op->dst = build_gpr(to);
    if (from->kind == OPERAND_IMM)
        op->imm = (uint64_t)insn->imm;
    else if (from->kind != OPERAND_MEMORY)
        op->src = build_gpr(from);
    finish(builder, op);
    return true;
}

bool lower_step_fused(struct builder *builder, const struct insn *insn)
{
    const struct insn_operand *to = &insn->operands[0];
    const struct insn *jcc = next_jcc(builder);
    op_fn *run;
    struct op *op;

    if (!jcc || to->kind == OPERAND_MEMORY)
        return false;
    run = step_runs[insn->row->kind == INSN_DEC][size_index(to->size)][jcc->opcode & 15];
    if (!run)
        return false;
    op = build_op(builder, run);
    op->dst = build_gpr(to);
    finish(builder, op);
    return true;
}
