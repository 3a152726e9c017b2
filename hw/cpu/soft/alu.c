/* SPDX-License-Identifier: GPL-2.0-or-later */
/* ADD OR ADC SBB AND SUB XOR CMP TEST: every form, with flags and without. */
#include "hw/cpu/soft/alu.h"
#include "hw/cpu/soft/forms.h"

/* The operation on @a and @b into @result, and its flags if they are `live`. */
#define COMPUTE(ALU, a, b)                                                                         \
    const uint64_t carry = cpu->flag_cf;                                                           \
    const uint64_t result = alu_result(ALU, a, b, carry)
#define FLAGS(ALU, bits, live)                                                                     \
    do {                                                                                           \
        if (live)                                                                                  \
            alu_flags(cpu, ALU, bits, a, b, carry, result);                                        \
    } while (0)

/* Operands: register and register, register and immediate, register and memory. */
#define SOURCE_HANDLERS(name, ALU, writes, bits, live, flags)                                      \
    static HANDLER(name##_rr_##bits##_##flags)                                                     \
    {                                                                                              \
        const uint64_t a = GET(bits, op->dst), b = GET(bits, op->src);                             \
        COMPUTE(ALU, a, b);                                                                        \
        if (writes)                                                                                \
            SET(bits, op->dst, result);                                                            \
        FLAGS(ALU, bits, live);                                                                    \
        NEXT;                                                                                      \
    }                                                                                              \
    static HANDLER(name##_ri_##bits##_##flags)                                                     \
    {                                                                                              \
        const uint64_t a = GET(bits, op->dst), b = (uint##bits##_t)op->imm;                        \
        COMPUTE(ALU, a, b);                                                                        \
        if (writes)                                                                                \
            SET(bits, op->dst, result);                                                            \
        FLAGS(ALU, bits, live);                                                                    \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_FORMS(name##_rm_##bits##_##flags)                                                       \
    {                                                                                              \
        const uint64_t a = GET(bits, op->dst);                                                     \
        uint64_t b;                                                                                \
        LOAD(bits, b, ADDRESS);                                                                    \
        COMPUTE(ALU, a, b);                                                                        \
        if (writes)                                                                                \
            SET(bits, op->dst, result);                                                            \
        FLAGS(ALU, bits, live);                                                                    \
        NEXT;                                                                                      \
    }

/* Destination in memory. */
#define MEMORY_HANDLERS(name, ALU, bits, live, flags)                                              \
    MEMORY_FORMS(name##_mr_##bits##_##flags)                                                       \
    {                                                                                              \
        const uint64_t address = ADDRESS, b = GET(bits, op->src);                                  \
        uint64_t a;                                                                                \
        void *host;                                                                                \
        RMW_LOAD(bits, a, address, host);                                                          \
        COMPUTE(ALU, a, b);                                                                        \
        RMW_STORE(bits, address, host, (uint##bits##_t)result);                                    \
        FLAGS(ALU, bits, live);                                                                    \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_FORMS(name##_mi_##bits##_##flags)                                                       \
    {                                                                                              \
        const uint64_t address = ADDRESS, b = (uint##bits##_t)op->imm;                             \
        uint64_t a;                                                                                \
        void *host;                                                                                \
        RMW_LOAD(bits, a, address, host);                                                          \
        COMPUTE(ALU, a, b);                                                                        \
        RMW_STORE(bits, address, host, (uint##bits##_t)result);                                    \
        FLAGS(ALU, bits, live);                                                                    \
        NEXT;                                                                                      \
    }

/* The same where nothing is written: CMP and TEST only read. */
#define COMPARE_HANDLERS(name, ALU, bits)                                                          \
    MEMORY_FORMS(name##_mr_##bits##_live)                                                          \
    {                                                                                              \
        const uint64_t b = GET(bits, op->src);                                                     \
        uint64_t a;                                                                                \
        LOAD(bits, a, ADDRESS);                                                                    \
        COMPUTE(ALU, a, b);                                                                        \
        FLAGS(ALU, bits, true);                                                                    \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_FORMS(name##_mi_##bits##_live)                                                          \
    {                                                                                              \
        const uint64_t b = (uint##bits##_t)op->imm;                                                \
        uint64_t a;                                                                                \
        LOAD(bits, a, ADDRESS);                                                                    \
        COMPUTE(ALU, a, b);                                                                        \
        FLAGS(ALU, bits, true);                                                                    \
        NEXT;                                                                                      \
    }

#define SIZES(m, ...) m(__VA_ARGS__, 8) m(__VA_ARGS__, 16) m(__VA_ARGS__, 32) m(__VA_ARGS__, 64)

#define WRITING_(name, ALU, bits)                                                                  \
    SOURCE_HANDLERS(name, ALU, true, bits, false, dead)                                            \
    SOURCE_HANDLERS(name, ALU, true, bits, true, live)                                             \
    MEMORY_HANDLERS(name, ALU, bits, false, dead)                                                  \
    MEMORY_HANDLERS(name, ALU, bits, true, live)
#define READING_(name, ALU, bits)                                                                  \
    SOURCE_HANDLERS(name, ALU, false, bits, true, live)                                            \
    COMPARE_HANDLERS(name, ALU, bits)

#define WRITING(X)                                                                                 \
    X(add, ALU_ADD)                                                                                \
    X(or, ALU_OR) X(adc, ALU_ADC) X(sbb, ALU_SBB) X(and, ALU_AND) X(sub, ALU_SUB) X(xor, ALU_XOR)
#define READING(X) X(cmp, ALU_CMP) X(test, ALU_TEST)

#define DEFINE_WRITING(name, ALU) SIZES(WRITING_, name, ALU)
#define DEFINE_READING(name, ALU) SIZES(READING_, name, ALU)
WRITING(DEFINE_WRITING)
READING(DEFINE_READING)

/* The instances of one operation, by size and by whether the flags are live. */
struct alu_run {
    op_fn *rr[4][2], *ri[4][2];
    struct memory_run rm[4][2], mr[4][2], mi[4][2];
};

#define PAIR_(f, dead, live, bits)                                                                 \
    {                                                                                              \
        f(dead, bits), f(live, bits)                                                               \
    }
#define FN_(name, bits) name(bits)
#define ROW_(name, form, flags)                                                                    \
    {                                                                                              \
        { name##_##form##_8_##flags, name##_##form##_8_live },                                     \
            { name##_##form##_16_##flags, name##_##form##_16_live },                               \
            { name##_##form##_32_##flags, name##_##form##_32_live },                               \
        {                                                                                          \
            name##_##form##_64_##flags, name##_##form##_64_live                                    \
        }                                                                                          \
    }
#define MEMORY_PAIR_(name, form, bits, flags)                                                      \
    {                                                                                              \
        MEMORY_RUN(name##_##form##_##bits##_##flags), MEMORY_RUN(name##_##form##_##bits##_live)    \
    }
#define MEMORY_ROW_(name, form, flags)                                                             \
    {                                                                                              \
        MEMORY_PAIR_(name, form, 8, flags), MEMORY_PAIR_(name, form, 16, flags),                   \
            MEMORY_PAIR_(name, form, 32, flags), MEMORY_PAIR_(name, form, 64, flags)               \
    }
#define RUNS_(name, ALU, flags)                                                                    \
    [ALU] = { ROW_(name, rr, flags), ROW_(name, ri, flags), MEMORY_ROW_(name, rm, flags),          \
              MEMORY_ROW_(name, mr, flags), MEMORY_ROW_(name, mi, flags) },
#define WRITING_RUNS(name, ALU) RUNS_(name, ALU, dead)
#define READING_RUNS(name, ALU) RUNS_(name, ALU, live)

static const struct alu_run runs[NR_ALU] = { WRITING(WRITING_RUNS) READING(READING_RUNS) };

/* XOR and SUB of a register with itself: zero, whatever it was. */
static HANDLER(zero_64_live)
{
    REG64(op->dst) = 0;
    flags_logic(cpu, 64, 0);
    NEXT;
}

static HANDLER(zero_64_dead)
{
    REG64(op->dst) = 0;
    NEXT;
}

static bool is_zeroing(enum alu alu, const struct insn *insn)
{
    const struct insn_operand *to = &insn->operands[0], *from = &insn->operands[1];

    return (alu == ALU_XOR || alu == ALU_SUB) && to->kind == OPERAND_GPR &&
           from->kind == OPERAND_GPR && to->reg == from->reg && to->size >= 4;
}

static bool lower_registers(struct builder *builder, const struct insn *insn, enum alu alu,
                            bool is_live)
{
    const struct insn_operand *to = &insn->operands[0], *from = &insn->operands[1];
    const unsigned size = size_index(to->size);
    struct op *op;

    if (is_zeroing(alu, insn)) {
        op = build_op(builder, is_live ? zero_64_live : zero_64_dead);
    } else if (from->kind == OPERAND_IMM) {
        op = build_op(builder, runs[alu].ri[size][is_live]);
        op->imm = (uint64_t)insn->imm;
    } else {
        op = build_op(builder, runs[alu].rr[size][is_live]);
        op->src = build_gpr(from);
    }
    op->dst = build_gpr(to);
    return true;
}

bool lower_alu(struct builder *builder, const struct insn *insn)
{
    static const uint8_t alu_of[] = {
        [INSN_ADD] = ALU_ADD, [INSN_OR] = ALU_OR,   [INSN_ADC] = ALU_ADC,
        [INSN_SBB] = ALU_SBB, [INSN_AND] = ALU_AND, [INSN_SUB] = ALU_SUB,
        [INSN_XOR] = ALU_XOR, [INSN_CMP] = ALU_CMP, [INSN_TEST] = ALU_TEST,
    };
    const struct insn_operand *to = &insn->operands[0], *from = &insn->operands[1];
    const enum alu alu = alu_of[insn->row->kind];
    const unsigned size = size_index(to->size);
    const bool is_live = !build_flags_dead(builder, insn);
    struct op *op;

    if (insn->prefixes & PREFIX_LOCK)
        return lower_alu_locked(builder, insn, alu);
    if (lower_alu_fused(builder, insn, alu))
        return true;
    if (to->kind != OPERAND_MEMORY && from->kind != OPERAND_MEMORY)
        return lower_registers(builder, insn, alu, is_live);
    if (from->kind == OPERAND_MEMORY) {
        op = build_memory_form(builder, insn, &runs[alu].rm[size][is_live]);
        op->dst = build_gpr(to);
    } else if (from->kind == OPERAND_IMM) {
        op = build_memory_form(builder, insn, &runs[alu].mi[size][is_live]);
        op->imm = (uint64_t)insn->imm;
    } else {
        op = build_memory_form(builder, insn, &runs[alu].mr[size][is_live]);
        op->src = build_gpr(from);
    }
    return true;
}
