/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The groups of rows of bench_cpu. Each begins and ends with the main thread pinned, registered
 * with RCU, without the BQL, and the thread on the other core without a job.
 */
#ifndef TESTS_BENCH_ROWS_CPU_H
#define TESTS_BENCH_ROWS_CPU_H

#include "qemu.h"

/** Kernels on `soft`, in QEMU, and native; @qemu NULL: not there, for @reason. */
void rows_kernels(struct qemu *qemu, const char *reason);

void rows_kick(void); /* from a kick's store to the section's end, and what that means for RCU */

#endif
