/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A window and its screen: sizes, and when it is drawn.
 *
 * Viewers' functions are called in the middle of what a device does, so they only note what there
 * is to do and set a timer, or defer it. What is slow, gives the BQL back or talks to SDL is done
 * from there: a guest's reset is done on the thread of a processor, while SDL may be at work on
 * the main thread.
 */
#include "ui/sdl_internal.h"
#include "util/clock.h"
#include "util/log.h"

enum {
    WIDTH_BEFORE = 1024, /* until the guest has a picture */
    HEIGHT_BEFORE = 768,
    SIDE_LEAST = 64,
};
#define FRAME_NS (NS_PER_S / 60)
#define PREFER_AFTER_NS (100 * NS_PER_MS) /* since it was last dragged */

static struct window *window_of(struct viewer *viewer)
{
    bql_assert_held();
    return container_of(viewer, struct window, viewer);
}

/* ---- When ------------------------------------------------------------------------------------ */

static void draw_soon(struct window *window) REQUIRES(bql)
{
    if (!loop_timer_is_set(&window->present))
        loop_timer_set(&window->present, MAX(window->not_before_ns, monotonic_ns()));
}

void window_damage_all(struct window *window)
{
    window->is_all_damaged = true;
    draw_soon(window);
}

static void on_resized(struct viewer *viewer) NO_THREAD_SAFETY /* window_of() asserts it */
{
    struct window *window = window_of(viewer);

    window->has_new_size = true;
    window_damage_all(window);
}

static void on_damaged(struct viewer *viewer, const struct rect *rect) NO_THREAD_SAFETY
{
    struct window *window = window_of(viewer);

    if (window->is_all_damaged)
        return;
    pixman_region32_union_rect(&window->damage, &window->damage, (int)rect->x, (int)rect->y,
                               rect->width, rect->height);
    draw_soon(window);
}

static void on_cursor_changed(struct viewer *viewer) NO_THREAD_SAFETY
{
    loop_defer(&window_of(viewer)->new_cursor);
}

static void on_new_cursor(struct deferred *deferred)
{
    bql_assert_held();
    window_cursor_changed(container_of(deferred, struct window, new_cursor));
}

static void on_gone(struct viewer *viewer) NO_THREAD_SAFETY
{
    struct window *window = window_of(viewer);

    window->console = NULL;
    window->has_new_size = true;
    window_damage_all(window);
}

static const struct viewer_ops viewer_ops = {
    .resized = on_resized,
    .damaged = on_damaged,
    .cursor_changed = on_cursor_changed,
    .gone = on_gone,
};

/* ---- Sizes ----------------------------------------------------------------------------------- */

static pixman_image_t *picture_of(const struct window *window) REQUIRES(bql)
{
    return window->console ? console_picture(window->console) : NULL;
}

static void note_outer_size(struct window *window)
{
    SDL_GetWindowSizeInPixels(window->window, &window->outer_width, &window->outer_height);
}

static bool is_free_to_size(const struct window *window)
{
    return !(SDL_GetWindowFlags(window->window) &
             (SDL_WINDOW_FULLSCREEN_DESKTOP | SDL_WINDOW_MAXIMIZED));
}

/* A window's units are not always pixels. SDL waits for the window manager. */
static void set_outer_size(struct window *window, int width, int height) REQUIRES(bql)
{
    int units, ignored;

    SDL_GetWindowSize(window->window, &units, &ignored);
    if (window->outer_width > 0 && units > 0 && units != window->outer_width) {
        width = (int)((int64_t)width * units / window->outer_width);
        height = (int)((int64_t)height * units / window->outer_width);
    }
    bql_unlock();
    SDL_SetWindowSize(window->window, MAX(width, 1), MAX(height, 1));
    bql_lock();
    note_outer_size(window);
}

/* The guest has another mode, or has switched the screen on or off. */
static void take_new_size(struct window *window) REQUIRES(bql)
{
    pixman_image_t *picture = picture_of(window);
    const int width = picture ? pixman_image_get_width(picture) : 0;
    const int height = picture ? pixman_image_get_height(picture) : 0;

    window->has_new_size = false;
    window->picture_width = width;
    window->picture_height = height;
    if (picture && window->outer_width == width && window->outer_height == height)
        window->follows = true;
    else if (picture && window->follows && is_free_to_size(window))
        set_outer_size(window, width, height);
    window_set_title(window);
    if (window->index && !picture)
        SDL_HideWindow(window->window);
    else if (window->index)
        SDL_ShowWindow(window->window);
}

/* Somebody has resized it, and has stopped. */
static void on_prefer(struct loop_timer *timer)
{
    struct window *window = container_of(timer, struct window, prefer);

    bql_assert_held();
    if (!window->console || (window->outer_width == window->picture_width &&
                             window->outer_height == window->picture_height))
        return;
    log_topic(display, "%s: %dx%d would be welcome", console_name(window->console),
              window->outer_width, window->outer_height);
    console_prefer(window->console, (unsigned)MAX(window->outer_width, SIDE_LEAST),
                   (unsigned)MAX(window->outer_height, SIDE_LEAST));
}

static void outer_size_changed(struct window *window) REQUIRES(bql)
{
    const int width = window->outer_width, height = window->outer_height;

    note_outer_size(window);
    window_damage_all(window);
    if (window->outer_width == width && window->outer_height == height)
        return; /* what we have set ourselves */
    window->follows = false;
    loop_timer_set(&window->prefer, monotonic_ns() + PREFER_AFTER_NS);
}

void window_toggle_full_screen(struct window *window)
{
    const bool is_full = SDL_GetWindowFlags(window->window) & SDL_WINDOW_FULLSCREEN_DESKTOP;

    bql_unlock();
    SDL_SetWindowFullscreen(window->window, is_full ? 0 : SDL_WINDOW_FULLSCREEN_DESKTOP);
    bql_lock();
    outer_size_changed(window);
    sdl_look_again(window->sdl);
}

/* ---- Drawing --------------------------------------------------------------------------------- */

static void draw(struct window *window) REQUIRES(bql)
{
    const bool is_all = window->is_all_damaged;
    pixman_image_t *picture = picture_of(window);
    pixman_region32_t damage;

    window->fit = fit_picture(window->picture_width, window->picture_height, window->outer_width,
                              window->outer_height);
    /* New damage may come while the BQL is given back. */
    pixman_region32_init(&damage);
    pixman_region32_copy(&damage, &window->damage);
    pixman_region32_clear(&window->damage);
    window->is_all_damaged = false;
    canvas_draw(window->canvas, picture, &window->fit, &damage, is_all);
    pixman_region32_fini(&damage);
}

/* As often as the eye can tell, and a third of the time at most: devices need the main loop. */
static void on_present(struct loop_timer *timer)
{
    struct window *window = container_of(timer, struct window, present);
    const int64_t begin_ns = monotonic_ns();
    GError *error = NULL;
    int64_t end_ns;

    bql_assert_held();
    if (!window->window) { /* a further screen */
        if (!picture_of(window))
            return;
        if (!window_open(window, &error)) {
            log_warn("%s", error->message);
            g_error_free(error);
            viewer_remove(&window->viewer);
            return;
        }
    }
    if (window->has_new_size)
        take_new_size(window);
    if (!window->is_hidden)
        draw(window);
    end_ns = monotonic_ns();
    window->not_before_ns = MAX(begin_ns + FRAME_NS, end_ns + 2 * (end_ns - begin_ns));
    sdl_look_again(window->sdl);
    if (window->has_new_size || window->is_all_damaged ||
        pixman_region32_not_empty(&window->damage))
        draw_soon(window);
}

/* ---- Its life -------------------------------------------------------------------------------- */

/* Nobody draws for a window that nobody can see. */
static void set_hidden(struct window *window, bool is_hidden) REQUIRES(bql)
{
    if (window->is_hidden == is_hidden || !window->console)
        return;
    window->is_hidden = is_hidden;
    if (is_hidden) {
        if (!window->index) /* those of further screens are hidden because they are off */
            viewer_remove(&window->viewer);
        return;
    }
    if (!window->viewer.console)
        console_add_viewer(window->console, &window->viewer, &viewer_ops);
    window_cursor_changed(window);
    on_resized(&window->viewer); /* whatever there was meanwhile */
}

void window_event(struct window *window, const SDL_WindowEvent *event)
{
    struct sdl *sdl = window->sdl;

    switch (event->event) {
    case SDL_WINDOWEVENT_EXPOSED:
        window_damage_all(window);
        break;
    case SDL_WINDOWEVENT_SIZE_CHANGED:
        outer_size_changed(window);
        break;
    case SDL_WINDOWEVENT_MINIMIZED:
    case SDL_WINDOWEVENT_HIDDEN:
        set_hidden(window, true);
        break;
    case SDL_WINDOWEVENT_SHOWN:
    case SDL_WINDOWEVENT_RESTORED:
        set_hidden(window, false);
        break;
    case SDL_WINDOWEVENT_ENTER:
        window_show_cursor(window);
        break;
    case SDL_WINDOWEVENT_FOCUS_LOST:
        input_release_all(sdl->config.input);
        break;
    case SDL_WINDOWEVENT_CLOSE:
        sdl->config.closed(sdl->config.opaque);
        break;
    default:
        break;
    }
}

void window_set_title(struct window *window)
{
    const struct sdl *sdl = window->sdl;
    GString *title;

    if (!window->window)
        return;
    title = g_string_new("gracevm");
    if (sdl->config.name)
        g_string_append_printf(title, ": %s", sdl->config.name);
    if (sdl->nr_windows > 1)
        g_string_append_printf(title, " (%s)",
                               window->console ? console_name(window->console) : "");
    if (sdl->is_stopped)
        g_string_append(title, " [stopped]");
    else if (!window->picture_width)
        g_string_append(title, " [the screen is off]");
    if (sdl->is_grabbed)
        g_string_append(title, " - press Ctrl-Alt-G to release the mouse");
    SDL_SetWindowTitle(window->window, title->str);
    g_string_free(title, true);
}

bool window_open(struct window *window, GError **error)
{
    pixman_image_t *picture = picture_of(window);
    const int width = picture ? pixman_image_get_width(picture) : WIDTH_BEFORE;
    const int height = picture ? pixman_image_get_height(picture) : HEIGHT_BEFORE;

    window->window =
        SDL_CreateWindow("gracevm", SDL_WINDOWPOS_UNDEFINED, SDL_WINDOWPOS_UNDEFINED, width, height,
                         SDL_WINDOW_RESIZABLE | SDL_WINDOW_ALLOW_HIGHDPI);
    if (!window->window)
        return sdl_fail(error, "no window");
    window->canvas = canvas_new(window->window, window->sdl->config.has_gl, error);
    if (!window->canvas) {
        SDL_DestroyWindow(g_steal_pointer(&window->window)); /* or it would be drawn into */
        return false;
    }
    SDL_SetWindowMinimumSize(window->window, SIDE_LEAST, SIDE_LEAST);
    note_outer_size(window);
    window->has_new_size = true;
    window_set_title(window);
    window_cursor_changed(window);
    window_damage_all(window);
    return true;
}

void window_init(struct window *window, struct sdl *sdl, unsigned index, struct console *console)
{
    *window = (struct window){
        .sdl = sdl,
        .index = index,
        .console = console,
        .follows = true,
        .present = { .fn = on_present },
        .prefer = { .fn = on_prefer },
    };
    pixman_region32_init(&window->damage);
    deferred_init(&window->new_cursor, on_new_cursor);
    console_add_viewer(console, &window->viewer, &viewer_ops);
    on_resized(&window->viewer);
}

void window_fini(struct window *window)
{
    viewer_remove(&window->viewer);
    loop_timer_cancel(&window->present);
    loop_timer_cancel(&window->prefer);
    loop_cancel(&window->new_cursor);
    canvas_free(window->canvas);
    if (window->cursor)
        SDL_FreeCursor(window->cursor);
    if (window->window)
        SDL_DestroyWindow(window->window);
    pixman_region32_fini(&window->damage);
}
