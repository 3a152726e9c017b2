/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The machine of lab.h, as the host makes it: its memory map, its devices, and the interrupt
 * controller, which is a bitmap.
 */
#ifndef TESTS_GUEST_MACHINE_H
#define TESTS_GUEST_MACHINE_H

#include <glib.h>
#include <stdbool.h>

#include "hw/cpu/cpu.h"
#include "hw/mem/mem.h"
#include "tests/guest/lab.h"
#include "tests/guest/lab_chips.h"
#include "util/loop.h"

enum { LATER_MAX = 16 };

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
    unsigned nr_cpus;
    uint64_t entry;         /* of the payload */
    bool has_chips;         /* real interrupt controllers, instead of the bitmap */
    struct lab_chips chips; /* if so */
    GPtrArray *regions;     /* the tree's, to be unmade */

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

/** Without processors, and without chips; the BQL is held. */
bool machine_init(struct machine *machine, GError **error) REQUIRES(bql);
void machine_fini(struct machine *machine) REQUIRES(bql);

/** Load the ELF file at @path, and put all processors at its entry. They have not been started. */
bool machine_load(struct machine *machine, const char *path, GError **error);

/** The same again, with what is in memory: all are paused, or have not been started. */
bool machine_enter(struct machine *machine);

#endif
