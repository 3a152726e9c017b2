/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Who gets which event, and what is down.
 */
#include "hw/display/input.h"

#include <glib.h>

/* All guarded by the BQL. */
struct input {
    struct list handlers; /* the one added last stands first */
    bool is_down[KEY_CNT];
};

struct input *input_new(void)
{
    struct input *input = g_new0(struct input, 1);

    list_init(&input->handlers);
    return input;
}

void input_free(struct input *input)
{
    if (!input)
        return;
    g_assert_true(list_is_empty(&input->handlers));
    g_free(input);
}

static enum input_takes kind_of(uint16_t type, uint16_t code)
{
    return type == EV_KEY && code < BTN_MISC ? INPUT_KEYS : INPUT_POINTER;
}

static struct input_handler *find(const struct input *input, enum input_takes kind)
{
    struct input_handler *handler;

    list_for_each (handler, &input->handlers, link) {
        if (handler->takes & kind)
            return handler;
    }
    return NULL;
}

bool input_is_taken(const struct input *input, enum input_takes takes)
{
    return find(input, takes);
}

void input_add_handler(struct input *input, struct input_handler *handler)
{
    input_release_all(input);
    handler->has_unsynced = false;
    list_insert_head(&input->handlers, &handler->link);
}

void input_remove_handler(struct input *input, struct input_handler *handler)
{
    for (unsigned code = 0; code < KEY_CNT; code++) {
        if (find(input, kind_of(EV_KEY, (uint16_t)code)) == handler)
            input->is_down[code] = false;
    }
    list_remove(&handler->link);
}

/* False: there is nothing new in it. */
static bool note(struct input *input, uint16_t type, uint16_t code, int32_t *value)
{
    switch (type) {
    case EV_KEY:
        *value = *value != 0;
        if (code >= KEY_CNT || input->is_down[code] == *value)
            return false;
        input->is_down[code] = *value;
        return true;
    case EV_ABS:
        *value = CLAMP(*value, 0, INPUT_ABS_MAX);
        return code < ABS_CNT;
    case EV_REL:
        return code < REL_CNT && *value != 0;
    default:
        return false;
    }
}

void input_send(struct input *input, uint16_t type, uint16_t code, int32_t value)
{
    struct input_handler *handler;

    if (!note(input, type, code, &value))
        return;
    handler = find(input, kind_of(type, code));
    if (!handler)
        return;
    handler->event(handler, type, code, value);
    handler->has_unsynced = true;
}

void input_sync(struct input *input)
{
    struct input_handler *handler;

    list_for_each (handler, &input->handlers, link) {
        if (!handler->has_unsynced)
            continue;
        handler->has_unsynced = false;
        handler->sync(handler);
    }
}

void input_release_all(struct input *input)
{
    for (unsigned code = 0; code < KEY_CNT; code++)
        input_send(input, EV_KEY, (uint16_t)code, 0);
    input_sync(input);
}
