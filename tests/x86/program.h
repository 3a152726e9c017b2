/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A few instructions at an address of the sandbox's code, and how they are made.
 */
#ifndef TESTS_X86_PROGRAM_H
#define TESTS_X86_PROGRAM_H

#include "hw/cpu/soft/insn.h"
#include "tests/x86/catalogue.h"
#include "tests/x86/random.h"
#include "tests/x86/sandbox.h"

enum { PROGRAM_INSNS = 12, PROGRAM_BYTES = PROGRAM_INSNS * INSN_BYTES_MAX };

struct program {
    uint32_t address;                    /* of bytes[0] */
    unsigned nr;                         /* 0: bytes that are no instruction */
    unsigned entry;                      /* the instruction that is run first */
    uint8_t start[PROGRAM_INSNS + 1];    /* offset of each; then of the end */
    struct insn insns[PROGRAM_INSNS];    /* as the decoder has them */
    uint8_t bytes[PROGRAM_BYTES + 16];   /* zeros behind the last instruction */
    uint8_t target[PROGRAM_INSNS];       /* of a relative branch: which instruction */
    uint16_t ignored[PROGRAM_INSNS + 1]; /* undefined flags before each; then at the end */
    uint16_t pointers;                   /* registers that are to hold addresses */
    uint8_t small;                       /* if pointers: one that is to hold a small number */
    uint8_t count;                       /* not 0: what RCX is to hold */
    bool writes_code;                    /* on purpose: it is to be written anew for each run */
    bool runs_off;                       /* the end is not reached: there is no code */
    struct catalogue_row *measured;      /* whose coverage it counts for, or NULL */
};

enum { PROGRAM_NO_TARGET = 0xff };

/* How freely an instruction is encoded. */
struct encode_style {
    uint16_t pointers; /* registers that hold addresses: bases are these. 0: any */
    uint8_t small;     /* if pointers: the only index */
    uint16_t kept;     /* registers that are not to be written */
};

/** Append a random instruction of @entry's row. False: none was found; nothing has changed. */
bool program_append(struct program *program, struct random *random,
                    const struct catalogue_row *entry, const struct encode_style *style);

/** Append these bytes, which are one instruction, without branches' targets. */
void program_append_bytes(struct program *program, const uint8_t *bytes, size_t size);

/** Make relative branches go where `target` says, and work out the ignored flags. */
bool program_link(struct program *program);

/** Whether no instruction depends on a flag that is undefined then. After program_link(). */
bool program_is_defined(const struct program *program);

/** NOPs in place of instruction @index: everything else stays where it is. */
void program_blank(struct program *program, unsigned index);

/** Take back the last. */
void program_drop_last(struct program *program);

/** Where code that is done goes. */
static inline uint32_t program_end(const struct program *program)
{
    return program->address + program->start[program->nr];
}

#endif
