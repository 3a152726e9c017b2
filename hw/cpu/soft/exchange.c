/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * XCHG, XADD, CMPXCHG and its long forms. XCHG with memory locks without being told
 * (Intel SDM vol. 2). CMPXCHG always writes: where the comparison fails, what was there.
 */
#include "hw/cpu/soft/alu.h"
#include "hw/cpu/soft/forms.h"
#include "hw/cpu/soft/locked.h"

#define BY_SIZE(name)                                                                              \
    {                                                                                              \
        name##_8, name##_16, name##_32, name##_64                                                  \
    }

/* ---- XCHG, XADD ----------------------------------------------------------------------------- */

#define EXCHANGE_HANDLERS(bits)                                                                    \
    static HANDLER(xchg_rr_##bits)                                                                 \
    {                                                                                              \
        const uint##bits##_t a = GET(bits, op->dst), b = GET(bits, op->src);                       \
        SET(bits, op->dst, b);                                                                     \
        SET(bits, op->src, a);                                                                     \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_HANDLER(xchg_mr_##bits)                                                                 \
    {                                                                                              \
        const uint64_t address = op_address(cpu, op);                                              \
        uint##bits##_t value;                                                                      \
        void *host;                                                                                \
        LOCK_BEGIN(bits, address, host);                                                           \
        value = host_xchg##bits(host, GET(bits, op->src));                                         \
        LOCK_END(bits, address, host);                                                             \
        SET(bits, op->src, value);                                                                 \
        NEXT;                                                                                      \
    }                                                                                              \
    static HANDLER(xadd_rr_##bits)                                                                 \
    {                                                                                              \
        const uint64_t a = GET(bits, op->dst), b = GET(bits, op->src), sum = a + b;                \
        SET(bits, op->src, a);                                                                     \
        SET(bits, op->dst, sum);                                                                   \
        alu_flags(cpu, ALU_ADD, bits, a, b, 0, sum);                                               \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_HANDLER(xadd_mr_##bits)                                                                 \
    {                                                                                              \
        const uint64_t address = op_address(cpu, op), b = GET(bits, op->src);                      \
        uint64_t a;                                                                                \
        void *host;                                                                                \
        RMW_LOAD(bits, a, address, host);                                                          \
        RMW_STORE(bits, address, host, (uint##bits##_t)(a + b));                                   \
        SET(bits, op->src, a);                                                                     \
        alu_flags(cpu, ALU_ADD, bits, a, b, 0, a + b);                                             \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_HANDLER(xadd_lock_##bits)                                                               \
    {                                                                                              \
        const uint64_t address = op_address(cpu, op), b = GET(bits, op->src);                      \
        uint64_t a;                                                                                \
        void *host;                                                                                \
        LOCK_BEGIN(bits, address, host);                                                           \
        a = host_xadd##bits(host, (uint##bits##_t)b);                                              \
        LOCK_END(bits, address, host);                                                             \
        SET(bits, op->src, a);                                                                     \
        alu_flags(cpu, ALU_ADD, bits, a, b, 0, a + b);                                             \
        NEXT;                                                                                      \
    }
EXCHANGE_HANDLERS(8)
EXCHANGE_HANDLERS(16)
EXCHANGE_HANDLERS(32)
EXCHANGE_HANDLERS(64)

bool lower_xchg(struct builder *builder, const struct insn *insn)
{
    static op_fn *const rr[] = BY_SIZE(xchg_rr), *const mr[] = BY_SIZE(xchg_mr);
    const struct insn_operand *to = &insn->operands[0], *from = &insn->operands[1];
    const unsigned size = size_index(to->size);
    struct op *op;

    if (to->kind == OPERAND_MEMORY || from->kind == OPERAND_MEMORY) {
        op = build_memory_op(builder, insn, mr[size]);
        op->src = build_gpr(to->kind == OPERAND_MEMORY ? from : to);
        return true;
    }
    op = build_op(builder, rr[size]);
    op->dst = build_gpr(to);
    op->src = build_gpr(from);
    return true;
}

/* By size: with a register, with memory, and that locked. */
static void lower_exchange(struct builder *builder, const struct insn *insn, op_fn *const rr[],
                           op_fn *const mr[], op_fn *const locked[])
{
    const struct insn_operand *to = &insn->operands[0], *from = &insn->operands[1];
    const unsigned size = size_index(to->size);
    struct op *op;

    if (to->kind == OPERAND_MEMORY) {
        op = build_memory_op(builder, insn, insn->prefixes & PREFIX_LOCK ? locked[size] : mr[size]);
    } else {
        op = build_op(builder, rr[size]);
        op->dst = build_gpr(to);
    }
    op->src = build_gpr(from);
}

bool lower_xadd(struct builder *builder, const struct insn *insn)
{
    static op_fn *const rr[] = BY_SIZE(xadd_rr), *const mr[] = BY_SIZE(xadd_mr),
                        *const locked[] = BY_SIZE(xadd_lock);

    lower_exchange(builder, insn, rr, mr, locked);
    return true;
}

/* ---- CMPXCHG -------------------------------------------------------------------------------- */

#define COMPARE_HANDLERS(bits)                                                                     \
    static HANDLER(cmpxchg_rr_##bits)                                                              \
    {                                                                                              \
        const uint64_t a = GET(bits, GPR(RAX)), b = GET(bits, op->dst);                            \
        if (a == b)                                                                                \
            SET(bits, op->dst, GET(bits, op->src));                                                \
        else                                                                                       \
            SET(bits, GPR(RAX), b);                                                                \
        alu_flags(cpu, ALU_CMP, bits, a, b, 0, a - b);                                             \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_HANDLER(cmpxchg_mr_##bits)                                                              \
    {                                                                                              \
        const uint64_t address = op_address(cpu, op), a = GET(bits, GPR(RAX));                     \
        uint64_t b;                                                                                \
        void *host;                                                                                \
        RMW_LOAD(bits, b, address, host);                                                          \
        RMW_STORE(bits, address, host, a == b ? GET(bits, op->src) : (uint##bits##_t)b);           \
        if (a != b)                                                                                \
            SET(bits, GPR(RAX), b);                                                                \
        alu_flags(cpu, ALU_CMP, bits, a, b, 0, a - b);                                             \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_HANDLER(cmpxchg_lock_##bits)                                                            \
    {                                                                                              \
        const uint64_t address = op_address(cpu, op), a = GET(bits, GPR(RAX));                     \
        uint##bits##_t b = (uint##bits##_t)a;                                                      \
        void *host;                                                                                \
        LOCK_BEGIN(bits, address, host);                                                           \
        (void)host_cmpxchg##bits(host, &b, GET(bits, op->src)); /* says it in b */                 \
        LOCK_END(bits, address, host);                                                             \
        if (a != b)                                                                                \
            SET(bits, GPR(RAX), b);                                                                \
        alu_flags(cpu, ALU_CMP, bits, a, b, 0, a - b);                                             \
        NEXT;                                                                                      \
    }
COMPARE_HANDLERS(8)
COMPARE_HANDLERS(16)
COMPARE_HANDLERS(32)
COMPARE_HANDLERS(64)

bool lower_cmpxchg(struct builder *builder, const struct insn *insn)
{
    static op_fn *const rr[] = BY_SIZE(cmpxchg_rr), *const mr[] = BY_SIZE(cmpxchg_mr),
                        *const locked[] = BY_SIZE(cmpxchg_lock);

    lower_exchange(builder, insn, rr, mr, locked);
    return true;
}

/* ---- CMPXCHG8B, CMPXCHG16B: as with LOCK always, which nobody can tell from without ---------- */

static void set_zf(struct soft *cpu, bool is_equal)
{
    flags_set(cpu, (flags_get(cpu) & ~(uint64_t)FLAG_ZF) | (is_equal ? FLAG_ZF : 0));
}

static uint64_t pair32(const struct soft *cpu, enum gpr high, enum gpr low)
{
    return cpu->gpr[high] << 32 | (uint32_t)cpu->gpr[low];
}

static HANDLER(cmpxchg8b)
{
    const uint64_t address = op_address(cpu, op), wanted = pair32(cpu, RDX, RAX);
    void *host = soft_lock_begin(cpu, op, address, 8);
    uint64_t found = wanted;
    const bool is_equal = host_cmpxchg64(host, &found, pair32(cpu, RCX, RBX));

    soft_lock_end(cpu, address, 8, host);
    if (!is_equal) {
        cpu->gpr[RAX] = (uint32_t)found;
        cpu->gpr[RDX] = found >> 32;
    }
    set_zf(cpu, is_equal);
    NEXT;
}

/* @low and @high: what is expected, and then what was found. */
static bool host_cmpxchg128(void *host, uint64_t *low, uint64_t *high, uint64_t new_low,
                            uint64_t new_high)
{
    bool is_stored;

    __asm__ volatile("lock cmpxchg16b %1"
                     : "=@ccz"(is_stored), "+m"(*(bytes16 *)host), "+a"(*low), "+d"(*high)
                     : "b"(new_low), "c"(new_high)
                     : "memory");
    return is_stored;
}

static HANDLER(cmpxchg16b)
{
    const uint64_t address = op_address(cpu, op);
    uint64_t low = cpu->gpr[RAX], high = cpu->gpr[RDX];
    bool is_equal;
    void *host;

    if (address % 16)
        return raise_gp(cpu, op);
    host = soft_lock_begin(cpu, op, address, 16);
    is_equal = host_cmpxchg128(host, &low, &high, cpu->gpr[RBX], cpu->gpr[RCX]);
    soft_lock_end(cpu, address, 16, host);
    if (!is_equal) {
        cpu->gpr[RAX] = low;
        cpu->gpr[RDX] = high;
    }
    set_zf(cpu, is_equal);
    NEXT;
}

bool lower_cmpxchg_pair(struct builder *builder, const struct insn *insn)
{
    build_memory_op(builder, insn, insn->operands[0].size == 16 ? cmpxchg16b : cmpxchg8b);
    return true;
}
