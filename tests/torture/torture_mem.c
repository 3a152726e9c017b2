/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The memory map under torture. Options: torture_main.h. */
#include "tests/torture/torture_mem.h"

#include "tests/torture/torture_main.h"

static const struct scenario scenarios[] = {
    { "storm", storm_run },
    { "told", told_run },
    { "code", code_run },
    { "code-race", code_race_run },
};

int main(int argc, char **argv)
{
    return torture_main(argc, argv, scenarios, ARRAY_SIZE(scenarios), 6);
}
