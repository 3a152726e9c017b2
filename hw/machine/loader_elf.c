/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * An ELF file into RAM, as its bytes come along: they may come out of a decompressor, and need not
 * all be there at once. System V ABI, chapters 4 and 5.
 */
#include <elf.h>
#include <inttypes.h>
#include <string.h>

#include "hw/machine/layout.h"
#include "hw/machine/loader_parts.h"

bool elf_is(const uint8_t *data, size_t size)
{
    return size >= SELFMAG && memcmp(data, ELFMAG, SELFMAG) == 0;
}

/* One that may be loaded, and its program headers are in the first ELF_HEAD_MAX bytes. */
static bool check_header(const Elf64_Ehdr *header, GError **error)
{
    if (!elf_is(header->e_ident, sizeof(header->e_ident)))
        return loader_fail(error, "no ELF file");
    if (header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_ident[EI_DATA] != ELFDATA2LSB ||
        header->e_machine != EM_X86_64)
        return loader_fail(error, "an ELF file, but not of x86-64");
    if (header->e_type != ET_EXEC)
        return loader_fail(error, "an ELF file, but not one that is linked to an address (type %u)",
                           header->e_type);
    if (header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phnum == 0)
        return loader_fail(error, "an ELF file without program headers");
    if (header->e_phoff > ELF_HEAD_MAX ||
        header->e_phnum > (ELF_HEAD_MAX - header->e_phoff) / sizeof(Elf64_Phdr))
        return loader_fail(error, "its ELF program headers are not at the beginning");
    return true;
}

static bool add_part(struct elf_load *load, const Elf64_Phdr *part, GError **error)
{
    uint64_t end, file_end;

    if (part->p_filesz > part->p_memsz ||
        __builtin_add_overflow(part->p_paddr, part->p_memsz, &end) ||
        __builtin_add_overflow(part->p_offset, part->p_filesz, &file_end))
        return loader_fail(error, "an ELF segment of impossible size");
    if (part->p_paddr < LAYOUT_KERNEL || end > LAYOUT_RAM_LOW_END)
        return loader_fail(
            error, "an ELF segment for 0x%" PRIx64 " to 0x%" PRIx64 ", outside of 0x%x to 0x%x",
            part->p_paddr, end, LAYOUT_KERNEL, LAYOUT_RAM_LOW_END);
    if (load->nr_parts == ELF_PARTS_MAX)
        return loader_fail(error, "more than %d ELF segments", ELF_PARTS_MAX);
    load->part[load->nr_parts++] =
        (struct elf_part){ part->p_offset, part->p_filesz, part->p_paddr };
    load->end = MAX(load->end, end);
    load->file_end = MAX(load->file_end, file_end);
    return true;
}

/* The entry may be told as a physical or as a virtual address. */
static bool find_entry(struct elf_load *load, const Elf64_Ehdr *header, const Elf64_Phdr *part)
{
    if (header->e_entry - part->p_paddr < part->p_memsz)
        load->entry = header->e_entry;
    else if (header->e_entry - part->p_vaddr < part->p_memsz)
        load->entry = header->e_entry - part->p_vaddr + part->p_paddr;
    else
        return false;
    return true;
}

static bool take_headers(struct elf_load *load, GError **error)
{
    Elf64_Ehdr header;
    bool has_entry = false;

    memcpy(&header, load->head, sizeof(header));
    for (unsigned i = 0; i < header.e_phnum; i++) {
        Elf64_Phdr part;

        memcpy(&part, load->head + header.e_phoff + i * sizeof(part), sizeof(part));
        if (part.p_type != PT_LOAD || part.p_memsz == 0)
            continue;
        if (!add_part(load, &part, error))
            return false;
        has_entry = has_entry || find_entry(load, &header, &part);
    }
    if (load->nr_parts == 0)
        return loader_fail(error, "an ELF file with nothing to load");
    if (!has_entry)
        return loader_fail(error, "its ELF entry 0x%" PRIx64 " is in no segment", header.e_entry);
    if (load->end > loader_low_size(load->ram))
        return loader_fail(error, "it takes memory up to %" PRIu64 " MiB, and there are %" PRIu64,
                           (load->end + 0xfffff) >> 20, ram_size(load->ram) >> 20);
    load->has_headers = true;
    return true;
}

/* How many bytes of the beginning we need; more are known the more there are. */
static uint64_t head_size(const struct elf_load *load, uint64_t nr_there)
{
    Elf64_Ehdr header;

    if (nr_there < sizeof(header))
        return sizeof(header);
    memcpy(&header, load->head, sizeof(header));
    return header.e_phoff + header.e_phnum * sizeof(Elf64_Phdr); /* checked before */
}

/* Copy what the head wants of @data, which begins at byte @at of the file. */
static bool take_head(struct elf_load *load, const uint8_t *data, size_t size, GError **error)
{
    const uint64_t at = load->nr_seen;
    const uint64_t there = MIN(at + size, (uint64_t)ELF_HEAD_MAX);
    Elf64_Ehdr header;

    if (at < ELF_HEAD_MAX)
        memcpy(load->head + at, data, there - at);
    if (there < sizeof(header))
        return true;
    memcpy(&header, load->head, sizeof(header));
    if (!check_header(&header, error))
        return false;
    return there < head_size(load, there) || take_headers(load, error);
}

/* Copy what belongs to @part of @size bytes of @data, which begin at byte @at of the file. */
static void take_part(const struct elf_load *load, const struct elf_part *part, uint64_t at,
                      const uint8_t *data, uint64_t size)
{
    const uint64_t from = MAX(at, part->offset);
    const uint64_t to = MIN(at + size, part->offset + part->size);

    if (from < to)
        memcpy(loader_at(load->ram, part->address + (from - part->offset), to - from),
               data + (from - at), to - from);
}

bool elf_load_bytes(void *opaque, const uint8_t *data, size_t size, GError **error)
{
    struct elf_load *load = opaque;
    const bool had_headers = load->has_headers;

    if (!had_headers && !take_head(load, data, size, error))
        return false;
    if (load->has_headers) {
        for (unsigned i = 0; i < load->nr_parts; i++) {
            /* What was there before the headers were complete is in the head. */
            if (!had_headers)
                take_part(load, &load->part[i], 0, load->head, load->nr_seen);
            take_part(load, &load->part[i], load->nr_seen, data, size);
        }
    }
    load->nr_seen += size;
    return true;
}

bool elf_load_is_done(const struct elf_load *load)
{
    return load->has_headers && load->nr_seen >= load->file_end;
}

bool elf_load_end(const struct elf_load *load, GError **error)
{
    if (elf_load_is_done(load))
        return true;
    return loader_fail(error, "the ELF file is cut off after %" PRIu64 " bytes", load->nr_seen);
}
