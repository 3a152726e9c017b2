/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The code of dsdt.asl, as iasl has made it when gracevm was built.
 */
#ifndef HW_MACHINE_ACPI_DSDT_H
#define HW_MACHINE_ACPI_DSDT_H

#include <stdint.h>

extern const uint8_t acpi_dsdt[];
extern const uint32_t acpi_dsdt_size;

#endif
