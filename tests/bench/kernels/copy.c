/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernels.h"

enum { WORDS = 2048 }; /* 16 KiB each: in the first-level cache together */

static uint64_t source[WORDS], target[WORDS];

__attribute__((noinline)) static void copy(uint64_t *to, const uint64_t *from)
{
    for (uint32_t i = 0; i < WORDS; i++)
        to[i] = from[i];
}

uint64_t kernel_copy(uint32_t rounds)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < WORDS; i++)
        source[i] = i * UINT64_C(0x9e3779b97f4a7c15);
    for (uint32_t round = 0; round < rounds; round++) {
        source[round % WORDS] += round;
        copy(target, source);
        sum = sum * 3 + target[(round * 7) % WORDS];
    }
    return sum;
}
