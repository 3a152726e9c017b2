/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "kernels.h"

enum { NUMBERS = 4096 };

static uint32_t numbers[NUMBERS];

/* Hoare's partition, the middle as pivot. */
static void sort(uint32_t *low, uint32_t *high)
{
    while (low < high) {
        uint32_t pivot = low[(high - low) / 2];
        uint32_t *left = low, *right = high;

        while (left <= right) {
            while (*left < pivot)
                left++;
            while (*right > pivot)
                right--;
            if (left <= right) {
                uint32_t moved = *left;
                *left++ = *right;
                *right-- = moved;
            }
        }
        sort(low, right);
        low = left;
    }
}

uint64_t kernel_quicksort(uint32_t rounds)
{
    uint32_t random = 1;
    uint64_t sum = 0;

    for (uint32_t round = 0; round < rounds; round++) {
        for (uint32_t i = 0; i < NUMBERS; i++) {
            random = random * 1664525 + 1013904223; /* Numerical Recipes */
            numbers[i] = random >> 4;
        }
        sort(numbers, numbers + NUMBERS - 1);
        for (uint32_t i = 0; i < NUMBERS; i += 64)
            sum = sum * 3 + numbers[i];
    }
    return sum;
}
