/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -display sdl: a window for each screen.
 *
 * Threads: the main thread, under the BQL. What may take the window system long is done without.
 */
#ifndef UI_SDL_H
#define UI_SDL_H

#include <glib.h>
#include <stdbool.h>

#include "util/bql.h"

struct display;
struct input;
struct sdl;

struct sdl_config {
    struct display *display; /* with all consoles that it will have */
    struct input *input;
    const char *name;             /* the machine's; NULL: it has none */
    bool has_gl;                  /* pictures are drawn by OpenGL, if there is one */
    void (*closed)(void *opaque); /* somebody wants a window closed */
    void *opaque;
};

void sdl_free(struct sdl *sdl) REQUIRES(bql); /* NULL is fine */

/** An error: there is no window system, or nothing to show. Once in a process at a time. */
struct sdl *sdl_new(const struct sdl_config *config, GError **error) OWNED_BY(sdl_free)
    REQUIRES(bql);

/** What the titles say. */
void sdl_set_stopped(struct sdl *sdl, bool is_stopped) REQUIRES(bql);

#endif
