/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Names of what lies in configuration space: PCI Local Bus 3.0, chapter 6, and
 * PCI Express Base 3.0, 7.8. Offsets in bytes.
 */
#ifndef HW_PCI_REGISTERS_H
#define HW_PCI_REGISTERS_H

#include <stdint.h>

/* The header of a device, type 0 (6.1). */
enum {
    PCI_VENDOR = 0x00,
    PCI_DEVICE = 0x02,
    PCI_COMMAND = 0x04,
    PCI_STATUS = 0x06,
    PCI_REVISION = 0x08,
    PCI_CLASS = 0x09, /* 3 bytes: interface, subclass, class */
    PCI_CACHE_LINE = 0x0c,
    PCI_HEADER_TYPE = 0x0e,
    PCI_BAR0 = 0x10, /* six of 4 bytes */
    PCI_BARS_END = 0x28,
    PCI_SUBSYSTEM_VENDOR = 0x2c,
    PCI_SUBSYSTEM = 0x2e,
    PCI_CAPABILITIES = 0x34, /* a byte: where the first one is, or 0 */
    PCI_INTERRUPT_LINE = 0x3c,
    PCI_INTERRUPT_PIN = 0x3d,
    PCI_HEADER_END = 0x40,
};

/* The command register (6.2.2). */
enum {
    PCI_COMMAND_PORTS = 1 << 0,
    PCI_COMMAND_MEMORY = 1 << 1,
    PCI_COMMAND_BUS_MASTER = 1 << 2,
    PCI_COMMAND_PARITY = 1 << 6,
    PCI_COMMAND_SERR = 1 << 8,
    PCI_COMMAND_INTX_OFF = 1 << 10,
};

/* The status register (6.2.3). */
enum {
    PCI_STATUS_INTX = 1 << 3,
    PCI_STATUS_CAPABILITIES = 1 << 4,
};

/* The low bits of a BAR, which say what it is (6.2.5.1). */
enum {
    PCI_BAR_IS_PORTS = 1 << 0,
    PCI_BAR_IS_64 = 2 << 1,
    PCI_BAR_IS_PREFETCHABLE = 1 << 3,
};

/* Capabilities begin with two bytes: which one, and where the next one is, or 0 (6.7). */
enum {
    PCI_CAPABILITY_VENDOR = 0x09,
    PCI_CAPABILITY_EXPRESS = 0x10,
    PCI_CAPABILITY_MSIX = 0x11,
};

/* In the MSI-X capability (6.8.2). */
enum {
    MSIX_CONTROL = 2,
    MSIX_TABLE = 4,   /* where the table is: an offset, and in bits 0-2 the BAR */
    MSIX_PENDING = 8, /* the same of the pending bits */
    MSIX_CAPABILITY_SIZE = 12,

    MSIX_CONTROL_MASK_ALL = 1 << 14,
    MSIX_CONTROL_ENABLE = 1 << 15,
};

/* An entry of the MSI-X table (6.8.2.6 to 6.8.2.9). */
enum {
    MSIX_ENTRY_ADDRESS = 0,
    MSIX_ENTRY_ADDRESS_HIGH = 4,
    MSIX_ENTRY_DATA = 8,
    MSIX_ENTRY_CONTROL = 12,
    MSIX_ENTRY_SIZE = 16,

    MSIX_ENTRY_MASKED = 1 << 0, /* of its control */
};

#endif
