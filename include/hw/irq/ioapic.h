/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The I/O APIC: 24 pins, each with a redirection entry (82093AA data sheet;
 * version 0x20 with the EOI register). A pin's entry is a route: messages go out by SRCU.
 *
 * Threads: MMIO and lines under the BQL; ioapic_end_of_interrupt() any.
 */
#ifndef HW_IRQ_IOAPIC_H
#define HW_IRQ_IOAPIC_H

#include "hw/irq/line.h"
#include "hw/irq/msi.h"
#include "hw/mem/region.h"

enum { IOAPIC_PINS = 24, IOAPIC_SIZE = 0x1000 };
#define IOAPIC_BASE UINT64_C(0xfec00000)

struct ioapic;

void ioapic_free(struct ioapic *ioapic) REQUIRES(bql); /* NULL is fine */
struct ioapic *ioapic_new(struct msi_routes *routes, GError **error) OWNED_BY(ioapic_free)
    REQUIRES(bql);

/** IOAPIC_SIZE bytes, for IOAPIC_BASE. */
struct region *ioapic_region(struct ioapic *ioapic, struct mem *mem) OWNED_BY(region_unref);

/**
 * A line of its own to pin @pin: the pin is high while any line to it is. Lines live as long as
 * the IOAPIC; at most 32 a pin.
 */
struct irq_line ioapic_line(struct ioapic *ioapic, unsigned pin) REQUIRES(bql);

/**
 * A processor has ended a level-triggered interrupt of @vector: its pins may fire again. Any
 * thread, with or without the BQL. As in struct lapic_ops.
 */
void ioapic_end_of_interrupt(void *ioapic, unsigned vector);

void ioapic_reset(struct ioapic *ioapic) REQUIRES(bql);

#endif
