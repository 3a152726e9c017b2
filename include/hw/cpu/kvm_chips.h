/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What KVM offers to the floors above: local APICs in the kernel (with the I/O APIC
 * here: a "split irqchip"), messages and file descriptors that raise them, doorbells,
 * and the guest's clocks. Linux: Documentation/virt/kvm/api.rst.
 *
 * @cpus are always cpus_new()'s. All but the first three are for KVM only.
 *
 * Threads: as each function says.
 */
#ifndef HW_CPU_KVM_CHIPS_H
#define HW_CPU_KVM_CHIPS_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "hw/cpu/cpu.h"

/* GSIs of the I/O APIC's pins: only the ends of these level-triggered interrupts are told. */
enum { KVM_CHIPS_PINS = 24 };

/** Whether the host's KVM has all of it: then cpu_board.has_kernel_chips may be set. */
bool kvm_can_have_chips(GError **error);

/** Whether @cpus are KVM's, and whether with chips in the kernel. Any thread. */
bool kvm_is_backend(const struct cpus *cpus);
bool kvm_has_chips(const struct cpus *cpus);

/* ---- Messages; with chips -------------------------------------------------------------- */

/** Deliver a message. False: KVM refuses it. Any thread, any locks, also signal handlers. */
bool kvm_send_message(const struct cpus *cpus, uint64_t address, uint32_t data);

/* An entry of KVM's routing table. */
struct kvm_route {
    uint32_t gsi;
    uint32_t data;
    uint64_t address;
};

/** The whole table, instead of what was there. False: KVM refuses it (told to the log). */
bool kvm_set_routes(const struct cpus *cpus, const struct kvm_route *routes, unsigned nr)
    REQUIRES(bql);

/**
 * Each write to eventfd @fd raises @gsi, with no thread of ours between; what has been written
 * before counts once. Or no more. False: KVM cannot (told to the log).
 */
bool kvm_set_irqfd(const struct cpus *cpus, uint32_t gsi, int fd, bool is_on) REQUIRES(bql);

/* ---- Doorbells -------------------------------------------------------------------------- */

/**
 * Writes of @size bytes (0: any) at guest-physical @address signal eventfd @fd, and nothing else
 * sees them; off again with the same arguments. False: it cannot, and they are MMIO as before.
 * For pci_bus_config.set_doorbell.
 */
bool kvm_set_doorbell(const struct cpus *cpus, uint64_t address, unsigned size, int fd, bool is_on)
    REQUIRES(bql);

/* ---- Clocks ------------------------------------------------------------------------------ */

/**
 * The guest's clocks (time stamp counters and kvmclock) stop, and go on where they stopped.
 * Processors are paused. For guest_clock_stop() and guest_clock_start() of the machine.
 */
void kvm_clock_stop(struct cpus *cpus) REQUIRES(bql);
void kvm_clock_start(struct cpus *cpus) REQUIRES(bql);

#endif
