/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The local APICs in KVM's kernel as the place where messages end (hw/irq/msi.h):
 * for processors with cpu_board.has_kernel_chips.
 *
 * KVM's routing table holds only what KVM raises or ends by itself: routes that
 * have an eventfd, and the I/O APIC's level-triggered pins, of whose ends it tells.
 * Those are the routes up to KVM_CHIPS_PINS, so the I/O APIC must be the first to
 * make routes. All other messages go to the kernel as they are.
 */
#ifndef HW_IRQ_KVM_IRQ_H
#define HW_IRQ_KVM_IRQ_H

#include "hw/irq/msi.h"

struct cpus;
struct kvm_irq;

/** All routes have been freed. NULL is fine. */
void kvm_irq_free(struct kvm_irq *irq);
/** Without processors, which need the board first: nothing may be sent before it is attached. */
struct kvm_irq *kvm_irq_new(void) OWNED_BY(kvm_irq_free);

/** kvm_has_chips(@cpus). Routes set before are told now. */
bool kvm_irq_attach(struct kvm_irq *irq, const struct cpus *cpus, GError **error)
    MUST_CHECK REQUIRES(bql);
/** Before @cpus are freed: nothing is sent any more, but routes may be set, and freed. */
void kvm_irq_detach(struct kvm_irq *irq) REQUIRES(bql);

/** Messages end here: struct msi_sink. */
void kvm_irq_sink(struct kvm_irq *irq, struct msi_sink *ret_sink);

#endif
