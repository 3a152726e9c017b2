/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Kernels of a few bytes, as ELF files.
 */
#ifndef TESTS_UNIT_TINY_KERNEL_H
#define TESTS_UNIT_TINY_KERNEL_H

#include <elf.h>
#include <glib.h>
#include <string.h>

#include "hw/machine/layout.h"
#include "util/annotate.h"

enum { CODE_AT = LAYOUT_KERNEL, CODE_SIZE = 64 };

/* out %al, %dx; then: hlt, again and again */
#define OUT(port, value) 0x66, 0xba, (port)&0xff, (port) >> 8, 0xb0, (value), 0xee, 0xf4, 0xeb, 0xfd

static const uint8_t UNUSED powers_off[CODE_SIZE] = { OUT(0x600, 5 << 2 | 1 << 5) };
static const uint8_t UNUSED resets[CODE_SIZE] = { OUT(0x602, 1) };
static const uint8_t UNUSED halts[CODE_SIZE] = { 0xf4, 0xeb, 0xfd };
/* lidt from zeros; ud2 */
static const uint8_t UNUSED triple_faults[CODE_SIZE] = {
    0x0f,          0x01, 0x1c, 0x25, (CODE_AT + 32) & 0xff, CODE_AT >> 8 & 0xff,
    CODE_AT >> 16, 0,    0x0f, 0x0b,
};

struct kernel_file {
    Elf64_Ehdr header;
    Elf64_Phdr part;
    uint8_t code[CODE_SIZE];
};

static inline void write_kernel(const char *path, const uint8_t *code)
{
    struct kernel_file file = {
        .header = {
            .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
            .e_type = ET_EXEC,
            .e_machine = EM_X86_64,
            .e_version = EV_CURRENT,
            .e_entry = CODE_AT,
            .e_phoff = offsetof(struct kernel_file, part),
            .e_ehsize = sizeof(Elf64_Ehdr),
            .e_phentsize = sizeof(Elf64_Phdr),
            .e_phnum = 1,
        },
        .part = {
            .p_type = PT_LOAD,
            .p_flags = PF_R | PF_W | PF_X,
            .p_offset = offsetof(struct kernel_file, code),
            .p_vaddr = CODE_AT,
            .p_paddr = CODE_AT,
            .p_filesz = CODE_SIZE,
            .p_memsz = CODE_SIZE,
        },
    };

    memcpy(file.code, code, CODE_SIZE);
    g_assert_true(g_file_set_contents(path, (const char *)&file, sizeof(file), NULL));
}

static inline char *kernel_path(void)
{
    char *path = g_strdup("/tmp/gracevm-kernel-XXXXXX");

    g_assert_cmpint(g_mkstemp(path), >=, 0);
    return path;
}

#endif
