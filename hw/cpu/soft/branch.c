/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Near jumps, calls and returns. Direct ones end in links; indirect ones set rip and
 * go through the jump cache. Targets that are not canonical raise #GP at the branch.
 */
#include "hw/cpu/soft/branch.h"

#include "hw/cpu/soft/exec.h"
#include "hw/cpu/soft/forms.h"
#include "hw/cpu/soft/stack.h"

/* ---- Links ------------------------------------------------------------------------------- */

/* Where no link reaches: op->imm from block_rip. If that is not canonical, fetching says so. */
static HANDLER(jump_beyond)
{
    const uint64_t target = cpu->block_rip + op->imm;

    cpu->rip = cpu->mode == MODE_64 ? target : (uint32_t)target;
    EXIT_LOOKUP;
}

bool can_link(const struct builder *builder, const struct insn *jump)
{
    /* 66 makes them 16-bit jumps in 32-bit code. In 64-bit code it does nothing, as on Intel's. */
    return builder->mode == MODE_64 || jump->operand_size != 2;
}

static void build_link(struct builder *builder, int64_t offset)
{
    if (offset == (int32_t)offset)
        build_op(builder, exit_link)->disp = (int32_t)offset;
    else
        build_op(builder, jump_beyond)->imm = (uint64_t)offset;
}

static int64_t next_offset(const struct builder *builder, unsigned at)
{
    return builder->ip[at] + builder->insns[at].length;
}

static int64_t target_offset(const struct builder *builder, unsigned at)
{
    return next_offset(builder, at) + builder->insns[at].imm;
}

void build_branch_links(struct builder *builder, unsigned at)
{
    build_link(builder, next_offset(builder, at));
    build_link(builder, target_offset(builder, at));
}

/* ---- Conditional ------------------------------------------------------------------------ */

#define BRANCH_IF(condition)                                                                       \
    do {                                                                                           \
        if (condition)                                                                             \
            return enter_link(cpu, op + LINK_TAKEN);                                               \
        return enter_link(cpu, op + LINK_NEXT);                                                    \
    } while (0)

#define CONDITIONS(X)                                                                              \
    X(O) X(NO) X(B) X(AE) X(E) X(NE) X(BE) X(A) X(S) X(NS) X(P) X(NP) X(L) X(GE) X(LE) X(G)

#define DEFINE_JCC(name)                                                                           \
    static HANDLER(jcc_##name)                                                                     \
    {                                                                                              \
        BRANCH_IF(flags_condition(cpu, COND_##name));                                              \
    }
CONDITIONS(DEFINE_JCC)
#define RUN_JCC(name) [COND_##name] = jcc_##name,
static op_fn *const jcc_runs[NR_CONDS] = { CONDITIONS(RUN_JCC) };

static bool lower_jcc(struct builder *builder, const struct insn *insn)
{
    if (!can_link(builder, insn))
        return false;
    build_op(builder, jcc_runs[insn->opcode & 15]);
    build_branch_links(builder, builder->at);
    return true;
}

/* JCXZ and LOOP: RCX or ECX, by the size of addresses. */
static HANDLER(jcxz_32)
{
    BRANCH_IF(REG32(GPR(RCX)) == 0);
}

static HANDLER(jcxz_64)
{
    BRANCH_IF(REG64(GPR(RCX)) == 0);
}

#define DEFINE_LOOP(name, bits, condition)                                                         \
    static HANDLER(name##_##bits)                                                                  \
    {                                                                                              \
        const uint##bits##_t count = (uint##bits##_t)(GET(bits, GPR(RCX)) - 1);                    \
        SET(bits, GPR(RCX), count);                                                                \
        BRANCH_IF(count != 0 && (condition));                                                      \
    }
DEFINE_LOOP(loop, 32, true)
DEFINE_LOOP(loop, 64, true)
DEFINE_LOOP(loope, 32, flags_zf(cpu))
DEFINE_LOOP(loope, 64, flags_zf(cpu))
DEFINE_LOOP(loopne, 32, !flags_zf(cpu))
DEFINE_LOOP(loopne, 64, !flags_zf(cpu))

static bool lower_counted(struct builder *builder, const struct insn *insn)
{
    static op_fn *const runs[][2] = {
        [INSN_JCXZ - INSN_JCXZ] = { jcxz_32, jcxz_64 },
        [INSN_LOOP - INSN_JCXZ] = { loop_32, loop_64 },
        [INSN_LOOPE - INSN_JCXZ] = { loope_32, loope_64 },
        [INSN_LOOPNE - INSN_JCXZ] = { loopne_32, loopne_64 },
    };

    if (!can_link(builder, insn) || insn->address_size < 4)
        return false;
    build_op(builder, runs[insn->row->kind - INSN_JCXZ][insn->address_size == 8]);
    build_branch_links(builder, builder->at);
    return true;
}

/* ---- Indirect, call, return ------------------------------------------------------------- */

static HANDLER(jmp_r64)
{
    const uint64_t target = REG64(op->dst);

    if (unlikely(!is_canonical(target)))
        return raise_gp(cpu, op);
    cpu->rip = target;
    EXIT_LOOKUP;
}

static HANDLER(jmp_r32)
{
    cpu->rip = REG32(op->dst);
    EXIT_LOOKUP;
}

MEMORY_FORMS(jmp_m64)
{
    uint64_t target;

    LOAD(64, target, ADDRESS);
    if (unlikely(!is_canonical(target)))
        return raise_gp(cpu, op);
    cpu->rip = target;
    EXIT_LOOKUP;
}

MEMORY_FORMS(jmp_m32)
{
    uint32_t target;

    LOAD(32, target, ADDRESS);
    cpu->rip = target;
    EXIT_LOOKUP;
}

/* The link comes behind. */
MEMORY_HANDLER(call_direct_64)
{
    PUSH(64, true, op_next_rip(cpu, op));
    return enter_link(cpu, op + LINK_NEXT);
}

MEMORY_HANDLER(call_direct_32)
{
    PUSH(32, false, (uint32_t)op_next_rip(cpu, op));
    return enter_link(cpu, op + LINK_NEXT);
}

MEMORY_HANDLER(call_r64)
{
    const uint64_t target = REG64(op->dst);

    if (unlikely(!is_canonical(target)))
        return raise_gp(cpu, op);
    PUSH(64, true, op_next_rip(cpu, op));
    cpu->rip = target;
    EXIT_LOOKUP;
}

MEMORY_HANDLER(call_r32)
{
    const uint32_t target = REG32(op->dst);

    PUSH(32, false, (uint32_t)op_next_rip(cpu, op));
    cpu->rip = target;
    EXIT_LOOKUP;
}

MEMORY_FORMS(call_m64)
{
    uint64_t target;

    LOAD(64, target, ADDRESS);
    if (unlikely(!is_canonical(target)))
        return raise_gp(cpu, op);
    PUSH(64, true, op_next_rip(cpu, op));
    cpu->rip = target;
    EXIT_LOOKUP;
}

MEMORY_FORMS(call_m32)
{
    uint32_t target;

    LOAD(32, target, ADDRESS);
    PUSH(32, false, (uint32_t)op_next_rip(cpu, op));
    cpu->rip = target;
    EXIT_LOOKUP;
}

/* imm: how much more the stack is to be freed. */
MEMORY_HANDLER(ret_64)
{
    uint64_t target;

    STACK_LOAD(64, target, stack_address(cpu, true, 0));
    if (unlikely(!is_canonical(target)))
        return raise_gp(cpu, op);
    stack_move(cpu, true, 8 + (int64_t)op->imm);
    cpu->rip = target;
    EXIT_LOOKUP;
}

MEMORY_HANDLER(ret_32)
{
    uint32_t target;

    STACK_LOAD(32, target, stack_address(cpu, false, 0));
    stack_move(cpu, false, 4 + (int64_t)op->imm);
    cpu->rip = target;
    EXIT_LOOKUP;
}

static bool lower_indirect(struct builder *builder, const struct insn *insn, op_fn *to_register,
                           const struct memory_run *to_memory)
{
    if (insn->operands[0].kind == OPERAND_MEMORY)
        build_memory_form(builder, insn, to_memory);
    else
        build_op(builder, to_register)->dst = build_gpr(&insn->operands[0]);
    return true;
}

static bool lower_jmp(struct builder *builder, const struct insn *insn)
{
    static const struct memory_run to_m64 = MEMORY_RUN(jmp_m64), to_m32 = MEMORY_RUN(jmp_m32);
    const bool is_wide = builder->mode == MODE_64;

    if (!can_link(builder, insn))
        return false;
    if (insn->operands[0].kind != OPERAND_IMM)
        return lower_indirect(builder, insn, is_wide ? jmp_r64 : jmp_r32,
                              is_wide ? &to_m64 : &to_m32);
    build_link(builder, target_offset(builder, builder->at));
    return true;
}

static bool lower_call(struct builder *builder, const struct insn *insn)
{
    static const struct memory_run to_m64 = MEMORY_RUN(call_m64), to_m32 = MEMORY_RUN(call_m32);
    const bool is_wide = builder->mode == MODE_64;

    if (!can_link(builder, insn))
        return false;
    if (insn->operands[0].kind != OPERAND_IMM)
        return lower_indirect(builder, insn, is_wide ? call_r64 : call_r32,
                              is_wide ? &to_m64 : &to_m32);
    build_op(builder, is_wide ? call_direct_64 : call_direct_32);
    build_link(builder, target_offset(builder, builder->at));
    return true;
}

static bool lower_ret(struct builder *builder, const struct insn *insn)
{
    struct op *op;

    if (!can_link(builder, insn))
        return false;
    op = build_op(builder, builder->mode == MODE_64 ? ret_64 : ret_32);
    if (insn->operands[0].kind == OPERAND_IMM)
        op->imm = (uint16_t)insn->imm;
    return true;
}

lower_fn *lower_branch(enum insn_kind kind)
{
    switch (kind) {
    case INSN_JMP:
        return lower_jmp;
    case INSN_JCC:
        return lower_jcc;
    case INSN_JCXZ:
    case INSN_LOOP:
    case INSN_LOOPE:
    case INSN_LOOPNE:
        return lower_counted;
    case INSN_CALL:
        return lower_call;
    case INSN_RET:
        return lower_ret;
    default:
        return NULL;
    }
}
