/* SPDX-License-Identifier: GPL-2.0-or-later */
/** What processors need of the machine around them, and what they tell it. */
#ifndef HW_CPU_BOARD_H
#define HW_CPU_BOARD_H

#include <stdbool.h>
#include <stdint.h>

/* What ended a back end's run(). */
enum cpu_exit {
    CPU_EXIT_KICKED,       /* events are to be looked at */
    CPU_EXIT_HALTED,       /* HLT: until an event that wakes it */
    CPU_EXIT_TRIPLE_FAULT, /* the guest has shut the processor down */
    CPU_EXIT_FIRMWARE,     /* it has left for real mode, where others have firmware, for a reset */
    CPU_EXIT_FAILED,       /* the back end cannot go on; it has logged why */
};

/**
 * What a processor needs of the machine around it. All are called on the
 * processor's thread, outside any read section and without the BQL, except where
 * said. Members may be NULL: then as the comment says.
 */
struct cpu_board {
    /**
     * The kernel's local APICs are wanted, and kvm_can_have_chips() has said that they can be had:
     * acknowledge(), has_interrupt() and set_priority() are NULL then, and APICs' MSRs and
     * kvmclock's not asked for. Messages: hw/cpu/kvm_chips.h.
     */
    bool has_kernel_chips;
    /** The vector to deliver now, or -1. Taken: the next call gives the next one. NULL: never. */
    int (*acknowledge)(void *opaque, unsigned index);
    /** Whether acknowledge() would give one. Any thread. NULL if that is, and only then. */
    bool (*has_interrupt)(void *opaque, unsigned index);
    /** An MSR that hw/cpu does not know (x2APIC, kvmclock). False: #GP. NULL: false. */
    bool (*read_msr)(void *opaque, unsigned index, uint32_t msr, uint64_t *ret_value);
    bool (*write_msr)(void *opaque, unsigned index, uint32_t msr, uint64_t value);
    /** The task priority (CR8) was written. NULL: kept in the processor only. */
    void (*set_priority)(void *opaque, unsigned index, unsigned priority);
    /** What CR8 reads as. Also inside a section. NULL: what was last written to it. */
    unsigned (*get_priority)(void *opaque, unsigned index);
    /** INIT has reset the processor: its APIC is next. NULL: nothing. */
    void (*initialised)(void *opaque, unsigned index);
    /** has_kernel_chips: a level-triggered interrupt of @vector has been ended. NULL: nothing. */
    void (*end_of_interrupt)(void *opaque, unsigned vector);
    /** The time stamp counter. One clock for all processors. Also inside a section. */
    uint64_t (*read_tsc)(void *opaque);
    /** Neither kicked nor halted. The processor's thread waits for events from then on. */
    void (*stopped)(void *opaque, unsigned index, enum cpu_exit why);
    void *opaque;
};

#endif
