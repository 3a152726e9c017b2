/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * All rows of the decoder's tables, with the encodings that lead to each, and
 * whether code of a row can be run in this process.
 *
 * The encodings are found by asking the decoder for every opcode with every
 * prefix that can matter, so nothing here repeats a table.
 */
#ifndef TESTS_X86_CATALOGUE_H
#define TESTS_X86_CATALOGUE_H

#include "hw/cpu/soft/insn.h"

enum { REX_B = 0x41, REX_X = 0x42, REX_R = 0x44, REX_W = 0x48 };

/* Where an encoding of a row begins: the rest is filled in at random. */
struct encoding {
    uint8_t prefix; /* 0, 0x66, 0xf2, 0xf3 */
    uint8_t map;    /* as in struct insn */
    uint8_t opcode;
    uint8_t modrm; /* mod is 3 or not; reg and rm count if they choose the row */
    bool has_modrm;
    uint8_t rex; /* 0, REX_W, or REX_B where that makes another row */
};

enum run_as {
    RUN_NOT,    /* it would end or change this process, or its result is no processor's alone */
    RUN_NORMAL, /* with its effects */
    RUN_FAULT,  /* privileged: only to see it fault */
};

struct catalogue_row {
    const struct insn_row *row;
    struct encoding *encodings;
    unsigned nr_encodings;
    enum run_as run_as;
    const char *why_not; /* if RUN_NOT */
    /* Kept by compare.c: how often code of this row alone was run, and of that without fault. */
    uint64_t nr_runs, nr_done;
    unsigned nr_reports; /* of differences */
};

struct catalogue {
    struct catalogue_row *rows;
    unsigned nr_rows;
};

/** Made once, never freed. */
struct catalogue *catalogue_get(void);

/** Whether @insn, as it is encoded, means the same to every processor with long mode. */
bool catalogue_may_run(const struct insn *insn);

/** The entry of a row, or NULL. */
struct catalogue_row *catalogue_find(const struct insn_row *row);

#endif
