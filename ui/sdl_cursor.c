/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The guest's cursor is the host's: it moves without being drawn. A guest that has never had one
 * may draw it into the picture, or have none; then the host's arrow stays.
 */
#include "ui/sdl_internal.h"
#include "util/log.h"

/* X11 and Wayland take what SDL is given as it is, and want it premultiplied, which it is. */
static SDL_Cursor *make(const struct cursor *cursor)
{
    struct cursor copy = *cursor; /* SDL does not promise to leave it alone */
    SDL_Surface *surface =
        SDL_CreateRGBSurfaceWithFormatFrom(copy.pixels, (int)copy.width, (int)copy.height, 32,
                                           (int)copy.width * 4, SDL_PIXELFORMAT_ARGB8888);
    SDL_Cursor *made;

    if (!surface)
        return NULL;
    made = SDL_CreateColorCursor(surface, (int)copy.hot_x, (int)copy.hot_y);
    SDL_FreeSurface(surface);
    return made;
}

void window_show_cursor(struct window *window)
{
    if (window->cursor)
        SDL_SetCursor(window->cursor);
    else
        SDL_SetCursor(SDL_GetDefaultCursor());
    SDL_ShowCursor(window->cursor || !window->had_cursor ? SDL_ENABLE : SDL_DISABLE);
    sdl_look_again(window->sdl);
}

void window_cursor_changed(struct window *window)
{
    SDL_Cursor *old = window->cursor;
    const struct cursor *cursor;
    int x, y;

    if (!window->window || !window->console)
        return;
    cursor = console_cursor(window->console, &x, &y);
    window->cursor = cursor ? make(cursor) : NULL;
    window->had_cursor |= cursor != NULL;
    if (cursor && !window->cursor)
        log_topic(display, "the guest's cursor of %ux%u cannot be shown: %s", cursor->width,
                  cursor->height, SDL_GetError());
    if (SDL_GetMouseFocus() == window->window)
        window_show_cursor(window);
    if (old)
        SDL_FreeCursor(old); /* SDL lets go of it if it still shows */
}
