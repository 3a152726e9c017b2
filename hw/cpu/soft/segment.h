/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Segments: descriptors, the checks on the way from one into a segment register,
 * and far transfers (AMD64 APM vol. 2, chapter 4; Intel SDM vol. 3, chapters 3 and 5).
 *
 * Long mode with its 64-bit and flat 32-bit code, and protected mode without
 * paging, as far as getting into long mode needs it. Limits of 32-bit segments are
 * kept but not enforced, but for code at a far transfer. Call gates are those of long
 * mode. There are no tasks and no 16-bit code: #GP for the selector.
 *
 * `op` is the instruction, or NULL outside blocks. Whatever can raise comes first: the
 * check functions change nothing but accessed bits in memory. While an event is
 * delivered (cpu->is_delivering) error codes have their EXT bit.
 */
#ifndef HW_CPU_SOFT_SEGMENT_H
#define HW_CPU_SOFT_SEGMENT_H

#include "hw/cpu/cpuid.h"
#include "hw/cpu/soft/build.h"
#include "hw/cpu/soft/op.h"

enum { SELECTOR_RPL = 3, SELECTOR_TI = 4, SELECTOR_INDEX = 0xfff8 };

enum { /* types of system segments that long mode knows */
       SYSTEM_LDT = 2,
       SYSTEM_TSS = 9,
       SYSTEM_TSS_BUSY = 11,
       SYSTEM_CALL_GATE = 12,
       SYSTEM_INTERRUPT_GATE = 14,
       SYSTEM_TRAP_GATE = 15,
};

struct descriptor {
    uint16_t selector;
    uint64_t va;   /* where it is */
    uint64_t low;  /* its 8 bytes */
    uint64_t high; /* of a system segment in long mode: the next 8 */
};

static inline unsigned descriptor_attributes(const struct descriptor *descriptor)
{
    return descriptor->low >> 40 &
           (SEG_TYPE | SEG_S | SEG_DPL | SEG_P | SEG_AVL | SEG_L | SEG_DB | SEG_G);
}

static inline unsigned attributes_dpl(unsigned attributes)
{
    return (attributes & SEG_DPL) >> SEG_DPL_SHIFT;
}

static inline bool is_null_selector(uint16_t selector)
{
    return !(selector & ~SELECTOR_RPL);
}

static inline bool is_long(const struct soft *cpu)
{
    return cpu->efer & EFER_LMA;
}

/** Raise @vector with @selector as its error code. */
void raise_selector(struct soft *cpu, const struct op *op, unsigned vector, uint16_t selector) COLD
    __attribute__((noreturn));

/** The descriptor of @selector. False: it is outside its table, or there is no table. */
bool descriptor_read(struct soft *cpu, const struct op *op, uint16_t selector,
                     struct descriptor *ret_descriptor);

/** The second half of a system descriptor, in long mode. False: outside, or not well-formed. */
bool descriptor_read_high(struct soft *cpu, const struct op *op, struct descriptor *descriptor);

/** What a segment register holds after @descriptor was loaded. */
struct cpu_segment descriptor_segment(const struct descriptor *descriptor);

/** Set bits of @descriptor's type in memory (accessed, busy), as a locked operation. */
void descriptor_set_type(struct soft *cpu, const struct op *op, struct descriptor *descriptor,
                         uint8_t type_bits);

/** Load the register; no checks. CS: the caller sees to cpl and mode. */
void segment_set(struct soft *cpu, enum segment segment, const struct cpu_segment *value);
void segment_set_null(struct soft *cpu, enum segment segment, uint16_t selector);

/** MOV to ES, SS, DS, FS, GS, or anything that is like it. */
void segment_load(struct soft *cpu, const struct op *op, enum segment segment, uint16_t selector);

/** Whether @selector may be SS at privilege @cpl. @may_be_null: in 64-bit code. */
struct cpu_segment segment_check_stack(struct soft *cpu, const struct op *op, uint16_t selector,
                                       unsigned cpl, bool may_be_null);

enum far_kind {
    FAR_DIRECT, /* JMP, CALL: privilege stays */
    FAR_RETURN, /* RET, IRET: to the selector's RPL, never inwards */
    FAR_GATE,   /* INT, CALL through a gate: 64-bit code, never outwards */
};

/** Whether control may go to @selector. The result's RPL is the privilege that it runs with. */
struct cpu_segment segment_check_code(struct soft *cpu, const struct op *op, uint16_t selector,
                                      enum far_kind kind);

/** Raise unless @rip is a place in @cs. */
void segment_check_rip(struct soft *cpu, const struct op *op, const struct cpu_segment *cs,
                       uint64_t rip);

/** Go there: both have been checked. What of the data segments is not for an outer ring is lost. */
void segment_enter_code(struct soft *cpu, const struct cpu_segment *cs, uint64_t rip);

/** The frame of RET and IRET: value @n of @size bytes on the stack, and pushing. */
uint64_t stack_peek(struct soft *cpu, const struct op *op, unsigned n, unsigned size);
void stack_set_pointer(struct soft *cpu, uint64_t rsp);
uint64_t stack_address(const struct soft *cpu, uint64_t offset);

enum { /* offsets in a TSS of long mode */
       TSS_RSP0 = 4,
       TSS_IST1 = 36,
};

/** The stack pointer at @offset in the TSS. */
uint64_t stack_from_tss(struct soft *cpu, const struct op *op, unsigned offset);

/** Push 8 bytes for privilege @cpl. Only ring 3 itself has its stack checked as ring 3's. */
void stack_store(struct soft *cpu, const struct op *op, unsigned cpl, uint64_t va, uint64_t value);

#endif
