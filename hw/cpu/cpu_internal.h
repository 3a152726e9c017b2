/* SPDX-License-Identifier: GPL-2.0-or-later */
/** What the files of the common part of the processors share. */
#ifndef HW_CPU_CPU_INTERNAL_H
#define HW_CPU_CPU_INTERNAL_H

struct cpu;

/** INIT: reset, but for what INIT keeps; then wait. On the processor's thread, as the next. */
void cpu_init(struct cpu *cpu);

/** The startup message that is posted. */
void cpu_startup(struct cpu *cpu);

#endif
