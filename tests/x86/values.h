/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Values for registers and memory: random ones, and those at which processors and
 * their imitations go wrong.
 */
#ifndef TESTS_X86_VALUES_H
#define TESTS_X86_VALUES_H

#include "tests/x86/random.h"
#include "tests/x86/sandbox.h"

/** For a general register. */
uint64_t value_integer(struct random *random);

/** @size bytes of memory, a multiple of 8; @is_float: numbers of all formats. */
void value_memory(struct random *random, bool is_float, uint8_t *ret, size_t size);

/** All of the floating point state: @ret_fxsave is as FXSAVE writes it. */
void value_float_state(struct random *random, uint8_t ret_fxsave[512]);

/** The state that a process begins with, and registers that are not zero. */
void value_plain_float_state(uint8_t ret_fxsave[512]);

#endif
