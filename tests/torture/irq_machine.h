/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The machine of torture_irq: processors whose guest is a function, with local APICs in x2APIC
 * mode, an IOAPIC and message routes.
 */
#ifndef TESTS_TORTURE_IRQ_MACHINE_H
#define TESTS_TORTURE_IRQ_MACHINE_H

#include "hw/cpu/cpu.h"
#include "hw/irq/ioapic.h"
#include "hw/irq/lapic.h"
#include "hw/irq/msi.h"
#include "tests/torture/torture.h"
#include "util/guest_clock.h"

enum {
    IRQ_CPUS = 3,
    MSR_EOI = 0x80b,
    MSR_ICR = 0x830,
    MSR_LVT_TIMER = 0x832,
    MSR_SELF_IPI = 0x83f,
    MSR_DEADLINE = 0x6e0,
};

struct irq_machine {
    struct cpus *cpus;
    struct lapics *lapics;
    struct msi_routes *routes;
    struct ioapic *ioapic;
    struct mem *mem;
    struct space *memory;
    struct region *root, *region;
    struct guest_clock clock;
    /* The scenario's: processor @index serves @vector, and has not ended it. */
    void (*serve)(unsigned index, unsigned vector);
    bool has_met; /* enough has happened; atomic */
};
extern struct irq_machine machine;

/** Processors that do nothing yet; @first is called for each before they start, may be NULL. */
void irq_start(void (*serve)(unsigned index, unsigned vector), void (*first)(unsigned index));
/** After the workers have ended: all of it is stopped, and released. */
void irq_end(void);

/** On processor @index's thread. */
void irq_write_msr(unsigned index, uint32_t msr, uint64_t value);
uint64_t irq_random(unsigned index);

/* The scenarios. */
void lost_run(void);
void single_run(void);
void level_run(void);
void timer_run(void);
void one_timer_run(void);
void route_run(void);

#endif
