/* SPDX-License-Identifier: GPL-2.0-or-later */
/* SSE, MMX and x87. */
#include "tests/x86/compare_main.h"

int main(int argc, char **argv)
{
    return compare_main(argc, argv, true);
}
