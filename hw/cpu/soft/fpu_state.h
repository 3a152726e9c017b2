/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Where a processor keeps its x87, MMX and MXCSR. fpu.h says who may touch it when.
 */
#ifndef HW_CPU_SOFT_FPU_STATE_H
#define HW_CPU_SOFT_FPU_STATE_H

#include <stdbool.h>
#include <stdint.h>

/* x87 and MMX: registers by physical number, as 80-bit images. */
struct soft_fpu {
    uint8_t reg[8][16];               /* 10 bytes used; MMX registers are the low 8 of them */
    uint16_t control, status, opcode; /* status with its top field */
    uint8_t full_tag; /* bit n: physical register n is not empty (as FXSAVE's abridged tag) */
    uint64_t ip, dp;  /* last instruction and operand */
    uint16_t cs, ds;
    uint8_t x87;           /* enum soft_x87: where the x87 registers are */
    bool is_sse_unmasked;  /* some exception of mxcsr is not masked: SSE goes the slow way */
    uint8_t sse_flags;     /* between two runs of an instruction whose exceptions are not masked */
    uint16_t host_control; /* the thread's control word, while the guest's is loaded */
    uint32_t mxcsr;        /* sticky flags of the host's are merged in when the run is left */
};

/* Where reg, control, status and full_tag are right. fpu.h */
enum soft_x87 {
    X87_SAVED,         /* here */
    X87_LIVE,          /* in the host's x87; all exceptions masked */
    X87_LIVE_UNMASKED, /* there; each instruction must look what is pending first */
};

#endif
