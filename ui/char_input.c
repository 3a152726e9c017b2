/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>

#include "ui/char_input.h"

void char_input_put(struct char_input *input, uint16_t entry)
{
    assert(char_input_space(input) > 0);
    input->entries[(input->head + input->count++) % CHAR_INPUT_SIZE] = entry;
}

static uint16_t foremost(const struct char_input *input)
{
    return input->entries[input->head];
}

static uint16_t take(struct char_input *input)
{
    uint16_t entry = foremost(input);

    input->head = (input->head + 1) % CHAR_INPUT_SIZE;
    input->count--;
    return entry;
}

/* Bytes up to the next break. */
static void deliver_bytes(struct char_input *input, const struct char_sink *sink, size_t room)
{
    uint8_t bytes[64];
    size_t size = 0;

    while (size < room && size < sizeof(bytes) && input->count > 0 &&
           foremost(input) != CHAR_INPUT_BREAK)
        bytes[size++] = (uint8_t)take(input);
    sink->receive(sink->opaque, bytes, size);
}

bool char_input_deliver(struct char_input *input, const struct char_sink *sink)
{
    bool has_delivered = false;

    while (input->count > 0 && sink->room) {
        size_t room = sink->room(sink->opaque);

        if (room == 0)
            break;
        has_delivered = true;
        if (foremost(input) != CHAR_INPUT_BREAK) {
            deliver_bytes(input, sink, room);
        } else {
            (void)take(input);
            if (sink->receive_break)
                sink->receive_break(sink->opaque);
        }
    }
    return has_delivered;
}
