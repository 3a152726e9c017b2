/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Run code on this machine's processor, in this process, with all registers given,
 * and say how it ended. Nothing but the sandbox is protected: code that could write
 * elsewhere is for the caller to keep away.
 *
 * Threads: one at a time. There is no system call unless the code faults.
 */
#ifndef TESTS_X86_HOST_H
#define TESTS_X86_HOST_H

#include "tests/x86/sandbox.h"

/** Map the sandbox and catch faults, once. The program ends if that cannot be. */
void host_open(void);

/** The sandbox's data pages, also for writing those that guest code cannot write. */
uint8_t *host_data(void);

/** The code pages. */
uint8_t *host_code(void);

/**
 * Run from @before->rip on until STUB is reached or a fault. What @describe prints
 * is printed before the program ends, if the code breaks the process.
 */
void host_run(const struct registers *before, struct outcome *ret_outcome);
void host_on_crash(void (*describe)(void));

/** Whether an address of the sandbox's surroundings is mapped on the host only. */
bool host_is_private(uint64_t va);

#endif
