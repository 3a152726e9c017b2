/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between the parts of -display sdl. All on the main thread, under the BQL.
 */
#ifndef UI_SDL_INTERNAL_H
#define UI_SDL_INTERNAL_H

#include <SDL.h>

#include "hw/display/display.h"
#include "hw/display/input.h"
#include "ui/fit.h"
#include "ui/sdl.h"
#include "util/loop.h"

/* One screen. It has a window from when the screen is first on; the first screen at once. */
struct window {
    struct sdl *sdl;
    unsigned index;
    struct viewer viewer;    /* looks at the console while there is something to see it on */
    struct console *console; /* NULL: it has ended */

    SDL_Window *window; /* NULL: not yet */
    struct canvas *canvas;
    int outer_width, outer_height;     /* in pixels */
    int picture_width, picture_height; /* as drawn last; 0: off */
    struct fit fit;
    bool follows; /* it takes the picture's size, since nobody has chosen another */
    bool is_hidden;

    pixman_region32_t damage;
    bool is_all_damaged; /* bars around the picture included */
    bool has_new_size;   /* the console, since it was drawn last */
    int64_t not_before_ns;
    struct loop_timer present;
    struct loop_timer prefer; /* set: somebody is resizing it */

    struct deferred new_cursor; /* to be made of the console's */
    SDL_Cursor *cursor;         /* NULL: none */
    bool had_cursor;
};

struct sdl {
    struct sdl_config config;
    struct window windows[CONSOLES_MAX];
    unsigned nr_windows;
    bool is_stopped, is_grabbed;

    struct loop_watch *watch; /* NULL: the window system has no descriptor */
    struct loop_timer tick;
    struct deferred look; /* for events that came in while something else was said */
};

/* ---- ui/sdl.c -------------------------------------------------------------------------------- */

/** False, and an error: @what, and SDL's reason. */
bool sdl_fail(GError **error, const char *what);

/** Whoever talks to SDL may have taken events from its connection, which will not wake us. */
void sdl_look_again(struct sdl *sdl);
void sdl_update_titles(struct sdl *sdl) REQUIRES(bql);

/** Keyboard and pointer are this machine's alone, or not any more. */
void sdl_grab(struct sdl *sdl, bool is_grabbed) REQUIRES(bql);

/* ---- ui/sdl_window.c ------------------------------------------------------------------------- */

void window_init(struct window *window, struct sdl *sdl, unsigned index, struct console *console)
    REQUIRES(bql);
void window_fini(struct window *window) REQUIRES(bql);
bool window_open(struct window *window, GError **error) MUST_CHECK REQUIRES(bql);
void window_set_title(struct window *window) REQUIRES(bql);
void window_toggle_full_screen(struct window *window) REQUIRES(bql);
void window_event(struct window *window, const SDL_WindowEvent *event) REQUIRES(bql);
void window_damage_all(struct window *window) REQUIRES(bql);

/* ---- ui/sdl_canvas.c: how a picture gets into a window --------------------------------------- */

void canvas_free(struct canvas *canvas); /* NULL is fine */

/** By OpenGL if @wants_gl and it can, else in memory: then SDL sends what has changed. */
struct canvas *canvas_new(SDL_Window *window, bool wants_gl, GError **error) OWNED_BY(canvas_free);

/**
 * @picture (NULL: black) at @fit, where it has changed by @damage, or all if @is_all. The picture
 * is read under the BQL; it is given back while the window system works.
 */
void canvas_draw(struct canvas *canvas, pixman_image_t *picture, const struct fit *fit,
                 pixman_region32_t *damage, bool is_all) REQUIRES(bql);

/* ---- ui/sdl_input.c -------------------------------------------------------------------------- */

/** @window has the keyboard; NULL: none has. */
void sdl_key_event(struct sdl *sdl, struct window *window, const SDL_KeyboardEvent *event)
    REQUIRES(bql);
void sdl_motion_event(struct window *window, const SDL_MouseMotionEvent *event) REQUIRES(bql);
void sdl_button_event(struct window *window, const SDL_MouseButtonEvent *event) REQUIRES(bql);
void sdl_wheel_event(struct window *window, const SDL_MouseWheelEvent *event) REQUIRES(bql);

/* ---- ui/sdl_keymap.c ------------------------------------------------------------------------- */

/** The code of linux/input-event-codes.h, or 0: KEY_RESERVED. */
uint16_t sdl_key_code(SDL_Scancode scancode);

/* ---- ui/sdl_cursor.c ------------------------------------------------------------------------- */

void window_cursor_changed(struct window *window) REQUIRES(bql);

/** The pointer is in @window: it looks as the guest wants it to. */
void window_show_cursor(struct window *window) REQUIRES(bql);

#endif
