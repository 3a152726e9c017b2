/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernels.h"

enum { STARTS = 10000 }; /* 850 thousand steps a round */

static uint32_t steps_from(uint64_t n)
{
    uint32_t steps = 0;

    while (n != 1) {
        if (n & 1)
            n = 3 * n + 1;
        else
            n >>= 1;
        steps++;
    }
    return steps;
}

uint64_t kernel_collatz(uint32_t rounds)
{
    uint64_t sum = 0;

    for (uint32_t round = 0; round < rounds; round++)
        for (uint64_t n = 1; n <= STARTS; n++)
            sum = sum * 5 + steps_from(n);
    return sum;
}
