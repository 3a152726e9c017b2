/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What a fuzz target gives: one function, under the name that libFuzzer calls.
 */
#ifndef TESTS_FUZZ_TARGET_H
#define TESTS_FUZZ_TARGET_H

#include <stddef.h>
#include <stdint.h>

/** Try the code with @size bytes of @data; abort() where it errs. Returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif
