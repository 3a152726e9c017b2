/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/show.h"

#include "hw/machine/machine.h"
#include "ui/sdl.h"
#include "ui/signals.h"
#include "util/keyval.h"

struct show {
    struct machine *machine;
    struct signals *signals;
    struct sdl *sdl; /* NULL: no windows */
    struct machine_listener listener;
};

/* ---- The option ------------------------------------------------------------------------------ */

static const struct {
    const char *name, *help;
} kinds[] = {
    [SHOW_NONE] = { "none", "nowhere (the default); screendump sees them all the same" },
    [SHOW_EGL_HEADLESS] = { "egl-headless", "the same: no GL device needs a window" },
    [SHOW_SDL] = { "sdl", "in windows; gl=on: drawn by OpenGL, which needs a GPU to pay" },
};

void show_print_help(FILE *out)
{
    for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++)
        fprintf(out, "  %-12s %s\n", kinds[i].name, kinds[i].help);
}

bool show_parse(struct show_config *config, const char *text, GError **error)
{
    static const char *const names[] = {
        [SHOW_NONE] = "none", [SHOW_EGL_HEADLESS] = "egl-headless", [SHOW_SDL] = "sdl", NULL
    };
    static const struct keyval_key keys[] = {
        KEYVAL_KEY("type", KEYVAL_CHOICE, struct show_config, kind, "where screens are shown",
                   .choices = names, .may_be_bare = true),
        KEYVAL_KEY("gl", KEYVAL_BOOL, struct show_config, has_gl, "windows are drawn by OpenGL"),
        { .name = NULL },
    };
    struct show_config got = { .name = config->name, .starts_stopped = config->starts_stopped };

    if (!keyval_parse("-display", text, keys, &got, error))
        return false;
    if (got.has_gl && got.kind != SHOW_SDL)
        return keyval_usage(error, "-display %s: gl=on is for windows: sdl,gl=on",
                            kinds[got.kind].name);
    *config = got;
    return true;
}

/* ---- Windows --------------------------------------------------------------------------------- */

static void on_closed(void *opaque)
{
    struct show *show = opaque;

    bql_assert_held();
    signals_ask_end(show->signals, "a window was closed");
}

static void on_machine_event(struct machine_listener *listener, enum machine_event event)
{
    struct show *show = container_of(listener, struct show, listener);

    bql_assert_held();
    switch (event) {
    case MACHINE_STOPPED:
    case MACHINE_CONTINUED:
        sdl_set_stopped(show->sdl, !machine_is_running(show->machine));
        break;
    case MACHINE_RESET:
    case MACHINE_BUTTON_PRESSED:
    case MACHINE_ENDED:
        break;
    }
}

void show_free(struct show *show)
{
    if (!show)
        return;
    if (show->sdl)
        machine_remove_listener(show->machine, &show->listener);
    sdl_free(show->sdl);
    g_free(show);
}

struct show *show_new(struct machine *machine, struct signals *signals,
                      const struct show_config *config, GError **error)
{
    struct show *show = g_new0(struct show, 1);
    const struct sdl_config windows = {
        .display = machine_display(machine),
        .input = machine_input(machine),
        .name = config->name,
        .has_gl = config->has_gl,
        .closed = on_closed,
        .opaque = show,
    };

    *show = (struct show){
        .machine = machine,
        .signals = signals,
        .listener = { .event = on_machine_event },
    };
    if (config->kind != SHOW_SDL)
        return show;
    show->sdl = sdl_new(&windows, error);
    if (!show->sdl) {
        show_free(show);
        return NULL;
    }
    machine_add_listener(machine, &show->listener);
    sdl_set_stopped(show->sdl, config->starts_stopped);
    return show;
}
