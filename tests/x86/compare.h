/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Run programs on this machine's processor and on ours, and see that nothing is
 * different that is defined.
 *
 * A case is a shape, a row (for single instructions), a seed and the number of the
 * scene: from these four it can be made again, and is, by the line that a report ends with.
 */
#ifndef TESTS_X86_COMPARE_H
#define TESTS_X86_COMPARE_H

#include "tests/x86/compose.h"
#include "tests/x86/guest_side.h"
#include "tests/x86/host.h"
#include "tests/x86/scene.h"

enum shape {
    SHAPE_SINGLE,
    SHAPE_SEQUENCE,
    SHAPE_LOOP,
    SHAPE_SELF_MODIFYING,
    SHAPE_CUT_OFF,
    SHAPE_BAD_LOCK,
    NR_SHAPES,
};

enum { SCENES = 12 }; /* for each program */

struct case_id {
    enum shape shape;
    unsigned row; /* of the catalogue; SHAPE_SINGLE only */
    uint64_t seed;
    unsigned scene;
};

/* Everything that a comparison works on. */
struct comparison {
    const char *program_name; /* argv[0] */
    struct rows rows;         /* of this program's families, that can be mixed */
    bool is_float;            /* SSE and x87, else all other families */
    uint64_t nr_cases, nr_faults, nr_skipped, nr_different;
    struct case_id id;
    struct program program;
    bool has_code; /* it is in memory */
    struct scene scene;
    enum guest_pace pace;
    struct outcome host, guest;
};

/** Both sides ready, if they are not; program_name and is_float have been set. */
void compare_open(struct comparison *comparison);
void compare_close(void);

/** Make the program of @id. False: the seed gives none. */
bool compare_compose(struct comparison *comparison, const struct case_id *id);

/** Run it with all scenes. False, and reported: a difference. */
bool compare_program(struct comparison *comparison);

/** The scene that the id names alone, and everything said. For who looks for a mistake. */
bool compare_again(struct comparison *comparison);

/** The present program with the present scene: what differs, or NULL. */
const char *compare_rerun(struct comparison *comparison);

/** Leave instructions out as long as there is a difference, and report what remains: minimise.c */
void minimise(struct comparison *comparison);

/* What differs between the two outcomes, for people: report.c. */
void report_difference(const struct comparison *comparison, const char *what);
void report_case(const struct comparison *comparison);

extern const char *const shape_names[NR_SHAPES];

/** The flags that count in @comparison's outcome. */
uint64_t compare_flags_mask(const struct comparison *comparison);

#endif
