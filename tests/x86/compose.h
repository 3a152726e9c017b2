/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Programs of several shapes, at random addresses of the sandbox's code.
 */
#ifndef TESTS_X86_COMPOSE_H
#define TESTS_X86_COMPOSE_H

#include "tests/x86/program.h"

/* Which rows: an instruction's family. */
struct rows {
    struct catalogue_row **row;
    unsigned nr;
};

/* Composers: false if the draw was bad; then with another seed. */

/** One instruction of @entry's row, with what makes its effect visible. */
bool compose_single(struct program *program, struct random *random, struct catalogue_row *entry);

/** Two to eight of @rows, with forward branches among them. */
bool compose_sequence(struct program *program, struct random *random, const struct rows *rows);

/** A few of @rows, several times over. */
bool compose_loop(struct program *program, struct random *random, const struct rows *rows);

/** Code that changes an instruction of its own, before or after that has run. */
bool compose_self_modifying(struct program *program, struct random *random,
                            const struct rows *rows);

/** An instruction at the end of the code, perhaps not all of it. */
bool compose_cut_off(struct program *program, struct random *random, const struct rows *rows);

/** LOCK where it must not be. */
bool compose_bad_lock(struct program *program, struct random *random, const struct rows *rows);

/** Whether @entry may be one of several: it needs no special surroundings. */
bool compose_may_mix(const struct catalogue_row *entry);

#endif
