/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * How processors begin: in 64-bit mode, with a flat GDT and an identity map. AMD64 APM vol. 2,
 * chapters 4 and 5; selectors as Linux's boot protocol has them.
 */
#include <string.h>

#include "hw/cpu/cpu.h"
#include "hw/dev/power.h"
#include "hw/machine/layout.h"
#include "hw/machine/loader.h"
#include "hw/machine/loader_parts.h"

enum {
    SEL_CODE = 0x10,
    SEL_DATA = 0x18,
    TABLE_ENTRIES = 512,
    TABLE_SIZE = 4096,
    NR_DIRECTORIES = LAYOUT_RAM_HIGH >> 30, /* each maps 1 GiB */
    PTE_TABLE = 3,                          /* present, writable */
    PTE_PAGE = 0x83,                        /* and 2 MiB long */
    PAGE_SHIFT_2M = 21,
};

static const uint64_t descriptors[] = {
    0, 0, 0x00af9b000000ffff /* code, 64 bits */, 0x00cf93000000ffff /* data */
};

/*
 * Linux, with hardware-reduced ACPI and no EFI, restarts by jumping to the firmware in real mode.
 * On KVM it gets there; `soft`, which has no such mode, sees it leave (CPU_EXIT_FIRMWARE).
 * mov dx, port; mov al, value; out dx, al; hlt; jmp to the hlt
 */
static const uint8_t firmware[] = {
    0xba,
    (LAYOUT_PORT_POWER + POWER_RESET) & 0xff,
    (LAYOUT_PORT_POWER + POWER_RESET) >> 8,
    0xb0,
    POWER_RESET_VALUE,
    0xee,
    0xf4,
    0xeb,
    0xfd,
};

void boot_tables_write(struct ram *ram)
{
    const uint64_t size = (2 + NR_DIRECTORIES) * (uint64_t)TABLE_SIZE;
    uint64_t *root = (void *)loader_at(ram, LAYOUT_START_TABLES, size);
    uint64_t *pointers = root + TABLE_ENTRIES;
    uint64_t *pages = pointers + TABLE_ENTRIES;
    const uint64_t pointers_at = LAYOUT_START_TABLES + TABLE_SIZE;

    memcpy(loader_at(ram, LAYOUT_FIRMWARE, sizeof(firmware)), firmware, sizeof(firmware));
    memcpy(loader_at(ram, LAYOUT_START_GDT, sizeof(descriptors)), descriptors, sizeof(descriptors));
    root[0] = pointers_at | PTE_TABLE;
    for (unsigned i = 0; i < NR_DIRECTORIES; i++)
        pointers[i] = (pointers_at + (i + 1) * (uint64_t)TABLE_SIZE) | PTE_TABLE;
    for (unsigned i = 0; i < NR_DIRECTORIES * TABLE_ENTRIES; i++)
        pages[i] = (uint64_t)i << PAGE_SHIFT_2M | PTE_PAGE;
}

void loader_start_state(uint64_t rip, struct cpu_state *ret_state)
{
    const struct cpu_segment data = {
        .limit = UINT32_MAX,
        .selector = SEL_DATA,
        .attributes = SEG_P | SEG_S | SEG_TYPE_WRITABLE | SEG_TYPE_ACCESSED | SEG_DB | SEG_G,
    };
    const struct cpu_segment code = {
        .limit = UINT32_MAX,
        .selector = SEL_CODE,
        .attributes =
            SEG_P | SEG_S | SEG_TYPE_CODE | SEG_TYPE_WRITABLE | SEG_TYPE_ACCESSED | SEG_L | SEG_G,
    };

    cpu_state_reset(ret_state);
    for (unsigned i = 0; i < SEG_LDT; i++)
        ret_state->seg[i] = data;
    ret_state->seg[SEG_CS] = code;
    ret_state->gdt = (struct cpu_table){ LAYOUT_START_GDT, sizeof(descriptors) - 1 };
    ret_state->idt = (struct cpu_table){ .limit = 0 };
    ret_state->cr0 = CR0_PG | CR0_NE | CR0_ET | CR0_PE;
    ret_state->cr3 = LAYOUT_START_TABLES;
    ret_state->cr4 = CR4_PAE;
    /* Linux 6.12 starts further processors on page tables with NX before it sets this. */
    ret_state->efer = EFER_LME | EFER_LMA | EFER_NXE;
    ret_state->rip = rip;
}
