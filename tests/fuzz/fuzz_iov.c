/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * iov_*() against a naive model: the same bytes in one array, moved one by one.
 *
 * Input: pieces (count, then a length each), then operations of five bytes. The
 * pieces lie in separate allocations of their exact size, so that the address
 * sanitizer sees a step outside. Offsets and sizes are taken near the end of
 * what there is, and from the largest numbers, where sums overflow.
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/input.h"
#include "tests/fuzz/target.h"
#include "util/iov.h"

enum { PIECES_MAX = 8, TOTAL_MAX = PIECES_MAX * 31 };

struct setup {
    struct iovec iov[PIECES_MAX];
    unsigned nr_iov;
    uint8_t model[TOTAL_MAX];
    size_t total;
};

static void make(struct setup *setup, struct input *input)
{
    setup->nr_iov = take(input) % (PIECES_MAX + 1);
    setup->total = 0;
    for (unsigned i = 0; i < setup->nr_iov; i++) {
        size_t size = take(input) % 32;

        setup->iov[i].iov_len = size;
        setup->iov[i].iov_base = size ? malloc(size) : NULL;
        assert(size == 0 || setup->iov[i].iov_base);
        for (size_t j = 0; j < size; j++) {
            setup->model[setup->total] = (uint8_t)(setup->total * 7 + 1);
            ((uint8_t *)setup->iov[i].iov_base)[j] = setup->model[setup->total++];
        }
    }
}

/* Small, or close below the largest number. */
static size_t wide(uint8_t selector, uint8_t value)
{
    return selector & 1 ? SIZE_MAX - value : value;
}

/* How many of @size bytes at @offset there are. */
static size_t there(const struct setup *setup, size_t offset, size_t size)
{
    if (offset >= setup->total)
        return 0;
    return size < setup->total - offset ? size : setup->total - offset;
}

static void check_same(const struct iovec *iov, unsigned nr_iov, const uint8_t *model, size_t total)
{
    size_t at = 0;

    for (unsigned i = 0; i < nr_iov; i++) {
        for (size_t j = 0; j < iov[i].iov_len; j++)
            assert(((const uint8_t *)iov[i].iov_base)[j] == model[at++]);
    }
    assert(at == total);
}

static void try_copies(struct setup *setup, size_t offset, size_t size, uint8_t byte)
{
    size_t expected = there(setup, offset, size);
    uint8_t *buf = malloc(expected + 1);
    struct iovec part[PIECES_MAX];
    unsigned nr_part = PIECES_MAX;
    size_t bounded = size < expected ? size : expected; /* a buffer is as large as its size says */

    assert(buf);
    assert(iov_to_buf(setup->iov, setup->nr_iov, offset, buf, size) == expected);
    assert(expected == 0 || memcmp(buf, setup->model + offset, expected) == 0);
    assert(iov_copy(part, &nr_part, setup->iov, setup->nr_iov, offset, size) == expected);
    check_same(part, nr_part, expected ? setup->model + offset : setup->model, expected);
    for (size_t i = 0; i < bounded; i++)
        buf[i] = setup->model[offset + i] = (uint8_t)(byte + i);
    assert(iov_from_buf(setup->iov, setup->nr_iov, offset, buf, size) == expected);
    check_same(setup->iov, setup->nr_iov, setup->model, setup->total);
    free(buf);
}

static void try_fill(struct setup *setup, size_t offset, size_t size, uint8_t byte)
{
    size_t expected = there(setup, offset, size);

    for (size_t i = 0; i < expected; i++)
        setup->model[offset + i] = byte;
    assert(iov_fill(setup->iov, setup->nr_iov, offset, byte, size) == expected);
    check_same(setup->iov, setup->nr_iov, setup->model, setup->total);
}

static void try_short_copy(const struct setup *setup, size_t offset, size_t size, unsigned room)
{
    struct iovec part[PIECES_MAX];
    unsigned nr_part = room;
    size_t got = iov_copy(part, &nr_part, setup->iov, setup->nr_iov, offset, size);

    assert(nr_part <= room && got <= there(setup, offset, size));
    assert(got == there(setup, offset, size) || nr_part == room);
    check_same(part, nr_part, got ? setup->model + offset : setup->model, got);
}

static void try_discards(const struct setup *setup, size_t front, size_t back)
{
    struct iovec copy[PIECES_MAX], *iov = copy;
    unsigned nr_iov = setup->nr_iov;
    size_t dropped = there(setup, 0, front), left = setup->total - dropped, size;

    memcpy(copy, setup->iov, sizeof(copy));
    assert(iov_discard_front(&iov, &nr_iov, front) == dropped);
    check_same(iov, nr_iov, setup->model + dropped, left);
    assert(iov_discard_back(iov, &nr_iov, back) == (back < left ? back : left));
    left -= back < left ? back : left;
    check_same(iov, nr_iov, setup->model + dropped, left);
    assert(iov_size(iov, nr_iov, &size) && size == left);
}

/* Lengths alone, of memory that is never touched. */
static void try_size(struct input *input)
{
    struct iovec iov[3] = { { NULL, 0 } };
    __uint128_t sum = 0;
    size_t size;

    for (int i = 0; i < 3; i++) {
        iov[i].iov_len = wide(take(input), take(input)) >> (take(input) & 3);
        sum += iov[i].iov_len;
    }
    assert(iov_size(iov, 3, &size) == (sum <= SIZE_MAX));
    assert(sum > SIZE_MAX || size == sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = { data, size };
    struct setup setup = { .nr_iov = 0 };

    make(&setup, &input);
    while (input.left > 0) {
        uint8_t kind = take(&input), wideness = take(&input);
        size_t first = wide(wideness, take(&input));
        size_t second = wide(wideness >> 1, take(&input));
        uint8_t byte = take(&input);

        switch (kind % 5) {
        case 0:
            try_copies(&setup, first, second, byte);
            break;
        case 1:
            try_fill(&setup, first, second, byte);
            break;
        case 2:
            try_short_copy(&setup, first, second, byte % (PIECES_MAX + 1));
            break;
        case 3:
            try_discards(&setup, first, second);
            break;
        default:
            try_size(&input);
            break;
        }
    }
    for (unsigned i = 0; i < setup.nr_iov; i++)
        free(setup.iov[i].iov_base);
    return 0;
}
