/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine of lab.h, as the host makes it: its memory map, its devices, and the interrupt
 * controller, which is a bitmap, or local APICs (hw/irq/lapic.h).
 */
#ifndef TESTS_GUEST_MACHINE_H
#define TESTS_GUEST_MACHINE_H

#include <glib.h>
#include <stdbool.h>

#include "hw/cpu/cpu.h"
#include "hw/mem/mem.h"
#include "tests/guest/lab.h"
#include "util/guest_clock.h"
#include "util/loop.h"

enum { LATER_MAX = 16 };

struct lapics;
struct machine;

/* An interrupt or NMI that is to be raised after a while. */
struct later {
    struct loop_timer timer;
    struct machine *machine;
    uint32_t port, value;
    bool is_used;
};

struct machine {
    struct mem *mem;
    struct region *root, *port_root;
    struct space *memory, *ports;
    struct ram *ram;
    struct cpu_board board;
    struct cpus *cpus;
    GPtrArray *regions;    /* the tree's, to be unmade */
    struct lapics *lapics; /* or NULL: the bitmap below serves */
    struct guest_clock clock;

    /* Interrupts; atomic: bit n of word n / 64. */
    uint64_t pending[CPUS_MAX][4];
    uint32_t priority[CPUS_MAX]; /* atomic */

    /* Devices; guarded by the BQL. */
    struct later later[LATER_MAX];
    struct region *overlay;
    struct region *blob; /* NULL: not mapped */
    unsigned nr_blobs;
    unsigned released; /* atomic */
    uint32_t asked, address;
    uint8_t scratch[8];
    uint32_t stream, sum;
    uint8_t window[LAB_WINDOW_SIZE];
    uint64_t window_last;
    GString *line; /* of output, not ended yet */

    /* What came of it; guarded by the BQL, but for stopped. */
    unsigned nr_checks;
    bool has_exited;
    uint32_t status;
    int stopped;         /* enum cpu_exit, or -1; atomic */
    bool skips_failures; /* failed checks are told as skips: see run.c */
};

/** Without processors; the BQL is held. */
bool machine_init(struct machine *machine, GError **error) REQUIRES(bql);
void machine_fini(struct machine *machine) REQUIRES(bql);

/** Before the processors are made: they get local APICs, for lapics_attach(). */
bool machine_add_apics(struct machine *machine, unsigned nr_cpus, GError **error) REQUIRES(bql);

/** Load the ELF file at @path, and put all processors at its entry. They have not been started. */
bool machine_load(struct machine *machine, const char *path, GError **error);

#endif
