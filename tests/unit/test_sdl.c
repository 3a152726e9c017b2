/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What windows do that no X server shows: on which thread SDL is called, and what comes of its
 * failures. Of SDL's functions some are replaced by ours. tests/ui has the rest.
 */
#include <pthread.h>

#include "hw/display/input.h"
#include "tests/unit/display_scene.h"
#include "ui/sdl_internal.h"
#include "util/loop.h"
#include "util/start.h"
#include "util/thread.h"

static pthread_t main_thread;
static unsigned nr_cursors;
static bool has_no_surfaces;

SDL_Cursor *SDL_CreateColorCursor(SDL_Surface *surface UNUSED, int hot_x UNUSED, int hot_y UNUSED)
{
    g_assert_true(pthread_equal(pthread_self(), main_thread));
    nr_cursors++;
    return NULL;
}

SDL_Surface *SDL_GetWindowSurface(SDL_Window *window)
{
    static SDL_Surface *surface;
    int width, height;

    SDL_GetWindowSize(window, &width, &height);
    if (!surface)
        surface = SDL_CreateRGBSurfaceWithFormat(0, width, height, 32, SDL_PIXELFORMAT_RGB888);
    return has_no_surfaces ? NULL : surface;
}

static void on_closed(void *opaque UNUSED)
{
}

static struct sdl *open_windows(struct screen *screen, struct input *input) REQUIRES(bql)
{
    const struct sdl_config config = { .display = screen->display,
                                       .input = input,
                                       .closed = on_closed };
    GError *error = NULL;
    struct sdl *sdl = sdl_new(&config, &error);

    g_assert_no_error(error);
    return sdl;
}

/* As a processor does whose guest resets the device. */
static void set_cursor(void *arg)
{
    static const struct cursor cursor = { .width = 1, .height = 1 };
    struct screen *screen = arg;

    bql_lock();
    console_set_cursor(screen->console, &cursor);
    bql_unlock();
}

static void cursors_are_made_on_the_main_thread(void) REQUIRES(bql)
{
    struct input *input = input_new();
    struct screen screen;
    struct thread *thread;
    struct sdl *sdl;

    screen_start(&screen, 64, 64);
    sdl = open_windows(&screen, input);
    thread = thread_start("processor", set_cursor, &screen);
    g_assert_nonnull(thread);
    bql_unlock();
    thread_join(thread);
    bql_lock();
    while (nr_cursors == 0)
        loop_iterate(true);
    thread = thread_start("processor", set_cursor, &screen);
    bql_unlock();
    thread_join(thread);
    bql_lock();
    sdl_free(sdl); /* nobody has looked at that one */
    input_free(input);
    screen_end(&screen);
}

/* What the window system tells of a window that we have given up. */
static void push_exposed(Uint32 id)
{
    SDL_Event event = {
        .window = { .type = SDL_WINDOWEVENT, .windowID = id, .event = SDL_WINDOWEVENT_EXPOSED }
    };

    SDL_PushEvent(&event);
}

static void a_window_that_cannot_be_drawn_is_none(void) REQUIRES(bql)
{
    struct input *input = input_new();
    struct console *second;
    struct screen screen;
    struct sdl *sdl;

    screen_start(&screen, 64, 64);
    second = console_new(screen.display, "gpu0.1", &(struct console_ops){ 0 }, NULL);
    sdl = open_windows(&screen, input);
    while (loop_iterate(false))
        continue;
    has_no_surfaces = true;
    g_assert_true(console_resize(second, 32, 32));
    while (sdl->windows[1].viewer.console)
        loop_iterate(true);
    has_no_surfaces = false;
    push_exposed(sdl->windows[1].window ? SDL_GetWindowID(sdl->windows[1].window) : 2);
    sdl_look_again(sdl);
    while (SDL_HasEvent(SDL_WINDOWEVENT) || loop_timer_is_set(&sdl->windows[1].present))
        loop_iterate(true);
    g_assert_null(sdl->windows[1].window);
    sdl_free(sdl);
    input_free(input);
    console_free(second);
    screen_end(&screen);
}

#define ADD(name) g_test_add_func("/sdl/" #name, name)

int main(int argc, char **argv)
{
    int status;

    g_setenv("SDL_VIDEODRIVER", "dummy", true);
    g_test_init(&argc, &argv, NULL);
    g_log_set_always_fatal(G_LOG_LEVEL_CRITICAL);
    main_thread = pthread_self();
    ADD(cursors_are_made_on_the_main_thread);
    ADD(a_window_that_cannot_be_drawn_is_none);
    if (util_start(NULL) != 0)
        return 1;
    status = g_test_run();
    util_stop();
    return status;
}
