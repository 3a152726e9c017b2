/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The port by which a guest's kernel says that it has panicked (QEMU's
 * docs/specs/pvpanic: one byte, bit 0 panicked, bit 1 a crash kernel takes over).
 * Linux has a driver, a module in distributions: pvpanic-mmio, ACPI name QEMU0001.
 *
 * Threads: under the BQL.
 */
#ifndef HW_DEV_PVPANIC_H
#define HW_DEV_PVPANIC_H

#include "hw/mem/region.h"

enum { PVPANIC_PORTS = 1, PVPANIC_PANICKED = 1, PVPANIC_CRASH_LOADED = 2 };

struct pvpanic;

void pvpanic_free(struct pvpanic *pvpanic) REQUIRES(bql); /* NULL is fine */
/** @panicked is called, perhaps often, when the guest says so. */
struct pvpanic *pvpanic_new(void (*panicked)(void *opaque), void *opaque) OWNED_BY(pvpanic_free)
    REQUIRES(bql);
struct region *pvpanic_region(struct pvpanic *pvpanic, struct mem *mem) OWNED_BY(region_unref);

#endif
