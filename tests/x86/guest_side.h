/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The sandbox on a software processor: a machine with one, whose page tables give
 * the same addresses the same rights, at privilege 3. Code goes the whole way:
 * bytes through the code gate, blocks, TLB, soft_exec().
 *
 * Threads: one. Time: some ten nanoseconds beside what the code takes.
 */
#ifndef TESTS_X86_GUEST_SIDE_H
#define TESTS_X86_GUEST_SIDE_H

#include "tests/x86/sandbox.h"

/** Build the machine, once; and take it down. The program ends if that cannot be. */
void guest_open(void);
void guest_close(void);

/** The data pages, also those that guest code cannot write. No code is in them. */
uint8_t *guest_data(void);

/** Store code at @address, as another writer than the processor. */
void guest_put_code(uint32_t address, const uint8_t *bytes, size_t size);

/** What the code's memory holds at @address. */
const uint8_t *guest_code(uint32_t address);

/* How the run is interrupted, which must not show. */
enum guest_pace {
    PACE_BLOCKS, /* not at all */
    PACE_SINGLE, /* every instruction alone */
    PACE_KICKS,  /* after each few instructions */
};

/** Bring a run out, which then goes on: must not show either. From any thread, at any time. */
void guest_kick(void);

/** Run from @before->rip on, until STUB is reached, or an exception. */
void guest_run(const struct registers *before, enum guest_pace pace, struct outcome *ret_outcome);

#endif
