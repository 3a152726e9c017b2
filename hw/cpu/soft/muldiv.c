/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MUL, IMUL, DIV, IDIV. After a multiplication CF and OF say that the upper half is
 * more than an extension of the lower; the others are undefined, and here stay, as on AMD's.
 *
 * A division whose quotient does not fit raises #DE, before the host could trap.
 */
#include "hw/cpu/soft/forms.h"

/* ---- Multiplication of the accumulator ------------------------------------------------------- */

/* The halves of a product or dividend: AX for bytes, else xDX:xAX. */
#define SET_HALVES(bits, high, low)                                                                \
    do {                                                                                           \
        if (bits == 8) {                                                                           \
            REG16(GPR(RAX)) = (uint16_t)((unsigned)(high) << 8 | (uint8_t)(low));                  \
        } else {                                                                                   \
            SET(bits, GPR(RAX), low);                                                              \
            SET(bits, GPR(RDX), high);                                                             \
        }                                                                                          \
    } while (0)

#define WIDE_TYPES(X)                                                                              \
    X(8, uint32_t, int32_t)                                                                        \
    X(16, uint32_t, int32_t) X(32, uint64_t, int64_t) X(64, unsigned __int128, __int128)

#define MULTIPLY_(bits, type, value)                                                               \
    do {                                                                                           \
        const type product = (type)GET(bits, GPR(RAX)) * (value);                                  \
        const uint##bits##_t low = (uint##bits##_t)product;                                        \
        const uint##bits##_t high = (uint##bits##_t)(product >> (bits));                           \
        SET_HALVES(bits, high, low);                                                               \
        flags_set_cf_of(cpu, high != 0, high != 0);                                                \
    } while (0)
#define MULTIPLY_SIGNED_(bits, type, value)                                                        \
    do {                                                                                           \
        const type product = (type)SIGNED(bits, GET(bits, GPR(RAX))) * SIGNED(bits, value);        \
        const uint##bits##_t low = (uint##bits##_t)product;                                        \
        const bool is_over = product != SIGNED(bits, low);                                         \
        SET_HALVES(bits, (uint##bits##_t)(product >> (bits)), low);                                \
        flags_set_cf_of(cpu, is_over, is_over);                                                    \
    } while (0)

#define MUL_HANDLERS(bits, type, signed_type)                                                      \
    static HANDLER(mul_r_##bits)                                                                   \
    {                                                                                              \
        const uint##bits##_t value = GET(bits, op->src);                                           \
        MULTIPLY_(bits, type, value);                                                              \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_HANDLER(mul_m_##bits)                                                                   \
    {                                                                                              \
        uint##bits##_t value;                                                                      \
        LOAD(bits, value, op_address(cpu, op));                                                    \
        MULTIPLY_(bits, type, value);                                                              \
        NEXT;                                                                                      \
    }                                                                                              \
    static HANDLER(imul_r_##bits)                                                                  \
    {                                                                                              \
        const uint##bits##_t value = GET(bits, op->src);                                           \
        MULTIPLY_SIGNED_(bits, signed_type, value);                                                \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_HANDLER(imul_m_##bits)                                                                  \
    {                                                                                              \
        uint##bits##_t value;                                                                      \
        LOAD(bits, value, op_address(cpu, op));                                                    \
        MULTIPLY_SIGNED_(bits, signed_type, value);                                                \
        NEXT;                                                                                      \
    }
WIDE_TYPES(MUL_HANDLERS)

/* ---- IMUL of two and three operands ---------------------------------------------------------- */

#define SIGNED_PRODUCT_(bits, a, b, live)                                                          \
    do {                                                                                           \
        int##bits##_t product;                                                                     \
        const bool is_over = __builtin_mul_overflow(SIGNED(bits, a), SIGNED(bits, b), &product);   \
        SET(bits, op->dst, product);                                                               \
        if (live)                                                                                  \
            flags_set_cf_of(cpu, is_over, is_over);                                                \
    } while (0)

#define IMUL_HANDLERS_(bits, live, flags)                                                          \
    static HANDLER(imul_rr_##bits##_##flags)                                                       \
    {                                                                                              \
        SIGNED_PRODUCT_(bits, GET(bits, op->dst), GET(bits, op->src), live);                       \
        NEXT;                                                                                      \
    }                                                                                              \
    static HANDLER(imul_rri_##bits##_##flags)                                                      \
    {                                                                                              \
        SIGNED_PRODUCT_(bits, GET(bits, op->src), op->imm, live);                                  \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_FORMS(imul_rm_##bits##_##flags)                                                         \
    {                                                                                              \
        uint##bits##_t value;                                                                      \
        LOAD(bits, value, ADDRESS);                                                                \
        SIGNED_PRODUCT_(bits, GET(bits, op->dst), value, live);                                    \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_FORMS(imul_rmi_##bits##_##flags)                                                        \
    {                                                                                              \
        uint##bits##_t value;                                                                      \
        LOAD(bits, value, ADDRESS);                                                                \
        SIGNED_PRODUCT_(bits, value, op->imm, live);                                               \
        NEXT;                                                                                      \
    }
#define IMUL_HANDLERS(bits)                                                                        \
    IMUL_HANDLERS_(bits, false, dead)                                                              \
    IMUL_HANDLERS_(bits, true, live)
IMUL_HANDLERS(16)
IMUL_HANDLERS(32)
IMUL_HANDLERS(64)

#define PAIR_(name, bits)                                                                          \
    {                                                                                              \
        name##_##bits##_dead, name##_##bits##_live                                                 \
    }
#define PAIRS_(name)                                                                               \
    {                                                                                              \
        { NULL }, PAIR_(name, 16), PAIR_(name, 32), PAIR_(name, 64)                                \
    }
#define MEMORY_PAIR_(name, bits)                                                                   \
    {                                                                                              \
        MEMORY_RUN(name##_##bits##_dead), MEMORY_RUN(name##_##bits##_live)                         \
    }
#define MEMORY_PAIRS_(name)                                                                        \
    {                                                                                              \
        { { NULL, NULL } }, MEMORY_PAIR_(name, 16), MEMORY_PAIR_(name, 32), MEMORY_PAIR_(name, 64) \
    }

static bool lower_imul(struct builder *builder, const struct insn *insn)
{
    static op_fn *const rr[4][2] = PAIRS_(imul_rr), *const rri[4][2] = PAIRS_(imul_rri);
    static const struct memory_run rm[4][2] = MEMORY_PAIRS_(imul_rm),
                                   rmi[4][2] = MEMORY_PAIRS_(imul_rmi);
    const struct insn_operand *to = &insn->operands[0], *from = &insn->operands[1];
    const unsigned size = size_index(to->size);
    const bool is_live = !build_flags_dead(builder, insn);
    const bool has_constant = insn->operands[2].kind == OPERAND_IMM;
    struct op *op;

    if (from->kind == OPERAND_MEMORY) {
        op = build_memory_form(builder, insn,
                               has_constant ? &rmi[size][is_live] : &rm[size][is_live]);
    } else {
        op = build_op(builder, has_constant ? rri[size][is_live] : rr[size][is_live]);
        op->src = build_gpr(from);
    }
    op->dst = build_gpr(to);
    op->imm = (uint64_t)insn->imm;
    return true;
}

#define BY_SIZE(name)                                                                              \
    {                                                                                              \
        name##_8, name##_16, name##_32, name##_64                                                  \
    }

/* One operand, and the accumulator as the other. */
static bool lower_accumulator(struct builder *builder, const struct insn *insn, op_fn *const r[4],
                              op_fn *const m[4])
{
    const struct insn_operand *from = &insn->operands[0];
    const unsigned size = size_index(from->size);

    if (from->kind == OPERAND_MEMORY)
        build_memory_op(builder, insn, m[size]);
    else
        build_op(builder, r[size])->src = build_gpr(from);
    return true;
}

bool lower_mul(struct builder *builder, const struct insn *insn)
{
    static op_fn *const mul_r[] = BY_SIZE(mul_r), *const mul_m[] = BY_SIZE(mul_m),
                        *const imul_r[] = BY_SIZE(imul_r), *const imul_m[] = BY_SIZE(imul_m);

    if (insn->row->kind == INSN_MUL)
        return lower_accumulator(builder, insn, mul_r, mul_m);
    if (insn->operands[1].kind == OPERAND_NONE)
        return lower_accumulator(builder, insn, imul_r, imul_m);
    return lower_imul(builder, insn);
}

/* ---- Division ---------------------------------------------------------------------------------
 */

/* @high:@low by @divisor, where @high < @divisor: by the host, as C has no such division. */
static uint64_t divide_128(uint64_t high, uint64_t low, uint64_t divisor, uint64_t *ret_remainder)
{
    uint64_t quotient;

    __asm__("divq %4"
            : "=a"(quotient), "=d"(*ret_remainder)
            : "a"(low), "d"(high), "rm"(divisor)
            : "cc");
    return quotient;
}

/* False: #DE. Operands and results are of @bits, zero-extended. */
static ALWAYS_INLINE bool divide(unsigned bits, uint64_t high, uint64_t low, uint64_t divisor,
                                 uint64_t *ret_quotient, uint64_t *ret_remainder)
{
    if (high >= divisor) /* also for a divisor of 0 */
        return false;
    if (bits == 64) {
        *ret_quotient = divide_128(high, low, divisor, ret_remainder);
    } else {
        const uint64_t dividend = high << bits | low;

        *ret_quotient = dividend / divisor;
        *ret_remainder = dividend % divisor;
    }
    return true;
}

/* The same with signs: of magnitudes, and then the signs are put back. */
static ALWAYS_INLINE bool divide_signed(unsigned bits, uint64_t high, uint64_t low,
                                        uint64_t divisor, uint64_t *ret_quotient,
                                        uint64_t *ret_remainder)
{
    const bool is_negative = high >> (bits - 1) & 1;
    const bool is_divisor_negative = divisor >> (bits - 1) & 1;
    const uint64_t limit = (UINT64_C(1) << (bits - 1)) - !(is_negative ^ is_divisor_negative);
    uint64_t quotient, remainder;

    if (is_negative) { /* negate all of it: the borrow goes on unless the low half is 0 */
        high = flags_truncate(bits, ~high + !low);
        low = flags_truncate(bits, -low);
    }
    if (is_divisor_negative)
        divisor = flags_truncate(bits, -divisor);
    if (!divide(bits, high, low, divisor, &quotient, &remainder) || quotient > limit)
        return false;
    *ret_quotient = is_negative ^ is_divisor_negative ? -quotient : quotient;
    *ret_remainder = is_negative ? -remainder : remainder;
    return true;
}

#define DIVIDE_(bits, divide, divisor)                                                             \
    do {                                                                                           \
        const uint64_t low_ = GET(bits, GPR(RAX));                                                 \
        const uint64_t high_ = bits == 8 ? REG8(GPR(RAX) + 1) : GET(bits, GPR(RDX));               \
        uint64_t quotient, remainder;                                                              \
        if (!divide(bits, high_, low_, divisor, &quotient, &remainder))                            \
            return raise_de(cpu, op);                                                              \
        SET_HALVES(bits, (uint##bits##_t)remainder, (uint##bits##_t)quotient);                     \
    } while (0)

#define DIV_HANDLERS_(name, divide, bits)                                                          \
    static HANDLER(name##_r_##bits)                                                                \
    {                                                                                              \
        const uint64_t divisor = GET(bits, op->src);                                               \
        DIVIDE_(bits, divide, divisor);                                                            \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_HANDLER(name##_m_##bits)                                                                \
    {                                                                                              \
        uint64_t divisor;                                                                          \
        LOAD(bits, divisor, op_address(cpu, op));                                                  \
        DIVIDE_(bits, divide, divisor);                                                            \
        NEXT;                                                                                      \
    }
#define DIV_HANDLERS(bits, type, signed_type)                                                      \
    DIV_HANDLERS_(div, divide, bits)                                                               \
    DIV_HANDLERS_(idiv, divide_signed, bits)
WIDE_TYPES(DIV_HANDLERS)

bool lower_div(struct builder *builder, const struct insn *insn)
{
    static op_fn *const div_r[] = BY_SIZE(div_r), *const div_m[] = BY_SIZE(div_m),
                        *const idiv_r[] = BY_SIZE(idiv_r), *const idiv_m[] = BY_SIZE(idiv_m);

    return insn->row->kind == INSN_DIV ? lower_accumulator(builder, insn, div_r, div_m)
                                       : lower_accumulator(builder, insn, idiv_r, idiv_m);
}
