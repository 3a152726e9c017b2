/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What the software processors of one machine share.
 */
#ifndef HW_CPU_SOFT_CPUS_H
#define HW_CPU_SOFT_CPUS_H

#include "hw/cpu/soft/block.h"
#include "util/lock.h"

/* One processor runs an instruction while all others stand still: exclusive.c. */
struct exclusive {
    uint32_t is_wanted;      /* by the one; atomic */
    struct sequence changed; /* is_wanted has been lowered, or a processor has come out */
};

struct soft_cpus {
    struct cpus cpus;
    struct code_drops drops;
    struct exclusive exclusive;
    uint8_t nobody[PAGE_SIZE]; /* all ones: what code is fetched from where no memory is */
};

static inline struct soft_cpus *soft_cpus_of(const struct soft *cpu)
{
    return container_of(cpu->cpu.cpus, struct soft_cpus, cpus);
}

/** Stop all other processors of @cpu's machine, outside any section; let them go on. */
void exclusive_begin(struct soft *cpu);
void exclusive_end(struct soft *cpu);

/** Say that @cpu is about to enter its section; waits while another is exclusive. And the reverse. */
void exclusive_enter(struct soft *cpu);
void exclusive_leave(struct soft *cpu);

#endif
