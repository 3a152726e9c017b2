/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * From people's hands to input devices: windows and QMP say what was pressed and moved, and
 * devices of the machine that take such events get it.
 *
 * Events are Linux's (linux/input-event-codes.h): types EV_KEY, EV_REL, EV_ABS, codes KEY_*, BTN_*,
 * REL_*, ABS_*. Absolute positions go from 0 to INPUT_ABS_MAX across the screen.
 *
 * Threads: under the BQL on the main thread.
 */
#ifndef HW_DISPLAY_INPUT_H
#define HW_DISPLAY_INPUT_H

#include <linux/input-event-codes.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/bql.h"
#include "util/list.h"

struct input;

enum { INPUT_ABS_MAX = 32767 };

enum input_takes {
    INPUT_KEYS = 1,    /* EV_KEY below BTN_MISC */
    INPUT_POINTER = 2, /* buttons, EV_ABS, EV_REL wheels */
};

void input_free(struct input *input) REQUIRES(bql); /* NULL is fine */
struct input *input_new(void) OWNED_BY(input_free) REQUIRES(bql);

/* ---- For devices: embedded in one ------------------------------------------------------------ */

struct input_handler {
    unsigned takes; /* of enum input_takes */
    void (*event)(struct input_handler *handler, uint16_t type, uint16_t code, int32_t value);
    void (*sync)(struct input_handler *handler); /* these events belong together */
    struct list_node link;                       /* private */
    bool has_unsynced;                           /* private */
};

/** Of several that take the same, the one added last gets it. What is down is released before. */
void input_add_handler(struct input *input, struct input_handler *handler) REQUIRES(bql);

/** It is told nothing more; what is down is forgotten. */
void input_remove_handler(struct input *input, struct input_handler *handler) REQUIRES(bql);

/* ---- For windows and QMP --------------------------------------------------------------------- */

/** Whether somebody takes @takes. */
bool input_is_taken(const struct input *input, enum input_takes takes) REQUIRES(bql);

/** Nobody who takes it: it is lost. @value of keys: 1 down, 0 up (no repeats: the guest makes
 * its own). Presses of what is down and releases of what is up are dropped; positions are cut to
 * the screen. */
void input_send(struct input *input, uint16_t type, uint16_t code, int32_t value) REQUIRES(bql);

/** What has been sent since the last time belongs together. */
void input_sync(struct input *input) REQUIRES(bql);

/** Release all keys and buttons that are down: the window has lost the keyboard. */
void input_release_all(struct input *input) REQUIRES(bql);

#endif
