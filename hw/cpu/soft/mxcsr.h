/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * MXCSR, and arithmetic whose exceptions it may not mask.
 */
#ifndef HW_CPU_SOFT_MXCSR_H
#define HW_CPU_SOFT_MXCSR_H

#include "hw/cpu/soft/sse.h"

/*
 * Round arithmetic of SSE in a MEMORY_HANDLER. In the fast instance all exceptions are
 * masked, and there is nothing to do but to know it. In the slow one some may not be:
 *
 *   SSE_ARITHMETIC({ value = XMM(op->dst); FLOAT_ASM("addps", value, from); });
 *   XMM(op->dst) = value;
 *
 * The statement may run twice, and changes only locals. What comes behind it does not
 * happen if an exception is raised.
 */
#define SSE_ARITHMETIC(statement) SSE_ARITHMETIC_(statement, sse_unmasked_end(cpu, op))

/*
 * The same of @count numbers of @width bytes: @operation (enum sse_operation) of XMM(op->dst) and
 * what is at @from.
 */
#define SSE_ROUNDED(statement, operation, width, count, from)                                      \
    SSE_ARITHMETIC_(statement, sse_unmasked_end_rounded(cpu, op, operation, width, count, from))

#define SSE_ARITHMETIC_(statement, end)                                                            \
    do {                                                                                           \
        if (is_slow) {                                                                             \
            sse_unmasked_begin(cpu);                                                               \
            statement;                                                                             \
            if (sse_unmasked_again(cpu))                                                           \
                statement;                                                                         \
            end;                                                                                   \
        } else if (unlikely(cpu->fpu.is_sse_unmasked)) {                                           \
            return slow(cpu, op);                                                                  \
        } else {                                                                                   \
            statement;                                                                             \
        }                                                                                          \
    } while (0)

enum sse_operation {
    SSE_ADD,
    SSE_SUB,
    SSE_MUL,
    SSE_DIV,
    SSE_NARROW, /* the second operand, of 8 bytes, to 4 */
    SSE_OTHER,  /* neither overflows nor underflows */
};

void sse_unmasked_begin(struct soft *cpu);
bool sse_unmasked_again(struct soft *cpu);
void sse_unmasked_end(struct soft *cpu, const struct op *op);
void sse_unmasked_end_rounded(struct soft *cpu, const struct op *op, enum sse_operation operation,
                              unsigned width, unsigned count, const void *from);

/** Whether @operation is inexact with an exponent of any size. x87 is saved. sse_inexact.c */
bool sse_is_inexact(const struct soft *cpu, enum sse_operation operation, unsigned width,
                    const void *first, const void *second);

/** LDMXCSR: @value has no reserved bits. And what STMXCSR stores. Inside a run. */
void sse_set_mxcsr(struct soft *cpu, uint32_t value);
uint32_t sse_get_mxcsr(const struct soft *cpu);

#endif
