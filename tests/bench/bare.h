/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A bare machine with one software processor: RAM from 0 on, and a serial port. What it
 * runs begins as tests/guest/lab.h says.
 *
 * Threads: the main thread, without the BQL. It must be registered with RCU.
 */
#ifndef TESTS_BENCH_BARE_H
#define TESTS_BENCH_BARE_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <time.h>

#include "hw/cpu/cpu.h"

struct bare; /* opaque */

/** The payload's ELF file at @path, about to start. NULL and @error if there is no such machine. */
void bare_free(struct bare *bare) EXCLUDES(bql); /* NULL is fine */
struct bare *bare_new(const char *path, GError **error) OWNED_BY(bare_free) EXCLUDES(bql);

/** The same with just these instructions. */
struct bare *bare_new_code(const void *code, size_t size, GError **error) OWNED_BY(bare_free)
    EXCLUDES(bql);

struct cpu *bare_cpu(struct bare *bare);

/** The processor thread's CPU time. */
clockid_t bare_clock(struct bare *bare);

/** Have the payload run kernel @id (kernels/kernels.h); it waits before and afterwards. */
uint64_t bare_run(struct bare *bare, unsigned id, uint32_t rounds) EXCLUDES(bql);

/** Guest instructions from the last byte of the last request to the first of its reply. */
uint64_t bare_instructions(const struct bare *bare);

#endif
