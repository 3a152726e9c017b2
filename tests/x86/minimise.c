/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>

#include "tests/x86/compare.h"

static const char *rerun(struct comparison *comparison)
{
    comparison->has_code = false;
    return compare_rerun(comparison);
}

void minimise(struct comparison *comparison)
{
    const char *what = rerun(comparison);
    bool is_smaller = false;

    if (!what) {
        printf("#   alone it is not different: what was run before it matters\n");
        return;
    }
    for (unsigned i = 0; i < comparison->program.nr; i++) {
        const struct program whole = comparison->program;
        const char *less;

        program_blank(&comparison->program, i);
        less = rerun(comparison);
        if (less) {
            what = less;
            is_smaller = true;
        } else {
            comparison->program = whole;
        }
    }
    if (is_smaller && rerun(comparison)) {
        printf("#   the least that is different, with NOPs for the rest:\n");
        report_difference(comparison, what);
    }
}
