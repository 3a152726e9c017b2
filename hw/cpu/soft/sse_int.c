/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Integers in vectors: arithmetic, logic, shifts, shuffles; of XMM and of MMX registers. */

#include "hw/cpu/soft/mmx.h"
#include "hw/cpu/soft/sse_stubs.h"

/* clang-format off */
#define XMM_AND_MMX(X)                                                                             \
    X(PADDB, paddb) X(PADDW, paddw) X(PADDD, paddd) X(PADDQ, paddq)                                \
    X(PADDSB, paddsb) X(PADDSW, paddsw) X(PADDUSB, paddusb) X(PADDUSW, paddusw)                    \
    X(PSUBB, psubb) X(PSUBW, psubw) X(PSUBD, psubd) X(PSUBQ, psubq)                                \
    X(PSUBSB, psubsb) X(PSUBSW, psubsw) X(PSUBUSB, psubusb) X(PSUBUSW, psubusw)                    \
    X(PMULLW, pmullw) X(PMULHW, pmulhw) X(PMULHUW, pmulhuw) X(PMULUDQ, pmuludq)                    \
    X(PMADDWD, pmaddwd) X(PSADBW, psadbw) X(PAVGB, pavgb) X(PAVGW, pavgw)                          \
    X(PMINUB, pminub) X(PMAXUB, pmaxub) X(PMINSW, pminsw) X(PMAXSW, pmaxsw)                        \
    X(PAND, pand) X(PANDN, pandn) X(POR, por) X(PXOR, pxor)                                        \
    X(PCMPEQB, pcmpeqb) X(PCMPEQW, pcmpeqw) X(PCMPEQD, pcmpeqd)                                    \
    X(PCMPGTB, pcmpgtb) X(PCMPGTW, pcmpgtw) X(PCMPGTD, pcmpgtd)                                    \
    X(PACKSSWB, packsswb) X(PACKSSDW, packssdw) X(PACKUSWB, packuswb)                              \
    X(PUNPCKHBW, punpckhbw) X(PUNPCKHWD, punpckhwd) X(PUNPCKHDQ, punpckhdq)

/* The MMX form reads no more than 4 bytes of memory. */
#define UNPACK_LOW(X) X(PUNPCKLBW, punpcklbw) X(PUNPCKLWD, punpcklwd) X(PUNPCKLDQ, punpckldq)

#define XMM_ONLY(X) X(PUNPCKLQDQ, punpcklqdq) X(PUNPCKHQDQ, punpckhqdq)

/* By a register or memory like the others, or by an immediate. */
#define SHIFTS(X)                                                                                  \
    X(PSLLW, psllw) X(PSLLD, pslld) X(PSLLQ, psllq)                                                \
    X(PSRLW, psrlw) X(PSRLD, psrld) X(PSRLQ, psrlq) X(PSRAW, psraw) X(PSRAD, psrad)

#define BYTE_SHIFTS(X) X(PSLLDQ, pslldq) X(PSRLDQ, psrldq)

#define SHUFFLES(X) X(PSHUFD, pshufd) X(PSHUFHW, pshufhw) X(PSHUFLW, pshuflw)
/* clang-format on */

/* ---- XMM ------------------------------------------------------------------------------ */

#define XMM_HANDLERS(kind, name)                                                                   \
    static HANDLER(name##_rr)                                                                      \
    {                                                                                              \
        v128 value = XMM(op->dst);                                                                 \
                                                                                                   \
        __asm__(#name " %1, %0" : "+x"(value) : "m"(XMM(op->src)));                                \
        XMM(op->dst) = value;                                                                      \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_FORMS(name##_rm)                                                                        \
    {                                                                                              \
        v128 value, copy;                                                                          \
        const void *from;                                                                          \
                                                                                                   \
        READ_POINTER(16, 16, from, copy, ADDRESS);                                                 \
        value = XMM(op->dst);                                                                      \
        __asm__ volatile(#name " %1, %0" : "+x"(value) : "m"(*(const v128 *)from));                \
        XMM(op->dst) = value;                                                                      \
        NEXT;                                                                                      \
    }
XMM_AND_MMX(XMM_HANDLERS)
UNPACK_LOW(XMM_HANDLERS)
XMM_ONLY(XMM_HANDLERS)
SHIFTS(XMM_HANDLERS)

/* ---- MMX ------------------------------------------------------------------------------ */

#define MMX_DO(name, type, from)                                                                   \
    do {                                                                                           \
        mmx_enter(cpu);                                                                            \
        __asm__ volatile("movq %0, %%mm0\n\t" #name " %1, %%mm0\n\t"                               \
                         "movq %%mm0, %0\n\t"                                                      \
                         "emms"                                                                    \
                         : "+m"(MMX(op->dst))                                                      \
                         : "m"(*(const type *)(from))                                              \
                         : "mm0");                                                                 \
        mmx_set_exponent(cpu, op->dst);                                                            \
    } while (0)

#define MMX_HANDLERS_SIZED(name, size, type)                                                       \
    MEMORY_HANDLER(name##_mmx_rr)                                                                  \
    {                                                                                              \
        MMX_BEGIN;                                                                                 \
        MMX_DO(name, type, &MMX(op->src));                                                         \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_HANDLER(name##_mmx_rm)                                                                  \
    {                                                                                              \
        const void *from;                                                                          \
        v128 copy;                                                                                 \
                                                                                                   \
        MMX_BEGIN;                                                                                 \
        READ_POINTER(size, 1, from, copy, op_address(cpu, op));                                    \
        MMX_DO(name, type, from);                                                                  \
        NEXT;                                                                                      \
    }
#define MMX_HANDLERS(kind, name) MMX_HANDLERS_SIZED(name, 8, mem64)
#define MMX_HANDLERS_LOW(kind, name) MMX_HANDLERS_SIZED(name, 4, mem32)
XMM_AND_MMX(MMX_HANDLERS)
UNPACK_LOW(MMX_HANDLERS_LOW)
SHIFTS(MMX_HANDLERS)

/* ---- Immediates ------------------------------------------------------------------------- */

#define SHIFT_STUBS(kind, name)                                                                    \
    STUBS(name, #name " $imm8, %xmm0");                                                            \
    STUBS(name##_mmx, #name " $imm8, %mm0");
#define BYTE_SHIFT_STUBS(kind, name) STUBS(name, #name " $imm8, %xmm0");
#define SHUFFLE_STUBS(kind, name) STUBS(name, #name " $imm8, %xmm1, %xmm0");
SHIFTS(SHIFT_STUBS)
BYTE_SHIFTS(BYTE_SHIFT_STUBS)
SHUFFLES(SHUFFLE_STUBS)
STUBS(pshufw_mmx, "pshufw $imm8, %mm1, %mm0");

static HANDLER(imm_r)
{
    const v128 value = XMM(op->dst);

    XMM(op->dst) = stub_call(op->ptr, value, value);
    NEXT;
}

static HANDLER(imm_rr)
{
    XMM(op->dst) = stub_call(op->ptr, XMM(op->dst), XMM(op->src));
    NEXT;
}

MEMORY_HANDLER(imm_rm)
{
    const void *from;
    v128 copy;

    READ_POINTER(16, 16, from, copy, op_address(cpu, op));
    XMM(op->dst) = stub_call(op->ptr, XMM(op->dst), read_v128(from));
    NEXT;
}

MEMORY_HANDLER(mmx_imm_r)
{
    MMX_BEGIN;
    mmx_enter(cpu);
    mmx_set(cpu, op->dst, stub_call_mmx(op->ptr, MMX(op->dst), 0));
    NEXT;
}

MEMORY_HANDLER(mmx_imm_rr)
{
    MMX_BEGIN;
    mmx_enter(cpu);
    mmx_set(cpu, op->dst, stub_call_mmx(op->ptr, MMX(op->dst), MMX(op->src)));
    NEXT;
}

MEMORY_HANDLER(mmx_imm_rm)
{
    uint64_t value;

    MMX_BEGIN;
    LOAD(64, value, op_address(cpu, op));
    mmx_enter(cpu);
    mmx_set(cpu, op->dst, stub_call_mmx(op->ptr, MMX(op->dst), value));
    NEXT;
}

/* ---- By kind ------------------------------------------------------------------------------ */

enum { FIRST = INSN_PADDB, LAST = INSN_PUNPCKHQDQ };

#define XMM_ROW(kind, name)                                                                        \
    [INSN_##kind - FIRST] = { .rr = name##_rr, .rm = MEMORY_RUN(name##_rm) },
#define BOTH_ROW(kind, name)                                                                       \
    [INSN_##kind - FIRST] = { .rr = name##_rr,                                                     \
                              .rm = MEMORY_RUN(name##_rm),                                         \
                              .mmx_rr = name##_mmx_rr,                                             \
                              .mmx_rm = ONE_RUN(name##_mmx_rm) },
#define SHUFFLE_ROW(kind, name)                                                                    \
    [INSN_##kind - FIRST] = { .rr = imm_rr, .rm = ONE_RUN(imm_rm), .stubs = name##_stubs },
#define BYTE_SHIFT_ROW(kind, name) [INSN_##kind - FIRST] = { .ri = imm_r, .stubs = name##_stubs },
#define SHIFT_ROW(kind, name)                                                                      \
    [INSN_##kind - FIRST] = { .rr = name##_rr,                                                     \
                              .rm = MEMORY_RUN(name##_rm),                                         \
                              .ri = imm_r,                                                         \
                              .mmx_rr = name##_mmx_rr,                                             \
                              .mmx_rm = ONE_RUN(name##_mmx_rm),                                    \
                              .mmx_ri = mmx_imm_r,                                                 \
                              .stubs = name##_stubs,                                               \
                              .mmx_stubs = name##_mmx_stubs },

static const struct sse_ops rows[LAST - FIRST + 1] = {
    XMM_AND_MMX(BOTH_ROW) UNPACK_LOW(BOTH_ROW) XMM_ONLY(XMM_ROW) SHIFTS(SHIFT_ROW)
        BYTE_SHIFTS(BYTE_SHIFT_ROW)
            SHUFFLES(SHUFFLE_ROW)[INSN_PSHUFW - FIRST] = { .mmx_rr = mmx_imm_rr,
                                                           .mmx_rm = ONE_RUN(mmx_imm_rm),
                                                           .mmx_stubs = pshufw_mmx_stubs },
};

const struct sse_ops *sse_int_ops(const struct insn *insn)
{
    return &rows[insn->row->kind - FIRST];
}
