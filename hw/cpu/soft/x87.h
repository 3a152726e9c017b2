/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * x87 among its own files.
 *
 * From the first x87 instruction of a run on, the guest's x87 lives in the host's: no
 * other code of a run uses that (-mgeneral-regs-only, and what is built with SSE has no
 * long double). So each instruction is the host's, on the host's stack: 80 bits, tags,
 * stack faults and pending exceptions are right by construction. Outside a run, for MMX,
 * and where an image is wanted, x87_save() brings it back to cpu->fpu.
 *
 * While some exception is not masked each waiting instruction must look first whether
 * one is pending, since it would trap in the host: that is state X87_LIVE_UNMASKED.
 */
#ifndef HW_CPU_SOFT_X87_H
#define HW_CPU_SOFT_X87_H

#include "hw/cpu/soft/sse.h"

enum {
    X87_EXCEPTIONS = 0x3f, /* control: masks. Status: flags */
    X87_STACK_FAULT = 1 << 6,
    X87_PENDING = 1 << 7, /* status: ES, some flag is not masked */
    X87_BUSY = 1 << 15,   /* status: the same as ES */
    X87_TOP_SHIFT = 11,
    X87_CONTROL_INIT = 0x37f,
};

/** Load, and raise #MF if an exception is pending: the beginning of a waiting instruction. */
void x87_begin(struct soft *cpu, const struct op *op);

#define X87_BEGIN                                                                                  \
    do {                                                                                           \
        if (is_slow)                                                                               \
            x87_begin(cpu, op);                                                                    \
        else if (unlikely(cpu->fpu.x87 != X87_LIVE))                                               \
            return slow(cpu, op);                                                                  \
    } while (0)

/** cpu->fpu.control and the state, after the host's control word has changed. */
void x87_control_changed(struct soft *cpu);

/** The host's status word, or cpu->fpu's: what FNSTSW stores. */
uint16_t x87_status(const struct soft *cpu);

/** ES and B of a saved status, after flags or masks have changed. */
void x87_update_pending(struct soft *cpu);

/** The full tag word, which is computed from the registers; saved state. */
uint16_t x87_tag_word(const struct soft *cpu);

/* FNSAVE's registers, in the order of the stack; saved state. */
void x87_get_stack(const struct soft *cpu, unsigned stride, uint8_t *ret_stack);
void x87_set_stack(struct soft *cpu, unsigned stride, const uint8_t *stack);

/** The state after FNINIT; the old one is of no use any more. */
void x87_reset(struct soft *cpu);

/* By file, for a kind of that file's. */
bool x87_lower_control(struct builder *builder, const struct insn *insn);
bool fxsave_lower(struct builder *builder, const struct insn *insn);

#endif
