/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Conversions between floating point formats, and with integers in all kinds of registers. */

#include "hw/cpu/soft/mmx.h"
#include "hw/cpu/soft/mxcsr.h"
#include "hw/cpu/soft/sse_stubs.h"

/* clang-format off */
/* XMM to XMM, by how much of the source is read. */
#define VECTOR_16(X)                                                                               \
    X(CVTDQ2PS, cvtdq2ps) X(CVTPS2DQ, cvtps2dq) X(CVTTPS2DQ, cvttps2dq) X(CVTPD2DQ, cvtpd2dq)      \
    X(CVTTPD2DQ, cvttpd2dq)
#define VECTOR_8(X) X(CVTDQ2PD, cvtdq2pd) X(CVTPS2PD, cvtps2pd)
#define VECTOR_4(X) X(CVTSS2SD, cvtss2sd)

/* What can be out of range. */
#define NARROW(X) X(CVTPD2PS, cvtpd2ps, 2, 16, v128) X(CVTSD2SS, cvtsd2ss, 1, 1, mem64)

#define FROM_GPR(X) X(CVTSI2SS, cvtsi2ss) X(CVTSI2SD, cvtsi2sd)
#define TO_GPR(X)                                                                                  \
    X(CVTSS2SI, cvtss2si, 4, mem32) X(CVTTSS2SI, cvttss2si, 4, mem32)                              \
    X(CVTSD2SI, cvtsd2si, 8, mem64) X(CVTTSD2SI, cvttsd2si, 8, mem64)

#define FROM_MMX(X) X(CVTPI2PS, cvtpi2ps) X(CVTPI2PD, cvtpi2pd)
#define TO_MMX(X)                                                                                  \
    X(CVTPS2PI, cvtps2pi, 8, 1, mem64) X(CVTTPS2PI, cvttps2pi, 8, 1, mem64)                        \
    X(CVTPD2PI, cvtpd2pi, 16, 16, v128) X(CVTTPD2PI, cvttpd2pi, 16, 16, v128)
/* clang-format on */

/* ---- XMM, and from general registers ---------------------------------------------------- */

/* @from: what the register form reads, which is in memory as well. */
#define CONVERT_HANDLERS(name, insn, size, align, type, from_register)                             \
    MEMORY_HANDLER(name##_rr)                                                                      \
    {                                                                                              \
        v128 value;                                                                                \
                                                                                                   \
        SSE_ARITHMETIC({                                                                           \
            value = XMM(op->dst);                                                                  \
            __asm__ volatile(insn " %1, %0"                                                        \
                             : "+x"(value)                                                         \
                             : "m"(*(const type *)(const void *)&from_register));                  \
        });                                                                                        \
        XMM(op->dst) = value;                                                                      \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_FORMS(name##_rm)                                                                        \
    {                                                                                              \
        v128 value, copy;                                                                          \
        const void *from;                                                                          \
                                                                                                   \
        READ_POINTER(size, align, from, copy, ADDRESS);                                            \
        SSE_ARITHMETIC({                                                                           \
            value = XMM(op->dst);                                                                  \
            __asm__ volatile(insn " %1, %0" : "+x"(value) : "m"(*(const type *)from));             \
        });                                                                                        \
        XMM(op->dst) = value;                                                                      \
        NEXT;                                                                                      \
    }
#define HANDLERS_16(kind, name) CONVERT_HANDLERS(name, #name, 16, 16, v128, XMM(op->src))
#define HANDLERS_8(kind, name) CONVERT_HANDLERS(name, #name, 8, 1, mem64, XMM(op->src))
#define HANDLERS_4(kind, name) CONVERT_HANDLERS(name, #name, 4, 1, mem32, XMM(op->src))
#define HANDLERS_GPR(kind, name)                                                                   \
    CONVERT_HANDLERS(name##_32, #name "l", 4, 1, mem32, REG64(op->src))                            \
    CONVERT_HANDLERS(name##_64, #name "q", 8, 1, mem64, REG64(op->src))

#define NARROW_HANDLERS(kind, name, count, align, type)                                            \
    MEMORY_HANDLER(name##_rr)                                                                      \
    {                                                                                              \
        const void *from = &XMM(op->src);                                                          \
        v128 value;                                                                                \
                                                                                                   \
        SSE_ROUNDED(                                                                               \
            {                                                                                      \
                value = XMM(op->dst);                                                              \
                __asm__ volatile(#name " %1, %0" : "+x"(value) : "m"(*(const type *)from));        \
            },                                                                                     \
            SSE_NARROW, 8, count, from);                                                           \
        XMM(op->dst) = value;                                                                      \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_FORMS(name##_rm)                                                                        \
    {                                                                                              \
        v128 value, copy;                                                                          \
        const void *from;                                                                          \
                                                                                                   \
        READ_POINTER(8 * (count), align, from, copy, ADDRESS);                                     \
        SSE_ROUNDED(                                                                               \
            {                                                                                      \
                value = XMM(op->dst);                                                              \
                __asm__ volatile(#name " %1, %0" : "+x"(value) : "m"(*(const type *)from));        \
            },                                                                                     \
            SSE_NARROW, 8, count, from);                                                           \
        XMM(op->dst) = value;                                                                      \
        NEXT;                                                                                      \
    }
NARROW(NARROW_HANDLERS)
VECTOR_16(HANDLERS_16)
VECTOR_8(HANDLERS_8)
VECTOR_4(HANDLERS_4)
FROM_GPR(HANDLERS_GPR)

/* ---- To general registers ---------------------------------------------------------------- */

#define TO_GPR_HANDLERS_SIZED(name, insn, bits, size, type)                                        \
    MEMORY_HANDLER(name##_rr)                                                                      \
    {                                                                                              \
        uint##bits##_t value;                                                                      \
                                                                                                   \
        SSE_ARITHMETIC(__asm__ volatile(insn " %1, %0"                                             \
                                        : "=r"(value)                                              \
                                        : "m"(*(const type *)(const void *)&XMM(op->src))));       \
        REG64(op->dst) = value;                                                                    \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_FORMS(name##_rm)                                                                        \
    {                                                                                              \
        uint##bits##_t value;                                                                      \
        const void *from;                                                                          \
        v128 copy;                                                                                 \
                                                                                                   \
        READ_POINTER(size, 1, from, copy, ADDRESS);                                                \
        SSE_ARITHMETIC(__asm__ volatile(insn " %1, %0" : "=r"(value) : "m"(*(const type *)from))); \
        REG64(op->dst) = value;                                                                    \
        NEXT;                                                                                      \
    }
#define TO_GPR_HANDLERS(kind, name, size, type)                                                    \
    TO_GPR_HANDLERS_SIZED(name##_32, #name, 32, size, type)                                        \
    TO_GPR_HANDLERS_SIZED(name##_64, #name, 64, size, type)
TO_GPR(TO_GPR_HANDLERS)

/* ---- MMX ------------------------------------------------------------------------------------ */

/*
 * The registers become MMX registers before #XM is raised: so do AMD's processors.
 * From memory they are not MMX instructions: x87 stays as it is (Intel SDM vol. 2,
 * CVTPI2PD).
 */
#define FROM_MMX_HANDLERS(kind, name)                                                              \
    MEMORY_HANDLER(name##_mmx_rr)                                                                  \
    {                                                                                              \
        v128 value;                                                                                \
                                                                                                   \
        MMX_BEGIN;                                                                                 \
        mmx_enter(cpu);                                                                            \
        SSE_ARITHMETIC({                                                                           \
            value = XMM(op->dst);                                                                  \
            __asm__ volatile(#name " %1, %0" : "+x"(value) : "m"(MMX(op->src)));                   \
        });                                                                                        \
        XMM(op->dst) = value;                                                                      \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_HANDLER(name##_rm)                                                                      \
    {                                                                                              \
        v128 value, copy;                                                                          \
        const void *from;                                                                          \
                                                                                                   \
        READ_POINTER(8, 1, from, copy, op_address(cpu, op));                                       \
        SSE_ARITHMETIC({                                                                           \
            value = XMM(op->dst);                                                                  \
            __asm__ volatile(#name " %1, %0" : "+x"(value) : "m"(*(const mem64 *)from));           \
        });                                                                                        \
        XMM(op->dst) = value;                                                                      \
        NEXT;                                                                                      \
    }
FROM_MMX(FROM_MMX_HANDLERS)

#define TO_MMX_HANDLERS(kind, name, size, align, type)                                             \
    MEMORY_HANDLER(name##_mmx_rr)                                                                  \
    {                                                                                              \
        uint64_t value;                                                                            \
                                                                                                   \
        MMX_BEGIN;                                                                                 \
        mmx_enter(cpu);                                                                            \
        SSE_ARITHMETIC(__asm__ volatile(#name " %1, %%mm0\n\tmovq %%mm0, %0\n\temms"               \
                                        : "=r"(value)                                              \
                                        : "m"(*(const type *)(const void *)&XMM(op->src))          \
                                        : "mm0"));                                                 \
        mmx_set(cpu, op->dst, value);                                                              \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_HANDLER(name##_mmx_rm)                                                                  \
    {                                                                                              \
        const void *from;                                                                          \
        uint64_t value;                                                                            \
        v128 copy;                                                                                 \
                                                                                                   \
        MMX_BEGIN;                                                                                 \
        READ_POINTER(size, align, from, copy, op_address(cpu, op));                                \
        mmx_enter(cpu);                                                                            \
        SSE_ARITHMETIC(__asm__ volatile(#name " %1, %%mm0\n\tmovq %%mm0, %0\n\temms"               \
                                        : "=r"(value)                                              \
                                        : "m"(*(const type *)from)                                 \
                                        : "mm0"));                                                 \
        mmx_set(cpu, op->dst, value);                                                              \
        NEXT;                                                                                      \
    }
TO_MMX(TO_MMX_HANDLERS)

/* ---- By kind ----------------------------------------------------------------------------------
 */

enum { FIRST = INSN_CVTPI2PS, LAST = INSN_CVTSD2SS };

#define ROW(kind, name, ...)                                                                       \
    [INSN_##kind - FIRST] = { .rr = name##_rr, .rm = MEMORY_RUN(name##_rm) },
#define ROW_32(kind, name, ...)                                                                    \
    [INSN_##kind - FIRST] = { .rr = name##_32_rr, .rm = MEMORY_RUN(name##_32_rm) },
#define ROW_64(kind, name, ...)                                                                    \
    [INSN_##kind - FIRST] = { .rr = name##_64_rr, .rm = MEMORY_RUN(name##_64_rm) },
#define FROM_MMX_ROW(kind, name)                                                                   \
    [INSN_##kind - FIRST] = { .mmx_rr = name##_mmx_rr, .rm = ONE_RUN(name##_rm) },
#define TO_MMX_ROW(kind, name, ...)                                                                \
    [INSN_##kind - FIRST] = { .mmx_rr = name##_mmx_rr, .mmx_rm = ONE_RUN(name##_mmx_rm) },

/* clang-format off */
static const struct sse_ops rows[LAST - FIRST + 1] = {
    NARROW(ROW) VECTOR_16(ROW) VECTOR_8(ROW) VECTOR_4(ROW) FROM_GPR(ROW_32) TO_GPR(ROW_32)
    FROM_MMX(FROM_MMX_ROW) TO_MMX(TO_MMX_ROW)
};

/* The integers have 8 bytes. */
static const struct sse_ops wide_rows[LAST - FIRST + 1] = { FROM_GPR(ROW_64) TO_GPR(ROW_64) };
/* clang-format on */

const struct sse_ops *sse_convert_ops(const struct insn *insn)
{
    const unsigned at = insn->row->kind - FIRST;
    const struct insn_operand *integer = &insn->operands[insn->operands[0].kind != OPERAND_GPR];

    return integer->size == 8 && wide_rows[at].rr ? &wide_rows[at] : &rows[at];
}
