/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What a program can see of an x86-64 processor: the registers, in the form in
 * which both back ends give and take them. No code.
 *
 * Names, bits and numbers: AMD64 Architecture Programmer's Manual, volume 2, and
 * Intel SDM, volume 3, which agree on all that is here.
 */
#ifndef HW_CPU_STATE_H
#define HW_CPU_STATE_H

#include <stdbool.h>
#include <stdint.h>

/* As ModRM and REX number them. */
enum gpr { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15, NR_GPRS };

/* As instructions number them, then the two that only loads name. */
enum segment { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDT, SEG_TR, NR_SEGMENTS };

enum { /* RFLAGS */
       FLAG_CF = 1 << 0,
       FLAG_FIXED = 1 << 1, /* always 1 */
       FLAG_PF = 1 << 2,
       FLAG_AF = 1 << 4,
       FLAG_ZF = 1 << 6,
       FLAG_SF = 1 << 7,
       FLAG_TF = 1 << 8,
       FLAG_IF = 1 << 9,
       FLAG_DF = 1 << 10,
       FLAG_OF = 1 << 11,
       FLAG_IOPL = 3 << 12,
       FLAG_NT = 1 << 14,
       FLAG_RF = 1 << 16,
       FLAG_VM = 1 << 17,
       FLAG_AC = 1 << 18,
       FLAG_ID = 1 << 21,
       FLAGS_ARITH = FLAG_CF | FLAG_PF | FLAG_AF | FLAG_ZF | FLAG_SF | FLAG_OF,
};

enum { /* CR0 */
       CR0_PE = 1 << 0,
       CR0_MP = 1 << 1,
       CR0_EM = 1 << 2,
       CR0_TS = 1 << 3,
       CR0_ET = 1 << 4,
       CR0_NE = 1 << 5,
       CR0_WP = 1 << 16,
       CR0_AM = 1 << 18,
       CR0_NW = 1 << 29,
       CR0_CD = 1 << 30,
};
#define CR0_PG (UINT64_C(1) << 31)

enum { /* CR4 */
       CR4_TSD = 1 << 2,
       CR4_DE = 1 << 3,
       CR4_PSE = 1 << 4,
       CR4_PAE = 1 << 5,
       CR4_MCE = 1 << 6,
       CR4_PGE = 1 << 7,
       CR4_PCE = 1 << 8,
       CR4_OSFXSR = 1 << 9,
       CR4_OSXMMEXCPT = 1 << 10,
       CR4_UMIP = 1 << 11,
       CR4_FSGSBASE = 1 << 16,
       CR4_SMEP = 1 << 20,
       CR4_SMAP = 1 << 21,
};

enum { /* EFER */
       EFER_SCE = 1 << 0,
       EFER_LME = 1 << 8,
       EFER_LMA = 1 << 10,
       EFER_NXE = 1 << 11,
};

enum { /* vectors of exceptions */
       VECTOR_DE = 0,
       VECTOR_DB = 1,
       VECTOR_NMI = 2,
       VECTOR_BP = 3,
       VECTOR_OF = 4,
       VECTOR_UD = 6,
       VECTOR_NM = 7,
       VECTOR_DF = 8,
       VECTOR_TS = 10,
       VECTOR_NP = 11,
       VECTOR_SS = 12,
       VECTOR_GP = 13,
       VECTOR_PF = 14,
       VECTOR_MF = 16,
       VECTOR_AC = 17,
       VECTOR_XM = 19,
};

enum { /* DR6 */
       DR6_BD = 1 << 13,
       DR6_BS = 1 << 14,
};
#define DR6_FIXED UINT64_C(0xffff0ff0) /* always 1 */

enum { /* a page fault's error code */
       PF_PRESENT = 1 << 0,
       PF_WRITE = 1 << 1,
       PF_USER = 1 << 2,
       PF_RESERVED = 1 << 3,
       PF_FETCH = 1 << 4,
};

enum { /* cpu_segment.attributes: bits 40-47 and 52-55 of a descriptor, moved down by 40 */
       SEG_TYPE = 0xf,
       SEG_TYPE_ACCESSED = 1 << 0,
       SEG_TYPE_WRITABLE = 1 << 1, /* of data; readable, of code */
       SEG_TYPE_CONFORMING = 1 << 2,
       SEG_TYPE_CODE = 1 << 3,
       SEG_S = 1 << 4, /* code or data, not a system segment */
       SEG_DPL = 3 << 5,
       SEG_DPL_SHIFT = 5,
       SEG_P = 1 << 7,
       SEG_AVL = 1 << 12,
       SEG_L = 1 << 13,
       SEG_DB = 1 << 14,
       SEG_G = 1 << 15,
};

/* A segment register with its hidden part. */
struct cpu_segment {
    uint64_t base;
    uint32_t limit; /* in bytes, inclusive: scaled if SEG_G */
    uint16_t selector;
    uint16_t attributes; /* 0: unusable (a null selector) */
};

struct cpu_table { /* GDTR, IDTR */
    uint64_t base;
    uint16_t limit;
};

/* AMD's registers that a kernel looks at, and that only remember. */
enum misc_msr {
    MISC_MCG_STATUS,
    MISC_SYSCFG,
    MISC_HWCR,
    MISC_NB_CFG,
    MISC_INT_PENDING,
    MISC_DE_CFG,
    NR_MISC_MSRS,
};

/* Everything. All zero bytes is not a valid state: cpu_state_reset() is where to begin. */
struct cpu_state {
    uint64_t gpr[NR_GPRS];
    uint64_t rip;
    uint64_t rflags;
    struct cpu_segment seg[NR_SEGMENTS];
    struct cpu_table gdt, idt;
    uint64_t cr0, cr2, cr3, cr4, cr8;
    uint64_t dr[8]; /* 4 and 5 unused */
    uint64_t efer, star, lstar, cstar, fmask, kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t pat, tsc_aux;
    uint64_t misc_msr[NR_MISC_MSRS];
    uint8_t fxsave[512] __attribute__((aligned(16))); /* 64-bit format of FXSAVE */
    bool is_halted;                                   /* HLT: an interrupt ends it */
    bool is_shadowed;    /* interrupts wait one instruction: after STI, MOV SS */
    bool is_nmi_blocked; /* until IRET */
    bool is_nmi_pending; /* until it is not blocked any more */
    bool is_waiting;     /* after INIT, for a startup message; or it has been shut down */
};

#endif
