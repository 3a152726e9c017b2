/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ELF kernels: the first byte says in what pieces the rest comes along. All pieces must come to the
 * same, and write nothing but what the headers say.
 */
#include <stdlib.h>
#include <string.h>

#include "hw/machine/layout.h"
#include "hw/machine/loader_parts.h"
#include "tests/fuzz/target.h"

enum { RAM_SIZE = 4 << 20 };

static void require(bool holds)
{
    if (!holds)
        abort();
}

static struct ram *new_ram(void)
{
    static struct mem *mem;

    if (!mem)
        mem = mem_new();
    return ram_new(mem, "ram", RAM_SIZE, NULL);
}

/* Whether it was loaded, into @ram, in pieces of @piece bytes. */
static bool load(const uint8_t *data, size_t size, size_t piece, struct ram *ram,
                 struct elf_load *ret_load)
{
    *ret_load = (struct elf_load){ .ram = ram };
    for (size_t at = 0; at < size; at += piece) {
        if (!elf_load_bytes(ret_load, data + at, MIN(piece, size - at), NULL))
            return false;
    }
    return elf_load_end(ret_load, NULL);
}

static void check(const struct elf_load *load, const uint8_t *data, size_t size)
{
    require(load->nr_parts > 0 && load->nr_parts <= ELF_PARTS_MAX);
    require(load->end <= RAM_SIZE && load->file_end <= size);
    require(load->entry >= LAYOUT_KERNEL && load->entry < load->end);
    for (unsigned i = 0; i < load->nr_parts; i++) {
        const struct elf_part *part = &load->part[i];

        require(part->offset <= size && part->size <= size - part->offset);
        require(part->address >= LAYOUT_KERNEL && part->address <= load->end);
        require(part->size <= load->end - part->address);
    }
    /* Where segments lie over each other the later byte of the file wins, whichever it is. */
    if (load->nr_parts == 1)
        require(memcmp(ram_pointer(load->ram, load->part[0].address, load->part[0].size),
                       data + load->part[0].offset, load->part[0].size) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct elf_load whole, pieces;
    static struct ram *ram;
    bool is_loaded;

    if (size == 0)
        return 0;
    if (!ram)
        ram = new_ram();
    is_loaded = load(data + 1, size - 1, size, ram, &whole);
    if (is_loaded)
        check(&whole, data + 1, size - 1);
    require(load(data + 1, size - 1, (size_t)data[0] + 1, ram, &pieces) == is_loaded);
    if (is_loaded) {
        check(&pieces, data + 1, size - 1);
        require(whole.entry == pieces.entry && whole.end == pieces.end);
    }
    return 0;
}
