/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/mutant.h"

#ifdef MUTANTS
enum mutant mutant_active;

static const struct {
    const char *name;
    const char *what;
} mutants[] = { { "none", "the code as it is" },
#define X(name, what) { #name, what },
                MUTANT_LIST(X)
#undef X
};

enum mutant mutant_by_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(mutants); i++) {
        if (!strcmp(mutants[i].name, name))
            return (enum mutant)i;
    }
    fprintf(stderr, "no mutant is called \"%s\"; there are:\n", name);
    for (size_t i = 0; i < ARRAY_SIZE(mutants); i++)
        fprintf(stderr, "  %-20s %s\n", mutants[i].name, mutants[i].what);
    exit(2);
}
#else
typedef int mutants_are_not_built; /* ISO C forbids an empty file */
#endif
