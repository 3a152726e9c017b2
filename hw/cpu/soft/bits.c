/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * BT BTS BTR BTC, BSF BSR, BSWAP.
 *
 * Bit numbers in registers reach beyond a memory operand, both ways: it is the
 * middle of a string of bits. Of the flags, BT and its like change CF only, and the
 * scans are defined in ZF only.
 */
#include "hw/cpu/soft/forms.h"

#define BIT_BT(value, mask) (value)
#define BIT_BTS(value, mask) ((value) | (mask))
#define BIT_BTR(value, mask) ((value) & ~(mask))
#define BIT_BTC(value, mask) ((value) ^ (mask))

/* aux: addresses in the segment are of 32 bits, also when the string's offset has been added. */
static ALWAYS_INLINE uint64_t string_address(const struct soft *cpu, const struct op *op,
                                             int64_t element, unsigned bits)
{
    const uint64_t address = op_address(cpu, op) + (uint64_t)(element * (int64_t)(bits / 8));
    const uint64_t base = REG64(op->seg);

    return op->aux ? (uint32_t)(address - base) + base : address;
}

/* Which element of the string, and which bit of it. */
#define STRING_(bits)                                                                              \
    const int##bits##_t number_ = SIGNED(bits, GET(bits, op->src));                                \
    const uint64_t address = string_address(cpu, op, number_ / bits - (number_ % bits < 0), bits); \
    const unsigned bit = (unsigned)number_ & (bits - 1)
#define CONSTANT_(bits)                                                                            \
    const uint64_t address = op_address(cpu, op);                                                  \
    const unsigned bit = (unsigned)op->imm & (bits - 1)

#define REGISTER_HANDLER_(name, NAME, form, bits, number)                                          \
    static HANDLER(name##_r##form##_##bits)                                                        \
    {                                                                                              \
        const uint##bits##_t value = GET(bits, op->dst);                                           \
        const unsigned bit = (unsigned)(number) & (bits - 1);                                      \
        const uint##bits##_t mask UNUSED = (uint##bits##_t)((uint##bits##_t)1 << bit);             \
        if (BIT_##NAME(0, 1) || !BIT_##NAME(1, 1)) /* a constant: not of BT */                     \
            SET(bits, op->dst, BIT_##NAME(value, mask));                                           \
        flags_set_cf(cpu, value >> bit & 1);                                                       \
        NEXT;                                                                                      \
    }
#define READING_HANDLER_(name, form, bits, WHERE)                                                  \
    MEMORY_HANDLER(name##_m##form##_##bits)                                                        \
    {                                                                                              \
        WHERE(bits);                                                                               \
        uint##bits##_t value;                                                                      \
        LOAD(bits, value, address);                                                                \
        flags_set_cf(cpu, value >> bit & 1);                                                       \
        NEXT;                                                                                      \
    }
#define WRITING_HANDLERS_(name, NAME, form, bits, WHERE)                                           \
    MEMORY_HANDLER(name##_m##form##_##bits)                                                        \
    {                                                                                              \
        WHERE(bits);                                                                               \
        const uint##bits##_t mask = (uint##bits##_t)((uint##bits##_t)1 << bit);                    \
        uint##bits##_t value;                                                                      \
        void *host;                                                                                \
        RMW_LOAD(bits, value, address, host);                                                      \
        RMW_STORE(bits, address, host, (uint##bits##_t)BIT_##NAME(value, mask));                   \
        flags_set_cf(cpu, value >> bit & 1);                                                       \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_HANDLER(name##_lock##form##_##bits)                                                     \
    {                                                                                              \
        WHERE(bits);                                                                               \
        const uint##bits##_t mask = (uint##bits##_t)((uint##bits##_t)1 << bit);                    \
        uint##bits##_t value;                                                                      \
        void *host;                                                                                \
        LOCK_BEGIN(bits, address, host);                                                           \
        value = host_load##bits(host);                                                             \
        while (!host_cmpxchg##bits(host, &value, (uint##bits##_t)BIT_##NAME(value, mask)))         \
            ;                                                                                      \
        LOCK_END(bits, address, host);                                                             \
        flags_set_cf(cpu, value >> bit & 1);                                                       \
        NEXT;                                                                                      \
    }

#define REGISTERS_(name, NAME, bits)                                                               \
    REGISTER_HANDLER_(name, NAME, r, bits, GET(bits, op->src))                                     \
    REGISTER_HANDLER_(name, NAME, i, bits, op->imm)
#define READING_(bits)                                                                             \
    REGISTERS_(bt, BT, bits)                                                                       \
    READING_HANDLER_(bt, r, bits, STRING_)                                                         \
    READING_HANDLER_(bt, i, bits, CONSTANT_)
#define WRITING_(name, NAME, bits)                                                                 \
    REGISTERS_(name, NAME, bits)                                                                   \
    WRITING_HANDLERS_(name, NAME, r, bits, STRING_)                                                \
    WRITING_HANDLERS_(name, NAME, i, bits, CONSTANT_)
#define DEFINE(name, NAME)                                                                         \
    WRITING_(name, NAME, 16) WRITING_(name, NAME, 32) WRITING_(name, NAME, 64)

READING_(16)
READING_(32)
READING_(64)
DEFINE(bts, BTS)
DEFINE(btr, BTR)
DEFINE(btc, BTC)

struct bit_run { /* by "number is a constant", then size */
    op_fn *r[2][4], *m[2][4], *locked[2][4];
};
#define ROW_(name, form)                                                                           \
    {                                                                                              \
        NULL, name##_##form##_16, name##_##form##_32, name##_##form##_64                           \
    }
#define ROWS_(name, form)                                                                          \
    {                                                                                              \
        ROW_(name, form##r), ROW_(name, form##i)                                                   \
    }
#define RUNS(name)                                                                                 \
    {                                                                                              \
        ROWS_(name, r), ROWS_(name, m), ROWS_(name, lock)                                          \
    }
static const struct bit_run runs[] = {
    [INSN_BT - INSN_BT] = { ROWS_(bt, r), ROWS_(bt, m), { { NULL }, { NULL } } },
    [INSN_BTS - INSN_BT] = RUNS(bts),
    [INSN_BTR - INSN_BT] = RUNS(btr),
    [INSN_BTC - INSN_BT] = RUNS(btc),
};

bool lower_bit_test(struct builder *builder, const struct insn *insn)
{
    const struct bit_run *run = &runs[insn->row->kind - INSN_BT];
    const struct insn_operand *to = &insn->operands[0], *from = &insn->operands[1];
    const unsigned size = size_index(to->size);
    const bool is_constant = from->kind == OPERAND_IMM;
    struct op *op;

    if (to->kind != OPERAND_MEMORY) {
        op = build_op(builder, run->r[is_constant][size]);
        op->dst = build_gpr(to);
    } else {
        op = build_memory_op(builder, insn,
                             insn->prefixes & PREFIX_LOCK ? run->locked[is_constant][size]
                                                          : run->m[is_constant][size]);
        op->aux = insn->address_size == 4;
    }
    if (is_constant)
        op->imm = (uint64_t)insn->imm;
    else
        op->src = build_gpr(from);
    return true;
}

/* ---- BSF, BSR ---------------------------------------------------------------------------------
 */

/* Of 0 the destination stays, all 64 bits of it (AMD64 APM vol. 3; Intel's do the same). */
#define FIRST_(bits, value) (unsigned)__builtin_ctzll(value)
#define LAST_(bits, value) (63 - (unsigned)__builtin_clzll(value))
#define SCAN_(bits, SCAN, value)                                                                   \
    do {                                                                                           \
        const uint64_t value_ = (value);                                                           \
        if (value_)                                                                                \
            SET(bits, op->dst, SCAN(bits, value_));                                                \
        flags_logic(cpu, bits, value_);                                                            \
    } while (0)
#define SCAN_HANDLERS(name, SCAN, bits)                                                            \
    static HANDLER(name##_r_##bits)                                                                \
    {                                                                                              \
        SCAN_(bits, SCAN, GET(bits, op->src));                                                     \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_HANDLER(name##_m_##bits)                                                                \
    {                                                                                              \
        uint##bits##_t source;                                                                     \
        LOAD(bits, source, op_address(cpu, op));                                                   \
        SCAN_(bits, SCAN, source);                                                                 \
        NEXT;                                                                                      \
    }
SCAN_HANDLERS(bsf, FIRST_, 16)
SCAN_HANDLERS(bsf, FIRST_, 32)
SCAN_HANDLERS(bsf, FIRST_, 64)
SCAN_HANDLERS(bsr, LAST_, 16)
SCAN_HANDLERS(bsr, LAST_, 32)
SCAN_HANDLERS(bsr, LAST_, 64)

bool lower_bit_scan(struct builder *builder, const struct insn *insn)
{
    static op_fn *const r[2][4] = { ROW_(bsf, r), ROW_(bsr, r) };
    static op_fn *const m[2][4] = { ROW_(bsf, m), ROW_(bsr, m) };
    const struct insn_operand *to = &insn->operands[0], *from = &insn->operands[1];
    const unsigned size = size_index(to->size);
    const bool is_last = insn->row->kind == INSN_BSR;
    struct op *op;

    if (from->kind == OPERAND_MEMORY) {
        op = build_memory_op(builder, insn, m[is_last][size]);
    } else {
        op = build_op(builder, r[is_last][size]);
        op->src = build_gpr(from);
    }
    op->dst = build_gpr(to);
    return true;
}

/* ---- BSWAP ------------------------------------------------------------------------------------
 */

static HANDLER(bswap_32)
{
    REG64(op->dst) = __builtin_bswap32(REG32(op->dst));
    NEXT;
}

static HANDLER(bswap_64)
{
    REG64(op->dst) = __builtin_bswap64(REG64(op->dst));
    NEXT;
}

/* Undefined by the manuals; processors clear it. */
static HANDLER(bswap_16)
{
    REG16(op->dst) = 0;
    NEXT;
}

bool lower_bswap(struct builder *builder, const struct insn *insn)
{
    const unsigned size = insn->operands[0].size;

    build_op(builder, size == 8   ? bswap_64
                      : size == 4 ? bswap_32
                                  : bswap_16)
        ->dst = build_gpr(&insn->operands[0]);
    return true;
}
