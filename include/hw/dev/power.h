/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Power and reset as hardware-reduced ACPI has them (ACPI 6.4, 4.8.3): sleep
 * control and status registers, a reset register, and a generic event device
 * with a power button.
 *
 * Threads: under the BQL.
 */
#ifndef HW_DEV_POWER_H
#define HW_DEV_POWER_H

#include <stdbool.h>

#include "hw/irq/line.h"
#include "hw/mem/region.h"

/* Ports, from the base that the machine chooses; hw/machine/dsdt.asl and the FADT say the same. */
enum {
    POWER_SLEEP_CONTROL, /* SLP_TYP in bits 2-4, SLP_EN bit 5 */
    POWER_SLEEP_STATUS,
    POWER_RESET,  /* any write of POWER_RESET_VALUE */
    POWER_EVENTS, /* read: pending events (bit 0: button), and clears them; write: bit 0 says that
                   * the guest's driver listens (the DSDT's GED writes it in _INI and _EVT) */
    POWER_PORTS,
    POWER_RESET_VALUE = 1,
    POWER_SLP_TYP_S5 = 5,
};

struct power_ops {
    void (*power_off)(void *opaque);
    void (*reset)(void *opaque);
    void *opaque;
};

struct power;

void power_free(struct power *power) REQUIRES(bql); /* NULL is fine */
struct power *power_new(const struct irq_line *event_line, const struct power_ops *ops)
    OWNED_BY(power_free) REQUIRES(bql);
struct region *power_region(struct power *power, struct mem *mem) OWNED_BY(region_unref);
void power_reset(struct power *power) REQUIRES(bql);

/** Press the button. False: the guest does not listen. */
bool power_press_button(struct power *power) MUST_CHECK REQUIRES(bql);

#endif
