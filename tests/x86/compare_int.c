/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Integer instructions, strings, branches, and that privileged ones fault. */
#include "tests/x86/compare_main.h"

int main(int argc, char **argv)
{
    return compare_main(argc, argv, false);
}
