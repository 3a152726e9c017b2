/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The local APICs of a machine, for processors that have none in the kernel: Intel
 * SDM vol. 3, chapter 11 (xAPIC by a page of MMIO, x2APIC by MSRs, one set of
 * registers behind both), with the timer in its three modes.
 *
 * A processor's APIC belongs to its thread; what others want of it (interrupts,
 * that is) they set in IRR by atomic operations, and then kick: no lock.
 *
 * Threads: as each function says.
 */
#ifndef HW_IRQ_LAPIC_H
#define HW_IRQ_LAPIC_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "hw/irq/msi.h"
#include "hw/mem/region.h"

struct cpus;
struct guest_clock;
struct lapics;
struct metrics;

enum { LAPIC_SIZE = 0x1000 };
#define LAPIC_BASE UINT64_C(0xfee00000)

/* What the timer's counts are of, before the divider. */
#define LAPIC_BUS_HZ INT64_C(1000000000)

/* What it needs of the machine. */
struct lapic_ops {
    /**
     * A level-triggered interrupt of @vector has been ended: the IOAPIC's affair. Processor's
     * thread; with the BQL (from the page) or without (from an MSR). NULL: there is none.
     */
    void (*end_of_interrupt)(void *opaque, unsigned vector);
    /**
     * Processor @index got INIT (or has not run since reset), then a startup message with @vector.
     * Any thread, any locks: cpu_post_work(), say, which comes after the INIT. NULL: ignored.
     */
    void (*startup)(void *opaque, unsigned index, unsigned vector);
    void *opaque;
};

/** Processors have stopped. NULL is fine. */
void lapics_free(struct lapics *lapics) EXCLUDES(bql);
/** For @nr processors, APIC ID = index; @clock is what the TSC shows (CPU_TSC_HZ). All reset. */
struct lapics *lapics_new(unsigned nr, const struct guest_clock *clock, const struct lapic_ops *ops,
                          GError **error) OWNED_BY(lapics_free);

/** The processors to kick: before they start. Also starts what the timers need. */
bool lapics_attach(struct lapics *lapics, struct cpus *cpus, GError **error) MUST_CHECK;
/** Before those are freed, and after they have stopped: nobody is kicked any more. */
void lapics_detach(struct lapics *lapics) EXCLUDES(bql);

/** The page at LAPIC_BASE: a processor that accesses it meets its own APIC. */
struct region *lapics_region(struct lapics *lapics, struct mem *mem) OWNED_BY(region_unref);

/** Messages end here: struct msi_sink. */
void lapics_sink(struct lapics *lapics, struct msi_sink *ret_sink);

/** All as after power-on. Processors are paused or have not started. */
void lapics_reset(struct lapics *lapics) REQUIRES(bql);

/** The clock has stopped, gone on or jumped: look at the timers again. */
void lapics_clock_changed(struct lapics *lapics) REQUIRES(bql);

/* Of struct cpu_board, with struct lapics * as opaque. On the processor's thread. */
int lapics_acknowledge(void *lapics, unsigned index);
bool lapics_has_interrupt(void *lapics, unsigned index); /* any thread, in a section too */
bool lapics_read_msr(void *lapics, unsigned index, uint32_t msr, uint64_t *ret_value);
bool lapics_write_msr(void *lapics, unsigned index, uint32_t msr, uint64_t value);
void lapics_set_priority(void *lapics, unsigned index, unsigned priority);
unsigned lapics_get_priority(void *lapics, unsigned index);
void lapics_initialised(void *lapics, unsigned index);
uint64_t lapics_read_tsc(void *lapics); /* any thread, in a section too */

/** As gracevm_apic_*. metrics_remove(metrics, lapics) before lapics_free(). */
void lapics_metrics_register(struct lapics *lapics, struct metrics *metrics);

#endif
