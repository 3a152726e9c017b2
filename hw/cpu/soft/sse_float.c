/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Floating point in vectors: arithmetic, comparisons, logic, shuffles. Conversions: sse_convert.c
 */

#include "hw/cpu/soft/mxcsr.h"
#include "hw/cpu/soft/sse_stubs.h"

/* clang-format off */
/* What may raise #XM, and what can be out of range in it (enum sse_operation). */
#define ARITHMETIC(X, KIND, name)                                                                  \
    X(ADD##KIND, add##name, SSE_ADD) X(SUB##KIND, sub##name, SSE_SUB)                              \
    X(MUL##KIND, mul##name, SSE_MUL) X(DIV##KIND, div##name, SSE_DIV)                              \
    X(MIN##KIND, min##name, SSE_OTHER) X(MAX##KIND, max##name, SSE_OTHER)                          \
    X(SQRT##KIND, sqrt##name, SSE_OTHER)

/* What raises nothing. */
#define QUIET(X)                                                                                   \
    X(ANDPS, andps) X(ANDNPS, andnps) X(ORPS, orps) X(XORPS, xorps)                                \
    X(ANDPD, andpd) X(ANDNPD, andnpd) X(ORPD, orpd) X(XORPD, xorpd)                                \
    X(UNPCKLPS, unpcklps) X(UNPCKHPS, unpckhps) X(UNPCKLPD, unpcklpd) X(UNPCKHPD, unpckhpd)        \
    X(RCPPS, rcpps) X(RSQRTPS, rsqrtps)

#define QUIET_SINGLE(X) X(RCPSS, rcpss) X(RSQRTSS, rsqrtss)

#define COMPARE_FLAGS(X)                                                                           \
    X(COMISS, comiss, 4, mem32) X(UCOMISS, ucomiss, 4, mem32)                                      \
    X(COMISD, comisd, 8, mem64) X(UCOMISD, ucomisd, 8, mem64)
/* clang-format on */

/* ---- Arithmetic -------------------------------------------------------------------------- */

#define FLOAT_HANDLERS(name, operation, width, count, align, type)                                 \
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
            operation, width, count, from);                                                        \
        XMM(op->dst) = value;                                                                      \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_FORMS(name##_rm)                                                                        \
    {                                                                                              \
        v128 value, copy;                                                                          \
        const void *from;                                                                          \
                                                                                                   \
        READ_POINTER((width) * (count), align, from, copy, ADDRESS);                               \
        SSE_ROUNDED(                                                                               \
            {                                                                                      \
                value = XMM(op->dst);                                                              \
                __asm__ volatile(#name " %1, %0" : "+x"(value) : "m"(*(const type *)from));        \
            },                                                                                     \
            operation, width, count, from);                                                        \
        XMM(op->dst) = value;                                                                      \
        NEXT;                                                                                      \
    }
#define PS_HANDLERS(kind, name, operation) FLOAT_HANDLERS(name, operation, 4, 4, 16, v128)
#define PD_HANDLERS(kind, name, operation) FLOAT_HANDLERS(name, operation, 8, 2, 16, v128)
#define SS_HANDLERS(kind, name, operation) FLOAT_HANDLERS(name, operation, 4, 1, 1, mem32)
#define SD_HANDLERS(kind, name, operation) FLOAT_HANDLERS(name, operation, 8, 1, 1, mem64)
ARITHMETIC(PS_HANDLERS, PS, ps)
ARITHMETIC(PD_HANDLERS, PD, pd)
ARITHMETIC(SS_HANDLERS, SS, ss)
ARITHMETIC(SD_HANDLERS, SD, sd)

#define QUIET_HANDLERS_SIZED(name, size, align, type)                                              \
    static HANDLER(name##_rr)                                                                      \
    {                                                                                              \
        v128 value = XMM(op->dst);                                                                 \
                                                                                                   \
        __asm__(#name " %1, %0" : "+x"(value) : "m"(*(const type *)(const void *)&XMM(op->src)));  \
        XMM(op->dst) = value;                                                                      \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_FORMS(name##_rm)                                                                        \
    {                                                                                              \
        v128 value, copy;                                                                          \
        const void *from;                                                                          \
                                                                                                   \
        READ_POINTER(size, align, from, copy, ADDRESS);                                            \
        value = XMM(op->dst);                                                                      \
        __asm__ volatile(#name " %1, %0" : "+x"(value) : "m"(*(const type *)from));                \
        XMM(op->dst) = value;                                                                      \
        NEXT;                                                                                      \
    }
#define QUIET_HANDLERS(kind, name) QUIET_HANDLERS_SIZED(name, 16, 16, v128)
#define QUIET_SINGLE_HANDLERS(kind, name) QUIET_HANDLERS_SIZED(name, 4, 1, mem32)
QUIET(QUIET_HANDLERS)
QUIET_SINGLE(QUIET_SINGLE_HANDLERS)

/* ---- Comparisons that set flags --------------------------------------------------------- */

/* ZF, PF and CF as the host had them, the others 0, in the words that soft.h describes. */
static ALWAYS_INLINE void set_flags(struct soft *cpu, bool zf, bool pf, bool cf)
{
    cpu->flag_res = !zf; /* PF is 0 with 1, and 1 with 0 */
    cpu->flag_x = (uint64_t)cf << 63 | (uint64_t)(zf ^ pf) << 8;
    cpu->flag_cf = cf;
}
_Static_assert(FLAGX_OF == UINT64_C(1) << 63 && FLAGX_PF == 1 << 8, "set_flags() shifts");

#define COMPARE_HANDLERS(kind, name, size, type)                                                   \
    MEMORY_HANDLER(name##_rr)                                                                      \
    {                                                                                              \
        bool zf, pf, cf;                                                                           \
                                                                                                   \
        SSE_ARITHMETIC(__asm__ volatile(#name " %3, %4"                                            \
                                        : "=@ccz"(zf), "=@ccp"(pf), "=@ccc"(cf)                    \
                                        : "m"(*(const type *)(const void *)&XMM(op->src)),         \
                                          "x"(XMM(op->dst))));                                     \
        set_flags(cpu, zf, pf, cf);                                                                \
        NEXT;                                                                                      \
    }                                                                                              \
    MEMORY_FORMS(name##_rm)                                                                        \
    {                                                                                              \
        bool zf, pf, cf;                                                                           \
        const void *from;                                                                          \
        v128 copy;                                                                                 \
                                                                                                   \
        READ_POINTER(size, 1, from, copy, ADDRESS);                                                \
        SSE_ARITHMETIC(__asm__ volatile(#name " %3, %4"                                            \
                                        : "=@ccz"(zf), "=@ccp"(pf), "=@ccc"(cf)                    \
                                        : "m"(*(const type *)from), "x"(XMM(op->dst))));           \
        set_flags(cpu, zf, pf, cf);                                                                \
        NEXT;                                                                                      \
    }
COMPARE_FLAGS(COMPARE_HANDLERS)

/* ---- Immediates ---------------------------------------------------------------------------- */

STUBS(cmpps, "cmpps $imm8, %xmm1, %xmm0");
STUBS(cmppd, "cmppd $imm8, %xmm1, %xmm0");
STUBS(cmpss, "cmpss $imm8, %xmm1, %xmm0");
STUBS(cmpsd, "cmpsd $imm8, %xmm1, %xmm0");
STUBS(shufps, "shufps $imm8, %xmm1, %xmm0");
STUBS(shufpd, "shufpd $imm8, %xmm1, %xmm0");

MEMORY_HANDLER(compare_rr)
{
    v128 value;

    SSE_ARITHMETIC(value = stub_call(op->ptr, XMM(op->dst), XMM(op->src)));
    XMM(op->dst) = value;
    NEXT;
}

#define COMPARE_HANDLER(bits, size, align)                                                         \
    MEMORY_HANDLER(compare_rm##bits)                                                               \
    {                                                                                              \
        v128 value, copy;                                                                          \
        const void *from;                                                                          \
                                                                                                   \
        READ_POINTER(size, align, from, copy, op_address(cpu, op));                                \
        SSE_ARITHMETIC(value = stub_call(op->ptr, XMM(op->dst), read_v##bits(from)));              \
        XMM(op->dst) = value;                                                                      \
        NEXT;                                                                                      \
    }
COMPARE_HANDLER(32, 4, 1)
COMPARE_HANDLER(64, 8, 1)
COMPARE_HANDLER(128, 16, 16)

static HANDLER(shuffle_rr)
{
    XMM(op->dst) = stub_call(op->ptr, XMM(op->dst), XMM(op->src));
    NEXT;
}

MEMORY_HANDLER(shuffle_rm)
{
    const void *from;
    v128 copy;

    READ_POINTER(16, 16, from, copy, op_address(cpu, op));
    XMM(op->dst) = stub_call(op->ptr, XMM(op->dst), read_v128(from));
    NEXT;
}

/* ---- By kind ------------------------------------------------------------------------------ */

enum { FIRST = INSN_ADDPS, LAST = INSN_UNPCKHPD };

#define ROW(kind, name, ...)                                                                       \
    [INSN_##kind - FIRST] = { .rr = name##_rr, .rm = MEMORY_RUN(name##_rm) },

static const struct sse_ops rows[LAST - FIRST + 1] = {
    ARITHMETIC(ROW, PS, ps) ARITHMETIC(ROW, PD, pd) ARITHMETIC(ROW, SS, ss) ARITHMETIC(ROW, SD, sd)
        QUIET(ROW) QUIET_SINGLE(ROW) COMPARE_FLAGS(ROW)
            /* clang-format off */
    [INSN_CMPPS - FIRST] = { .rr = compare_rr, .rm = ONE_RUN(compare_rm128), .stubs = cmpps_stubs },
    [INSN_CMPPD - FIRST] = { .rr = compare_rr, .rm = ONE_RUN(compare_rm128), .stubs = cmppd_stubs },
    [INSN_CMPSS - FIRST] = { .rr = compare_rr, .rm = ONE_RUN(compare_rm32), .stubs = cmpss_stubs },
    [INSN_CMPSD - FIRST] = { .rr = compare_rr, .rm = ONE_RUN(compare_rm64), .stubs = cmpsd_stubs },
    [INSN_SHUFPS - FIRST] = { .rr = shuffle_rr, .rm = ONE_RUN(shuffle_rm), .stubs = shufps_stubs },
    [INSN_SHUFPD - FIRST] = { .rr = shuffle_rr, .rm = ONE_RUN(shuffle_rm), .stubs = shufpd_stubs },
    /* clang-format on */
};

const struct sse_ops *sse_float_ops(const struct insn *insn)
{
    return &rows[insn->row->kind - FIRST];
}
