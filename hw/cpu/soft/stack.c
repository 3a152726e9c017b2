/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * PUSH, POP, PUSHA, POPA, ENTER, LEAVE. In 64-bit code operands are of 8 or 2 bytes, in
 * 32-bit code of 4 or 2.
 */
#include "hw/cpu/soft/stack.h"

#include "hw/cpu/soft/forms.h"

/* POP RSP gives RSP what was popped, so the register is written last. */
#define STACK_HANDLERS(bits, wide, mode)                                                           \
    MEMORY_HANDLER(push_r_##bits##_##mode)                                                         \
    {                                                                                              \
        PUSH(bits, wide, GET(bits, op->src));                                                      \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_HANDLER(push_i_##bits##_##mode)                                                         \
    {                                                                                              \
        PUSH(bits, wide, (uint##bits##_t)op->imm);                                                 \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_HANDLER(push_m_##bits##_##mode)                                                         \
    {                                                                                              \
        uint##bits##_t value;                                                                      \
        LOAD(bits, value, op_address(cpu, op));                                                    \
        PUSH(bits, wide, value);                                                                   \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_HANDLER(pop_r_##bits##_##mode)                                                          \
    {                                                                                              \
        uint##bits##_t value;                                                                      \
        STACK_LOAD(bits, value, stack_address(cpu, wide, 0));                                      \
        stack_move(cpu, wide, (bits) / 8);                                                         \
        SET(bits, op->dst, value);                                                                 \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_HANDLER(pop_m_##bits##_##mode)                                                          \
    {                                                                                              \
        uint##bits##_t value;                                                                      \
        STACK_LOAD(bits, value, stack_address(cpu, wide, 0));                                      \
        STORE(bits, op_address(cpu, op), value);                                                   \
        stack_move(cpu, wide, (bits) / 8);                                                         \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_HANDLER(leave_##bits##_##mode)                                                          \
    {                                                                                              \
        const uint64_t frame = cpu->gpr[RBP];                                                      \
        uint##bits##_t value;                                                                      \
        STACK_LOAD(bits, value,                                                                    \
                   wide ? frame : (uint32_t)((uint32_t)frame + cpu->seg_base[SEG_SS]));            \
        cpu->gpr[RSP] = wide ? frame + (bits) / 8 : (uint32_t)(frame + (bits) / 8);                \
        SET(bits, GPR(RBP), value);                                                                \
        NEXT;                                                                                      \
    }
STACK_HANDLERS(64, true, long)
STACK_HANDLERS(16, true, long)
STACK_HANDLERS(32, false, flat)
STACK_HANDLERS(16, false, flat)

/* By "in 64-bit code", then by "16 bits". */
#define RUNS(name)                                                                                 \
    {                                                                                              \
        { name##_32_flat, name##_16_flat },                                                        \
        {                                                                                          \
            name##_64_long, name##_16_long                                                         \
        }                                                                                          \
    }

bool lower_push(struct builder *builder, const struct insn *insn)
{
    static op_fn *const r[2][2] = RUNS(push_r), *const i[2][2] = RUNS(push_i),
                        *const m[2][2] = RUNS(push_m);
    const struct insn_operand *from = &insn->operands[0];
    const bool is_long = builder->mode == MODE_64, is_short = insn->operand_size == 2;
    struct op *op;

    if (from->kind == OPERAND_MEMORY) {
        build_memory_op(builder, insn, m[is_long][is_short]);
        return true;
    }
    if (from->kind == OPERAND_IMM) {
        op = build_op(builder, i[is_long][is_short]);
        op->imm = (uint64_t)insn->imm;
        return true;
    }
    op = build_op(builder, r[is_long][is_short]);
    op->src = build_gpr(from);
    return true;
}

bool lower_pop(struct builder *builder, const struct insn *insn)
{
    static op_fn *const r[2][2] = RUNS(pop_r), *const m[2][2] = RUNS(pop_m);
    const struct insn_operand *to = &insn->operands[0];
    const bool is_long = builder->mode == MODE_64, is_short = insn->operand_size == 2;
    struct insn after = *insn;

    if (to->kind != OPERAND_MEMORY) {
        build_op(builder, r[is_long][is_short])->dst = build_gpr(to);
        return true;
    }
    /* An address that is relative to RSP is computed after the pop (Intel SDM vol. 2, POP). */
    if (after.memory.base == RSP)
        after.memory.disp += to->size;
    build_memory_op(builder, &after, m[is_long][is_short]);
    return true;
}

bool lower_leave(struct builder *builder, const struct insn *insn)
{
    static op_fn *const runs[2][2] = RUNS(leave);

    build_op(builder, runs[builder->mode == MODE_64][insn->operand_size == 2]);
    return true;
}

/* ---- Rare ones, for any size: aux is the operand's in bytes
 * -------------------------------------- */

static uint64_t load_operand(struct soft *cpu, const struct op *op, uint64_t va)
{
    return op->aux == 2   ? load16(cpu, op, va)
           : op->aux == 4 ? load32(cpu, op, va)
                          : load64(cpu, op, va);
}

static void store_operand(struct soft *cpu, const struct op *op, uint64_t va, uint64_t value)
{
    if (op->aux == 2)
        store16(cpu, op, va, (uint16_t)value);
    else if (op->aux == 4)
        store32(cpu, op, va, (uint32_t)value);
    else
        store64(cpu, op, va, value);
}

static void enter_push(struct soft *cpu, const struct op *op, int64_t displacement, uint64_t value)
{
    const uint64_t va = stack_address(cpu, cpu->mode == MODE_64, displacement);

    stack_check(cpu, op, va, op->aux);
    store_operand(cpu, op, va, value);
}

static uint64_t enter_load(struct soft *cpu, const struct op *op, uint64_t address)
{
    const uint64_t va =
        cpu->mode == MODE_64 ? address : (uint32_t)((uint32_t)address + cpu->seg_base[SEG_SS]);

    stack_check(cpu, op, va, op->aux);
    return load_operand(cpu, op, va);
}

/*
 * imm: bytes to be reserved. shift: the level of nesting, which copies so many frame pointers. What
 * is reserved is not touched, but where it ends must be writable (Intel SDM vol. 2, ENTER).
 */
static HANDLER(enter)
{
    const bool wide = cpu->mode == MODE_64;
    const int64_t size = op->aux, level = op->shift;
    const uint64_t frame = cpu->gpr[RSP] - (uint64_t)size;
    int64_t top = -size;
    uint64_t end;

    enter_push(cpu, op, top, cpu->gpr[RBP]);
    for (int64_t i = 1; i < level; i++) {
        const uint64_t value = enter_load(cpu, op, cpu->gpr[RBP] - (uint64_t)(i * size));

        top -= size;
        enter_push(cpu, op, top, value);
    }
    if (level) {
        top -= size;
        enter_push(cpu, op, top, frame);
    }
    end = stack_address(cpu, wide, top - (int64_t)op->imm);
    stack_check(cpu, op, end, (unsigned)size);
    soft_probe_write(cpu, op, end, (size_t)size);
    stack_move(cpu, wide, top - (int64_t)op->imm);
    if (size == 2)
        SET(16, GPR(RBP), frame);
    else
        cpu->gpr[RBP] = wide ? frame : (uint32_t)frame;
    NEXT;
}

bool lower_enter(struct builder *builder, const struct insn *insn)
{
    struct op *op = build_op(builder, enter);

    op->aux = builder->mode == MODE_32 && insn->operand_size == 8 ? 4 : insn->operand_size;
    op->imm = (uint16_t)insn->imm;
    op->shift = insn->selector % 32;
    return true;
}

/* Eight registers in the order of their numbers, from the top downwards; ESP's is the old one. */
static HANDLER(pusha)
{
    const int size = op->aux;

    soft_probe_write(cpu, op, stack_address(cpu, false, -8 * size), (size_t)(8 * size));
    for (int i = RAX; i <= RDI; i++)
        store_operand(cpu, op, stack_address(cpu, false, -(i + 1) * size), cpu->gpr[i]);
    stack_move(cpu, false, -8 * size);
    NEXT;
}

static HANDLER(popa)
{
    const int size = op->aux;
    uint64_t values[8];

    for (int i = RAX; i <= RDI; i++)
        values[i] = load_operand(cpu, op, stack_address(cpu, false, (RDI - i) * size));
    for (int i = RAX; i <= RDI; i++) {
        if (i == RSP)
            continue;
        if (size == 2)
            SET(16, GPR(i), values[i]);
        else
            SET(32, GPR(i), values[i]);
    }
    stack_move(cpu, false, 8 * size);
    NEXT;
}

bool lower_pusha(struct builder *builder, const struct insn *insn)
{
    build_op(builder, insn->row->kind == INSN_PUSHA ? pusha : popa)->aux = insn->operand_size;
    return builder->mode == MODE_32;
}
