/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Floating point as the system sees it: its exceptions, when it is off, FXSAVE. */
#include "payload.h"

static u8 image[512] __attribute__((aligned(16))), other[512] __attribute__((aligned(16)));
static const float one = 1, zero = 0;
static const double pi = 3.14159265358979, two = 2;

static u32 mxcsr(void)
{
    u32 value;

    __asm__ volatile("stmxcsr %0" : "=m"(value));
    return value;
}

static void set_mxcsr(u32 value)
{
    __asm__ volatile("ldmxcsr %0" : : "m"(value));
}

static void computes(void)
{
    double result;
    u64 bits;

    __asm__ volatile("fninit; fldl %1; fmull %2; fstpl %0" : "=m"(result) : "m"(pi), "m"(two));
    memcpy(&bits, &result, 8);
    is(bits, 0x401921fb54442d11, "x87: a product");
    __asm__ volatile("movsd %1, %%xmm3; addsd %2, %%xmm3; movsd %%xmm3, %0"
                     : "=m"(result)
                     : "m"(pi), "m"(two));
    memcpy(&bits, &result, 8);
    is(bits, 0x401490fdaa221688, "SSE2: a sum");
    is(mxcsr() & 0xffc0, 0x1f80, "MXCSR");
}

static void sse_exceptions(void)
{
    set_mxcsr(0x1f80 & ~0x200); /* division by zero is not masked */
    RAISES_STRICT(XM, "#XM: division by zero", "movss %0, %%xmm0; divss %1, %%xmm0",
                  :
                  : "m"(one), "m"(zero));
    if (in_lab())
        is(mxcsr() & 0x3f, 4, "MXCSR says why");
    set_mxcsr(0x1f80);
    RAISES(NOTHING, "masked", "movss %0, %%xmm0; divss %1, %%xmm0", : : "m"(one), "m"(zero));
    is(mxcsr() & 0x3f, 4, "MXCSR says it all the same");
    write_cr4(read_cr4() & ~(u64)CR4_OSXMMEXCPT);
    set_mxcsr(0x1f80 & ~0x200);
    RAISES_STRICT(UD, "without CR4.OSXMMEXCPT: #UD", "movss %0, %%xmm0; divss %1, %%xmm0",
                  :
                  : "m"(one), "m"(zero));
    set_mxcsr(0x1f80);
    write_cr4(read_cr4() | CR4_OSXMMEXCPT);
    RAISES_STRICT(GP, "LDMXCSR: reserved bit", "ldmxcsr %0", : : "m"((u32){ 1u << 31 }));
    RAISES(GP, "MOVAPS: not aligned", "movaps (%0), %%xmm0", : : "r"(image + 8));
}

static void x87_exceptions(void)
{
    const u16 control = 0x037f & ~4; /* division by zero is not masked */

    __asm__ volatile("fninit; fldcw %0; fld1; fldz; fdivrp" : : "m"(control));
    RAISES(MF, "#MF: at the next that waits", "fwait", :);
    check(FAULTED_AT_START, "it is a fault");
    __asm__ volatile("fnclex");
    RAISES(NOTHING, "FNCLEX", "fwait", :);
    __asm__ volatile("fninit");
}

static void switched_off(void)
{
    write_cr0(read_cr0() | CR0_TS);
    RAISES(NM, "CR0.TS: SSE", "addps %%xmm0, %%xmm0", :);
    RAISES(NM, "CR0.TS: x87", "fld1", :);
    RAISES(NM, "CR0.TS: MMX", "paddb %%mm0, %%mm0", :);
    RAISES(NM, "CR0.TS: FXRSTOR", "fxrstor (%0)", : : "r"(image));
    __asm__ volatile("clts");
    write_cr0(read_cr0() | CR0_EM);
    RAISES(UD, "CR0.EM: SSE", "addps %%xmm0, %%xmm0", :);
    RAISES(NM, "CR0.EM: x87", "fld1", :);
    RAISES(UD, "CR0.EM: MMX", "paddb %%mm0, %%mm0", :);
    write_cr0(read_cr0() & ~(u64)CR0_EM);
    write_cr4(read_cr4() & ~(u64)CR4_OSFXSR);
    RAISES(UD, "without CR4.OSFXSR: SSE", "addps %%xmm0, %%xmm0", :);
    write_cr4(read_cr4() | CR4_OSFXSR);
}

static void saved(void)
{
    static const u64 pattern[2] = { 0x0123456789abcdef, 0xfedcba9876543210 };
    u64 got[2] = { 0 };
    bool same = true;

    __asm__ volatile("fninit; fldpi; fld1; movups %0, %%xmm15; fxsave64 (%1)"
                     :
                     : "m"(pattern), "r"(image)
                     : "memory");
    is(*(u16 *)image, 0x37f, "FXSAVE: control word");
    is(*(u16 *)(image + 2) >> 11 & 7, 6, "top of stack");
    is(image[4], 0xc0, "tags");
    is(*(u64 *)(image + 32), 0x8000000000000000, "ST0");
    is(*(u16 *)(image + 40), 0x3fff, "its exponent");
    check(*(u64 *)(image + 160 + 240) == pattern[0], "XMM15");
    __asm__ volatile("fninit; xorps %%xmm15, %%xmm15; fxrstor64 (%0); movups %%xmm15, %1;"
                     "fxsave64 (%2)"
                     :
                     : "r"(image), "m"(got), "r"(other)
                     : "memory");
    check(got[0] == pattern[0] && got[1] == pattern[1], "FXRSTOR: XMM15");
    for (unsigned i = 0; i < 416; i++)
        same &= image[i] == other[i] || (i >= 6 && i < 24); /* where it was may differ */
    check(same, "FXSAVE, FXRSTOR, FXSAVE");
    RAISES(GP, "FXSAVE: not aligned", "fxsave (%0)", : : "r"(image + 8));
    image[24 + 3] = 0x80;
    RAISES_STRICT(GP, "FXRSTOR: reserved bit of MXCSR", "fxrstor (%0)", : : "r"(image));
}

void payload_main(void)
{
    saved();
    computes();
    switched_off();
    x87_exceptions();
    sse_exceptions();
}
