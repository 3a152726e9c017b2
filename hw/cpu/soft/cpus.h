/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What the software processors of one machine share.
 */
#ifndef HW_CPU_SOFT_CPUS_H
#define HW_CPU_SOFT_CPUS_H

#include "hw/cpu/soft/block.h"

struct soft_cpus {
    struct cpus cpus;
    struct code_drops drops;
    uint8_t nobody[PAGE_SIZE]; /* all ones: what code is fetched from where no memory is */
};

static inline struct soft_cpus *soft_cpus_of(const struct soft *cpu)
{
    return container_of(cpu->cpu.cpus, struct soft_cpus, cpus);
}

#endif
