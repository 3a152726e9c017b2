/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Locked read-modify-writes of guest memory: the host's own, on the host's address.
 */
#ifndef HW_CPU_SOFT_LOCKED_H
#define HW_CPU_SOFT_LOCKED_H

#include "hw/cpu/soft/op.h"

/**
 * A host pointer to @size bytes for a locked read-modify-write, and its end, which
 * makes the result visible if the pointer is a copy (devices; across pages, with all
 * other processors stopped). Between the two: no other guest access, no raise.
 */
void *soft_lock_begin(struct soft *cpu, const struct op *op, uint64_t va, unsigned size);
void soft_lock_end_slow(struct soft *cpu, uint64_t va, unsigned size, void *host) COLD;

static ALWAYS_INLINE void soft_lock_end(struct soft *cpu, uint64_t va, unsigned size, void *host)
{
    if (unlikely(host == cpu->lock_copy))
        soft_lock_end_slow(cpu, va, size, host);
}

#endif
