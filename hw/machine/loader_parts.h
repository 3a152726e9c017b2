/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The loader's parts: pure functions of bytes, which write nowhere but to RAM. Errors say what is
 * wrong, and leave it to loader.c to say with which file.
 */
#ifndef HW_MACHINE_LOADER_PARTS_H
#define HW_MACHINE_LOADER_PARTS_H

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "hw/cpu/state.h"
#include "hw/mem/ram.h"

/** @error is "@format"; false. */
bool loader_fail(GError **error, const char *format, ...) PRINTF_LIKE(2, 3);

/* ---- Memory ----------------------------------------------------------------------------------
 */

/** How much of @ram is below and above the hole. */
uint64_t loader_low_size(const struct ram *ram);
uint64_t loader_high_size(const struct ram *ram);

/** @length bytes at the guest's @address, or NULL if they are not all RAM. */
uint8_t *loader_at(const struct ram *ram, uint64_t address, uint64_t length);

/* ---- Streams: a file's bytes, in order --------------------------------------------------------
 */

/* Takes the next @size bytes; false: no more, @error says why. */
typedef bool loader_sink(void *opaque, const uint8_t *data, size_t size, GError **error);

/* ---- ELF: loader_elf.c ------------------------------------------------------------------------
 */

enum { ELF_HEAD_MAX = 4096, ELF_PARTS_MAX = 32 };

struct elf_part {
    uint64_t offset, size; /* in the file */
    uint64_t address;
};

/* An ELF file on its way into RAM. All zero bytes but ram is ready. */
struct elf_load {
    struct ram *ram;
    uint64_t nr_seen; /* bytes so far */
    uint8_t head[ELF_HEAD_MAX];
    bool has_headers; /* what follows is valid: */
    struct elf_part part[ELF_PARTS_MAX];
    unsigned nr_parts;
    uint64_t file_end; /* of the part that ends last in the file */
    uint64_t end;      /* of what it takes of memory */
    uint64_t entry;    /* physical */
};

bool elf_is(const uint8_t *data, size_t size);
/** A loader_sink, with struct elf_load * as opaque. */
bool elf_load_bytes(void *opaque, const uint8_t *data, size_t size, GError **error);
/** Whether nothing that follows matters. */
bool elf_load_is_done(const struct elf_load *load);
/** There is no more. */
bool elf_load_end(const struct elf_load *load, GError **error);

/* ---- bzImage: loader_bzimage.c ----------------------------------------------------------------
 */

enum { SETUP_HEADER = 0x1f1, SETUP_HEADER_MAX = 0x290 - SETUP_HEADER };

struct bzimage {
    uint64_t code, code_size;         /* where in the file is what runs, and how long it is */
    uint64_t payload, payload_size;   /* the same of the packed vmlinux; 0: not told */
    uint64_t address, memory_size;    /* where it prefers to run, and what it takes there */
    uint64_t initrd_end;              /* the end of what its initrd may take; UINT64_MAX: any */
    uint32_t command_line_max;        /* bytes without the terminator */
    uint8_t header[SETUP_HEADER_MAX]; /* for the kernel, which reads it again */
    unsigned header_size;
};

bool bzimage_is(const uint8_t *data, size_t size);
bool bzimage_parse(const uint8_t *data, size_t size, struct bzimage *ret_image, GError **error);
/** The header of a kernel that has none: an ELF file. */
void bzimage_invent(struct bzimage *ret_image);

/* ---- Unpacking: loader_unpack.c ---------------------------------------------------------------
 */

/** "xz" or the like; NULL: something else. */
const char *unpack_method(const uint8_t *data, size_t size);

/**
 * Unpack @size bytes of @data, whose last four are the unpacked size, as the kernel's build writes
 * them. No byte more than that goes to @sink.
 */
bool unpack(const uint8_t *data, size_t size, loader_sink *sink, void *opaque, GError **error);

/* ---- What is written for the kernel: boot_params.c, boot_state.c ------------------------------
 */

struct boot_info {
    const struct bzimage *image;
    const char *command_line;
    uint64_t initrd, initrd_size;
    uint64_t rsdp;
};

/** The "zero page" and the command line. RAM up to LAYOUT_KERNEL exists. */
bool boot_params_write(const struct boot_info *info, struct ram *ram, GError **error);

/** Descriptors and page tables for loader_start_state(). */
void boot_tables_write(struct ram *ram);

#endif
