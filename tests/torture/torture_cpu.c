/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Software processors under torture: guest programs (cpu_guest.S) spin while the map, their code,
 * their page tables and they themselves are changed under them. Options: torture_main.h.
 */
#include "tests/torture/cpu_machine.h"
#include "tests/torture/torture_main.h"

static const struct scenario scenarios[] = {
    { "blob", blob_run },   { "told", told_run }, { "kick", kick_run }, { "code", code_run },
    { "patch", patch_run }, { "lock", lock_run }, { "tlb", tlb_run },
};

int main(int argc, char **argv)
{
    return torture_main(argc, argv, scenarios, ARRAY_SIZE(scenarios), 9);
}
