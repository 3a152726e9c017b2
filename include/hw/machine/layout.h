/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Where everything is that guests are told of: addresses, ports, interrupts. Read by C and by
 * iasl, so it holds nothing but plain numbers.
 *
 * RAM goes from 0 up to LAYOUT_RAM_LOW_END, and what does not fit goes on at 4 GiB. Above that
 * RAM lies the 64-bit window of PCI, whose place depends on how much RAM there is.
 */
#ifndef HW_MACHINE_LAYOUT_H
#define HW_MACHINE_LAYOUT_H

/* Guest-physical memory. */
#define LAYOUT_RAM_LOW_END 0xc0000000
#define LAYOUT_RAM_HIGH 0x100000000
#define LAYOUT_PCI32 0xc0000000 /* memory window of PCI below 4 GiB */
#define LAYOUT_PCI32_SIZE 0x20000000
#define LAYOUT_PCI32_LAST 0xdfffffff /* iasl wants no sums in resources */
#define LAYOUT_ECAM 0xe0000000       /* 1 MiB a bus */
#define LAYOUT_ECAM_SIZE 0x10000000
#define LAYOUT_ECAM_BUSES 256
#define LAYOUT_ECAM_LAST_BUS 255
#define LAYOUT_IOAPIC 0xfec00000
#define LAYOUT_LAPIC 0xfee00000 /* each processor's own; devices' writes there are MSIs */
#define LAYOUT_LAPIC_SIZE 0x100000

/*
 * A page: the wakeup mailbox of further processors. Linux 6.12 takes the address out of the table
 * when it has read it, and then complains of the table's checksum. The bytes of this address have
 * a sum of 0, so that it does not.
 */
#define LAYOUT_MAILBOX 0xfe020000

/* Processors have 40 bits of physical addresses (hw/cpu/cpuid.c). */
#define LAYOUT_PHYSICAL_END 0x10000000000

/* RAM that belongs to the loader until the kernel has read it. */
#define LAYOUT_BOOT_PARAMS 0x7000
#define LAYOUT_BOOT_STACK 0x9000 /* its end */
#define LAYOUT_COMMAND_LINE 0x20000
#define LAYOUT_COMMAND_LINE_SIZE 0x1000

/*
 * RAM that the guest must leave alone. What is between the two is where video cards had memory, and
 * is not offered. Further processors begin with the page tables and the GDT that the first one had.
 */
#define LAYOUT_RESERVED 0x9f000
#define LAYOUT_RESERVED_SIZE 0x1000
#define LAYOUT_ACPI 0xe0000 /* tables; the root pointer comes first */
#define LAYOUT_ACPI_SIZE 0x10000
#define LAYOUT_ACPI_WINDOW 0xf0000 /* what the DSDT reads: see hw/machine/dsdt.asl */
#define LAYOUT_START_GDT 0xf1000
#define LAYOUT_START_TABLES 0xf2000 /* page tables: an identity map of the first 4 GiB */
#define LAYOUT_FIRMWARE 0xffff0     /* where firmware is entered: code that resets the machine */
#define LAYOUT_KERNEL 0x100000      /* where kernels may begin */

/* Ports. */
#define LAYOUT_PORT_RTC 0x70 /* index, and data behind it */
#define LAYOUT_PORT_COM1 0x3f8
#define LAYOUT_PORT_PVPANIC 0x505 /* hw/dev/pvpanic.h; QEMU0001 in the DSDT */
#define LAYOUT_PORT_POWER 0x600   /* hw/dev/power.h has its registers */
#define LAYOUT_PORT_POWER_SIZE 4
#define LAYOUT_PORT_PCI 0xcf8 /* configuration: address, and data 4 behind it */
#define LAYOUT_PCI_IO 0x1000  /* I/O window of PCI */
#define LAYOUT_PCI_IO_SIZE 0xf000
#define LAYOUT_PCI_IO_LAST 0xffff

/* Global system interrupts: inputs of the one IOAPIC. */
#define LAYOUT_GSI_COM1 4
#define LAYOUT_GSI_RTC 8
#define LAYOUT_GSI_GED 9
#define LAYOUT_GSI_INTX 16 /* pin A of slot 0; 4 of them, by (slot + pin) % 4 */
#define LAYOUT_GSI_INTX_NR 4
#define LAYOUT_GSI_NR 24

#endif
