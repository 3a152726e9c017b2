/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What firmware and boot loaders are elsewhere: put a Linux kernel into RAM, write what it has to
 * be told, and say in what state a processor enters it. The protocol is the kernel's own
 * (Documentation/arch/x86/boot.rst, "64-bit boot protocol"); docs/boot.md has the picture.
 *
 * A kernel is a bzImage or an ELF vmlinux. The vmlinux in a bzImage can be unpacked here, which
 * spares the guest the work and an interpreter the wait; it then runs where it was linked, without
 * KASLR.
 *
 * Files are not trusted: what is wrong with one is an error that names it.
 *
 * Threads: none of the machine's processors runs.
 */
#ifndef HW_MACHINE_LOADER_H
#define HW_MACHINE_LOADER_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "hw/cpu/state.h"
#include "hw/mem/ram.h"

struct loader_config {
    const char *kernel;       /* the paths are opened anew each time */
    const char *initrd;       /* NULL: none */
    const char *command_line; /* NULL: empty */
    uint64_t rsdp;            /* where the root of the ACPI tables is; 0: there are none */
    bool unpacks;             /* unpack a bzImage here, if we know how */
};

/**
 * Load into @ram, which is all of the machine's, from 0 up to LAYOUT_RAM_LOW_END and on at
 * LAYOUT_RAM_HIGH, and is all zero (loader_clear()). @ret_state is for processor 0.
 */
bool loader_load(const struct loader_config *config, struct ram *ram, struct cpu_state *ret_state,
                 GError **error) MUST_CHECK;

/** Make all of @ram zero, and give its pages back to the host: for a reset. */
bool loader_clear(struct ram *ram, GError **error) MUST_CHECK;

/**
 * The state in which a further processor begins at @rip: 64-bit mode, interrupts off, with the
 * first processor's descriptors and its identity map, which guests leave alone.
 */
void loader_start_state(uint64_t rip, struct cpu_state *ret_state);

#endif
