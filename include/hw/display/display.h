/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What a machine shows, without showing it: its screens (*consoles*), made by
 * graphics devices, and those who look at them (*viewers*): windows, screenshots.
 *
 * A console has a picture in memory of ours, 32 bits a pixel (pixman's x8r8g8b8).
 * The device draws into it by console_draw(); viewers are told what has changed.
 * A device may spare itself the drawing while nobody looks (console_ops.watch),
 * and is then asked for the picture by console_refresh().
 *
 * Threads: under the BQL on the main thread.
 */
#ifndef HW_DISPLAY_DISPLAY_H
#define HW_DISPLAY_DISPLAY_H

#include <pixman.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/bql.h"
#include "util/list.h"

struct console;
struct display;
struct viewer;

enum { CONSOLES_MAX = 16, CONSOLE_SIDE_MAX = 16384 };

/* In pixels; x + width and y + height do not wrap. */
struct rect {
    uint32_t x, y, width, height;
};

/** When its consoles and viewers are gone. */
void display_free(struct display *display) REQUIRES(bql); /* NULL is fine */
struct display *display_new(void) OWNED_BY(display_free) REQUIRES(bql);

/** The consoles in the order in which they were made; NULL: there is no such one. */
struct console *display_console(struct display *display, unsigned index) REQUIRES(bql);

/* ---- For devices -------------------------------------------------------------------------- */

/* Each may be NULL. */
struct console_ops {
    /** A viewer would like this size, in pixels; 0, 0: as it was by default. */
    void (*prefer)(void *opaque, unsigned width, unsigned height);
    /** Whether anybody looks, from now on; if so, what has not been drawn is drawn, now or soon.
     * At the start nobody does. */
    void (*watch)(void *opaque, bool is_watched);
    /** Draw what is not drawn yet, now or later, then console_refreshed(), always: after a reset
     * and an error as well. Never asked again before. NULL: all is drawn. */
    void (*refresh)(void *opaque);
};

/** Viewers are told that it is off, and that it is gone. */
void console_free(struct console *console) REQUIRES(bql); /* NULL is fine */

/** @name is copied: "gpu0.0". NULL: there are CONSOLES_MAX already. */
struct console *console_new(struct display *display, const char *name,
                            const struct console_ops *ops, void *opaque) OWNED_BY(console_free)
    REQUIRES(bql);

/** A new picture, black; 0, 0: the screen is off. The same size again changes nothing. False: above
 * CONSOLE_SIDE_MAX, or no memory; the screen is off. */
bool console_resize(struct console *console, unsigned width, unsigned height) REQUIRES(bql);

/** Copy @pixels (x8r8g8b8, @stride bytes a row) to @rect; what lies outside the picture is cut. */
void console_draw(struct console *console, const struct rect *rect, const uint32_t *pixels,
                  uint32_t stride) REQUIRES(bql);

/** What refresh() began has ended. Fine where it has not begun. */
void console_refreshed(struct console *console) REQUIRES(bql);

enum { CURSOR_SIDE_MAX = 128 };

/* Colours are premultiplied by alpha: pixman's a8r8g8b8. */
struct cursor {
    unsigned width, height, hot_x, hot_y;
    uint32_t pixels[CURSOR_SIDE_MAX * CURSOR_SIDE_MAX]; /* rows of `width` */
};

/** @cursor is copied; NULL: none. */
void console_set_cursor(struct console *console, const struct cursor *cursor) REQUIRES(bql);

/** Where its hot spot is. Only viewers that draw it themselves care. */
void console_move_cursor(struct console *console, int x, int y) REQUIRES(bql);

/* ---- For viewers ---------------------------------------------------------------------------- */

/* Each function may be NULL; none may free the viewer or the console, or remove another viewer. */
struct viewer_ops {
    void (*resized)(struct viewer *viewer);                          /* or switched on or off */
    void (*damaged)(struct viewer *viewer, const struct rect *rect); /* inside the picture */
    void (*cursor_changed)(struct viewer *viewer);
    void (*cursor_moved)(struct viewer *viewer);
    void (*gone)(struct viewer *viewer); /* it has been removed from a console that ends */
};

/* Embedded in a viewer. */
struct viewer {
    const struct viewer_ops *ops;
    struct console *console; /* NULL: it looks at none */
    struct list_node link;   /* private */
};

void console_add_viewer(struct console *console, struct viewer *viewer,
                        const struct viewer_ops *ops) REQUIRES(bql);
void viewer_remove(struct viewer *viewer) REQUIRES(bql); /* fine where it looks at none */

const char *console_name(const struct console *console);

/** The picture, borrowed until the next console_resize() (resized()); NULL: it is off. */
pixman_image_t *console_picture(struct console *console) REQUIRES(bql);

/** The cursor, borrowed until cursor_changed(); NULL: none. Where it is. */
const struct cursor *console_cursor(struct console *console, int *ret_x, int *ret_y) REQUIRES(bql);

/** Tell the device what size the viewer would like. */
void console_prefer(struct console *console, unsigned width, unsigned height) REQUIRES(bql);

/** Call @done once the picture is what the guest has drawn until now; perhaps at once. Calls are in
 * order. If the console ends before, @done is called with is_gone, and may not use it any more.
 * @done may ask again, and may not free the console. */
void console_refresh(struct console *console, void (*done)(void *opaque, bool is_gone),
                     void *opaque) REQUIRES(bql);

#endif
