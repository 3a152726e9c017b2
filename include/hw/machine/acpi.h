/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * ACPI tables for a guest: hardware-reduced (ACPI 6.4, 4.1), so that Linux does without PIC, PIT
 * and fixed-function registers. hw/machine/dsdt.asl has what is static; what depends on the
 * machine is built here.
 *
 * Threads: none of the machine's processors runs.
 */
#ifndef HW_MACHINE_ACPI_H
#define HW_MACHINE_ACPI_H

#include <stdbool.h>
#include <stdint.h>

#include "hw/mem/ram.h"
#include "hw/mem/view.h"

struct acpi_config {
    unsigned nr_cpus; /* APIC IDs from 0 on */
    bool has_mailbox; /* further processors start by LAYOUT_MAILBOX, not by INIT and SIPI */
    struct mem_extent window64; /* of PCI, above RAM; size 0: none */
};

/** Write all tables into @ram, which has at least 1 MiB. Returns where the root pointer is. */
uint64_t acpi_write(const struct acpi_config *config, struct ram *ram);

#endif
