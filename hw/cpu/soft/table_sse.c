/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SSE, SSE2 and MMX, by the opcode behind 0F (Intel SDM vol. 2, table A-3): the prefix
 * chooses. All may raise #NM, #UD by CR0 and CR4, or a floating-point exception.
 */
#include "hw/cpu/soft/rows.h"

/* A row on the registers that no integer instruction uses. */
#define FP(name, kind, ...) ROW(name, kind, ROW_FAULTS, KEPT, HOST, __VA_ARGS__)
#define FP_APPROX(name, kind, ...) ROW(name, kind, ROW_FAULTS, KEPT, APPROX, __VA_ARGS__)
#define FP_COMPARE(name, kind, ...) ROW(name, kind, ROW_FAULTS, COMPARED, HOST, __VA_ARGS__)

/* Packed and scalar, single and double. */
#define FLOAT(name, kind)                                                                          \
    BY_PREFIX([NO_PREFIX] = FP(name "ps", kind##PS, Vx, Wx),                                       \
              [PREFIX_66] = FP(name "pd", kind##PD, Vx, Wx),                                       \
              [PREFIX_F3] = FP(name "ss", kind##SS, Vd, Wd),                                       \
              [PREFIX_F2] = FP(name "sd", kind##SD, Vq, Wq))
#define FLOAT_PACKED(name, kind)                                                                   \
    BY_PREFIX([NO_PREFIX] = FP(name "ps", kind##PS, Vx, Wx), [PREFIX_66] =                         \
                                                                 FP(name "pd", kind##PD, Vx, Wx))
#define FLOAT_SINGLE(name, kind)                                                                   \
    BY_PREFIX([NO_PREFIX] = FP_APPROX(name "ps", kind##PS, Vx, Wx), [PREFIX_F3] = FP_APPROX(       \
                                                                        name "ss", kind##SS, Vd,   \
                                                                        Wd))

/* Integers, in MMX registers, and in XMM registers with 66. */
#define INTEGER(name, kind)                                                                        \
    BY_PREFIX([NO_PREFIX] = FP(name, kind, Pq, Qq), [PREFIX_66] = FP(name, kind, Vx, Wx))
/* The same of the low halves: MMX reads only these from memory. */
#define INTEGER_LOW(name, kind)                                                                    \
    BY_PREFIX([NO_PREFIX] = FP(name, kind, Pq, Qd), [PREFIX_66] = FP(name, kind, Vx, Wx))
#define XMM_ONLY(name, kind) BY_PREFIX([PREFIX_66] = FP(name, kind, Vx, Wx))

/* Shifts by a number: groups 12, 13, 14. */
#define SHIFT(name, kind)                                                                          \
    BY_PREFIX([NO_PREFIX] = FP(name, kind, Nq, Iub), [PREFIX_66] = FP(name, kind, Ux, Iub))
#define SHIFT_BYTES(name, kind) BY_PREFIX([PREFIX_66] = FP(name, kind, Ux, Iub))

/* clang-format off */
const struct slot table_sse[256] = {
    [0x10] = BY_PREFIX(
        [NO_PREFIX] = FP("movups", MOVUPS, Vx, Wx), [PREFIX_66] = FP("movupd", MOVUPD, Vx, Wx),
        [PREFIX_F3] = FP("movss", MOVSS, Vd, Wd), [PREFIX_F2] = FP("movsd", MOVSD, Vq, Wq)),
    [0x11] = BY_PREFIX(
        [NO_PREFIX] = FP("movups", MOVUPS, Wx, Vx), [PREFIX_66] = FP("movupd", MOVUPD, Wx, Vx),
        [PREFIX_F3] = FP("movss", MOVSS, Wd, Vd), [PREFIX_F2] = FP("movsd", MOVSD, Wq, Vq)),
    [0x12] = BY_PREFIX(
        [NO_PREFIX] = BY_MOD(
            [IN_MEMORY] = FP("movlps", MOVLPS, Vq, Mq),
            [IN_REGISTER] = FP("movhlps", MOVHLPS, Vq, Uq)),
        [PREFIX_66] = FP("movlpd", MOVLPD, Vq, Mq)),
    [0x13] = BY_PREFIX(
        [NO_PREFIX] = FP("movlps", MOVLPS, Mq, Vq), [PREFIX_66] = FP("movlpd", MOVLPD, Mq, Vq)),
    [0x14] = FLOAT_PACKED("unpckl", UNPCKL),
    [0x15] = FLOAT_PACKED("unpckh", UNPCKH),
    [0x16] = BY_PREFIX(
        [NO_PREFIX] = BY_MOD(
            [IN_MEMORY] = FP("movhps", MOVHPS, Vq, Mq),
            [IN_REGISTER] = FP("movlhps", MOVLHPS, Vq, Uq)),
        [PREFIX_66] = FP("movhpd", MOVHPD, Vq, Mq)),
    [0x17] = BY_PREFIX(
        [NO_PREFIX] = FP("movhps", MOVHPS, Mq, Vq), [PREFIX_66] = FP("movhpd", MOVHPD, Mq, Vq)),

    [0x28] = BY_PREFIX(
        [NO_PREFIX] = FP("movaps", MOVAPS, Vx, Wx), [PREFIX_66] = FP("movapd", MOVAPD, Vx, Wx)),
    [0x29] = BY_PREFIX(
        [NO_PREFIX] = FP("movaps", MOVAPS, Wx, Vx), [PREFIX_66] = FP("movapd", MOVAPD, Wx, Vx)),
    [0x2a] = BY_PREFIX(
        [NO_PREFIX] = FP("cvtpi2ps", CVTPI2PS, Vq, Qq),
        [PREFIX_66] = FP("cvtpi2pd", CVTPI2PD, Vx, Qq),
        [PREFIX_F3] = FP("cvtsi2ss", CVTSI2SS, Vd, Ey),
        [PREFIX_F2] = FP("cvtsi2sd", CVTSI2SD, Vq, Ey)),
    [0x2b] = BY_PREFIX(
        [NO_PREFIX] = FP("movntps", MOVNTPS, Mx, Vx), [PREFIX_66] = FP("movntpd", MOVNTPD, Mx, Vx)),
    [0x2c] = BY_PREFIX(
        [NO_PREFIX] = FP("cvttps2pi", CVTTPS2PI, Pq, Wq),
        [PREFIX_66] = FP("cvttpd2pi", CVTTPD2PI, Pq, Wx),
        [PREFIX_F3] = FP("cvttss2si", CVTTSS2SI, Gy, Wd),
        [PREFIX_F2] = FP("cvttsd2si", CVTTSD2SI, Gy, Wq)),
    [0x2d] = BY_PREFIX(
        [NO_PREFIX] = FP("cvtps2pi", CVTPS2PI, Pq, Wq),
        [PREFIX_66] = FP("cvtpd2pi", CVTPD2PI, Pq, Wx),
        [PREFIX_F3] = FP("cvtss2si", CVTSS2SI, Gy, Wd),
        [PREFIX_F2] = FP("cvtsd2si", CVTSD2SI, Gy, Wq)),
    [0x2e] = BY_PREFIX(
        [NO_PREFIX] = FP_COMPARE("ucomiss", UCOMISS, Vd, Wd),
        [PREFIX_66] = FP_COMPARE("ucomisd", UCOMISD, Vq, Wq)),
    [0x2f] = BY_PREFIX(
        [NO_PREFIX] = FP_COMPARE("comiss", COMISS, Vd, Wd),
        [PREFIX_66] = FP_COMPARE("comisd", COMISD, Vq, Wq)),

    [0x50] = BY_PREFIX(
        [NO_PREFIX] = FP("movmskps", MOVMSKPS, Gd, Ux),
        [PREFIX_66] = FP("movmskpd", MOVMSKPD, Gd, Ux)),
    [0x51] = FLOAT("sqrt", SQRT),
    [0x52] = FLOAT_SINGLE("rsqrt", RSQRT),
    [0x53] = FLOAT_SINGLE("rcp", RCP),
    [0x54] = FLOAT_PACKED("and", AND),
    [0x55] = FLOAT_PACKED("andn", ANDN),
    [0x56] = FLOAT_PACKED("or", OR),
    [0x57] = FLOAT_PACKED("xor", XOR),
    [0x58] = FLOAT("add", ADD),
    [0x59] = FLOAT("mul", MUL),
    [0x5a] = BY_PREFIX(
        [NO_PREFIX] = FP("cvtps2pd", CVTPS2PD, Vx, Wq),
        [PREFIX_66] = FP("cvtpd2ps", CVTPD2PS, Vx, Wx),
        [PREFIX_F3] = FP("cvtss2sd", CVTSS2SD, Vq, Wd),
        [PREFIX_F2] = FP("cvtsd2ss", CVTSD2SS, Vd, Wq)),
    [0x5b] = BY_PREFIX(
        [NO_PREFIX] = FP("cvtdq2ps", CVTDQ2PS, Vx, Wx),
        [PREFIX_66] = FP("cvtps2dq", CVTPS2DQ, Vx, Wx),
        [PREFIX_F3] = FP("cvttps2dq", CVTTPS2DQ, Vx, Wx)),
    [0x5c] = FLOAT("sub", SUB),
    [0x5d] = FLOAT("min", MIN),
    [0x5e] = FLOAT("div", DIV),
    [0x5f] = FLOAT("max", MAX),

    [0x60] = INTEGER_LOW("punpcklbw", PUNPCKLBW),
    [0x61] = INTEGER_LOW("punpcklwd", PUNPCKLWD),
    [0x62] = INTEGER_LOW("punpckldq", PUNPCKLDQ),
    [0x63] = INTEGER("packsswb", PACKSSWB),
    [0x64] = INTEGER("pcmpgtb", PCMPGTB),
    [0x65] = INTEGER("pcmpgtw", PCMPGTW),
    [0x66] = INTEGER("pcmpgtd", PCMPGTD),
    [0x67] = INTEGER("packuswb", PACKUSWB),
    [0x68] = INTEGER("punpckhbw", PUNPCKHBW),
    [0x69] = INTEGER("punpckhwd", PUNPCKHWD),
    [0x6a] = INTEGER("punpckhdq", PUNPCKHDQ),
    [0x6b] = INTEGER("packssdw", PACKSSDW),
    [0x6c] = XMM_ONLY("punpcklqdq", PUNPCKLQDQ),
    [0x6d] = XMM_ONLY("punpckhqdq", PUNPCKHQDQ),
    [0x6e] = BY_PREFIX(
        [NO_PREFIX] = BY_REX_W(FP("movd", MOVD, Pq, Ed), FP("movq", MOVQ, Pq, Eq)),
        [PREFIX_66] = BY_REX_W(FP("movd", MOVD, Vx, Ed), FP("movq", MOVQ, Vx, Eq))),
    [0x6f] = BY_PREFIX(
        [NO_PREFIX] = FP("movq", MOVQ, Pq, Qq),
        [PREFIX_66] = FP("movdqa", MOVDQA, Vx, Wx),
        [PREFIX_F3] = FP("movdqu", MOVDQU, Vx, Wx)),

    [0x70] = BY_PREFIX(
        [NO_PREFIX] = FP("pshufw", PSHUFW, Pq, Qq, Iub),
        [PREFIX_66] = FP("pshufd", PSHUFD, Vx, Wx, Iub),
        [PREFIX_F3] = FP("pshufhw", PSHUFHW, Vx, Wx, Iub),
        [PREFIX_F2] = FP("pshuflw", PSHUFLW, Vx, Wx, Iub)),
    [0x71] = BY_REG(
        [2] = SHIFT("psrlw", PSRLW), [4] = SHIFT("psraw", PSRAW), [6] = SHIFT("psllw", PSLLW)),
    [0x72] = BY_REG(
        [2] = SHIFT("psrld", PSRLD), [4] = SHIFT("psrad", PSRAD), [6] = SHIFT("pslld", PSLLD)),
    [0x73] = BY_REG(
        [2] = SHIFT("psrlq", PSRLQ), [3] = SHIFT_BYTES("psrldq", PSRLDQ),
        [6] = SHIFT("psllq", PSLLQ), [7] = SHIFT_BYTES("pslldq", PSLLDQ)),
    [0x74] = INTEGER("pcmpeqb", PCMPEQB),
    [0x75] = INTEGER("pcmpeqw", PCMPEQW),
    [0x76] = INTEGER("pcmpeqd", PCMPEQD),
    [0x77] = BY_PREFIX([NO_PREFIX] = FP("emms", EMMS, None)),
    [0x7e] = BY_PREFIX(
        [NO_PREFIX] = BY_REX_W(FP("movd", MOVD, Ed, Pd), FP("movq", MOVQ, Eq, Pq)),
        [PREFIX_66] = BY_REX_W(FP("movd", MOVD, Ed, Vd), FP("movq", MOVQ, Eq, Vq)),
        [PREFIX_F3] = FP("movq", MOVQ, Vx, Wq)),
    [0x7f] = BY_PREFIX(
        [NO_PREFIX] = FP("movq", MOVQ, Qq, Pq),
        [PREFIX_66] = FP("movdqa", MOVDQA, Wx, Vx),
        [PREFIX_F3] = FP("movdqu", MOVDQU, Wx, Vx)),

    [0xc2] = BY_PREFIX(
        [NO_PREFIX] = FP("cmpps", CMPPS, Vx, Wx, Iub),
        [PREFIX_66] = FP("cmppd", CMPPD, Vx, Wx, Iub),
        [PREFIX_F3] = FP("cmpss", CMPSS, Vd, Wd, Iub),
        [PREFIX_F2] = FP("cmpsd", CMPSD, Vq, Wq, Iub)),
    [0xc4] = BY_PREFIX(
        [NO_PREFIX] = FP("pinsrw", PINSRW, Pq, RdMw, Iub),
        [PREFIX_66] = FP("pinsrw", PINSRW, Vx, RdMw, Iub)),
    [0xc5] = BY_PREFIX(
        [NO_PREFIX] = FP("pextrw", PEXTRW, Gd, Nq, Iub),
        [PREFIX_66] = FP("pextrw", PEXTRW, Gd, Ux, Iub)),
    [0xc6] = BY_PREFIX(
        [NO_PREFIX] = FP("shufps", SHUFPS, Vx, Wx, Iub),
        [PREFIX_66] = FP("shufpd", SHUFPD, Vx, Wx, Iub)),

    [0xd1] = INTEGER("psrlw", PSRLW),
    [0xd2] = INTEGER("psrld", PSRLD),
    [0xd3] = INTEGER("psrlq", PSRLQ),
    [0xd4] = INTEGER("paddq", PADDQ),
    [0xd5] = INTEGER("pmullw", PMULLW),
    [0xd6] = BY_PREFIX(
        [PREFIX_66] = FP("movq", MOVQ, Wq, Vq),
        [PREFIX_F3] = FP("movq2dq", MOVQ2DQ, Vx, Nq),
        [PREFIX_F2] = FP("movdq2q", MOVDQ2Q, Pq, Uq)),
    [0xd7] = BY_PREFIX(
        [NO_PREFIX] = FP("pmovmskb", PMOVMSKB, Gd, Nq),
        [PREFIX_66] = FP("pmovmskb", PMOVMSKB, Gd, Ux)),
    [0xd8] = INTEGER("psubusb", PSUBUSB),
    [0xd9] = INTEGER("psubusw", PSUBUSW),
    [0xda] = INTEGER("pminub", PMINUB),
    [0xdb] = INTEGER("pand", PAND),
    [0xdc] = INTEGER("paddusb", PADDUSB),
    [0xdd] = INTEGER("paddusw", PADDUSW),
    [0xde] = INTEGER("pmaxub", PMAXUB),
    [0xdf] = INTEGER("pandn", PANDN),

    [0xe0] = INTEGER("pavgb", PAVGB),
    [0xe1] = INTEGER("psraw", PSRAW),
    [0xe2] = INTEGER("psrad", PSRAD),
    [0xe3] = INTEGER("pavgw", PAVGW),
    [0xe4] = INTEGER("pmulhuw", PMULHUW),
    [0xe5] = INTEGER("pmulhw", PMULHW),
    [0xe6] = BY_PREFIX(
        [PREFIX_66] = FP("cvttpd2dq", CVTTPD2DQ, Vx, Wx),
        [PREFIX_F3] = FP("cvtdq2pd", CVTDQ2PD, Vx, Wq),
        [PREFIX_F2] = FP("cvtpd2dq", CVTPD2DQ, Vx, Wx)),
    [0xe7] = BY_PREFIX(
        [NO_PREFIX] = FP("movntq", MOVNTQ, Mq, Pq), [PREFIX_66] = FP("movntdq", MOVNTDQ, Mx, Vx)),
    [0xe8] = INTEGER("psubsb", PSUBSB),
    [0xe9] = INTEGER("psubsw", PSUBSW),
    [0xea] = INTEGER("pminsw", PMINSW),
    [0xeb] = INTEGER("por", POR),
    [0xec] = INTEGER("paddsb", PADDSB),
    [0xed] = INTEGER("paddsw", PADDSW),
    [0xee] = INTEGER("pmaxsw", PMAXSW),
    [0xef] = INTEGER("pxor", PXOR),

    [0xf1] = INTEGER("psllw", PSLLW),
    [0xf2] = INTEGER("pslld", PSLLD),
    [0xf3] = INTEGER("psllq", PSLLQ),
    [0xf4] = INTEGER("pmuludq", PMULUDQ),
    [0xf5] = INTEGER("pmaddwd", PMADDWD),
    [0xf6] = INTEGER("psadbw", PSADBW),
    [0xf7] = BY_PREFIX(
        [NO_PREFIX] = FP("maskmovq", MASKMOVQ, Pq, Nq, DIq),
        [PREFIX_66] = FP("maskmovdqu", MASKMOVDQU, Vx, Ux, DIx)),
    [0xf8] = INTEGER("psubb", PSUBB),
    [0xf9] = INTEGER("psubw", PSUBW),
    [0xfa] = INTEGER("psubd", PSUBD),
    [0xfb] = INTEGER("psubq", PSUBQ),
    [0xfc] = INTEGER("paddb", PADDB),
    [0xfd] = INTEGER("paddw", PADDW),
    [0xfe] = INTEGER("paddd", PADDD),
};
/* clang-format on */
_Static_assert(sizeof(table_sse) / sizeof(table_sse[0]) == 256, "one slot an opcode");
