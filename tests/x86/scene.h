/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Registers and memory for a program to be run with: random, but such that it
 * mostly finds what it wants where it looks.
 */
#ifndef TESTS_X86_SCENE_H
#define TESTS_X86_SCENE_H

#include "tests/x86/program.h"
#include "tests/x86/sandbox.h"

enum { SCENE_MASKS = 2 };

struct scene {
    struct registers before;
    uint8_t image[DATA_BYTES]; /* what DATA is to hold; only the windows of it vary */
    struct {
        uint32_t start, size; /* addresses whose contents are no two processors' same */
    } masks[SCENE_MASKS];
    unsigned nr_masks;
    uint16_t fixed;        /* registers that have got their value */
    bool is_float;         /* numbers are wanted, and all of the floating point state */
    bool may_tear;         /* a faulting store may have written a part */
    bool may_become_mmx;   /* even if it faults: AMD has the x87 state changed by then */
    bool is_page_of_fault; /* of a faulting address, the page alone is certain */
};

/** Once: all of the image. */
void scene_init(struct scene *scene);

/** Everything for one run of @program. */
void scene_set(struct scene *scene, struct random *random, const struct program *program);

/** The address that @insn, which is at @address, has with these registers. */
uint64_t scene_address(const struct registers *registers, const struct insn *insn,
                       uint32_t address);

#endif
