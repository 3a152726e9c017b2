/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What moves XMM and MMX registers, whole and in parts. */

#include "hw/cpu/soft/mmx.h"
#include "hw/cpu/soft/sse_stubs.h"

#define LOW64(offset) (*(mem64 *)(void *)((char *)cpu->xmm + (offset)))
#define HIGH64(offset) (*(mem64 *)(void *)((char *)cpu->xmm + (offset) + 8))
#define LOW32(offset) (*(mem32 *)(void *)((char *)cpu->xmm + (offset)))

static ALWAYS_INLINE v128 from_gpr(uint64_t value)
{
    v128 result;

    __asm__("movq %1, %0" : "=x"(result) : "r"(value));
    return result;
}

/* ---- 16 bytes ----------------------------------------------------------------------------- */

static HANDLER(move_rr)
{
    XMM(op->dst) = XMM(op->src);
    NEXT;
}

#define MOVE_HANDLERS(name, align)                                                                 \
    MEMORY_FORMS(name##_rm)                                                                        \
    {                                                                                              \
        const void *from;                                                                          \
        v128 copy;                                                                                 \
                                                                                                   \
        READ_POINTER(16, align, from, copy, ADDRESS);                                              \
        XMM(op->dst) = read_v128(from);                                                            \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_FORMS(name##_mr)                                                                        \
    {                                                                                              \
        STORE_V128(align, ADDRESS, XMM(op->src));                                                  \
        NEXT;                                                                                      \
    }
MOVE_HANDLERS(aligned, 16)
MOVE_HANDLERS(unaligned, 1)

/* ---- Parts ---------------------------------------------------------------------------------- */

/* Between registers the rest of the destination stays; from memory it becomes 0. */
#define SCALAR_HANDLERS(name, bits, size, low)                                                     \
    static HANDLER(name##_rr)                                                                      \
    {                                                                                              \
        v128 value = XMM(op->dst);                                                                 \
                                                                                                   \
        __asm__(#name " %1, %0" : "+x"(value) : "x"(XMM(op->src)));                                \
        XMM(op->dst) = value;                                                                      \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_FORMS(name##_rm)                                                                        \
    {                                                                                              \
        const void *from;                                                                          \
        v128 copy;                                                                                 \
                                                                                                   \
        READ_POINTER(size, 1, from, copy, ADDRESS);                                                \
        XMM(op->dst) = read_v##bits(from);                                                         \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_FORMS(name##_mr)                                                                        \
    {                                                                                              \
        STORE(bits, ADDRESS, low(op->src));                                                        \
        NEXT;                                                                                      \
    }
SCALAR_HANDLERS(movss, 32, 4, LOW32)
SCALAR_HANDLERS(movsd, 64, 8, LOW64)

static HANDLER(movq_rr)
{
    v128 value;

    __asm__("movq %1, %0" : "=x"(value) : "x"(XMM(op->src)));
    XMM(op->dst) = value;
    NEXT;
}

/* One half; the other one stays. */
#define HALF_HANDLERS(name, half)                                                                  \
    MEMORY_FORMS(name##_rm)                                                                        \
    {                                                                                              \
        v128 value, copy;                                                                          \
        const void *from;                                                                          \
                                                                                                   \
        READ_POINTER(8, 1, from, copy, ADDRESS);                                                   \
        value = XMM(op->dst);                                                                      \
        __asm__ volatile(#name " %1, %0" : "+x"(value) : "m"(*(const mem64 *)from));               \
        XMM(op->dst) = value;                                                                      \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_FORMS(name##_mr)                                                                        \
    {                                                                                              \
        STORE(64, ADDRESS, half(op->src));                                                         \
        NEXT;                                                                                      \
    }
HALF_HANDLERS(movlps, LOW64)
HALF_HANDLERS(movhps, HIGH64)

#define CROSS_HANDLER(name)                                                                        \
    static HANDLER(name##_rr)                                                                      \
    {                                                                                              \
        v128 value = XMM(op->dst);                                                                 \
                                                                                                   \
        __asm__(#name " %1, %0" : "+x"(value) : "x"(XMM(op->src)));                                \
        XMM(op->dst) = value;                                                                      \
        NEXT;                                                                                      \
    }
CROSS_HANDLER(movhlps)
CROSS_HANDLER(movlhps)

/* ---- General registers ---------------------------------------------------------------------- */

#define GPR_HANDLERS(bits)                                                                         \
    static HANDLER(xmm_from_gpr##bits)                                                             \
    {                                                                                              \
        XMM(op->dst) = from_gpr(REG##bits(op->src));                                               \
        NEXT;                                                                                      \
    }                                                                                              \
    static HANDLER(gpr##bits##_from_xmm)                                                           \
    {                                                                                              \
        REG64(op->dst) = LOW##bits(op->src);                                                       \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_HANDLER(mmx_from_gpr##bits)                                                             \
    {                                                                                              \
        MMX_BEGIN;                                                                                 \
        mmx_enter(cpu);                                                                            \
        mmx_set(cpu, op->dst, REG##bits(op->src));                                                 \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_HANDLER(gpr##bits##_from_mmx)                                                           \
    {                                                                                              \
        MMX_BEGIN;                                                                                 \
        mmx_enter(cpu);                                                                            \
        REG64(op->dst) = (uint##bits##_t)MMX(op->src);                                             \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_HANDLER(mmx_load##bits)                                                                 \
    {                                                                                              \
        uint64_t value;                                                                            \
                                                                                                   \
        MMX_BEGIN;                                                                                 \
        LOAD(bits, value, op_address(cpu, op));                                                    \
        mmx_enter(cpu);                                                                            \
        mmx_set(cpu, op->dst, value);                                                              \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_HANDLER(mmx_store##bits)                                                                \
    {                                                                                              \
        MMX_BEGIN;                                                                                 \
        STORE(bits, op_address(cpu, op), (uint##bits##_t)MMX(op->src));                            \
        mmx_enter(cpu);                                                                            \
        NEXT;                                                                                      \
    }
GPR_HANDLERS(32)
GPR_HANDLERS(64)

#define MASK_HANDLER(name)                                                                         \
    static HANDLER(name##_rr)                                                                      \
    {                                                                                              \
        uint32_t mask;                                                                             \
                                                                                                   \
        __asm__(#name " %1, %0" : "=r"(mask) : "x"(XMM(op->src)));                                 \
        REG64(op->dst) = mask;                                                                     \
        NEXT;                                                                                      \
    }
MASK_HANDLER(movmskps)
MASK_HANDLER(movmskpd)
MASK_HANDLER(pmovmskb)

MEMORY_HANDLER(pmovmskb_mmx_rr)
{
    uint32_t mask;

    MMX_BEGIN;
    mmx_enter(cpu);
    __asm__("pmovmskb %1, %0" : "=r"(mask) : "x"(from_gpr(MMX(op->src))));
    REG64(op->dst) = mask;
    NEXT;
}

/* ---- Words -------------------------------------------------------------------------------------
 */

STUBS(pinsrw, "pinsrw $imm8, %ecx, %xmm0");
STUBS(pinsrw_mmx, "pinsrw $imm8, %ecx, %mm0");

static HANDLER(pextrw_rr)
{
    REG64(op->dst) = *(const mem16 *)(const void *)&cpu->xmm[op->src / 16][2 * (op->imm & 7)];
    NEXT;
}

MEMORY_HANDLER(pextrw_mmx_rr)
{
    MMX_BEGIN;
    mmx_enter(cpu);
    REG64(op->dst) = (uint16_t)(MMX(op->src) >> (16 * (op->imm & 3)));
    NEXT;
}

static HANDLER(pinsrw_rr)
{
    XMM(op->dst) = stub_call_gpr(op->ptr, XMM(op->dst), REG32(op->src));
    NEXT;
}

MEMORY_HANDLER(pinsrw_rm)
{
    uint16_t value;

    LOAD(16, value, op_address(cpu, op));
    XMM(op->dst) = stub_call_gpr(op->ptr, XMM(op->dst), value);
    NEXT;
}

MEMORY_HANDLER(pinsrw_mmx_rr)
{
    MMX_BEGIN;
    mmx_enter(cpu);
    mmx_set(cpu, op->dst, stub_call_mmx_gpr(op->ptr, MMX(op->dst), REG32(op->src)));
    NEXT;
}

MEMORY_HANDLER(pinsrw_mmx_rm)
{
    uint16_t value;

    MMX_BEGIN;
    LOAD(16, value, op_address(cpu, op));
    mmx_enter(cpu);
    mmx_set(cpu, op->dst, stub_call_mmx_gpr(op->ptr, MMX(op->dst), value));
    NEXT;
}

/* ---- MMX ----------------------------------------------------------------------------------------
 */

MEMORY_HANDLER(movq_mmx_rr)
{
    MMX_BEGIN;
    mmx_enter(cpu);
    mmx_set(cpu, op->dst, MMX(op->src));
    NEXT;
}

MEMORY_HANDLER(movq2dq_rr)
{
    MMX_BEGIN;
    mmx_enter(cpu);
    XMM(op->dst) = from_gpr(MMX(op->src));
    NEXT;
}

MEMORY_HANDLER(movdq2q_rr)
{
    MMX_BEGIN;
    mmx_enter(cpu);
    mmx_set(cpu, op->dst, LOW64(op->src));
    NEXT;
}

MEMORY_HANDLER(emms_rr)
{
    MMX_BEGIN;
    mmx_enter(cpu); /* processors clear TOP here too */
    cpu->fpu.full_tag = 0;
    NEXT;
}

/* ---- Chosen bytes
 * --------------------------------------------------------------------------------- */

/* All bytes are checked, the chosen ones or not: so do AMD's processors. */
static void store_chosen(struct soft *cpu, const struct op *op, const uint8_t *bytes,
                         const uint8_t *mask, unsigned size)
{
    const uint64_t va = op_address(cpu, op);

    soft_probe_write(cpu, op, va, 8); /* the first half faults first */
    soft_probe_write(cpu, op, va, size);
    for (unsigned i = 0; i < size; i++) {
        if (mask[i] & 0x80)
            store8(cpu, op, va + i, bytes[i]);
    }
}

static HANDLER(maskmovdqu_rr)
{
    store_chosen(cpu, op, cpu->xmm[op->dst / 16], cpu->xmm[op->src / 16], 16);
    NEXT;
}

MEMORY_HANDLER(maskmovq_rr)
{
    MMX_BEGIN;
    mmx_enter(cpu); /* even if the store faults: so do AMD's processors */
    store_chosen(cpu, op, cpu->fpu.reg[op->dst / 16], cpu->fpu.reg[op->src / 16], 8);
    NEXT;
}

/* ---- By kind
 * ---------------------------------------------------------------------------------------- */

enum { FIRST = INSN_MOVAPS, LAST = INSN_EMMS };

#define ROW(kind) [INSN_##kind - FIRST]
#define ALIGNED_ROW                                                                                \
    {                                                                                              \
        .rr = move_rr, .rm = MEMORY_RUN(aligned_rm), .mr = MEMORY_RUN(aligned_mr)                  \
    }
#define UNALIGNED_ROW                                                                              \
    {                                                                                              \
        .rr = move_rr, .rm = MEMORY_RUN(unaligned_rm), .mr = MEMORY_RUN(unaligned_mr)              \
    }

static const struct sse_ops rows[LAST - FIRST + 1] = {
    ROW(MOVAPS) = ALIGNED_ROW,
    ROW(MOVAPD) = ALIGNED_ROW,
    ROW(MOVDQA) = ALIGNED_ROW,
    ROW(MOVUPS) = UNALIGNED_ROW,
    ROW(MOVUPD) = UNALIGNED_ROW,
    ROW(MOVDQU) = UNALIGNED_ROW,
    ROW(MOVNTPS) = { .mr = MEMORY_RUN(aligned_mr) },
    ROW(MOVNTPD) = { .mr = MEMORY_RUN(aligned_mr) },
    ROW(MOVNTDQ) = { .mr = MEMORY_RUN(aligned_mr) },
    ROW(MOVNTQ) = { .mmx_mr = ONE_RUN(mmx_store64) },
    ROW(MOVSS) = { .rr = movss_rr, .rm = MEMORY_RUN(movss_rm), .mr = MEMORY_RUN(movss_mr) },
    ROW(MOVSD) = { .rr = movsd_rr, .rm = MEMORY_RUN(movsd_rm), .mr = MEMORY_RUN(movsd_mr) },
    ROW(MOVLPS) = { .rm = MEMORY_RUN(movlps_rm), .mr = MEMORY_RUN(movlps_mr) },
    ROW(MOVLPD) = { .rm = MEMORY_RUN(movlps_rm), .mr = MEMORY_RUN(movlps_mr) },
    ROW(MOVHPS) = { .rm = MEMORY_RUN(movhps_rm), .mr = MEMORY_RUN(movhps_mr) },
    ROW(MOVHPD) = { .rm = MEMORY_RUN(movhps_rm), .mr = MEMORY_RUN(movhps_mr) },
    ROW(MOVHLPS) = { .rr = movhlps_rr },
    ROW(MOVLHPS) = { .rr = movlhps_rr },
    ROW(MOVQ2DQ) = { .mmx_rr = movq2dq_rr },
    ROW(MOVDQ2Q) = { .mmx_rr = movdq2q_rr },
    ROW(MOVMSKPS) = { .rr = movmskps_rr },
    ROW(MOVMSKPD) = { .rr = movmskpd_rr },
    ROW(PMOVMSKB) = { .rr = pmovmskb_rr, .mmx_rr = pmovmskb_mmx_rr },
    ROW(PEXTRW) = { .rr = pextrw_rr, .mmx_rr = pextrw_mmx_rr },
    ROW(PINSRW) = { .rr = pinsrw_rr,
                    .rm = ONE_RUN(pinsrw_rm),
                    .mmx_rr = pinsrw_mmx_rr,
                    .mmx_rm = ONE_RUN(pinsrw_mmx_rm),
                    .stubs = pinsrw_stubs,
                    .mmx_stubs = pinsrw_mmx_stubs },
    ROW(MASKMOVDQU) = { .rr = maskmovdqu_rr },
    ROW(MASKMOVQ) = { .mmx_rr = maskmovq_rr },
    ROW(EMMS) = { .mmx_rr = emms_rr },
};

/* MOVD and MOVQ: to, from, and with a general register or memory of 4 or 8 bytes. */
static const struct sse_ops to_32 = { .rr = xmm_from_gpr32,
                                      .rm = MEMORY_RUN(movss_rm),
                                      .mmx_rr = mmx_from_gpr32,
                                      .mmx_rm = ONE_RUN(mmx_load32) };
static const struct sse_ops to_64 = { .rr = xmm_from_gpr64,
                                      .rm = MEMORY_RUN(movsd_rm),
                                      .mmx_rr = mmx_from_gpr64,
                                      .mmx_rm = ONE_RUN(mmx_load64) };
static const struct sse_ops from_32 = { .rr = gpr32_from_xmm,
                                        .mr = MEMORY_RUN(movss_mr),
                                        .mmx_rr = gpr32_from_mmx,
                                        .mmx_mr = ONE_RUN(mmx_store32) };
static const struct sse_ops from_64 = { .rr = gpr64_from_xmm,
                                        .mr = MEMORY_RUN(movsd_mr),
                                        .mmx_rr = gpr64_from_mmx,
                                        .mmx_mr = ONE_RUN(mmx_store64) };
static const struct sse_ops between = { .rr = movq_rr, .mmx_rr = movq_mmx_rr };

static bool is_vector(const struct insn_operand *operand)
{
    return operand->kind == OPERAND_XMM || operand->kind == OPERAND_MMX;
}

static const struct sse_ops *movd_ops(const struct insn *insn)
{
    const struct insn_operand *to = &insn->operands[0], *from = &insn->operands[1];

    if (!is_vector(to))
        return to->size == 8 ? &from_64 : &from_32;
    if (!is_vector(from))
        return from->size == 8 ? &to_64 : &to_32;
    return &between;
}

const struct sse_ops *sse_move_ops(const struct insn *insn)
{
    if (insn->row->kind == INSN_MOVD || insn->row->kind == INSN_MOVQ)
        return movd_ops(insn);
    return &rows[insn->row->kind - FIRST];
}
