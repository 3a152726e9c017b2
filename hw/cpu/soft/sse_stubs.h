/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Instructions whose immediate is part of the code, like PSHUFD: for each of its
 * 256 values there is a piece of code of 8 bytes, and the operation points at it.
 *
 * Operands are in registers 0 (first, and result) and 1. Calls are made from inline
 * assembly, so that handlers stay without a frame: these files are built without a
 * red zone.
 */
#ifndef HW_CPU_SOFT_SSE_STUBS_H
#define HW_CPU_SOFT_SSE_STUBS_H

#include "hw/cpu/soft/sse.h"

enum { STUB_BYTES = 8 };

/* @text has the immediate as $imm8. */
#define STUBS(name, text)                                                                          \
    __asm__(".pushsection .text\n"                                                                 \
            ".balign 8\n" #name "_stubs:\n"                                                        \
            ".set imm8, 0\n"                                                                       \
            ".rept 256\n"                                                                          \
            ".balign 8\n" text "\n"                                                                \
            "ret\n"                                                                                \
            ".set imm8, imm8 + 1\n"                                                                \
            ".endr\n"                                                                              \
            ".popsection\n");                                                                      \
    extern const uint8_t name##_stubs[256][STUB_BYTES] __attribute__((visibility("hidden")))

static ALWAYS_INLINE v128 stub_call(const void *stub, v128 first, v128 second)
{
    register v128 xmm0 __asm__("xmm0") = first;
    register v128 xmm1 __asm__("xmm1") = second;

    __asm__ volatile("call *%2" : "+x"(xmm0) : "x"(xmm1), "r"(stub));
    return xmm0;
}

static ALWAYS_INLINE v128 stub_call_gpr(const void *stub, v128 first, uint32_t second)
{
    register v128 xmm0 __asm__("xmm0") = first;

    __asm__ volatile("call *%2" : "+x"(xmm0) : "c"(second), "r"(stub));
    return xmm0;
}

/* With MMX registers, which are emptied again. */
static ALWAYS_INLINE uint64_t stub_call_mmx(const void *stub, uint64_t first, uint64_t second)
{
    __asm__ volatile("movq %0, %%mm0\n\t"
                     "movq %1, %%mm1\n\t"
                     "call *%2\n\t"
                     "movq %%mm0, %0\n\t"
                     "emms"
                     : "+r"(first)
                     : "r"(second), "r"(stub)
                     : "mm0", "mm1");
    return first;
}

static ALWAYS_INLINE uint64_t stub_call_mmx_gpr(const void *stub, uint64_t first, uint32_t second)
{
    __asm__ volatile("movq %0, %%mm0\n\t"
                     "call *%2\n\t"
                     "movq %%mm0, %0\n\t"
                     "emms"
                     : "+r"(first)
                     : "c"(second), "r"(stub)
                     : "mm0");
    return first;
}

#endif
