/* SPDX-License-Identifier: GPL-2.0-or-later */

#include "hw/cpu/soft/sse_stubs.h"

/* ---- May it be used at all? (Intel SDM vol. 3, 13.1; AMD64 APM vol. 2, 11.3) ------------- */

static HANDLER(check_sse)
{
    if (unlikely((cpu->cr0 & CR0_EM) || !(cpu->cr4 & CR4_OSFXSR)))
        soft_raise(cpu, op, VECTOR_UD);
    if (unlikely(cpu->cr0 & CR0_TS))
        soft_raise(cpu, op, VECTOR_NM);
    NEXT;
}

static HANDLER(check_mmx)
{
    if (unlikely(cpu->cr0 & CR0_EM))
        soft_raise(cpu, op, VECTOR_UD);
    if (unlikely(cpu->cr0 & CR0_TS))
        soft_raise(cpu, op, VECTOR_NM);
    NEXT;
}

static HANDLER(check_x87)
{
    if (unlikely(cpu->cr0 & (CR0_EM | CR0_TS)))
        soft_raise(cpu, op, VECTOR_NM);
    NEXT;
}

void sse_build_check(struct builder *builder, enum sse_check check)
{
    static op_fn *const checks[] = {
        [CHECK_SSE] = check_sse,
        [CHECK_MMX] = check_mmx,
        [CHECK_X87] = check_x87,
    };
    const unsigned at = builder->check_op[check]; /* of this block, if it is what it says */

    if (at < builder->nr_ops && builder->ops[at].run == checks[check])
        return;
    builder->check_op[check] = (uint16_t)builder->nr_ops;
    build_op(builder, checks[check]);
}

/* ---- Memory, the slow way ---------------------------------------------------------------- */

static void check_aligned(struct soft *cpu, const struct op *op, uint64_t va, unsigned align)
{
    if (va & (align - 1))
        soft_raise_error(cpu, op, VECTOR_GP, 0);
}

/* Processors access 10 bytes as 8 and 2, in this order. */
void sse_load(struct soft *cpu, const struct op *op, uint64_t va, void *to, unsigned size,
              unsigned align)
{
    const unsigned whole = MIN(size, 8);
    uint64_t value;

    check_aligned(cpu, op, va, align);
    if (size == 16) {
        soft_load_bytes(cpu, op, va, to, size);
        return;
    }
    value = soft_load_slow(cpu, op, va, whole);
    memcpy(to, &value, whole);
    if (size > whole) {
        value = soft_load_slow(cpu, op, va + whole, size - whole);
        memcpy((char *)to + whole, &value, size - whole);
    }
}

void sse_probe_write(struct soft *cpu, const struct op *op, uint64_t va, unsigned size)
{
    const unsigned whole = MIN(size, 8);

    soft_probe_write(cpu, op, va, whole);
    if (size > whole)
        soft_probe_write(cpu, op, va + whole, size - whole);
}

void sse_store(struct soft *cpu, const struct op *op, uint64_t va, const void *from, unsigned size,
               unsigned align)
{
    uint64_t value = 0;

    check_aligned(cpu, op, va, align);
    if (size > 8) {
        soft_store_bytes(cpu, op, va, from, size);
    } else {
        memcpy(&value, from, size);
        soft_store_slow(cpu, op, va, value, size);
    }
}

/* ---- From an instruction to its handler ---------------------------------------------------- */

static const struct sse_ops *find_ops(const struct insn *insn)
{
#define CASE_(name) case INSN_##name:
    switch ((enum insn_kind)insn->row->kind) {
        KINDS_SSE_MOVE(CASE_)
        return sse_move_ops(insn);
        KINDS_SSE_INTEGER(CASE_)
        return sse_int_ops(insn);
    default:
        if (insn->row->kind >= INSN_CVTPI2PS)
            return sse_convert_ops(insn);
        return sse_float_ops(insn);
    }
#undef CASE_
}

static bool names_mmx(const struct insn *insn)
{
    return insn->operands[0].kind == OPERAND_MMX || insn->operands[1].kind == OPERAND_MMX ||
           insn->row->kind == INSN_EMMS;
}

/* Conversions between MMX and XMM registers are SSE's instructions. */
static bool names_xmm(const struct insn *insn)
{
    return insn->operands[0].kind == OPERAND_XMM || insn->operands[1].kind == OPERAND_XMM;
}

static uint8_t register_offset(const struct insn_operand *operand)
{
    switch (operand->kind) {
    case OPERAND_XMM:
    case OPERAND_MMX:
        return (uint8_t)(16 * operand->reg);
    case OPERAND_GPR:
        return build_gpr(operand);
    default:
        return OFFSET_ZERO;
    }
}

static op_fn *choose(const struct sse_ops *ops, const struct insn *insn, bool is_mmx)
{
    if (insn->operands[1].kind == OPERAND_IMM)
        return is_mmx ? ops->mmx_ri : ops->ri;
    return is_mmx ? ops->mmx_rr : ops->rr;
}

/* One of the first two operands is in memory. MASKMOVDQU has a third, which its handler knows. */
static const struct memory_run *choose_memory(const struct sse_ops *ops, const struct insn *insn,
                                              bool is_mmx)
{
    if (insn->operands[0].kind == OPERAND_MEMORY)
        return is_mmx ? &ops->mmx_mr : &ops->mr;
    if (insn->operands[1].kind == OPERAND_MEMORY)
        return is_mmx ? &ops->mmx_rm : &ops->rm;
    return NULL;
}

static struct op *append(struct builder *builder, const struct insn *insn,
                         const struct sse_ops *ops, bool is_mmx)
{
    const struct memory_run *memory = choose_memory(ops, insn, is_mmx);
    op_fn *run = choose(ops, insn, is_mmx);

    if (memory)
        return memory->any ? build_memory_form(builder, insn, memory) : NULL;
    if (!run)
        return NULL;
    return insn_touches_memory(insn) ? build_memory_op(builder, insn, run) : build_op(builder, run);
}

static bool lower(struct builder *builder, const struct insn *insn)
{
    const struct sse_ops *ops = find_ops(insn);
    const bool is_mmx = names_mmx(insn);
    const uint8_t *stubs = is_mmx ? ops->mmx_stubs : ops->stubs;
    struct op *op;

    sse_build_check(builder, is_mmx && !names_xmm(insn) ? CHECK_MMX : CHECK_SSE);
    op = append(builder, insn, ops, is_mmx);
    if (!op)
        return false; /* no such form: the builder takes back what was appended */
    op->dst = register_offset(&insn->operands[0]);
    op->src = register_offset(&insn->operands[1]);
    if (stubs)
        op->ptr = stubs + STUB_BYTES * (uint8_t)insn->imm;
    else
        op->imm = (uint8_t)insn->imm;
    return true;
}

lower_fn *lower_sse(enum insn_kind kind)
{
    return insn_kind_family(kind) == FAMILY_SSE ? lower : NULL;
}
