/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MOV and its like: what copies, extends, computes an address, or chooses, and
 * leaves the flags alone.
 */
#include "hw/cpu/soft/forms.h"

/* ---- MOV ------------------------------------------------------------------------------------ */

#define MOV_HANDLERS(bits)                                                                         \
    static HANDLER(mov_rr_##bits)                                                                  \
    {                                                                                              \
        SET(bits, op->dst, GET(bits, op->src));                                                    \
        NEXT;                                                                                      \
    }                                                                                              \
    static HANDLER(mov_ri_##bits)                                                                  \
    {                                                                                              \
        SET(bits, op->dst, op->imm);                                                               \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_FORMS(mov_rm_##bits)                                                                    \
    {                                                                                              \
        uint##bits##_t value;                                                                      \
        LOAD(bits, value, ADDRESS);                                                                \
        SET(bits, op->dst, value);                                                                 \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_FORMS(mov_mr_##bits)                                                                    \
    {                                                                                              \
        STORE(bits, ADDRESS, GET(bits, op->src));                                                  \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_FORMS(mov_mi_##bits)                                                                    \
    {                                                                                              \
        STORE(bits, ADDRESS, (uint##bits##_t)op->imm);                                             \
        NEXT;                                                                                      \
    }
MOV_HANDLERS(8)
MOV_HANDLERS(16)
MOV_HANDLERS(32)
MOV_HANDLERS(64)

#define BY_SIZE(name)                                                                              \
    {                                                                                              \
        name##_8, name##_16, name##_32, name##_64                                                  \
    }
#define BY_SIZE_MEMORY(name)                                                                       \
    {                                                                                              \
        MEMORY_RUN(name##_8), MEMORY_RUN(name##_16), MEMORY_RUN(name##_32), MEMORY_RUN(name##_64)  \
    }

bool lower_mov(struct builder *builder, const struct insn *insn)
{
    static op_fn *const rr[] = BY_SIZE(mov_rr), *const ri[] = BY_SIZE(mov_ri);
    static const struct memory_run rm[] = BY_SIZE_MEMORY(mov_rm), mr[] = BY_SIZE_MEMORY(mov_mr),
                                   mi[] = BY_SIZE_MEMORY(mov_mi);
    const struct insn_operand *to = &insn->operands[0], *from = &insn->operands[1];
    const unsigned size = size_index(to->size);
    struct op *op;

    if (to->kind == OPERAND_MEMORY)
        op = build_memory_form(builder, insn, from->kind == OPERAND_IMM ? &mi[size] : &mr[size]);
    else if (from->kind == OPERAND_MEMORY)
        op = build_memory_form(builder, insn, &rm[size]);
    else
        op = build_op(builder, from->kind == OPERAND_IMM ? ri[size] : rr[size]);
    if (to->kind != OPERAND_MEMORY)
        op->dst = build_gpr(to);
    if (from->kind == OPERAND_IMM)
        op->imm = size == 2 ? (uint32_t)insn->imm : (uint64_t)insn->imm;
    else if (from->kind != OPERAND_MEMORY)
        op->src = build_gpr(from);
    return true;
}

/* ---- MOVZX, MOVSX, MOVSXD ------------------------------------------------------------------- */

/* `type` is the source's, as its value is to be extended. */
#define EXTEND_HANDLERS(name, type, from, to)                                                      \
    static HANDLER(name##_rr_##from##_##to)                                                        \
    {                                                                                              \
        SET(to, op->dst, (type)GET(from, op->src));                                                \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_FORMS(name##_rm_##from##_##to)                                                          \
    {                                                                                              \
        uint##from##_t value;                                                                      \
        LOAD(from, value, ADDRESS);                                                                \
        SET(to, op->dst, (type)value);                                                             \
        NEXT;                                                                                      \
    }
EXTEND_HANDLERS(movzx, uint8_t, 8, 16)
EXTEND_HANDLERS(movzx, uint8_t, 8, 64)
EXTEND_HANDLERS(movzx, uint16_t, 16, 64)
EXTEND_HANDLERS(movsx, int8_t, 8, 16)
EXTEND_HANDLERS(movsx, int8_t, 8, 32)
EXTEND_HANDLERS(movsx, int8_t, 8, 64)
EXTEND_HANDLERS(movsx, int16_t, 16, 32)
EXTEND_HANDLERS(movsx, int16_t, 16, 64)
EXTEND_HANDLERS(movsx, int32_t, 32, 16)
EXTEND_HANDLERS(movsx, int32_t, 32, 64)

struct extend_run {
    op_fn *rr;
    struct memory_run rm;
};
#define EXTEND(name, from, to)                                                                     \
    {                                                                                              \
        name##_rr_##from##_##to, MEMORY_RUN(name##_rm_##from##_##to)                               \
    }
#define SAME_SIZE(bits)                                                                            \
    {                                                                                              \
        mov_rr_##bits, MEMORY_RUN(mov_rm_##bits)                                                   \
    }

/* By size of the source, then of the destination. */
static const struct extend_run zero_runs[4][4] = {
    { SAME_SIZE(8), EXTEND(movzx, 8, 16), EXTEND(movzx, 8, 64), EXTEND(movzx, 8, 64) },
    { { 0 }, SAME_SIZE(16), EXTEND(movzx, 16, 64), EXTEND(movzx, 16, 64) },
};
static const struct extend_run sign_runs[4][4] = {
    { SAME_SIZE(8), EXTEND(movsx, 8, 16), EXTEND(movsx, 8, 32), EXTEND(movsx, 8, 64) },
    { { 0 }, SAME_SIZE(16), EXTEND(movsx, 16, 32), EXTEND(movsx, 16, 64) },
    /* MOVSXD to 16 bits loads 32 all the same, which is seen where the last two fault. */
    { { 0 }, EXTEND(movsx, 32, 16), SAME_SIZE(32), EXTEND(movsx, 32, 64) },
};

static bool lower_extend(struct builder *builder, const struct insn *insn,
                         const struct extend_run runs[4][4])
{
    const struct insn_operand *to = &insn->operands[0], *from = &insn->operands[1];
    const struct extend_run *run = &runs[size_index(from->size)][size_index(to->size)];
    struct op *op;

    if (!run->rr)
        return false;
    if (from->kind == OPERAND_MEMORY) {
        op = build_memory_form(builder, insn, &run->rm);
    } else {
        op = build_op(builder, run->rr);
        op->src = build_gpr(from);
    }
    op->dst = build_gpr(to);
    return true;
}

bool lower_movzx(struct builder *builder, const struct insn *insn)
{
    return lower_extend(builder, insn, zero_runs);
}

bool lower_movsx(struct builder *builder, const struct insn *insn)
{
    return lower_extend(builder, insn, sign_runs);
}

/* CBW, CWDE, CDQE. */
bool lower_cbw(struct builder *builder, const struct insn *insn)
{
    op_fn *run = insn->operand_size == 2   ? movsx_rr_8_16
                 : insn->operand_size == 4 ? movsx_rr_16_32
                                           : movsx_rr_32_64;
    struct op *op = build_op(builder, run);

    op->dst = GPR(RAX);
    op->src = GPR(RAX);
    return true;
}

/* CWD, CDQ, CQO. */
#define CWD_HANDLER(bits)                                                                          \
    static HANDLER(cwd_##bits)                                                                     \
    {                                                                                              \
        SET(bits, GPR(RDX), SIGNED(bits, GET(bits, GPR(RAX))) < 0 ? -1 : 0);                       \
        NEXT;                                                                                      \
    }
CWD_HANDLER(16)
CWD_HANDLER(32)
CWD_HANDLER(64)

bool lower_cwd(struct builder *builder, const struct insn *insn)
{
    build_op(builder, insn->operand_size == 2 ? cwd_16 : insn->operand_size == 4 ? cwd_32 : cwd_64);
    return true;
}

/* ---- LEA ------------------------------------------------------------------------------------ */

#define LEA_HANDLERS(bits)                                                                         \
    static HANDLER(lea_##bits)                                                                     \
    {                                                                                              \
        SET(bits, op->dst,                                                                         \
            REG64(op->base) + (REG64(op->index) << op->shift) + (uint64_t)(int64_t)op->disp);      \
        NEXT;                                                                                      \
    }                                                                                              \
    static HANDLER(lea_##bits##_plain)                                                             \
    {                                                                                              \
        SET(bits, op->dst, REG64(op->base) + (uint64_t)(int64_t)op->disp);                         \
        NEXT;                                                                                      \
    }
LEA_HANDLERS(16)
LEA_HANDLERS(32)
LEA_HANDLERS(64)

/* Without displacement, and with a sum of two registers: the forms next in number. */
static HANDLER(lea_64_sum)
{
    REG64(op->dst) = REG64(op->base) + REG64(op->index);
    NEXT;
}

static HANDLER(lea_32_sum)
{
    REG64(op->dst) = (uint32_t)(REG64(op->base) + REG64(op->index));
    NEXT;
}

bool lower_lea(struct builder *builder, const struct insn *insn)
{
    static const struct memory_run runs[] = { MEMORY_RUN(lea_16), MEMORY_RUN(lea_16),
                                              MEMORY_RUN(lea_32), MEMORY_RUN(lea_64) };
    const unsigned size = size_index(insn->operands[0].size);
    struct op *op = build_memory_form(builder, insn, &runs[size]);

    op->dst = build_gpr(&insn->operands[0]);
    if (op->index != OFFSET_ZERO && op->shift == 0 && op->disp == 0 && size >= 2)
        op->run = size == 2 ? lea_32_sum : lea_64_sum;
    return true;
}

/* ---- SETcc, CMOVcc ------------------------------------------------------------------------- */

#define CONDITIONS(X)                                                                              \
    X(O) X(NO) X(B) X(AE) X(E) X(NE) X(BE) X(A) X(S) X(NS) X(P) X(NP) X(L) X(GE) X(LE) X(G)

#define CHOICE_(condition, bits)                                                                   \
    static HANDLER(cmov_##condition##_##bits)                                                      \
    {                                                                                              \
        const bool is_moved = flags_condition(cpu, COND_##condition);                              \
        SET(bits, op->dst, GET(bits, is_moved ? op->src : op->dst));                               \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_FORMS(cmov_##condition##_m_##bits)                                                      \
    {                                                                                              \
        const bool is_moved = flags_condition(cpu, COND_##condition);                              \
        uint##bits##_t value;                                                                      \
        LOAD(bits, value, ADDRESS);                                                                \
        SET(bits, op->dst, is_moved ? value : GET(bits, op->dst));                                 \
        NEXT;                                                                                      \
    }
#define DEFINE_CHOICES(condition)                                                                  \
    CHOICE_(condition, 16)                                                                         \
    CHOICE_(condition, 32)                                                                         \
    CHOICE_(condition, 64)                                                                         \
    static HANDLER(set_##condition)                                                                \
    {                                                                                              \
        REG8(op->dst) = flags_condition(cpu, COND_##condition);                                    \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_FORMS(set_##condition##_m)                                                              \
    {                                                                                              \
        STORE(8, ADDRESS, (uint8_t)flags_condition(cpu, COND_##condition));                        \
        NEXT;                                                                                      \
    }
CONDITIONS(DEFINE_CHOICES)

struct choice_run {
    op_fn *set;
    struct memory_run set_memory;
    op_fn *move[4];
    struct memory_run move_memory[4];
};
#define RUN_CHOICES(condition)                                                                     \
    [COND_##condition] = {                                                                         \
        set_##condition,                                                                           \
        MEMORY_RUN(set_##condition##_m),                                                           \
        { NULL, cmov_##condition##_16, cmov_##condition##_32, cmov_##condition##_64 },             \
        { { 0 },                                                                                   \
          MEMORY_RUN(cmov_##condition##_m_16),                                                     \
          MEMORY_RUN(cmov_##condition##_m_32),                                                     \
          MEMORY_RUN(cmov_##condition##_m_64) },                                                   \
    },
static const struct choice_run choices[NR_CONDS] = { CONDITIONS(RUN_CHOICES) };

bool lower_setcc(struct builder *builder, const struct insn *insn)
{
    const struct choice_run *run = &choices[insn->opcode & 15];

    if (insn->operands[0].kind == OPERAND_MEMORY)
        build_memory_form(builder, insn, &run->set_memory);
    else
        build_op(builder, run->set)->dst = build_gpr(&insn->operands[0]);
    return true;
}

bool lower_cmovcc(struct builder *builder, const struct insn *insn)
{
    const struct choice_run *run = &choices[insn->opcode & 15];
    const struct insn_operand *to = &insn->operands[0], *from = &insn->operands[1];
    const unsigned size = size_index(to->size);
    struct op *op;

    if (from->kind == OPERAND_MEMORY) {
        op = build_memory_form(builder, insn, &run->move_memory[size]);
    } else {
        op = build_op(builder, run->move[size]);
        op->src = build_gpr(from);
    }
    op->dst = build_gpr(to);
    return true;
}
