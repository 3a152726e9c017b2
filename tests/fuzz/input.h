/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A fuzzer's bytes, taken one after another; 0 once there are none.
 */
#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>

struct input {
    const uint8_t *data;
    size_t left;
};

static inline uint8_t take(struct input *input)
{
    if (input->left == 0)
        return 0;
    input->left--;
    return *input->data++;
}

/* The first is the highest. */
static inline uint64_t take_bytes(struct input *input, unsigned nr)
{
    uint64_t value = 0;

    while (nr--)
        value = value << 8 | take(input);
    return value;
}

#endif
