/* SPDX-License-Identifier: GPL-2.0-or-later */
/* y = a x + y, in packed singles. */
#include "kernels.h"

enum { VECTORS = 512 }; /* 8 KiB each */

typedef float vector __attribute__((vector_size(16)));

static vector x[VECTORS], y[VECTORS];

__attribute__((noinline)) static void saxpy(vector *to, const vector *from, float factor)
{
    const vector factors = { factor, factor, factor, factor };

    for (uint32_t i = 0; i < VECTORS; i++)
        to[i] = factors * from[i] + to[i];
}

uint64_t kernel_saxpy(uint32_t rounds)
{
    uint64_t sum = 0;

    for (uint32_t i = 0; i < VECTORS; i++) {
        const float begin = (float)(int32_t)i;

        x[i] = (vector){ begin, begin + 0.25f, begin + 0.5f, begin + 0.75f };
        y[i] = (vector){ 1, 2, 3, 4 };
    }
    for (uint32_t round = 0; round < rounds; round++) {
        uint64_t bits[2];

        saxpy(y, x, round & 1 ? -0.75f : 0.8125f);
        __builtin_memcpy(bits, &y[round % VECTORS], sizeof(bits));
        sum = sum * 3 + (bits[0] ^ bits[1]);
    }
    return sum;
}
