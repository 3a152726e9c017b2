/* SPDX-License-Identifier: GPL-2.0-or-later */
/** What the files of the common part of the processors share. */
#ifndef HW_CPU_CPU_INTERNAL_H
#define HW_CPU_CPU_INTERNAL_H

struct cpu;

/** INIT: reset, but for what INIT keeps; then wait to be given a state. */
void cpu_init(struct cpu *cpu);

#endif
