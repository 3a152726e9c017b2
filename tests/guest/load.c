/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A payload's ELF file into memory, and the processors at its entry. */
#include <elf.h>
#include <string.h>

#include "hw/mem/access.h"
#include "tests/guest/machine.h"

enum {
    GDT_AT = 0x800,
    PML4_AT = 0x1000,
    PDPT_AT = 0x2000,
    PD_AT = 0x3000, /* four pages */
    PTE_ALL = 7,    /* present, writable, user */
    PTE_LARGE = 0x80,
    SEL_ENTRY_CODE = 8,
    SEL_ENTRY_DATA = 16,
};

static bool fail(GError **error, const char *path, const char *what)
{
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL, "%s: %s", path, what);
    return false;
}

static bool load_elf(struct machine *machine, const char *path, uint64_t *ret_entry, GError **error)
{
    g_autofree char *file = NULL;
    Elf64_Ehdr head;
    size_t size;

    if (!g_file_get_contents(path, &file, &size, error))
        return false;
    if (size < sizeof(head))
        return fail(error, path, "too short for ELF");
    memcpy(&head, file, sizeof(head));
    if (memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64 ||
        head.e_machine != EM_X86_64)
        return fail(error, path, "no ELF file of x86-64");
    for (unsigned i = 0; i < head.e_phnum; i++) {
        const uint64_t at = head.e_phoff + (uint64_t)i * head.e_phentsize;
        Elf64_Phdr part;
        void *to;

        if (at > size || size - at < sizeof(part))
            return fail(error, path, "its headers are cut off");
        memcpy(&part, file + at, sizeof(part));
        if (part.p_type != PT_LOAD)
            continue;
        to = ram_pointer(machine->ram, part.p_paddr, part.p_memsz);
        if (!to || part.p_filesz > part.p_memsz || part.p_offset > size ||
            size - part.p_offset < part.p_filesz)
            return fail(error, path, "a segment does not fit");
        memcpy(to, file + part.p_offset, part.p_filesz); /* RAM is zero at first */
    }
    *ret_entry = head.e_entry;
    return true;
}

/* The identity map that lab.h promises, and a GDT. */
static void build_tables(struct machine *machine)
{
    static const uint64_t gdt[] = { 0, 0x00af9b000000ffff, 0x00cf93000000ffff };
    uint64_t *pml4 = ram_pointer(machine->ram, PML4_AT, 4096);
    uint64_t *pdpt = ram_pointer(machine->ram, PDPT_AT, 4096);
    uint64_t *pd = ram_pointer(machine->ram, PD_AT, UINT64_C(4) * 4096);

    memcpy(ram_pointer(machine->ram, GDT_AT, sizeof(gdt)), gdt, sizeof(gdt));
    pml4[0] = PDPT_AT | PTE_ALL;
    for (unsigned i = 0; i < 4; i++)
        pdpt[i] = (PD_AT + i * UINT64_C(4096)) | PTE_ALL;
    for (unsigned i = 0; i < 2048; i++)
        pd[i] = (uint64_t)i << 21 | PTE_ALL | PTE_LARGE;
}

static void enter_state(struct cpu_state *state, uint64_t entry, unsigned index, unsigned nr_cpus)
{
    const struct cpu_segment data = {
        .limit = UINT32_MAX,
        .selector = SEL_ENTRY_DATA,
        .attributes = SEG_P | SEG_S | SEG_TYPE_WRITABLE | SEG_TYPE_ACCESSED | SEG_DB | SEG_G,
    };

    cpu_state_reset(state);
    for (unsigned i = 0; i < SEG_LDT; i++)
        state->seg[i] = data;
    state->seg[SEG_CS].selector = SEL_ENTRY_CODE;
    state->seg[SEG_CS].attributes =
        SEG_P | SEG_S | SEG_TYPE_CODE | SEG_TYPE_WRITABLE | SEG_TYPE_ACCESSED | SEG_L | SEG_G;
    state->gdt = (struct cpu_table){ .base = GDT_AT, .limit = 23 };
    state->idt = (struct cpu_table){ .limit = 0 };
    state->cr0 = CR0_PG | CR0_WP | CR0_NE | CR0_ET | CR0_MP | CR0_PE;
    state->cr3 = PML4_AT;
    state->cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    state->efer = EFER_LME | EFER_LMA | EFER_NXE;
    state->rip = entry;
    state->gpr[RDI] = index;
    state->gpr[RSI] = nr_cpus;
}

bool machine_enter(struct machine *machine)
{
    for (unsigned i = 0; i < machine->cpus->nr_cpus; i++) {
        struct cpu_state state;

        enter_state(&state, machine->entry, i, machine->cpus->nr_cpus);
        if (cpu_set_state(machine->cpus->cpu[i], &state) != 0)
            return false;
    }
    return true;
}

bool machine_load(struct machine *machine, const char *path, GError **error)
{
    if (!load_elf(machine, path, &machine->entry, error))
        return false;
    build_tables(machine);
    return machine_enter(machine) ||
           fail(error, path, "the processor does not take the state of its entry");
}
