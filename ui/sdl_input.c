/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keys and pointer. Keys are told by their place on the keyboard, which is what the guest knows;
 * our own, with Ctrl and Alt, by what is printed on them.
 */
#include "ui/sdl_internal.h"
#include "util/log.h"

/* Whether it is ours. */
static bool take_our_key(struct sdl *sdl, struct window *window, const SDL_KeyboardEvent *event)
    REQUIRES(bql)
{
    const SDL_Keymod modifiers = (SDL_Keymod)event->keysym.mod;

    if (!(modifiers & KMOD_CTRL) || !(modifiers & KMOD_ALT))
        return false;
    switch (event->keysym.sym) {
    case SDLK_f:
        input_release_all(sdl->config.input); /* the guest need not know of Ctrl and Alt */
        window_toggle_full_screen(window);
        return true;
    case SDLK_g:
        input_release_all(sdl->config.input);
        sdl_grab(sdl, !sdl->is_grabbed);
        return true;
    default:
        return false;
    }
}

void sdl_key_event(struct sdl *sdl, struct window *window, const SDL_KeyboardEvent *event)
{
    const uint16_t code = sdl_key_code(event->keysym.scancode);
    const bool is_down = event->type == SDL_KEYDOWN;

    /* Without the focus keys come when the pointer is above us, and their releases perhaps not. */
    if (event->repeat || (is_down && (!window || take_our_key(sdl, window, event))))
        return;
    if (!code) {
        log_topic(display, "there is no key code for scancode %d", (int)event->keysym.scancode);
        return;
    }
    input_send(sdl->config.input, EV_KEY, code, is_down);
    input_sync(sdl->config.input);
}

/* Where the picture is in the units of the pointer, of which a window may have fewer than pixels.
 */
static void send_position(struct window *window, int x, int y) REQUIRES(bql)
{
    struct input *input = window->sdl->config.input;
    int width, height;
    struct fit fit;

    SDL_GetWindowSize(window->window, &width, &height);
    fit = fit_picture(window->picture_width, window->picture_height, width, height);
    if (!fit.width)
        return;
    input_send(input, EV_ABS, ABS_X, fit_position(x, fit.x, fit.width, INPUT_ABS_MAX));
    input_send(input, EV_ABS, ABS_Y, fit_position(y, fit.y, fit.height, INPUT_ABS_MAX));
}

void sdl_motion_event(struct window *window, const SDL_MouseMotionEvent *event)
{
    send_position(window, event->x, event->y);
    input_sync(window->sdl->config.input);
}

static uint16_t button_code(Uint8 button)
{
    switch (button) {
    case SDL_BUTTON_LEFT:
        return BTN_LEFT;
    case SDL_BUTTON_MIDDLE:
        return BTN_MIDDLE;
    case SDL_BUTTON_RIGHT:
        return BTN_RIGHT;
    case SDL_BUTTON_X1:
        return BTN_SIDE;
    case SDL_BUTTON_X2:
        return BTN_EXTRA;
    default:
        return KEY_RESERVED;
    }
}

void sdl_button_event(struct window *window, const SDL_MouseButtonEvent *event)
{
    const uint16_t code = button_code(event->button);

    if (!code)
        return;
    send_position(window, event->x, event->y);
    input_send(window->sdl->config.input, EV_KEY, code, event->type == SDL_MOUSEBUTTONDOWN);
    input_sync(window->sdl->config.input);
}

void sdl_wheel_event(struct window *window, const SDL_MouseWheelEvent *event)
{
    const int sign = event->direction == SDL_MOUSEWHEEL_FLIPPED ? -1 : 1;

    input_send(window->sdl->config.input, EV_REL, REL_WHEEL, sign * event->y);
    input_send(window->sdl->config.input, EV_REL, REL_HWHEEL, sign * event->x);
    input_sync(window->sdl->config.input);
}
