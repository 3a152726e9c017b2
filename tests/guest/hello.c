/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The least that must work: a loop, a table, output, an exit. */
#include "payload.h"

void payload_main(void)
{
    u32 sum = 0;

    for (u32 i = 0; i < 1000; i++)
        sum = sum * 31 + i;
    is(sum, 0x218939f4, "arithmetic");
    check(nr_cpus >= 1, "hello");
}
