/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SDL itself, and its events.
 *
 * SDL has no descriptor to wait for. On X11 its connection has one, which is watched; but whatever
 * is said to the X server may bring events along, which then lie in Xlib's queue and wake nobody,
 * so we look once more after each such talk. What SDL does by time (it decides about focus after
 * a while) and other window systems need a timer, as long as there are windows.
 */
#include <poll.h>

#include "ui/sdl_internal.h"

#include <SDL_syswm.h>

#include "util/clock.h"
#include "util/log.h"

#define TICK_NS (10 * NS_PER_MS)
#define TICK_WITH_WATCH_NS (100 * NS_PER_MS)

bool sdl_fail(GError **error, const char *what)
{
    g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_FAILED, "-display sdl: %s: %s", what,
                SDL_GetError());
    return false;
}

void sdl_look_again(struct sdl *sdl)
{
    loop_defer(&sdl->look);
}

void sdl_update_titles(struct sdl *sdl)
{
    for (unsigned i = 0; i < sdl->nr_windows; i++)
        window_set_title(&sdl->windows[i]);
}

void sdl_set_stopped(struct sdl *sdl, bool is_stopped)
{
    sdl->is_stopped = is_stopped;
    sdl_update_titles(sdl);
    sdl_look_again(sdl);
}

void sdl_grab(struct sdl *sdl, bool is_grabbed)
{
    SDL_Window *focus = SDL_GetKeyboardFocus();

    for (unsigned i = 0; i < sdl->nr_windows; i++) {
        SDL_Window *window = sdl->windows[i].window;

        if (!window)
            continue;
        SDL_SetWindowMouseGrab(window, (SDL_bool)(is_grabbed && window == focus));
        SDL_SetWindowKeyboardGrab(window, (SDL_bool)(is_grabbed && window == focus));
    }
    sdl->is_grabbed = is_grabbed;
    sdl_update_titles(sdl);
    sdl_look_again(sdl);
}

/* ---- Events ---------------------------------------------------------------------------------- */

static struct window *find(struct sdl *sdl, Uint32 id)
{
    for (unsigned i = 0; i < sdl->nr_windows; i++) {
        if (sdl->windows[i].window && SDL_GetWindowID(sdl->windows[i].window) == id)
            return &sdl->windows[i];
    }
    return NULL;
}

static void take_input(struct sdl *sdl, const SDL_Event *event) REQUIRES(bql)
{
    struct window *window;

    switch (event->type) {
    case SDL_KEYDOWN:
    case SDL_KEYUP:
        sdl_key_event(sdl, find(sdl, event->key.windowID), &event->key);
        break;
    case SDL_MOUSEMOTION:
        window = find(sdl, event->motion.windowID);
        if (window)
            sdl_motion_event(window, &event->motion);
        break;
    case SDL_MOUSEBUTTONDOWN:
    case SDL_MOUSEBUTTONUP:
        window = find(sdl, event->button.windowID);
        if (window)
            sdl_button_event(window, &event->button);
        break;
    case SDL_MOUSEWHEEL:
        window = find(sdl, event->wheel.windowID);
        if (window)
            sdl_wheel_event(window, &event->wheel);
        break;
    default:
        break;
    }
}

static void take(struct sdl *sdl, const SDL_Event *event) REQUIRES(bql)
{
    struct window *window;

    switch (event->type) {
    case SDL_QUIT: /* the session ends */
        sdl->config.closed(sdl->config.opaque);
        break;
    case SDL_WINDOWEVENT:
        window = find(sdl, event->window.windowID);
        if (window)
            window_event(window, &event->window);
        break;
    case SDL_RENDER_TARGETS_RESET:
    case SDL_RENDER_DEVICE_RESET:
        for (unsigned i = 0; i < sdl->nr_windows; i++)
            window_damage_all(&sdl->windows[i]);
        break;
    default:
        take_input(sdl, event);
        break;
    }
}

static void look(struct sdl *sdl) REQUIRES(bql)
{
    SDL_Event event;

    while (SDL_PollEvent(&event))
        take(sdl, &event);
}

static void on_look(struct deferred *deferred)
{
    bql_assert_held();
    look(container_of(deferred, struct sdl, look));
}

static void on_readable(void *arg, short revents UNUSED)
{
    bql_assert_held();
    look(arg);
}

static void on_tick(struct loop_timer *timer)
{
    struct sdl *sdl = container_of(timer, struct sdl, tick);

    bql_assert_held();
    look(sdl);
    loop_timer_set(timer, monotonic_ns() + (sdl->watch ? TICK_WITH_WATCH_NS : TICK_NS));
}

/* ---- Start and end --------------------------------------------------------------------------- */

/* The connection's, or -1. */
static int descriptor(SDL_Window *window)
{
    SDL_SysWMinfo info;

    SDL_VERSION(&info.version);
    if (!SDL_GetWindowWMInfo(window, &info))
        return -1;
#ifdef SDL_VIDEO_DRIVER_X11
    if (info.subsystem == SDL_SYSWM_X11)
        return ConnectionNumber(info.info.x11.display);
#endif
    return -1;
}

/* SDL takes one that shows nothing where it finds no other; but that is for who asks for it. */
static bool shows_nothing(void)
{
    const char *driver = SDL_GetCurrentVideoDriver();

    return !g_getenv("SDL_VIDEODRIVER") &&
           (g_str_equal(driver, "offscreen") || g_str_equal(driver, "dummy"));
}

static bool start(GError **error)
{
    static const char *const hints[][2] = {
        { SDL_HINT_NO_SIGNAL_HANDLERS, "1" }, /* ui/signals.c has them */
        { SDL_HINT_QUIT_ON_LAST_WINDOW_CLOSE, "0" },
        { SDL_HINT_VIDEO_ALLOW_SCREENSAVER, "1" },
        { SDL_HINT_VIDEO_X11_NET_WM_BYPASS_COMPOSITOR, "0" },
        { SDL_HINT_VIDEO_MINIMIZE_ON_FOCUS_LOSS, "0" },
        { SDL_HINT_MOUSE_FOCUS_CLICKTHROUGH, "1" },
        { SDL_HINT_APP_NAME, "gracevm" },
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(hints); i++)
        SDL_SetHint(hints[i][0], hints[i][1]);
    SDL_SetMainReady();
    if (SDL_Init(SDL_INIT_VIDEO) != 0)
        return sdl_fail(error, "no window system");
    if (shows_nothing()) {
        SDL_SetError("neither X nor Wayland answers; is DISPLAY or WAYLAND_DISPLAY set?");
        SDL_QuitSubSystem(SDL_INIT_VIDEO);
        return sdl_fail(error, "no window system");
    }
    SDL_StopTextInput(); /* input methods are the guest's */
    return true;
}

static void init_windows(struct sdl *sdl) REQUIRES(bql)
{
    struct console *console;

    while ((console = display_console(sdl->config.display, sdl->nr_windows))) {
        window_init(&sdl->windows[sdl->nr_windows], sdl, sdl->nr_windows, console);
        sdl->nr_windows++;
    }
}

void sdl_free(struct sdl *sdl)
{
    if (!sdl)
        return;
    input_release_all(sdl->config.input);
    loop_timer_cancel(&sdl->tick);
    if (sdl->watch)
        loop_watch_free(sdl->watch);
    for (unsigned i = 0; i < sdl->nr_windows; i++)
        window_fini(&sdl->windows[i]);
    loop_cancel(&sdl->look);
    SDL_Quit();
    g_free(sdl);
}

struct sdl *sdl_new(const struct sdl_config *config, GError **error)
{
    struct sdl *sdl;
    int fd;

    if (!display_console(config->display, 0)) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NODEV,
                    "-display sdl: the machine has no screen: -device virtio-gpu-pci is one");
        return NULL;
    }
    if (!start(error))
        return NULL;
    sdl = g_new0(struct sdl, 1);
    sdl->config = *config;
    sdl->tick.fn = on_tick;
    deferred_init(&sdl->look, on_look);
    init_windows(sdl);
    if (!window_open(&sdl->windows[0], error)) {
        sdl_free(sdl);
        return NULL;
    }
    fd = descriptor(sdl->windows[0].window);
    if (fd >= 0)
        sdl->watch = loop_watch_new(fd, POLLIN, on_readable, sdl);
    loop_timer_set(&sdl->tick, monotonic_ns());
    log_topic(display, "SDL's video driver is %s%s", SDL_GetCurrentVideoDriver(),
              sdl->watch ? ", watched" : "");
    return sdl;
}
