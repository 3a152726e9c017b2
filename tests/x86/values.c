/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/x86/values.h"

#include <assert.h>
#include <string.h>

#include "util/annotate.h"

/* clang-format off */
static const uint32_t singles[] = {
    0x00000000, 0x80000000, 0x3f800000, 0xbf800000, /* 0, 1 */
    0x00000001, 0x80000001, 0x007fffff, 0x00400000, /* denormal */
    0x00800000, 0x80800000, 0x7f7fffff, 0xff7fffff, /* the least and the greatest */
    0x7f800000, 0xff800000,                         /* infinite */
    0x7fc00000, 0xffc00000, 0x7fc12345, 0xffffffff, /* quiet NaN */
    0x7f800001, 0xff800001, 0x7fbfffff, 0xffa55aa5, /* signalling NaN */
    0x4f000000, 0xcf000000, 0x4effffff, 0x4f7fffff, /* about 2^31, 2^32 */
    0x5f000000, 0xdf000000, 0x5effffff,             /* about 2^63 */
    0x3f000000, 0x3fc00000, 0x40200000, 0x3effffff, /* halves, for rounding */
    0x34000000, 0x33800000, 0x4b000000, 0x4b800000, 0x0d000000, 0x20000000, 0x5e000000,
};

static const uint64_t doubles[] = {
    0x0000000000000000, 0x8000000000000000, 0x3ff0000000000000, 0xbff0000000000000,
    0x0000000000000001, 0x8000000000000001, 0x000fffffffffffff, 0x0008000000000000,
    0x0010000000000000, 0x8010000000000000, 0x7fefffffffffffff, 0xffefffffffffffff,
    0x7ff0000000000000, 0xfff0000000000000,
    0x7ff8000000000000, 0xfff8000000000000, 0x7ff8000000012345, 0xffffffffffffffff,
    0x7ff0000000000001, 0xfff0000000000001, 0x7ff7ffffffffffff, 0xfff4a5a5a5a5a5a5,
    0x41dfffffffc00000, 0x41e0000000000000, 0xc1e0000000000000, 0xc1e0000000200000,
    0x43dfffffffffffff, 0x43e0000000000000, 0xc3e0000000000000, 0xc3e0000000000001,
    0x3fe0000000000000, 0x3ff8000000000000, 0x4004000000000000, 0x3fdfffffffffffff,
    0x3cb0000000000000, 0x4330000000000000, 0x4340000000000000, /* 2^-52, 2^52, 2^53 */
    0x36a0000000000000, 0x3690000000000000, 0x380fffffffffffff, /* about the least single */
    0x47efffffe0000000, 0x47efffffefffffff, 0x47effffff0000000, /* about the greatest */
    0x47f0000000000000, 0x7ff0000020000000, 0x7ff7ffffe0000000, 0x2000000000000000,
    0x5fe0000000000000, 0x1ff0000000000000,
};

static const struct { uint16_t exponent; uint64_t mantissa; } extendeds[] = {
    { 0x0000, 0 }, { 0x8000, 0 },
    { 0x3fff, 0x8000000000000000 }, { 0xbfff, 0x8000000000000000 },
    { 0x0000, 1 }, { 0x8000, 0x7fffffffffffffff }, { 0x0000, 0x4000000000000000 }, /* denormal */
    { 0x0000, 0x8000000000000000 }, { 0x8000, 0xffffffffffffffff }, /* pseudo-denormal */
    { 0x0001, 0x8000000000000000 }, { 0x7ffe, 0xffffffffffffffff }, { 0xfffe, 0xffffffffffffffff },
    { 0x7fff, 0x8000000000000000 }, { 0xffff, 0x8000000000000000 },                /* infinite */
    { 0x7fff, 0xc000000000000000 }, { 0xffff, 0xc000000000000000 }, { 0x7fff, 0xc123456789abcdef },
    { 0x7fff, 0x8000000000000001 }, { 0xffff, 0xbfffffffffffffff },                /* signalling */
    { 0x7fff, 0 }, { 0xffff, 0x4000000000000000 }, { 0x7fff, 1 }, /* pseudo-infinite, -NaN */
    { 0x3fff, 0x7fffffffffffffff }, { 0x4100, 0 }, { 0xc000, 0x0000000000000001 }, /* unnormal */
    { 0x401e, 0x8000000000000000 }, { 0xc01e, 0x8000000000000000 }, { 0x401d, 0xffffffff00000000 },
    { 0x403e, 0x8000000000000000 }, { 0xc03e, 0x8000000000000000 }, { 0x403d, 0xffffffffffffffff },
    { 0x400e, 0x8000000000000000 }, { 0xc00e, 0x8000000000000000 }, { 0x400d, 0xfffe000000000000 },
    { 0x3ffe, 0x8000000000000000 }, { 0x3fff, 0xc000000000000000 }, { 0x4000, 0xa000000000000000 },
    { 0x3ffd, 0xffffffffffffffff }, { 0x3ffe, 0xb504f333f9de6484 }, /* sqrt(1/2) */
    { 0x4000, 0xc90fdaa22168c235 }, { 0x3fff, 0xc90fdaa22168c235 }, /* pi, pi/2 */
    { 0x403a, 0xde0b6b3a763fffff }, { 0x403a, 0xde0b6b3a763fffe0 }, /* about 10^18 */
    { 0x3f80, 0x8000000000000000 }, { 0x3f6a, 0x8000000000000000 }, { 0x407e, 0xffffff0000000000 },
    { 0x407e, 0xffffff8000000000 }, { 0x3c00, 0xfffffffffffffc00 }, { 0x43fe, 0xfffffffffffffbff },
};

static const uint64_t integers[] = {
    0, 1, 2, 3, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x7fffffff, 0x80000000,
    0xffffffff, 0x100000000, 0x7fffffffffffffff, 0x8000000000000000, 0xffffffffffffffff,
    0xfffffffffffffffe, 0xffffffff80000000, 0xffffffffffff8000, 0xffffffffffffff80,
    0x5555555555555555, 0xaaaaaaaaaaaaaaaa, 0x0123456789abcdef, 31, 32, 63, 64, 16, 8,
};
/* clang-format on */

uint64_t value_integer(struct random *random)
{
    const unsigned kind = random_below(random, 8);

    switch (kind) {
    case 0:
    case 1:
        return integers[random_below(random, ARRAY_SIZE(integers))];
    case 2: /* one bit more or less */
        return integers[random_below(random, ARRAY_SIZE(integers))] ^
               (UINT64_C(1) << random_below(random, 64));
    case 3:
        return random_below(random, 256);
    case 4: /* as a sign-extended number of some width */
        return (uint64_t)((int64_t)random_next(random) >> random_below(random, 64));
    default:
        return random_next(random);
    }
}

static void put_single(struct random *random, uint8_t *to)
{
    uint32_t value = singles[random_below(random, ARRAY_SIZE(singles))];

    if (random_chance(random, 100))
        value = (uint32_t)random_next(random);
    else if (random_chance(random, 60)) /* of moderate size, so that sums are rounded */
        value = (uint32_t)(random_next(random) & 0x87ffffff) | 0x38000000;
    memcpy(to, &value, sizeof(value));
}

static void put_double(struct random *random, uint8_t *to)
{
    uint64_t value = doubles[random_below(random, ARRAY_SIZE(doubles))];

    if (random_chance(random, 100))
        value = random_next(random);
    else if (random_chance(random, 60))
        value = (random_next(random) & 0x80ffffffffffffff) | 0x3f00000000000000;
    memcpy(to, &value, sizeof(value));
}

/* Numbers made once, from which memory is filled: making them anew took half of all the time. */
enum pool { POOL_BITS, POOL_SINGLES, POOL_DOUBLES, NR_POOLS };
enum { POOL_BYTES = 1 << 16, POOL_ROOM = 1 << 11 };

static const uint8_t *pool_at(struct random *random, enum pool pool)
{
    static uint8_t pools[NR_POOLS][POOL_BYTES + POOL_ROOM];
    static bool is_filled;
    struct random filler = random_from(7);

    for (size_t i = 0; !is_filled && i < sizeof(pools[0]); i += 8) {
        const uint64_t bits = random_next(&filler);

        memcpy(pools[POOL_BITS] + i, &bits, sizeof(bits));
        put_single(&filler, pools[POOL_SINGLES] + i);
        put_single(&filler, pools[POOL_SINGLES] + i + 4);
        put_double(&filler, pools[POOL_DOUBLES] + i);
    }
    is_filled = true;
    return pools[pool] + 8 * random_below(random, POOL_BYTES / 8);
}

/* @nr vectors: a few in a row are of a kind, so that kinds meet. */
static void put_vectors(struct random *random, uint8_t *to, unsigned nr)
{
    static const uint8_t kinds[] = { POOL_SINGLES, POOL_SINGLES, POOL_SINGLES, POOL_DOUBLES,
                                     POOL_DOUBLES, POOL_DOUBLES, POOL_BITS };

    while (nr) {
        const unsigned run = nr < 3 ? nr : 1 + random_below(random, 3);
        const enum pool kind = (enum pool)kinds[random_below(random, ARRAY_SIZE(kinds))];

        memcpy(to, pool_at(random, kind), 16 * (size_t)run);
        to += 16 * (size_t)run;
        nr -= run;
    }
    if (random_chance(random, 128)) { /* a whole number, for conversions */
        const uint64_t whole = value_integer(random);

        memcpy(to - 16, &whole, sizeof(whole));
    }
}

/* An x87 number, sometimes one of those that are none. */
static void put_extended(struct random *random, uint8_t ret[10])
{
    const unsigned i = random_below(random, ARRAY_SIZE(extendeds));
    uint16_t exponent = extendeds[i].exponent;
    uint64_t mantissa = extendeds[i].mantissa;

    if (random_chance(random, 128)) { /* an ordinary number */
        exponent = (uint16_t)((random_next(random) & 0x80ff) + 0x3f80);
        mantissa = random_next(random) | UINT64_C(1) << 63;
        if (random_chance(random, 128)) /* with few digits, so that results are often exact */
            mantissa &= ~UINT64_C(0) << random_below(random, 64);
    } else if (random_chance(random, 30)) {
        exponent = (uint16_t)random_next(random);
        mantissa = random_next(random) | (uint64_t)random_chance(random, 200) << 63;
    }
    memcpy(ret, &mantissa, sizeof(mantissa));
    memcpy(ret + 8, &exponent, sizeof(exponent));
}

void value_memory(struct random *random, bool is_float, uint8_t *ret, size_t size)
{
    const unsigned kind = random_below(random, is_float ? 8 : 4);

    if (kind == 0) { /* all alike, for comparisons of strings */
        memset(ret, (int)random_below(random, 3) - 1, size);
        if (random_chance(random, 192))
            ret[random_below(random, (unsigned)size)] ^= (uint8_t)random_next(random);
        return;
    }
    assert(size <= POOL_ROOM);
    memcpy(ret,
           pool_at(random, kind < 4   ? POOL_BITS
                           : kind < 6 ? POOL_DOUBLES
                                      : POOL_SINGLES),
           size);
}

static void put16(uint8_t *to, unsigned value)
{
    to[0] = (uint8_t)value;
    to[1] = (uint8_t)(value >> 8);
}

/* Rounding of all kinds; now and then an exception that is not masked. */
static void choose_controls(struct random *random, uint8_t *fxsave)
{
    const uint64_t r = random_next(random);
    unsigned control = 0x37f, status = (unsigned)(r >> 16) & 0x7f00, mxcsr = 0x1f80;
    static const uint16_t precisions[] = { 0, 0x200, 0x300, 0x300 };

    if (r & 1)
        control = 0x7f | precisions[r >> 1 & 3] | (r >> 3 & 3) << 10;
    if (random_chance(random, 32))
        control &= ~(unsigned)(random_next(random) & 0x3f);
    if (random_chance(random, 32))
        status |= (unsigned)random_next(random) & 0x7f;
    if (status & ~control & 0x3f)
        status |= 0x8080; /* ES and B follow from what is pending */
    if (r >> 5 & 3)
        mxcsr = 0x1f80 | (r >> 7 & 3) << 13 | (r >> 9 & 1) << 15 | (r >> 10 & 1) << 6;
    if (random_chance(random, 32))
        mxcsr &= ~((unsigned)(random_next(random) & 0x3f) << 7);
    if (random_chance(random, 64))
        mxcsr |= (unsigned)random_next(random) & 0x3f;
    put16(fxsave + FX_CONTROL, control);
    put16(fxsave + FX_STATUS, status);
    put16(fxsave + FX_MXCSR, mxcsr);
    fxsave[FX_TAG] = r >> 48 & 3 ? 0xff : r >> 50 & 1 ? 0 : (uint8_t)(r >> 52);
}

void value_float_state(struct random *random, uint8_t ret_fxsave[512])
{
    memset(ret_fxsave, 0, FX_ST);
    choose_controls(random, ret_fxsave);
    for (unsigned i = 0; i < 8; i++) {
        put_extended(random, ret_fxsave + FX_ST + 16 * i);
        memset(ret_fxsave + FX_ST + 16 * i + 10, 0, 6);
    }
    put_vectors(random, ret_fxsave + FX_XMM, 16);
}

void value_plain_float_state(uint8_t ret_fxsave[512])
{
    memset(ret_fxsave, 0, 512);
    put16(ret_fxsave + FX_CONTROL, 0x37f);
    put16(ret_fxsave + FX_MXCSR, 0x1f80);
    for (unsigned i = FX_XMM; i < FX_END; i++)
        ret_fxsave[i] = (uint8_t)(i * 37);
}
