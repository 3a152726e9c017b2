/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * KVM's clock for guests of `soft`: a page for each processor that says how to make nanoseconds
 * of its time stamp counter, and one that says when it was 0. Two model-specific registers, as
 * CPUID leaf 0x40000001 offers them (Linux: Documentation/virt/kvm/x86/msr.rst).
 *
 * Threads: the registers on their processor's thread, outside any section, without the BQL.
 */
#ifndef HW_MACHINE_KVMCLOCK_H
#define HW_MACHINE_KVMCLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "hw/mem/mem.h"

struct guest_clock;
struct kvmclock;
struct space;

void kvmclock_free(struct kvmclock *kvmclock); /* NULL is fine */
struct kvmclock *kvmclock_new(struct space *memory, const struct guest_clock *clock,
                              unsigned nr_cpus) OWNED_BY(kvmclock_free);

/** Of struct cpu_board. False: the register is none of these. */
bool kvmclock_read_msr(struct kvmclock *kvmclock, unsigned index, uint32_t msr,
                       uint64_t *ret_value);
bool kvmclock_write_msr(struct kvmclock *kvmclock, unsigned index, uint32_t msr, uint64_t value)
    EXCLUDES(bql);

/** As after power-on. The processors are paused. */
void kvmclock_reset(struct kvmclock *kvmclock);

#endif
