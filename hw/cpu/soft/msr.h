/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Model-specific registers, and the processor's clock.
 */
#ifndef HW_CPU_SOFT_MSR_H
#define HW_CPU_SOFT_MSR_H

#include <stdbool.h>
#include <stdint.h>

#include "hw/cpu/soft/soft.h"

enum {
    EFER_KNOWN = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE,
};

/**
 * False: #GP. What the processor does not know is asked of the board, outside the read
 * section, so that afterwards nothing that was found in the view is valid.
 */
bool soft_read_msr(struct soft *cpu, uint32_t msr, uint64_t *ret_value);
bool soft_write_msr(struct soft *cpu, uint32_t msr, uint64_t value);

/** Whether each of the eight memory types of @pat is one. */
bool pat_is_valid(uint64_t pat);

/** The time stamp counter. */
uint64_t soft_read_tsc(const struct soft *cpu);

#endif
