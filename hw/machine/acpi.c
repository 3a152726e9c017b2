/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Section and table numbers are of ACPI 6.4. */
#include "hw/machine/acpi.h"

#include <assert.h>
#include <string.h>

#include "hw/cpu/cpu.h"
#include "hw/dev/power.h"
#include "hw/machine/acpi_dsdt.h"
#include "hw/machine/layout.h"

enum {
    HEADER_SIZE = 36, /* 5.2.6 */
    HEADER_LENGTH = 4,
    HEADER_CHECKSUM = 9,
    RSDP_SIZE = 36, /* 5.2.5.3 */
    RSDP_OLD_SIZE = 20,
    FADT_SIZE = 276, /* 5.2.9 */
    ALIGNMENT = 16,
};

_Static_assert(LAYOUT_PCI32_LAST == LAYOUT_PCI32 + LAYOUT_PCI32_SIZE - 1, "the same twice");
_Static_assert(LAYOUT_PCI_IO_LAST == LAYOUT_PCI_IO + LAYOUT_PCI_IO_SIZE - 1, "the same twice");
_Static_assert(LAYOUT_ECAM_LAST_BUS == LAYOUT_ECAM_BUSES - 1, "the same twice");

/* Tables as they are written, one behind the other. */
struct writer {
    uint8_t *base;  /* of LAYOUT_ACPI */
    unsigned at;    /* the end of what there is */
    unsigned table; /* the beginning of the last table */
};

static void put(struct writer *writer, unsigned size, uint64_t value)
{
    assert(writer->at + size <= LAYOUT_ACPI_SIZE);
    memcpy(writer->base + writer->at, &value, size);
    writer->at += size;
}

static void put_bytes(struct writer *writer, const void *bytes, unsigned size)
{
    assert(writer->at + size <= LAYOUT_ACPI_SIZE);
    memcpy(writer->base + writer->at, bytes, size);
    writer->at += size;
}

static void put_zeroes(struct writer *writer, unsigned size)
{
    assert(writer->at + size <= LAYOUT_ACPI_SIZE);
    memset(writer->base + writer->at, 0, size);
    writer->at += size;
}

static uint8_t checksum(const uint8_t *bytes, unsigned size)
{
    uint8_t sum = 0;

    for (unsigned i = 0; i < size; i++)
        sum = (uint8_t)(sum + bytes[i]);
    return (uint8_t)-sum;
}

static void begin_table(struct writer *writer, const char *signature, unsigned revision)
{
    writer->at = (writer->at + ALIGNMENT - 1) & ~(ALIGNMENT - 1u);
    writer->table = writer->at;
    put_bytes(writer, signature, 4);
    put(writer, 4, 0); /* length */
    put(writer, 1, revision);
    put(writer, 1, 0); /* checksum */
    put_bytes(writer, "GRACE\0GRACEVM\0", 14);
    put(writer, 4, 1); /* the table's own revision */
    put_bytes(writer, "GRVM", 4);
    put(writer, 4, 1);
}

/* Returns its address. */
static uint64_t end_table(struct writer *writer)
{
    uint8_t *table = writer->base + writer->table;
    const uint32_t length = writer->at - writer->table;

    memcpy(table + HEADER_LENGTH, &length, sizeof(length));
    table[HEADER_CHECKSUM] = checksum(table, length);
    return LAYOUT_ACPI + writer->table;
}

/* Go on at @offset of the table. */
static void put_up_to(struct writer *writer, unsigned offset)
{
    put_zeroes(writer, writer->table + offset - writer->at);
}

/* 5.2.3.2: the address of a register of one byte, in port space. */
static void put_port(struct writer *writer, uint64_t port)
{
    enum { SPACE_PORTS = 1, BYTE_BITS = 8, ACCESS_BYTE = 1 };

    put(writer, 1, SPACE_PORTS);
    put(writer, 1, BYTE_BITS);
    put(writer, 1, 0);
    put(writer, 1, ACCESS_BYTE);
    put(writer, 8, port);
}

static uint64_t write_dsdt(struct writer *writer)
{
    writer->at = (writer->at + ALIGNMENT - 1) & ~(ALIGNMENT - 1u);
    writer->table = writer->at;
    put_bytes(writer, acpi_dsdt, acpi_dsdt_size);
    return LAYOUT_ACPI + writer->table; /* iasl has written length and checksum */
}

static uint64_t write_fadt(struct writer *writer, uint64_t dsdt)
{
    enum { /* table 5.10: flags */
           WBINVD = 1 << 0,
           NO_POWER_BUTTON_REGISTER = 1 << 4,
           NO_SLEEP_BUTTON_REGISTER = 1 << 5,
           NO_RTC_REGISTER = 1 << 6,
           RESET_REGISTER = 1 << 10,
           HARDWARE_REDUCED = 1 << 20,
    };
    enum { REVISION = 6, MINOR = 4, PROFILE_DESKTOP = 1, BOOT_NO_VGA = 1 << 2 };
    enum { /* offsets, table 5.9 */
           AT_DSDT = 40,
           AT_PROFILE = 45,
           AT_BOOT_FLAGS = 109,
           AT_FLAGS = 112,
           AT_MINOR = 131,
           AT_DSDT_64 = 140,
           AT_SLEEP = 244,
           AT_VENDOR = 268,
    };

    begin_table(writer, "FACP", REVISION);
    put_up_to(writer, AT_DSDT);
    put(writer, 4, dsdt);
    put_up_to(writer, AT_PROFILE);
    put(writer, 1, PROFILE_DESKTOP);
    put_up_to(writer, AT_BOOT_FLAGS);
    put(writer, 2, BOOT_NO_VGA); /* and no i8042 */
    put_up_to(writer, AT_FLAGS);
    put(writer, 4,
        WBINVD | NO_POWER_BUTTON_REGISTER | NO_SLEEP_BUTTON_REGISTER | NO_RTC_REGISTER |
            RESET_REGISTER | HARDWARE_REDUCED);
    put_port(writer, LAYOUT_PORT_POWER + POWER_RESET);
    put(writer, 1, POWER_RESET_VALUE);
    put_up_to(writer, AT_MINOR);
    put(writer, 1, MINOR);
    put_up_to(writer, AT_DSDT_64);
    put(writer, 8, dsdt);
    put_up_to(writer, AT_SLEEP);
    put_port(writer, LAYOUT_PORT_POWER + POWER_SLEEP_CONTROL);
    put_port(writer, LAYOUT_PORT_POWER + POWER_SLEEP_STATUS);
    put_up_to(writer, AT_VENDOR);
    put_bytes(writer, "GRACEVM", 8);
    return end_table(writer);
}

/* 5.2.12 */
static uint64_t write_madt(struct writer *writer, const struct acpi_config *config)
{
    enum { REVISION = 5, LOCAL_APIC = 0, IO_APIC = 1, WAKEUP = 0x10, ENABLED = 1 };

    begin_table(writer, "APIC", REVISION);
    put(writer, 4, LAYOUT_LAPIC);
    put(writer, 4, 0); /* no PIC */
    for (unsigned i = 0; i < config->nr_cpus; i++) {
        put(writer, 1, LOCAL_APIC);
        put(writer, 1, 8);
        put(writer, 1, i); /* the processor's UID */
        put(writer, 1, i);
        put(writer, 4, ENABLED);
    }
    put(writer, 1, IO_APIC);
    put(writer, 1, 12);
    put(writer, 2, 0); /* its ID */
    put(writer, 4, LAYOUT_IOAPIC);
    put(writer, 4, 0); /* the GSI of its first input */
    if (config->has_mailbox) {
        put(writer, 1, WAKEUP);
        put(writer, 1, 16);
        put(writer, 2, 0); /* version of the mailbox */
        put(writer, 4, 0);
        put(writer, 8, LAYOUT_MAILBOX);
    }
    return end_table(writer);
}

/* PCI Firmware 3.2, table 4-2 */
static uint64_t write_mcfg(struct writer *writer)
{
    begin_table(writer, "MCFG", 1);
    put_zeroes(writer, 8);
    put(writer, 8, LAYOUT_ECAM);
    put(writer, 2, 0); /* segment */
    put(writer, 1, 0);
    put(writer, 1, LAYOUT_ECAM_BUSES - 1);
    put_zeroes(writer, 4);
    return end_table(writer);
}

static void write_rsdp(uint8_t *rsdp, uint64_t xsdt)
{
    enum { AT_CHECKSUM = 8, AT_OEM = 9, AT_REVISION = 15, AT_LENGTH = 20, AT_XSDT = 24 };
    enum { AT_CHECKSUM_ALL = 32 };

    memset(rsdp, 0, RSDP_SIZE);
    memcpy(rsdp, "RSD PTR ", 8);
    memcpy(rsdp + AT_OEM, "GRACE", 6);
    rsdp[AT_REVISION] = 2;
    rsdp[AT_LENGTH] = RSDP_SIZE;
    memcpy(rsdp + AT_XSDT, &xsdt, sizeof(xsdt));
    rsdp[AT_CHECKSUM] = checksum(rsdp, RSDP_OLD_SIZE);
    rsdp[AT_CHECKSUM_ALL] = checksum(rsdp, RSDP_SIZE);
}

/* What the DSDT reads to know the 64-bit window: first address, last one, size. */
static void write_window(const struct mem_extent *window, struct ram *ram)
{
    const uint64_t values[] = { window->start, window->start + window->size - 1, window->size };

    memcpy(ram_pointer(ram, LAYOUT_ACPI_WINDOW, sizeof(values)), values, sizeof(values));
}

uint64_t acpi_write(const struct acpi_config *config, struct ram *ram)
{
    struct writer writer = { .base = ram_pointer(ram, LAYOUT_ACPI, LAYOUT_ACPI_SIZE) };
    uint64_t tables[3];

    assert(config->nr_cpus >= 1 && config->nr_cpus <= CPUS_MAX);
    write_window(&config->window64, ram);
    put_zeroes(&writer, RSDP_SIZE);
    tables[0] = write_fadt(&writer, write_dsdt(&writer));
    tables[1] = write_madt(&writer, config);
    tables[2] = write_mcfg(&writer);
    begin_table(&writer, "XSDT", 1);
    put_bytes(&writer, tables, sizeof(tables));
    write_rsdp(writer.base, end_table(&writer));
    return LAYOUT_ACPI;
}
