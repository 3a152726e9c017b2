/* SPDX-License-Identifier: GPL-2.0-or-later */
/* INC, DEC, NEG, NOT: one operand. NOT changes no flag, INC and DEC all but CF. */
#include "hw/cpu/soft/alu.h"
#include "hw/cpu/soft/forms.h"

static ALWAYS_INLINE void neg_flags(struct soft *cpu, unsigned bits, uint64_t a, uint64_t result)
{
    flags_sum(cpu, bits, 0, a, result, a != 0);
}

static ALWAYS_INLINE void no_flags(struct soft *cpu UNUSED, unsigned bits UNUSED, uint64_t a UNUSED,
                                   uint64_t result UNUSED)
{
}

static ALWAYS_INLINE void inc_flags(struct soft *cpu, unsigned bits, uint64_t a, uint64_t result)
{
    flags_step(cpu, bits, a, result, false);
}

static ALWAYS_INLINE void dec_flags(struct soft *cpu, unsigned bits, uint64_t a, uint64_t result)
{
    flags_step(cpu, bits, a, result, true);
}

#define HANDLERS_(name, expression, bits, flags, set_flags)                                        \
    static HANDLER(name##_r_##bits##_##flags)                                                      \
    {                                                                                              \
        const uint64_t a = GET(bits, op->dst), result = (expression);                              \
        SET(bits, op->dst, result);                                                                \
        set_flags(cpu, bits, a, result);                                                           \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_FORMS(name##_m_##bits##_##flags)                                                        \
    {                                                                                              \
        const uint64_t address = ADDRESS;                                                          \
        uint64_t a, result;                                                                        \
        void *host;                                                                                \
        RMW_LOAD(bits, a, address, host);                                                          \
        result = (expression);                                                                     \
        RMW_STORE(bits, address, host, (uint##bits##_t)result);                                    \
        set_flags(cpu, bits, a, result);                                                           \
        NEXT;                                                                                      \
    }
#define LOCKED_(name, expression, bits, set_flags)                                                 \
    MEMORY_HANDLER(name##_lock_##bits)                                                             \
    {                                                                                              \
        const uint64_t address = op_address(cpu, op);                                              \
        uint##bits##_t a;                                                                          \
        uint64_t result;                                                                           \
        void *host;                                                                                \
        LOCK_BEGIN(bits, address, host);                                                           \
        a = host_load##bits(host);                                                                 \
        do                                                                                         \
            result = (expression);                                                                 \
        while (!host_cmpxchg##bits(host, &a, (uint##bits##_t)result));                             \
        LOCK_END(bits, address, host);                                                             \
        set_flags(cpu, bits, a, result);                                                           \
        NEXT;                                                                                      \
    }
#define SIZE_(name, expression, bits)                                                              \
    HANDLERS_(name, expression, bits, dead, no_flags)                                              \
    HANDLERS_(name, expression, bits, live, name##_flags)                                          \
    LOCKED_(name, expression, bits, name##_flags)
#define DEFINE(name, expression)                                                                   \
    SIZE_(name, expression, 8)                                                                     \
    SIZE_(name, expression, 16)                                                                    \
    SIZE_(name, expression, 32)                                                                    \
    SIZE_(name, expression, 64)

#define not_flags no_flags
DEFINE(inc, (uint64_t)a + 1)
DEFINE(dec, (uint64_t)a - 1)
DEFINE(neg, 0 - (uint64_t)a)
DEFINE(not, ~(uint64_t)a)

struct step_run {
    op_fn *r[4][2];
    struct memory_run m[4][2];
    op_fn *locked[4];
};

#define PAIR_(name, form, bits)                                                                    \
    {                                                                                              \
        name##_##form##_##bits##_dead, name##_##form##_##bits##_live                               \
    }
#define MEMORY_PAIR_(name, bits)                                                                   \
    {                                                                                              \
        MEMORY_RUN(name##_m_##bits##_dead), MEMORY_RUN(name##_m_##bits##_live)                     \
    }
#define RUNS(name)                                                                                 \
    {                                                                                              \
        { PAIR_(name, r, 8), PAIR_(name, r, 16), PAIR_(name, r, 32), PAIR_(name, r, 64) },         \
            { MEMORY_PAIR_(name, 8), MEMORY_PAIR_(name, 16), MEMORY_PAIR_(name, 32),               \
              MEMORY_PAIR_(name, 64) },                                                            \
        {                                                                                          \
            name##_lock_8, name##_lock_16, name##_lock_32, name##_lock_64                          \
        }                                                                                          \
    }

static bool lower_one(struct builder *builder, const struct insn *insn, const struct step_run *run)
{
    const struct insn_operand *to = &insn->operands[0];
    const unsigned size = size_index(to->size);
    const bool is_live = !build_flags_dead(builder, insn);

    if (insn->prefixes & PREFIX_LOCK)
        build_memory_op(builder, insn, run->locked[size]);
    else if (to->kind == OPERAND_MEMORY)
        build_memory_form(builder, insn, &run->m[size][is_live]);
    else
        build_op(builder, run->r[size][is_live])->dst = build_gpr(to);
    return true;
}

bool lower_step(struct builder *builder, const struct insn *insn)
{
    static const struct step_run inc = RUNS(inc), dec = RUNS(dec);

    if (lower_step_fused(builder, insn))
        return true;
    return lower_one(builder, insn, insn->row->kind == INSN_INC ? &inc : &dec);
}

bool lower_neg(struct builder *builder, const struct insn *insn)
{
    static const struct step_run neg = RUNS(neg);

    return lower_one(builder, insn, &neg);
}

bool lower_not(struct builder *builder, const struct insn *insn)
{
    static const struct step_run not = RUNS(not );

    return lower_one(builder, insn, &not );
}
