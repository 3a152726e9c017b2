/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The shape of the decoder's tables: data in table_*.c, followed by decode.c.
 *
 * A slot leads to a row, or says by what to choose among more slots, or is empty:
 * #UD. The first is one of table_base[256]. Where there is no row there is no
 * instruction, so that tables also say what our processor does not have.
 *
 *     [0x58] = BY_PREFIX([NO_PREFIX] = ROW(…), [PREFIX_66] = ROW(…)),
 *
 * A row is ROW(name, kind, ROW_ bits, FLAGS_ set, oracle, forms of operands …).
 */
#ifndef HW_CPU_SOFT_TABLE_H
#define HW_CPU_SOFT_TABLE_H

#include "hw/cpu/soft/insn.h"

/* ---- Forms of operands --------------------------------------------------------------- */

enum form_where { /* where an operand's register, address or value is found */
                  AT_NONE,
                  AT_REG,        /* ModRM.reg */
                  AT_RM,         /* ModRM.rm: register or memory */
                  AT_RM_MEMORY,  /* the same; a register is #UD */
                  AT_RM_REG,     /* the same; memory is #UD */
                  AT_RM_ANY_MOD, /* a register whatever ModRM.mod says */
                  AT_RM_ST,      /* ModRM.rm, and REX.B does not count */
                  AT_OPCODE,     /* low three bits of the opcode */
                  AT_FIXED,      /* register number in `fixed` */
                  AT_FIXED_BASE, /* memory at register `fixed` */
                  AT_ONE,        /* the number 1 */
                  AT_IMM,        /* in the code, sign-extended */
                  AT_IMM_ZERO,   /* in the code, zero-extended */
                  AT_MOFFS,      /* an address in the code */
                  AT_FAR,        /* a far pointer in the code */
};

enum form_size {                  /* beyond all numbers of bytes */
                 SIZE_V = 0x1000, /* operand size: 2, 4, 8 */
                 SIZE_Z,          /* operand size, but not more than 4 */
                 SIZE_Y,          /* 8 with REX.W, else 4 */
                 SIZE_N,          /* native: 8 in 64-bit code, else 4 */
                 SIZE_P,          /* far pointer in memory: operand size and 2 */
                 SIZE_S,          /* pseudo descriptor: native and 2 */
                 SIZE_ENV,        /* x87 environment: 28; 14 if the operand size is 2 */
                 SIZE_FPU,        /* the same with registers: 108, 94 */
};

struct form {
    uint8_t where;     /* enum form_where */
    uint8_t kind;      /* enum operand_kind of the register; the number of AT_IMM… is IMM */
    uint8_t fixed;     /* register of AT_FIXED… */
    bool is_byte;      /* if it is the first operand that is_sized: insn.operand_size is 1 */
    bool is_sized;     /* its size is the operation's */
    uint16_t reg_size; /* bytes, or enum form_size */
    uint16_t mem_size; /* likewise, if it is memory */
};

/*
 * Names are the letters of Intel SDM vol. 2, appendix A.2, with differences: Z is the
 * register in the opcode (A.2.3); y, n, p, s, b, w, d, q, t, x at the end are sizes (x: 16
 * bytes); Iu is zero-extended; RvMw is "a whole register or 16 bits of memory"; Nv is what
 * a NOP does not touch; SI, DI and BX are memory at these registers.
 */
/* clang-format off */
#define FORMS_GENERAL(X, SIZED)                                                                    \
    X(None, AT_NONE, NONE, 0, 0, 0)                                                                \
    SIZED(Eb, AT_RM, GPR, 0, 1, 1)       SIZED(Ev, AT_RM, GPR, 0, SIZE_V, SIZE_V)                  \
    X(Ew, AT_RM, GPR, 0, 2, 2)           X(Ed, AT_RM, GPR, 0, 4, 4)                                \
    X(Eq, AT_RM, GPR, 0, 8, 8)           X(Ey, AT_RM, GPR, 0, SIZE_Y, SIZE_Y)                      \
    SIZED(RvMw, AT_RM, GPR, 0, SIZE_V, 2) X(RdMw, AT_RM, GPR, 0, 4, 2)                             \
    SIZED(Nv, AT_RM, GPR, 0, SIZE_V, 0)                                                            \
    X(Ry, AT_RM_REG, GPR, 0, SIZE_Y, 0)  X(Rn, AT_RM_ANY_MOD, GPR, 0, SIZE_N, 0)                   \
    SIZED(Gb, AT_REG, GPR, 0, 1, 0)      SIZED(Gv, AT_REG, GPR, 0, SIZE_V, 0)                      \
    X(Gd, AT_REG, GPR, 0, 4, 0)          X(Gy, AT_REG, GPR, 0, SIZE_Y, 0)                          \
    SIZED(Zb, AT_OPCODE, GPR, 0, 1, 0)   SIZED(Zv, AT_OPCODE, GPR, 0, SIZE_V, 0)                   \
    SIZED(AL, AT_FIXED, GPR, RAX, 1, 0)  SIZED(rAX, AT_FIXED, GPR, RAX, SIZE_V, 0)                 \
    X(CL, AT_FIXED, GPR, RCX, 1, 0)      SIZED(eAX, AT_FIXED, GPR, RAX, SIZE_Z, 0)                 \
    X(AX, AT_FIXED, GPR, RAX, 2, 0)      X(DX, AT_FIXED, GPR, RDX, 2, 0)                           \
    X(One, AT_ONE, IMM, 0, 1, 0)                                                                   \
    X(Ib, AT_IMM, IMM, 0, 1, 0)          X(Iub, AT_IMM_ZERO, IMM, 0, 1, 0)                         \
    X(Iz, AT_IMM, IMM, 0, SIZE_Z, 0)     X(Iuw, AT_IMM_ZERO, IMM, 0, 2, 0)                         \
    X(Iv, AT_IMM, IMM, 0, SIZE_V, 0)     X(Jb, AT_IMM, IMM, 0, 1, 0)                               \
    X(Jz, AT_IMM, IMM, 0, SIZE_Z, 0)     X(Ap, AT_FAR, FAR, 0, SIZE_P, 0)                          \
    SIZED(Ob, AT_MOFFS, NONE, 0, 0, 1)   SIZED(Ov, AT_MOFFS, NONE, 0, 0, SIZE_V)                   \
    SIZED(SIb, AT_FIXED_BASE, NONE, RSI, 0, 1) SIZED(SIv, AT_FIXED_BASE, NONE, RSI, 0, SIZE_V)     \
    SIZED(DIb, AT_FIXED_BASE, NONE, RDI, 0, 1) SIZED(DIv, AT_FIXED_BASE, NONE, RDI, 0, SIZE_V)     \
    SIZED(SIz, AT_FIXED_BASE, NONE, RSI, 0, SIZE_Z)                                                \
    SIZED(DIz, AT_FIXED_BASE, NONE, RDI, 0, SIZE_Z)                                                \
    X(BXb, AT_FIXED_BASE, NONE, RBX, 0, 1)

#define FORMS_MEMORY(X)                                                                            \
    X(M, AT_RM_MEMORY, NONE, 0, 0, 0)    X(Mb, AT_RM_MEMORY, NONE, 0, 0, 1)                        \
    X(Mw, AT_RM_MEMORY, NONE, 0, 0, 2)   X(Md, AT_RM_MEMORY, NONE, 0, 0, 4)                        \
    X(Mq, AT_RM_MEMORY, NONE, 0, 0, 8)   X(Mt, AT_RM_MEMORY, NONE, 0, 0, 10)                       \
    X(Mx, AT_RM_MEMORY, NONE, 0, 0, 16)  X(My, AT_RM_MEMORY, NONE, 0, 0, SIZE_Y)                   \
    X(Mp, AT_RM_MEMORY, NONE, 0, 0, SIZE_P) X(Ms, AT_RM_MEMORY, NONE, 0, 0, SIZE_S)                \
    X(Menv, AT_RM_MEMORY, NONE, 0, 0, SIZE_ENV) X(Mfpu, AT_RM_MEMORY, NONE, 0, 0, SIZE_FPU)        \
    X(M512, AT_RM_MEMORY, NONE, 0, 0, 512)

#define FORMS_SPECIAL(X)                                                                           \
    X(Sw, AT_REG, SEGMENT, 0, 2, 0)      X(Cn, AT_REG, CR, 0, SIZE_N, 0)                           \
    X(Dn, AT_REG, DR, 0, SIZE_N, 0)                                                                \
    X(ES, AT_FIXED, SEGMENT, SEG_ES, 2, 0) X(CS, AT_FIXED, SEGMENT, SEG_CS, 2, 0)                  \
    X(SS, AT_FIXED, SEGMENT, SEG_SS, 2, 0) X(DS, AT_FIXED, SEGMENT, SEG_DS, 2, 0)                  \
    X(FS, AT_FIXED, SEGMENT, SEG_FS, 2, 0) X(GS, AT_FIXED, SEGMENT, SEG_GS, 2, 0)                  \
    X(ST0, AT_FIXED, ST, 0, 10, 0)       X(STi, AT_RM_ST, ST, 0, 10, 0)

#define FORMS_VECTOR(X)                                                                            \
    X(Pq, AT_REG, MMX, 0, 8, 0)          X(Pd, AT_REG, MMX, 0, 4, 0)                               \
    X(Qq, AT_RM, MMX, 0, 8, 8)           X(Qd, AT_RM, MMX, 0, 4, 4)                                \
    X(Nq, AT_RM_REG, MMX, 0, 8, 0)       X(DIq, AT_FIXED_BASE, NONE, RDI, 0, 8)                    \
    X(Vx, AT_REG, XMM, 0, 16, 0)         X(Wx, AT_RM, XMM, 0, 16, 16)                              \
    X(Vq, AT_REG, XMM, 0, 8, 0)          X(Wq, AT_RM, XMM, 0, 8, 8)                                \
    X(Vd, AT_REG, XMM, 0, 4, 0)          X(Wd, AT_RM, XMM, 0, 4, 4)                                \
    X(Ux, AT_RM_REG, XMM, 0, 16, 0)      X(Uq, AT_RM_REG, XMM, 0, 8, 0)                            \
    X(DIx, AT_FIXED_BASE, NONE, RDI, 0, 16)
/* clang-format on */

#define FORMS(X, SIZED) FORMS_GENERAL(X, SIZED) FORMS_MEMORY(X) FORMS_SPECIAL(X) FORMS_VECTOR(X)

#define FORM_ENUM_(name, ...) FORM_##name,
enum operand_form { FORMS(FORM_ENUM_, FORM_ENUM_) NR_FORMS };
#undef FORM_ENUM_

/* ---- Slots ----------------------------------------------------------------------------- */

enum slot_split {
    SPLIT_NONE,   /* `row` it is, or nothing */
    SPLIT_NEXT,   /* 256, by the next byte of the opcode */
    SPLIT_OPCODE, /* 256, by the same byte again: the table goes on in another file */
    SPLIT_LOW,    /* 8, by the low bits of the opcode */
    SPLIT_REG,    /* 8, by ModRM.reg */
    SPLIT_RM,     /* 8, by ModRM.rm */
    SPLIT_MOD,    /* 2: IN_MEMORY, IN_REGISTER */
    SPLIT_PREFIX, /* 4: the last of F2 and F3, else 66, else NO_PREFIX */
    SPLIT_REX_W,  /* 2: IF_0, IF_1 */
    SPLIT_REX_B,  /* 2 */
};
enum { NO_PREFIX, PREFIX_66, PREFIX_F2, PREFIX_F3 };
enum { IN_MEMORY, IN_REGISTER };
enum { IF_0, IF_1 };

struct slot {
    const struct insn_row *row;
    const struct slot *slots;
    enum slot_split split;
};

extern const struct slot table_base[256]; /* one-byte opcodes */
extern const struct slot table_0f[256];
extern const struct slot table_sse[256]; /* the SSE and MMX opcodes of 0F */
extern const struct slot table_x87[8];   /* D8-DF */

/* ROW() and its like: rows.h, which only the tables include. */

#endif
