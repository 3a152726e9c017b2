/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ROL ROR RCL RCR SHL SHR SAR, SHLD SHRD. A count of 0 leaves all flags as they are, but
 * a 32-bit destination has its upper half cleared even then.
 */
#include "hw/cpu/soft/shift.h"

#include "hw/cpu/soft/forms.h"

/* Of registers: by a constant, or by CL. Constants are masked by lowering, and not 0. */
#define REGISTER_HANDLERS(name, SHIFT, bits, live, flags)                                          \
    static HANDLER(name##_ri_##bits##_##flags)                                                     \
    {                                                                                              \
        const uint64_t value = GET(bits, op->dst);                                                 \
        const unsigned count = op->aux;                                                            \
        const uint64_t result = shift_result(SHIFT, bits, value, cpu->flag_cf, count);             \
        SET(bits, op->dst, result);                                                                \
        if (live)                                                                                  \
            shift_flags(cpu, SHIFT, bits, value, count, result);                                   \
        NEXT;                                                                                      \
    }                                                                                              \
    static HANDLER(name##_rc_##bits##_##flags)                                                     \
    {                                                                                              \
        const uint64_t value = GET(bits, op->dst);                                                 \
        const unsigned count = REG8(GPR(RCX)) & (bits == 64 ? 63 : 31);                            \
        const uint64_t result = shift_result(SHIFT, bits, value, cpu->flag_cf, count);             \
        SET(bits, op->dst, result);                                                                \
        if (live && count)                                                                         \
            shift_flags(cpu, SHIFT, bits, value, count, result);                                   \
        NEXT;                                                                                      \
    }

/* Of memory: flags always, and here a constant may be 0. */
#define MEMORY_HANDLER_(name, SHIFT, form, bits, amount)                                           \
    MEMORY_HANDLER(name##_##form##_##bits)                                                         \
    {                                                                                              \
        const uint64_t address = op_address(cpu, op);                                              \
        const unsigned count = (amount) & (bits == 64 ? 63 : 31);                                  \
        uint64_t value, result;                                                                    \
        void *host;                                                                                \
        RMW_LOAD(bits, value, address, host);                                                      \
        result = shift_result(SHIFT, bits, value, cpu->flag_cf, count);                            \
        RMW_STORE(bits, address, host, (uint##bits##_t)result);                                    \
        if (count)                                                                                 \
            shift_flags(cpu, SHIFT, bits, value, count, result);                                   \
        NEXT;                                                                                      \
    }

#define SIZE_(name, SHIFT, bits)                                                                   \
    REGISTER_HANDLERS(name, SHIFT, bits, false, dead)                                              \
    REGISTER_HANDLERS(name, SHIFT, bits, true, live)                                               \
    MEMORY_HANDLER_(name, SHIFT, mi, bits, op->aux)                                                \
    MEMORY_HANDLER_(name, SHIFT, mc, bits, REG8(GPR(RCX)))
#define DEFINE(name, SHIFT)                                                                        \
    SIZE_(name, SHIFT, 8) SIZE_(name, SHIFT, 16) SIZE_(name, SHIFT, 32) SIZE_(name, SHIFT, 64)

#define SHIFTS(X)                                                                                  \
    X(rol, SHIFT_ROL)                                                                              \
    X(ror, SHIFT_ROR)                                                                              \
    X(rcl, SHIFT_RCL) X(rcr, SHIFT_RCR) X(shl, SHIFT_SHL) X(shr, SHIFT_SHR) X(sar, SHIFT_SAR)
SHIFTS(DEFINE)

struct shift_run {
    op_fn *ri[4][2], *rc[4][2], *mi[4], *mc[4];
};
#define PAIRS_(name, form)                                                                         \
    {                                                                                              \
        { name##_##form##_8_dead, name##_##form##_8_live },                                        \
            { name##_##form##_16_dead, name##_##form##_16_live },                                  \
            { name##_##form##_32_dead, name##_##form##_32_live },                                  \
        {                                                                                          \
            name##_##form##_64_dead, name##_##form##_64_live                                       \
        }                                                                                          \
    }
#define ROW_(name, form)                                                                           \
    {                                                                                              \
        name##_##form##_8, name##_##form##_16, name##_##form##_32, name##_##form##_64              \
    }
#define RUNS(name, SHIFT)                                                                          \
    [SHIFT] = { PAIRS_(name, ri), PAIRS_(name, rc), ROW_(name, mi), ROW_(name, mc) },
static const struct shift_run runs[NR_SHIFTS] = { SHIFTS(RUNS) };

static HANDLER(nothing)
{
    NEXT;
}

static HANDLER(clear_upper)
{
    REG64(op->dst) = REG32(op->dst);
    NEXT;
}

bool lower_shift(struct builder *builder, const struct insn *insn)
{
    const struct shift_run *run = &runs[insn->row->kind - INSN_ROL];
    const struct insn_operand *to = &insn->operands[0];
    const unsigned size = size_index(to->size);
    const bool is_constant = insn->operands[1].kind == OPERAND_IMM;
    const bool is_live = !build_flags_dead(builder, insn);
    const uint16_t count = (uint16_t)(insn->imm & (size == 3 ? 63 : 31));
    struct op *op;

    if (to->kind == OPERAND_MEMORY) {
        op = build_memory_op(builder, insn, is_constant ? run->mi[size] : run->mc[size]);
        op->aux = count;
        return true;
    }
    if (!is_constant)
        op = build_op(builder, run->rc[size][is_live]);
    else if (count)
        op = build_op(builder, run->ri[size][is_live]);
    else
        op = build_op(builder, size == 2 ? clear_upper : nothing);
    op->dst = build_gpr(to);
    op->aux = count;
    return true;
}

/* ---- SHLD, SHRD ------------------------------------------------------------------------------ */

/*
 * More than 16 of 16 bits is undefined by the manuals. As on AMD's the filler then follows
 * upon itself, and CF is 0.
 */
static ALWAYS_INLINE uint64_t double_result(bool is_left, unsigned bits, uint64_t value,
                                            uint64_t filler, unsigned count)
{
    const uint64_t fillers = filler << 16 | filler;

    if (count == 0)
        return value;
    if (bits == 16)
        return is_left ? (value << 32 | fillers) << count >> 32 : (fillers << 16 | value) >> count;
    return is_left ? value << count | filler >> (bits - count)
                   : value >> count | filler << (bits - count);
}

/* @count is not 0. OF is "the sign has changed" by the last of so many shifts by 1. */
static ALWAYS_INLINE void double_flags(struct soft *cpu, bool is_left, unsigned bits,
                                       uint64_t value, unsigned count, uint64_t result)
{
    const bool carry = count <= bits && shift_bit(value, is_left ? bits - count : count - 1);
    const bool sign = shift_bit(result, bits - 1);

    flags_result(cpu, bits, result, carry, sign ^ (is_left ? carry : shift_bit(result, bits - 2)));
}

#define DOUBLE_HANDLERS(name, is_left, form, bits, amount)                                         \
    static HANDLER(name##_r##form##_##bits)                                                        \
    {                                                                                              \
        const unsigned count = (amount) & (bits == 64 ? 63 : 31);                                  \
        const uint64_t value = GET(bits, op->dst), filler = GET(bits, op->src);                    \
        const uint64_t result = double_result(is_left, bits, value, filler, count);                \
        SET(bits, op->dst, result);                                                                \
        if (count)                                                                                 \
            double_flags(cpu, is_left, bits, value, count, result);                                \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_HANDLER(name##_m##form##_##bits)                                                        \
    {                                                                                              \
        const uint64_t address = op_address(cpu, op), filler = GET(bits, op->src);                 \
        const unsigned count = (amount) & (bits == 64 ? 63 : 31);                                  \
        uint64_t value, result;                                                                    \
        void *host;                                                                                \
        RMW_LOAD(bits, value, address, host);                                                      \
        result = double_result(is_left, bits, value, filler, count);                               \
        RMW_STORE(bits, address, host, (uint##bits##_t)result);                                    \
        if (count)                                                                                 \
            double_flags(cpu, is_left, bits, value, count, result);                                \
        NEXT;                                                                                      \
    }
#define DOUBLE_SIZE_(name, is_left, bits)                                                          \
    DOUBLE_HANDLERS(name, is_left, i, bits, op->aux)                                               \
    DOUBLE_HANDLERS(name, is_left, c, bits, REG8(GPR(RCX)))
#define DEFINE_DOUBLE(name, is_left)                                                               \
    DOUBLE_SIZE_(name, is_left, 16) DOUBLE_SIZE_(name, is_left, 32) DOUBLE_SIZE_(name, is_left, 64)
DEFINE_DOUBLE(shld, true)
DEFINE_DOUBLE(shrd, false)

bool lower_double_shift(struct builder *builder, const struct insn *insn)
{
#define DOUBLE_ROW_(name, form)                                                                    \
    {                                                                                              \
        NULL, name##_##form##_16, name##_##form##_32, name##_##form##_64                           \
    }
    /* By "is SHRD", "in memory", "by CL". */
    static op_fn *const double_runs[2][2][2][4] = {
        { { DOUBLE_ROW_(shld, ri), DOUBLE_ROW_(shld, rc) },
          { DOUBLE_ROW_(shld, mi), DOUBLE_ROW_(shld, mc) } },
        { { DOUBLE_ROW_(shrd, ri), DOUBLE_ROW_(shrd, rc) },
          { DOUBLE_ROW_(shrd, mi), DOUBLE_ROW_(shrd, mc) } },
    };
    const struct insn_operand *to = &insn->operands[0];
    const bool is_memory = to->kind == OPERAND_MEMORY;
    op_fn *run = double_runs[insn->row->kind == INSN_SHRD][is_memory]
                            [insn->operands[2].kind != OPERAND_IMM][size_index(to->size)];
    struct op *op = is_memory ? build_memory_op(builder, insn, run) : build_op(builder, run);

    if (!is_memory)
        op->dst = build_gpr(to);
    op->src = build_gpr(&insn->operands[1]);
    op->aux = (uint16_t)(insn->imm & 63);
    return true;
}
