/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What the families of system instructions share: lowering of their operands, and
 * how their handlers end.
 *
 * None of them is hot but SYSCALL, SYSRET, IRET, SWAPGS, CLI, STI, STAC and CLAC.
 * So a memory operand is an operation of its own, which loads into or stores from
 * a temporary, and what only ring 0 may do is behind an operation that checks that.
 */
#ifndef HW_CPU_SOFT_SYSTEM_H
#define HW_CPU_SOFT_SYSTEM_H

#include "hw/cpu/soft/build.h"
#include "hw/cpu/soft/exec.h"
#include "hw/cpu/soft/op.h"

enum { /* what memory operands go through; temp[0] is build_memory_op()'s */
       OFFSET_TEMP1 = OFFSET_TEMP + 8,
       OFFSET_TEMP2 = OFFSET_TEMP + 16,
};

/* The families of system.c. NULL: of another. */
lower_fn *lower_segment(enum insn_kind kind);   /* system_segment.c */
lower_fn *lower_table(enum insn_kind kind);     /* system_table.c */
lower_fn *lower_far(enum insn_kind kind);       /* far.c */
lower_fn *lower_interrupt(enum insn_kind kind); /* interrupt.c */
lower_fn *lower_syscall(enum insn_kind kind);   /* syscall.c */
lower_fn *lower_rflags(enum insn_kind kind);    /* rflags.c */
lower_fn *lower_control(enum insn_kind kind);   /* control.c */
lower_fn *lower_msr(enum insn_kind kind);       /* msr.c */
lower_fn *lower_port(enum insn_kind kind);      /* port.c */

/** Offset of the 16-bit operand @n: a register, or a temporary that it has been loaded into. */
uint8_t build_source16(struct builder *builder, const struct insn *insn, unsigned n);

/**
 * Append @run with its result's offset in dst and size in aux. If the operand is memory
 * a 16-bit store of the result follows.
 */
struct op *build_result16(struct builder *builder, const struct insn *insn, op_fn *run);

/** temp[1] = offset, temp[2] = selector, of a far pointer in memory or code. */
void build_far_pointer(struct builder *builder, const struct insn *insn);

/** The flags that POPF and IRET of @size may change at this privilege. */
uint64_t loadable_flags(const struct soft *cpu, unsigned size);

/**
 * Whether the run loop must look at the flags, which were @before: they let an interrupt
 * in that is waiting, or trace. One that comes later is seen at the next block anyway.
 */
bool flags_want_resync(const struct soft *cpu, uint64_t before);

/** The next instruction's address as RIP would hold it. */
static inline uint64_t next_rip(const struct soft *cpu, const struct op *op)
{
    const uint64_t rip = op_next_rip(cpu, op);

    return cpu->mode == MODE_64 ? rip : (uint32_t)rip;
}

/** Write a register by its offset: 4 bytes clear the upper half, 2 leave the rest. */
static inline void set_register(struct soft *cpu, unsigned offset, unsigned size, uint64_t value)
{
    if (size == 2)
        REG16(offset) = (uint16_t)value;
    else
        REG64(offset) = size == 4 ? (uint32_t)value : value;
}

/* The end of a handler after which interrupts, mode or mapping are others. */
#define END_RESYNC                                                                                 \
    do {                                                                                           \
        cpu->rip = next_rip(cpu, op);                                                              \
        EXIT_RESYNC;                                                                               \
    } while (0)

/* The same where the architecture serialises. */
#define END_SERIALIZED                                                                             \
    do {                                                                                           \
        soft_sync_code(cpu);                                                                       \
        END_RESYNC;                                                                                \
    } while (0)

/* And the same where only the mapping is another: the jump entries that are left lead where they
 * did, and there is no need to leave the blocks. */
#define END_REMAPPED                                                                               \
    do {                                                                                           \
        soft_sync_code(cpu);                                                                       \
        cpu->rip = next_rip(cpu, op);                                                              \
        EXIT_LOOKUP;                                                                               \
    } while (0)

#endif
