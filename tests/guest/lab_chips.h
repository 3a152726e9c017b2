/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The lab's real interrupt controllers: the board's own local APICs or the kernel's, the I/O APIC,
 * message routes, and what goes through eventfds.
 */
#ifndef TESTS_GUEST_LAB_CHIPS_H
#define TESTS_GUEST_LAB_CHIPS_H

#include <glib.h>

#include "hw/irq/ioapic.h"
#include "util/guest_clock.h"
#include "util/loop.h"

struct machine;

struct lab_chips {
    struct machine *machine;
    bool is_kernel; /* its local APICs, not ours */
    struct guest_clock clock;
    struct lapics *lapics;
    struct kvm_irq *kvm_irq;
    struct msi_routes *routes;
    struct ioapic *ioapic;
    struct irq_line pin[IOAPIC_PINS];
    struct msi_route *route; /* what LAB_EVENTFD raises */
    struct msi_message message;
    int bell;      /* eventfd */
    bool has_bell; /* guarded by the BQL, as the next */
    uint32_t rings;
    struct loop_watch *watch;
    unsigned stop_ms;
    struct loop_timer resume;
    struct deferred stop, reset;
};

/**
 * Make them, and fill in the machine's board, for processors that are made next, by @backend.
 * False: the kernel has none, and *@error says so.
 */
bool lab_chips_init(struct lab_chips *chips, struct machine *machine, bool is_kvm, GError **error)
    REQUIRES(bql);
/** The processors are there. */
bool lab_chips_attach(struct lab_chips *chips, GError **error) REQUIRES(bql);
/** Before and behind cpus_free(). */
void lab_chips_stop(struct lab_chips *chips) REQUIRES(bql);
void lab_chips_fini(struct lab_chips *chips) REQUIRES(bql);

/** Lab registers from LAB_CHIPS on. */
uint32_t lab_chips_read(struct lab_chips *chips, uint32_t port) REQUIRES(bql);
void lab_chips_write(struct lab_chips *chips, uint32_t port, uint32_t value) REQUIRES(bql);

/** @vector to processor @index, as a message. */
void lab_chips_send(struct lab_chips *chips, unsigned vector, unsigned index);

#endif
