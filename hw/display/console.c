/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One screen: its picture and cursor, and who looks at them.
 */
#include <glib.h>
#include <string.h>

#include "hw/display/display_internal.h"

/* Somebody who waits for the picture to be up to date. */
struct refresh {
    void (*done)(void *opaque, bool is_gone);
    void *opaque;
    struct list_node link;
};

/* All guarded by the BQL. */
struct console {
    struct display *display;
    char *name;
    const struct console_ops *ops;
    void *opaque;

    pixman_image_t *picture; /* NULL: off */
    struct cursor *cursor;   /* NULL: none */
    int cursor_x, cursor_y;
    struct list viewers;

    /* The device has been asked for those in `asked`, and not yet for those in `waiting`: what the
     * guest has drawn in between might be missing. */
    bool is_refreshing;
    struct list asked, waiting;
};

/* Tell all viewers; a viewer may remove itself. */
#define TELL_VIEWERS(console_, function, ...)                                                      \
    do {                                                                                           \
        struct viewer *viewer_, *following_;                                                       \
                                                                                                   \
        list_for_each_safe (viewer_, following_, &(console_)->viewers, link) {                     \
            if (viewer_->ops->function)                                                            \
                viewer_->ops->function(viewer_, ##__VA_ARGS__);                                    \
        }                                                                                          \
    } while (0)

/* ---- Life ------------------------------------------------------------------------------------ */

struct console *console_new(struct display *display, const char *name,
                            const struct console_ops *ops, void *opaque)
{
    struct console *console = g_new0(struct console, 1);

    if (!display_add(display, console)) {
        g_free(console);
        return NULL;
    }
    console->display = display;
    console->name = g_strdup(name);
    console->ops = ops;
    console->opaque = opaque;
    list_init(&console->viewers);
    list_init(&console->asked);
    list_init(&console->waiting);
    return console;
}

static void end_refreshes(struct list *refreshes, bool is_gone)
{
    struct refresh *refresh;

    while ((refresh = list_first_entry(refreshes, struct refresh, link))) {
        list_remove(&refresh->link);
        refresh->done(refresh->opaque, is_gone);
        g_free(refresh);
    }
}

static void lose_viewers(struct console *console) REQUIRES(bql)
{
    struct viewer *viewer;

    while ((viewer = list_first_entry(&console->viewers, struct viewer, link))) {
        list_remove(&viewer->link);
        viewer->console = NULL;
        if (viewer->ops->gone)
            viewer->ops->gone(viewer);
    }
}

void console_free(struct console *console)
{
    if (!console)
        return;
    (void)console_resize(console, 0, 0); /* to be off needs no memory */
    end_refreshes(&console->asked, true);
    end_refreshes(&console->waiting, true);
    lose_viewers(console);
    display_remove(console->display, console);
    g_free(console->cursor);
    g_free(console->name);
    g_free(console);
}

const char *console_name(const struct console *console)
{
    return console->name;
}

/* ---- The picture ----------------------------------------------------------------------------- */

static bool has_size(const struct console *console, unsigned width, unsigned height)
{
    if (!console->picture)
        return !width || !height;
    return (unsigned)pixman_image_get_width(console->picture) == width &&
           (unsigned)pixman_image_get_height(console->picture) == height;
}

bool console_resize(struct console *console, unsigned width, unsigned height)
{
    const bool is_on = width && height;
    pixman_image_t *old = console->picture;

    if (has_size(console, width, height))
        return true;
    console->picture = NULL;
    if (is_on && width <= CONSOLE_SIDE_MAX && height <= CONSOLE_SIDE_MAX)
        console->picture =
            pixman_image_create_bits(PIXMAN_x8r8g8b8, (int)width, (int)height, NULL, 0);
    if (old || console->picture)
        TELL_VIEWERS(console, resized);
    if (old)
        pixman_image_unref(old); /* viewers have had it until now */
    return !is_on || console->picture;
}

void console_draw(struct console *console, const struct rect *rect, const uint32_t *pixels,
                  uint32_t stride)
{
    pixman_image_t *picture = console->picture;
    const uint8_t *from = (const uint8_t *)pixels;
    struct rect cut = *rect;
    uint8_t *to;
    size_t to_stride;

    if (!picture || rect->x >= (unsigned)pixman_image_get_width(picture) ||
        rect->y >= (unsigned)pixman_image_get_height(picture))
        return;
    cut.width = MIN(rect->width, (unsigned)pixman_image_get_width(picture) - rect->x);
    cut.height = MIN(rect->height, (unsigned)pixman_image_get_height(picture) - rect->y);
    if (!cut.width || !cut.height)
        return;
    to_stride = (size_t)pixman_image_get_stride(picture);
    to = (uint8_t *)pixman_image_get_data(picture) + cut.y * to_stride + cut.x * sizeof *pixels;
    for (unsigned y = 0; y < cut.height; y++)
        memcpy(to + y * to_stride, from + (size_t)y * stride, cut.width * sizeof *pixels);
    TELL_VIEWERS(console, damaged, &cut);
}

pixman_image_t *console_picture(struct console *console)
{
    return console->picture;
}

/* ---- Refreshes ------------------------------------------------------------------------------- */

static void begin_refresh(struct console *console) REQUIRES(bql)
{
    list_move_all(&console->asked, &console->waiting);
    console->is_refreshing = true;
    console->ops->refresh(console->opaque); /* which may have ended when it returns */
}

void console_refresh(struct console *console, void (*done)(void *opaque, bool is_gone),
                     void *opaque)
{
    struct refresh *refresh;

    if (!console->ops->refresh) {
        done(opaque, false);
        return;
    }
    refresh = g_new0(struct refresh, 1);
    refresh->done = done;
    refresh->opaque = opaque;
    list_insert_tail(&console->waiting, &refresh->link);
    if (!console->is_refreshing)
        begin_refresh(console);
}

void console_refreshed(struct console *console)
{
    if (!console->is_refreshing)
        return;
    /* Still refreshing: what is asked for meanwhile stands in line, and is not begun twice. */
    end_refreshes(&console->asked, false);
    console->is_refreshing = false;
    if (!list_is_empty(&console->waiting))
        begin_refresh(console);
}

/* ---- The cursor ------------------------------------------------------------------------------ */

void console_set_cursor(struct console *console, const struct cursor *cursor)
{
    if (!cursor && !console->cursor)
        return;
    g_clear_pointer(&console->cursor, g_free);
    if (cursor)
        console->cursor = g_memdup2(cursor, sizeof *cursor);
    TELL_VIEWERS(console, cursor_changed);
}

void console_move_cursor(struct console *console, int x, int y)
{
    if (console->cursor_x == x && console->cursor_y == y)
        return;
    console->cursor_x = x;
    console->cursor_y = y;
    TELL_VIEWERS(console, cursor_moved);
}

const struct cursor *console_cursor(struct console *console, int *ret_x, int *ret_y)
{
    *ret_x = console->cursor_x;
    *ret_y = console->cursor_y;
    return console->cursor;
}

/* ---- Viewers --------------------------------------------------------------------------------- */

static void tell_watched(struct console *console, bool is_watched) REQUIRES(bql)
{
    if (console->ops->watch)
        console->ops->watch(console->opaque, is_watched);
}

void console_add_viewer(struct console *console, struct viewer *viewer,
                        const struct viewer_ops *ops)
{
    const bool is_first = list_is_empty(&console->viewers);

    g_assert_null(viewer->console);
    viewer->ops = ops;
    viewer->console = console;
    list_insert_tail(&console->viewers, &viewer->link);
    if (is_first)
        tell_watched(console, true);
}

void viewer_remove(struct viewer *viewer)
{
    struct console *console = viewer->console;

    if (!console)
        return;
    viewer->console = NULL;
    list_remove(&viewer->link);
    if (list_is_empty(&console->viewers))
        tell_watched(console, false);
}

void console_prefer(struct console *console, unsigned width, unsigned height)
{
    if (console->ops->prefer)
        console->ops->prefer(console->opaque, width, height);
}
