/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Numbers that look random and are the same for the same seed, everywhere
 * (xoroshiro128+, seeded by splitmix64). No allocation, no state but the struct.
 */
#ifndef TESTS_X86_RANDOM_H
#define TESTS_X86_RANDOM_H

#include <stdbool.h>
#include <stdint.h>

struct random {
    uint64_t s[2];
};

/** A number that depends on all bits of both. */
static inline uint64_t random_mix(uint64_t a, uint64_t b)
{
    uint64_t z = a + 0x9e3779b97f4a7c15u * (b + 1);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static inline struct random random_from(uint64_t seed)
{
    return (struct random){ { random_mix(seed, 0), random_mix(seed, 1) | 1 } };
}

static inline uint64_t random_next(struct random *random)
{
    const uint64_t s0 = random->s[0];
    uint64_t s1 = random->s[1];
    const uint64_t result = s0 + s1;

    s1 ^= s0;
    random->s[0] = ((s0 << 24) | (s0 >> 40)) ^ s1 ^ (s1 << 16);
    random->s[1] = (s1 << 37) | (s1 >> 27);
    return result;
}

/** 0 … @limit - 1 */
static inline unsigned random_below(struct random *random, unsigned limit)
{
    return (unsigned)(((random_next(random) >> 32) * limit) >> 32);
}

/** True @times out of 256. */
static inline bool random_chance(struct random *random, unsigned times)
{
    return (random_next(random) >> 56) < times;
}

#endif
