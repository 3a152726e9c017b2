/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Between a processor of ours and the form that both back ends share.
 */
#ifndef HW_CPU_SOFT_STATE_H
#define HW_CPU_SOFT_STATE_H

#include "hw/cpu/cpu.h"
#include "hw/cpu/soft/soft.h"

/** Owner only, outside the read section. */
void soft_get_state(struct cpu *cpu, struct cpu_state *ret_state);

/**
 * -EINVAL: a state that no processor like ours can be in, and nothing has changed. Real
 * mode is one that ours can be in, since it begins there; but it cannot run.
 */
int soft_set_state(struct cpu *cpu, const struct cpu_state *state);

/** Whether it can run: not in real mode, and not in 16-bit code. */
bool soft_can_run(const struct soft *cpu);

#endif
