/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a kernel is told: the "zero page" (Documentation/arch/x86/zero-page.rst of Linux) and the
 * command line.
 */
#include <string.h>

#include "hw/machine/layout.h"
#include "hw/machine/loader_parts.h"

enum { /* offsets in the page */
       AT_RSDP = 0x70,
       AT_INITRD_HIGH = 0xc0, /* upper halves of address, size and command line's address */
       AT_INITRD_SIZE_HIGH = 0xc4,
       AT_COMMAND_LINE_HIGH = 0xc8,
       AT_E820_NR = 0x1e8,
       AT_VIDEO_MODE = 0x1fa,
       AT_LOADER = 0x210,
       AT_INITRD = 0x218,
       AT_INITRD_SIZE = 0x21c,
       AT_COMMAND_LINE = 0x228,
       AT_E820 = 0x2d0,
       PAGE_SIZE_ = 4096,
};

enum { LOADER_UNKNOWN = 0xff, VIDEO_MODE_NORMAL = 0xffff };

/* ACPI 6.4, table 15.8 */
enum e820_type { E820_RAM = 1, E820_RESERVED = 2, E820_ACPI = 3 };

enum { E820_ENTRY = 20 };

static void put(uint8_t *page, unsigned offset, unsigned size, uint64_t value)
{
    memcpy(page + offset, &value, size);
}

static void add_range(uint8_t *page, uint64_t start, uint64_t size, enum e820_type type)
{
    const unsigned at = AT_E820 + E820_ENTRY * page[AT_E820_NR];

    if (size == 0)
        return;
    put(page, at, 8, start);
    put(page, at + 8, 8, size);
    put(page, at + 16, 4, type);
    page[AT_E820_NR]++;
}

/* ECAM must be reserved here, or Linux does not use it. */
static void add_memory(uint8_t *page, const struct ram *ram)
{
    const uint64_t after_acpi = LAYOUT_ACPI + LAYOUT_ACPI_SIZE;

    add_range(page, 0, LAYOUT_RESERVED, E820_RAM);
    add_range(page, LAYOUT_RESERVED, LAYOUT_RESERVED_SIZE, E820_RESERVED);
    add_range(page, LAYOUT_ACPI, LAYOUT_ACPI_SIZE, E820_ACPI);
    add_range(page, after_acpi, LAYOUT_KERNEL - after_acpi, E820_RESERVED);
    add_range(page, LAYOUT_KERNEL, loader_low_size(ram) - LAYOUT_KERNEL, E820_RAM);
    add_range(page, LAYOUT_ECAM, LAYOUT_ECAM_SIZE, E820_RESERVED);
    add_range(page, LAYOUT_MAILBOX, RAM_PAGE, E820_RESERVED);
    add_range(page, LAYOUT_RAM_HIGH, loader_high_size(ram), E820_RAM);
}

bool boot_params_write(const struct boot_info *info, struct ram *ram, GError **error)
{
    const size_t length = strlen(info->command_line);
    const size_t most = MIN(info->image->command_line_max, LAYOUT_COMMAND_LINE_SIZE - 1);
    uint8_t *page = loader_at(ram, LAYOUT_BOOT_PARAMS, PAGE_SIZE_);

    if (length > most)
        return loader_fail(error, "the kernel's command line has %zu characters; it takes %zu",
                           length, most);
    memset(page, 0, PAGE_SIZE_);
    memcpy(page + SETUP_HEADER, info->image->header, info->image->header_size);
    memcpy(loader_at(ram, LAYOUT_COMMAND_LINE, length + 1), info->command_line, length + 1);
    put(page, AT_VIDEO_MODE, 2, VIDEO_MODE_NORMAL);
    put(page, AT_LOADER, 1, LOADER_UNKNOWN);
    put(page, AT_COMMAND_LINE, 4, LAYOUT_COMMAND_LINE);
    put(page, AT_COMMAND_LINE_HIGH, 4, 0);
    put(page, AT_INITRD, 4, info->initrd);
    put(page, AT_INITRD_HIGH, 4, info->initrd >> 32);
    put(page, AT_INITRD_SIZE, 4, info->initrd_size);
    put(page, AT_INITRD_SIZE_HIGH, 4, info->initrd_size >> 32);
    put(page, AT_RSDP, 8, info->rsdp);
    add_memory(page, ram);
    return true;
}
