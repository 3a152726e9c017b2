/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The world in which the same code runs twice: on this machine's processor, and on
 * the software one. The same few pages at the same addresses in both, and the
 * registers a user program has. No code but two loops.
 *
 *   DATA    unmapped | A: read, write | B: read, write | C: read only | unmapped
 *   CODE    CODE_PAGES pages: read, write, execute | unmapped
 *
 * Only the windows of A and B change from case to case and are compared with each;
 * all of A and B is compared once in a while.
 */
#ifndef TESTS_X86_SANDBOX_H
#define TESTS_X86_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hw/cpu/state.h"

/*
 * All below 0x7fff8000, where the address sanitizer's shadow begins. No address of data shifted,
 * or added to itself, is one of code: that would be read and written by chance much too often.
 */
enum {
    SANDBOX_PAGE = 4096,
    DATA_A = 0x10001000,
    DATA_B = DATA_A + SANDBOX_PAGE,
    DATA_C = DATA_B + SANDBOX_PAGE,
    DATA_END = DATA_C + SANDBOX_PAGE,
    DATA_BYTES = DATA_END - DATA_A,
    DATA_WRITABLE = DATA_C - DATA_A,
    CODE = 0x2b000000,
    CODE_PAGES = 16,
    CODE_BYTES = CODE_PAGES * SANDBOX_PAGE,
    SANDBOX_GS_BASE = 0x1230, /* so that a forgotten segment base shows */
    STUB = 0x37000000,        /* host only: where code goes when it is done */
};

/* What of A and B changes: both ends of A, all around the border, and the end of B. */
struct window {
    uint32_t start; /* an address */
    uint32_t size;  /* a multiple of 8 */
};

enum { NR_WINDOWS = 3 };
static const struct window windows[NR_WINDOWS] = {
    { DATA_A, 0x100 },
    { DATA_B - 0x200, 0x400 },
    { DATA_C - 0x100, 0x100 },
};

enum { SANDBOX_EXIT_BYTES = 5 };

/* What is behind a program at @at: jmp STUB. The same on both sides, since code can be read. */
static inline void sandbox_exit(uint32_t at, uint8_t ret_bytes[SANDBOX_EXIT_BYTES])
{
    const uint32_t distance = STUB - (at + SANDBOX_EXIT_BYTES);

    ret_bytes[0] = 0xe9;
    for (unsigned i = 0; i < 4; i++)
        ret_bytes[1 + i] = (uint8_t)(distance >> (8 * i));
}

/* What a user program sees of its processor. */
struct registers {
    uint64_t gpr[NR_GPRS];
    uint64_t rip;
    uint64_t rflags;
    uint8_t fxsave[512] __attribute__((aligned(64)));
};

enum { /* offsets in the image of FXSAVE, 64-bit format */
       FX_CONTROL = 0,
       FX_STATUS = 2,
       FX_TAG = 4,
       FX_OPCODE = 6,
       FX_IP = 8,
       FX_DP = 16,
       FX_MXCSR = 24,
       FX_MXCSR_MASK = 28,
       FX_ST = 32,
       FX_XMM = 160,
       FX_END = 416,
};

/* How a run ended, and the registers then: at a fault, as its handler would see them. */
struct outcome {
    struct registers after;
    bool has_fault;
    bool is_endless; /* soft only: it was stopped */
    uint8_t vector;
    uint32_t error;
    uint64_t cr2; /* page faults only, else 0 */
};

#endif
