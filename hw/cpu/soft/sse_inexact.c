/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Whether a sum, product or quotient of two numbers is inexact, were there no limit to
 * the exponent. x87 knows: set to round to 24 or 53 bits, it still has an exponent of 15
 * bits, and no operation on singles or doubles leaves that.
 */

#include "hw/cpu/soft/mxcsr.h"

enum {
    CONTROL_MASKS = 0x3f,
    CONTROL_DOUBLE = 2 << 8, /* else single */
    CONTROL_ROUNDING_SHIFT = 10,
    MXCSR_ROUNDING_SHIFT = 13,
    STATUS_PE = 1 << 5,
};

union number {
    uint32_t single;
    uint64_t twice;
};

/* False if it is no number. With DAZ, a denormal one is 0. */
static bool get_number(const struct soft *cpu, unsigned width, const void *at,
                       union number *ret_number)
{
    const bool flushes = cpu->fpu.mxcsr & MXCSR_DAZ;
    const uint64_t mask = width == 4 ? 0x7f800000 : UINT64_C(0x7ff0000000000000);

    ret_number->twice = 0;
    memcpy(ret_number, at, width);
    if (flushes && !(ret_number->twice & mask))
        ret_number->twice = 0;
    return (ret_number->twice & mask) != mask;
}

static bool is_zero(unsigned width, const union number *number)
{
    return width == 4 ? !(number->single << 1) : !(number->twice << 1);
}

/* x87 is empty before. Single and double operands differ in the suffix. */
#define DO(insn)                                                                                   \
    do {                                                                                           \
        if (width == 4)                                                                            \
            __asm__ volatile("flds %0\n\t" insn "s %1" ::"m"(first.single), "m"(second.single));   \
        else                                                                                       \
            __asm__ volatile("fldl %0\n\t" insn "l %1" ::"m"(first.twice), "m"(second.twice));     \
    } while (0)

static void run(enum sse_operation operation, unsigned width, union number first,
                union number second)
{
    switch (operation) {
    case SSE_ADD:
        DO("fadd");
        break;
    case SSE_SUB:
        DO("fsub");
        break;
    case SSE_MUL:
        DO("fmul");
        break;
    case SSE_DIV:
        DO("fdiv");
        break;
    case SSE_NARROW:
    case SSE_OTHER:                                               /* does not come here */
        __asm__ volatile("fld1\n\tfmull %0" ::"m"(second.twice)); /* rounds it */
        break;
    }
}

bool sse_is_inexact(const struct soft *cpu, enum sse_operation operation, unsigned width,
                    const void *first, const void *second)
{
    const bool is_narrow = operation == SSE_NARROW;
    const uint16_t control =
        (uint16_t)(CONTROL_MASKS | (width == 8 && !is_narrow ? CONTROL_DOUBLE : 0) |
                   (cpu->fpu.mxcsr >> MXCSR_ROUNDING_SHIFT & 3) << CONTROL_ROUNDING_SHIFT);
    union number a, b;
    uint16_t host_control, status;

    if (!get_number(cpu, width, second, &b) ||
        !get_number(cpu, width, is_narrow ? second : first, &a))
        return false;
    if (operation == SSE_DIV && is_zero(width, &b))
        return false;
    __asm__ volatile("fnstcw %0\n\tfninit\n\tfldcw %1" : "=m"(host_control) : "m"(control));
    run(operation, width, a, b);
    __asm__ volatile("fnstsw %0\n\tfninit\n\tfldcw %1" : "=&am"(status) : "m"(host_control));
    return status & STATUS_PE;
}
