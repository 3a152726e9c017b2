/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Input of a back end that the guest has not taken yet: bytes and breaks, in order.
 *
 * Threads: under the BQL.
 */
#ifndef UI_CHAR_INPUT_H
#define UI_CHAR_INPUT_H

#include "hw/dev/char.h"

enum { CHAR_INPUT_SIZE = 4096, CHAR_INPUT_BREAK = 0x100 };

/* All zero bytes: empty. */
struct char_input {
    uint16_t entries[CHAR_INPUT_SIZE]; /* a byte, or CHAR_INPUT_BREAK */
    unsigned head, count;
};

static inline unsigned char_input_space(const struct char_input *input)
{
    return CHAR_INPUT_SIZE - input->count;
}

/** There is space. */
void char_input_put(struct char_input *input, uint16_t entry);

/** Give @sink as much as it takes. Whether that was anything. */
bool char_input_deliver(struct char_input *input, const struct char_sink *sink) REQUIRES(bql);

#endif
