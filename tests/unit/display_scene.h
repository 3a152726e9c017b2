/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A console without a graphics device, for tests: what it is asked for is counted, and it draws
 * when the test says so.
 */
#ifndef TESTS_UNIT_DISPLAY_SCENE_H
#define TESTS_UNIT_DISPLAY_SCENE_H

#include <glib.h>

#include "hw/display/display.h"

struct screen {
    struct display *display;
    struct console *console;
    unsigned preferred_width, preferred_height, nr_preferred;
    unsigned nr_refreshes, nr_watches;
    bool is_watched;
    bool draws_at_once; /* refreshes end where they begin */
};

static inline void screen_prefer(void *opaque, unsigned width, unsigned height)
{
    struct screen *screen = opaque;

    bql_assert_held();
    screen->preferred_width = width;
    screen->preferred_height = height;
    screen->nr_preferred++;
}

static inline void screen_watch(void *opaque, bool is_watched)
{
    struct screen *screen = opaque;

    bql_assert_held();
    g_assert_cmpint(screen->is_watched, !=, is_watched);
    screen->is_watched = is_watched;
    screen->nr_watches += is_watched;
}

static inline void screen_refresh(void *opaque)
{
    struct screen *screen = opaque;

    bql_assert_held();
    screen->nr_refreshes++;
    if (screen->draws_at_once)
        console_refreshed(screen->console);
}

static const struct console_ops screen_ops = {
    .prefer = screen_prefer,
    .watch = screen_watch,
    .refresh = screen_refresh,
};

/* All of one colour. */
static inline void fill(struct console *console, const struct rect *rect, uint32_t colour)
    REQUIRES(bql)
{
    g_autofree uint32_t *pixels = g_new(uint32_t, (size_t)rect->width * rect->height);

    for (size_t i = 0; i < (size_t)rect->width * rect->height; i++)
        pixels[i] = colour;
    console_draw(console, rect, pixels, rect->width * 4);
}

static inline uint32_t pixel(struct console *console, unsigned x, unsigned y) REQUIRES(bql)
{
    pixman_image_t *picture = console_picture(console);

    return pixman_image_get_data(
               picture)[y * ((unsigned)pixman_image_get_stride(picture) / 4) + x] &
           0xffffff;
}

static inline void screen_start(struct screen *screen, unsigned width, unsigned height)
    REQUIRES(bql)
{
    *screen = (struct screen){ .display = display_new() };
    screen->console = console_new(screen->display, "gpu0.0", &screen_ops, screen);
    g_assert_true(console_resize(screen->console, width, height));
}

static inline void screen_end(struct screen *screen) REQUIRES(bql)
{
    console_free(screen->console);
    display_free(screen->display);
}

#endif
