/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The guest's floating point and its vectors, as the rest of the processor sees them.
 *
 * All arithmetic is the host's own. While blocks run, the host's MXCSR holds the
 * guest's rounding, its FTZ, DAZ and sticky flags, with every exception masked; and
 * the host's x87 may hold the guest's whole x87 (`fpu.x87`), from the first x87
 * instruction on. So no code that uses floating point may run there: that must be
 * between soft_fp_leave() and soft_fp_enter(). Devices are the case in point.
 *
 * Threads: the processor's own.
 */
#ifndef HW_CPU_SOFT_FPU_H
#define HW_CPU_SOFT_FPU_H

#include "hw/cpu/soft/soft.h"

enum { /* MXCSR */
       MXCSR_IE = 1 << 0,
       MXCSR_DE = 1 << 1,
       MXCSR_ZE = 1 << 2,
       MXCSR_OE = 1 << 3,
       MXCSR_UE = 1 << 4,
       MXCSR_PE = 1 << 5,
       MXCSR_FLAGS = 0x3f,
       MXCSR_DAZ = 1 << 6,
       MXCSR_MASKS = 0x3f << 7, /* each flag's mask is 7 above it */
       MXCSR_MASKS_SHIFT = 7,
       MXCSR_FTZ = 1 << 15,
       MXCSR_VALID = 0xffff, /* FXSAVE's MXCSR_MASK */
};

/** Load the guest's MXCSR: the beginning of soft_exec(), or the end of a leave. */
void soft_fp_enter(struct soft *cpu);

/** Take the guest's state out of the host's registers, and put the thread's own MXCSR back. */
void soft_fp_leave(struct soft *cpu);

/*
 * FXSAVE's image (Intel SDM vol. 1, table 10-2), 64-bit format, outside enter and leave. Loading
 * clears what is reserved in MXCSR. Bytes 416-511 are neither written nor read.
 */
void soft_fp_get(const struct soft *cpu, uint8_t ret_image[512]);
void soft_fp_set(struct soft *cpu, const uint8_t image[512]);

#endif
