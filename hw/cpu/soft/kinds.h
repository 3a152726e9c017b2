/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What instructions do: one kind a mnemonic of Intel's manual, in families, which
 * are also who lowers them (build.h).
 *
 * A kind does not say the operands. Sizes are in the operands and in
 * insn.operand_size, so that CBW is also CWDE and CDQE, CWD also CDQ and CQO, IRET
 * also IRETQ, FXSAVE also FXSAVE64. MMX and SSE forms of a mnemonic are one kind.
 * Where moves of registers that are not general ones need other code, they have a
 * kind of their own (MOV_SEG, PUSH_SEG).
 *
 * UD0, UD1 and UD2 have no kind: to raise #UD is what not to exist does.
 */
#ifndef HW_CPU_SOFT_KINDS_H
#define HW_CPU_SOFT_KINDS_H

#include <stdbool.h>

/* clang-format off */
/* NOP: also hints with an operand (prefetch, endbr64), which is never looked at. */
#define KINDS_INTEGER(X)                                                                           \
    X(ADD) X(OR) X(ADC) X(SBB) X(AND) X(SUB) X(XOR) X(CMP) X(TEST)                                 \
    X(INC) X(DEC) X(NEG) X(NOT) X(MUL) X(IMUL) X(DIV) X(IDIV)                                      \
    X(MOV) X(MOVZX) X(MOVSX) X(MOVSXD) X(MOVNTI) X(LEA) X(XCHG) X(XLAT) X(BSWAP) X(CBW) X(CWD)     \
    X(XADD) X(CMPXCHG) X(CMPXCHG8B) X(CMPXCHG16B) X(SETCC) X(CMOVCC)                               \
    X(BT) X(BTS) X(BTR) X(BTC) X(BSF) X(BSR)                                                       \
    X(ROL) X(ROR) X(RCL) X(RCR) X(SHL) X(SHR) X(SAR) X(SHLD) X(SHRD)                               \
    X(PUSH) X(POP) X(PUSHA) X(POPA) X(ENTER) X(LEAVE)                                              \
    X(CLC) X(STC) X(CMC) X(CLD) X(STD) X(LAHF) X(SAHF)                                             \
    X(NOP) X(PAUSE) X(LFENCE) X(MFENCE) X(SFENCE) X(CLFLUSH)

#define KINDS_STRING(X) X(MOVS) X(CMPS) X(STOS) X(LODS) X(SCAS) X(INS) X(OUTS)

/* Near ones. Conditions are the low four bits of insn.opcode; JCXZ tests as many bits of RCX as
 * insn.address_size says, and so do the loops. */
#define KINDS_BRANCH(X) X(JMP) X(JCC) X(JCXZ) X(LOOP) X(LOOPE) X(LOOPNE) X(CALL) X(RET)

#define KINDS_SYSTEM(X)                                                                            \
    X(MOV_SEG) X(PUSH_SEG) X(POP_SEG) X(LDS) X(LES) X(LSS) X(LFS) X(LGS)                           \
    X(JMP_FAR) X(CALL_FAR) X(RET_FAR) X(IRET) X(INT) X(INT1) X(INT3) X(INTO)                       \
    X(SYSCALL) X(SYSRET) X(SYSENTER) X(SYSEXIT) X(PUSHF) X(POPF) X(CLI) X(STI) X(CLAC) X(STAC)     \
    X(MOV_CR) X(MOV_DR) X(CLTS) X(LMSW) X(SMSW)                                                    \
    X(LGDT) X(LIDT) X(LLDT) X(LTR) X(SGDT) X(SIDT) X(SLDT) X(STR) X(LAR) X(LSL) X(VERR) X(VERW)    \
    X(RDMSR) X(WRMSR) X(RDTSC) X(RDTSCP) X(RDPMC) X(CPUID)                                         \
    X(SWAPGS) X(RDFSBASE) X(RDGSBASE) X(WRFSBASE) X(WRGSBASE)                                      \
    X(INVLPG) X(INVD) X(WBINVD) X(HLT) X(IN) X(OUT)

#define KINDS_SSE_FLOAT(X)                                                                         \
    X(ADDPS) X(ADDPD) X(ADDSS) X(ADDSD) X(SUBPS) X(SUBPD) X(SUBSS) X(SUBSD)                        \
    X(MULPS) X(MULPD) X(MULSS) X(MULSD) X(DIVPS) X(DIVPD) X(DIVSS) X(DIVSD)                        \
    X(MINPS) X(MINPD) X(MINSS) X(MINSD) X(MAXPS) X(MAXPD) X(MAXSS) X(MAXSD)                        \
    X(SQRTPS) X(SQRTPD) X(SQRTSS) X(SQRTSD) X(RSQRTPS) X(RSQRTSS) X(RCPPS) X(RCPSS)                \
    X(CMPPS) X(CMPPD) X(CMPSS) X(CMPSD) X(COMISS) X(COMISD) X(UCOMISS) X(UCOMISD)                  \
    X(ANDPS) X(ANDPD) X(ANDNPS) X(ANDNPD) X(ORPS) X(ORPD) X(XORPS) X(XORPD)                        \
    X(SHUFPS) X(SHUFPD) X(UNPCKLPS) X(UNPCKLPD) X(UNPCKHPS) X(UNPCKHPD)                            \
    X(CVTPI2PS) X(CVTPI2PD) X(CVTPS2PI) X(CVTPD2PI) X(CVTTPS2PI) X(CVTTPD2PI)                      \
    X(CVTSI2SS) X(CVTSI2SD) X(CVTSS2SI) X(CVTSD2SI) X(CVTTSS2SI) X(CVTTSD2SI)                      \
    X(CVTDQ2PS) X(CVTDQ2PD) X(CVTPS2DQ) X(CVTPD2DQ) X(CVTTPS2DQ) X(CVTTPD2DQ)                      \
    X(CVTPS2PD) X(CVTPD2PS) X(CVTSS2SD) X(CVTSD2SS)

#define KINDS_SSE_MOVE(X)                                                                          \
    X(MOVAPS) X(MOVAPD) X(MOVUPS) X(MOVUPD) X(MOVSS) X(MOVSD) X(MOVDQA) X(MOVDQU) X(MOVD) X(MOVQ)  \
    X(MOVLPS) X(MOVLPD) X(MOVHPS) X(MOVHPD) X(MOVHLPS) X(MOVLHPS) X(MOVQ2DQ) X(MOVDQ2Q)            \
    X(MOVNTPS) X(MOVNTPD) X(MOVNTDQ) X(MOVNTQ) X(MASKMOVQ) X(MASKMOVDQU)                           \
    X(MOVMSKPS) X(MOVMSKPD) X(PMOVMSKB) X(PEXTRW) X(PINSRW) X(EMMS)

#define KINDS_SSE_INTEGER(X)                                                                       \
    X(PADDB) X(PADDW) X(PADDD) X(PADDQ) X(PADDSB) X(PADDSW) X(PADDUSB) X(PADDUSW)                  \
    X(PSUBB) X(PSUBW) X(PSUBD) X(PSUBQ) X(PSUBSB) X(PSUBSW) X(PSUBUSB) X(PSUBUSW)                  \
    X(PMULLW) X(PMULHW) X(PMULHUW) X(PMULUDQ) X(PMADDWD) X(PSADBW) X(PAVGB) X(PAVGW)               \
    X(PMINUB) X(PMAXUB) X(PMINSW) X(PMAXSW) X(PAND) X(PANDN) X(POR) X(PXOR)                        \
    X(PCMPEQB) X(PCMPEQW) X(PCMPEQD) X(PCMPGTB) X(PCMPGTW) X(PCMPGTD)                              \
    X(PSLLW) X(PSLLD) X(PSLLQ) X(PSRLW) X(PSRLD) X(PSRLQ) X(PSRAW) X(PSRAD) X(PSLLDQ) X(PSRLDQ)    \
    X(PACKSSWB) X(PACKSSDW) X(PACKUSWB) X(PSHUFW) X(PSHUFD) X(PSHUFHW) X(PSHUFLW)                  \
    X(PUNPCKLBW) X(PUNPCKLWD) X(PUNPCKLDQ) X(PUNPCKLQDQ)                                           \
    X(PUNPCKHBW) X(PUNPCKHWD) X(PUNPCKHDQ) X(PUNPCKHQDQ)

#define KINDS_SSE(X) KINDS_SSE_FLOAT(X) KINDS_SSE_MOVE(X) KINDS_SSE_INTEGER(X)

/* FWAIT is x87's; the last line is what saves and loads state of all of the floating point. */
#define KINDS_X87(X)                                                                               \
    X(FADD) X(FADDP) X(FIADD) X(FMUL) X(FMULP) X(FIMUL)                                            \
    X(FSUB) X(FSUBP) X(FISUB) X(FSUBR) X(FSUBRP) X(FISUBR)                                         \
    X(FDIV) X(FDIVP) X(FIDIV) X(FDIVR) X(FDIVRP) X(FIDIVR)                                         \
    X(FCOM) X(FCOMP) X(FCOMPP) X(FICOM) X(FICOMP) X(FUCOM) X(FUCOMP) X(FUCOMPP)                    \
    X(FCOMI) X(FCOMIP) X(FUCOMI) X(FUCOMIP) X(FTST) X(FXAM)                                        \
    X(FLD) X(FST) X(FSTP) X(FILD) X(FIST) X(FISTP) X(FBLD) X(FBSTP) X(FXCH)                        \
    X(FLD1) X(FLDL2T) X(FLDL2E) X(FLDPI) X(FLDLG2) X(FLDLN2) X(FLDZ)                               \
    X(FCMOVB) X(FCMOVE) X(FCMOVBE) X(FCMOVU) X(FCMOVNB) X(FCMOVNE) X(FCMOVNBE) X(FCMOVNU)          \
    X(FCHS) X(FABS) X(FSQRT) X(FRNDINT) X(FSCALE) X(FPREM) X(FPREM1) X(FXTRACT)                    \
    X(F2XM1) X(FYL2X) X(FYL2XP1) X(FPTAN) X(FPATAN) X(FSIN) X(FCOS) X(FSINCOS)                     \
    X(FINCSTP) X(FDECSTP) X(FFREE) X(FFREEP) X(FNOP) X(FWAIT)                                      \
    X(FNINIT) X(FNCLEX) X(FLDCW) X(FNSTCW) X(FNSTSW) X(FLDENV) X(FNSTENV) X(FNSAVE) X(FRSTOR)      \
    X(FXSAVE) X(FXRSTOR) X(LDMXCSR) X(STMXCSR)

#define KINDS_ALL(X)                                                                               \
    KINDS_INTEGER(X) KINDS_STRING(X) KINDS_BRANCH(X) KINDS_SYSTEM(X) KINDS_SSE(X) KINDS_X87(X)

#define KIND_ENUM_(name) INSN_##name,
#define KIND_CASE_(name) case INSN_##name:
/* clang-format on */

enum insn_kind { KINDS_ALL(KIND_ENUM_) NR_INSN_KINDS };
#undef KIND_ENUM_

enum insn_family {
    FAMILY_INTEGER,
    FAMILY_STRING,
    FAMILY_BRANCH,
    FAMILY_SYSTEM,
    FAMILY_SSE,
    FAMILY_X87,
};

static inline enum insn_family insn_kind_family(enum insn_kind kind)
{
    switch (kind) {
        KINDS_INTEGER(KIND_CASE_) return FAMILY_INTEGER;
        KINDS_STRING(KIND_CASE_) return FAMILY_STRING;
        KINDS_BRANCH(KIND_CASE_) return FAMILY_BRANCH;
        KINDS_SYSTEM(KIND_CASE_) return FAMILY_SYSTEM;
        KINDS_SSE(KIND_CASE_) return FAMILY_SSE;
        KINDS_X87(KIND_CASE_) return FAMILY_X87;
    case NR_INSN_KINDS:
        break;
    }
    return FAMILY_SYSTEM;
}
#undef KIND_CASE_

#endif
