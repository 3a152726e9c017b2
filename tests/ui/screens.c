/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A machine of screens and input devices only, in windows, for tests/ui/windows.py: what it is to
 * do comes from standard input, a line a command; what its devices are told goes to standard
 * output. Each command is answered by "ok" or "error: …".
 *
 *     screens [gl] [SCREENS]
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hw/display/display.h"
#include "hw/display/input.h"
#include "ui/screenshot.h"
#include "ui/sdl.h"
#include "util/loop.h"
#include "util/start.h"

struct screen {
    unsigned index;
    struct console *console;
};

struct stage {
    struct display *display;
    struct screen screens[CONSOLES_MAX];
    unsigned nr_screens;
    struct input *input;
    struct input_handler handler;
    struct sdl *sdl;
    struct loop_watch *commands;
    char line[256];
    size_t length;
};

/* ---- The devices ----------------------------------------------------------------------------- */

static void prefer(void *opaque, unsigned width, unsigned height)
{
    printf("prefer %u %u %u\n", ((struct screen *)opaque)->index, width, height);
}

static void watch(void *opaque, bool is_watched)
{
    printf("watch %u %d\n", ((struct screen *)opaque)->index, is_watched);
}

static const struct console_ops console_ops = { .prefer = prefer, .watch = watch };

static void on_event(struct input_handler *handler UNUSED, uint16_t type, uint16_t code,
                     int32_t value)
{
    printf("event %u %u %d\n", type, code, value);
}

static void on_sync(struct input_handler *handler UNUSED)
{
    puts("sync");
}

static void on_closed(void *opaque UNUSED)
{
    puts("closed");
}

/* ---- Commands -------------------------------------------------------------------------------- */

static void fill(struct console *console, const struct rect *rect, uint32_t colour) REQUIRES(bql)
{
    uint32_t *pixels = g_new(uint32_t, (size_t)rect->width * rect->height);

    for (size_t i = 0; i < (size_t)rect->width * rect->height; i++)
        pixels[i] = colour;
    console_draw(console, rect, pixels, rect->width * 4);
    g_free(pixels);
}

static void set_cursor(struct console *console, unsigned side, uint32_t colour) REQUIRES(bql)
{
    struct cursor *cursor = g_new0(struct cursor, 1);

    cursor->width = cursor->height = side;
    for (size_t i = 0; i < (size_t)side * side; i++)
        cursor->pixels[i] = colour;
    console_set_cursor(console, side ? cursor : NULL);
    g_free(cursor);
}

static void on_saved(void *opaque UNUSED, GError *error)
{
    if (error)
        printf("error: %s\n", error->message);
    else
        puts("saved");
    g_clear_error(&error);
}

/* False: there is no such command. */
static bool run(struct stage *stage, const char *line) REQUIRES(bql)
{
    unsigned n, a, b, c, d, colour;
    char path[200];

    if (sscanf(line, "size %u %u %u", &n, &a, &b) == 3)
        return console_resize(stage->screens[n % CONSOLES_MAX].console, a, b);
    if (sscanf(line, "fill %u %u %u %u %u %x", &n, &a, &b, &c, &d, &colour) == 6)
        fill(stage->screens[n % CONSOLES_MAX].console, &(struct rect){ a, b, c, d }, colour);
    else if (sscanf(line, "cursor %u %u %x", &n, &a, &colour) == 3 && a <= CURSOR_SIDE_MAX)
        set_cursor(stage->screens[n % CONSOLES_MAX].console, a, colour);
    else if (sscanf(line, "save %u %199s", &n, path) == 2)
        screenshot_save(stage->screens[n % CONSOLES_MAX].console, path, on_saved, NULL);
    else if (sscanf(line, "stopped %u", &a) == 1)
        sdl_set_stopped(stage->sdl, a);
    else if (g_str_equal(line, "quit"))
        loop_quit();
    else
        return false;
    return true;
}

/* The commands' end is the program's. */
static void on_commands(void *arg, short revents UNUSED)
{
    struct stage *stage = arg;
    char *end;
    ssize_t got;

    bql_assert_held();
    got = read(STDIN_FILENO, stage->line + stage->length, sizeof stage->line - stage->length);
    if (got <= 0) {
        loop_quit();
        return;
    }
    stage->length += (size_t)got;
    while ((end = memchr(stage->line, '\n', stage->length))) {
        *end = '\0';
        puts(run(stage, stage->line) ? "ok" : "error: what?");
        stage->length -= (size_t)(end + 1 - stage->line);
        memmove(stage->line, end + 1, stage->length);
    }
}

/* ---- Life ------------------------------------------------------------------------------------ */

static int play(struct stage *stage, bool has_gl) REQUIRES(bql)
{
    const struct sdl_config config = {
        .display = stage->display,
        .input = stage->input,
        .name = "a test",
        .has_gl = has_gl,
        .closed = on_closed,
    };
    GError *error = NULL;

    stage->sdl = sdl_new(&config, &error);
    if (!stage->sdl) {
        printf("error: %s\n", error->message);
        g_error_free(error);
        return 1;
    }
    stage->commands = loop_watch_new(STDIN_FILENO, POLLIN, on_commands, stage);
    puts("ready");
    loop_run();
    screenshots_finish();
    loop_watch_free(stage->commands);
    sdl_free(stage->sdl);
    return 0;
}

static int set_up_and_play(unsigned nr_screens, bool has_gl) REQUIRES(bql)
{
    struct stage *stage = g_new0(struct stage, 1);
    int status;

    stage->display = display_new();
    stage->input = input_new();
    stage->handler = (struct input_handler){ .takes = INPUT_KEYS | INPUT_POINTER,
                                             .event = on_event,
                                             .sync = on_sync };
    input_add_handler(stage->input, &stage->handler);
    for (unsigned i = 0; i < nr_screens; i++) {
        g_autofree char *name = g_strdup_printf("gpu0.%u", i);

        stage->screens[i].index = i;
        stage->screens[i].console =
            console_new(stage->display, name, &console_ops, &stage->screens[i]);
    }
    status = play(stage, has_gl);
    for (unsigned i = 0; i < nr_screens; i++)
        console_free(stage->screens[i].console);
    input_remove_handler(stage->input, &stage->handler);
    input_free(stage->input);
    display_free(stage->display);
    g_free(stage);
    return status;
}

int main(int argc, char **argv)
{
    const bool has_gl = argc > 1 && g_str_equal(argv[1], "gl");
    const int nr = argc > 1 + has_gl ? atoi(argv[1 + has_gl]) : 1;
    int status;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (nr < 0 || nr > CONSOLES_MAX || util_start(NULL) != 0)
        return 2;
    status = set_up_and_play((unsigned)nr, has_gl);
    util_stop();
    return status;
}
