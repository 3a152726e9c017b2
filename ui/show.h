/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * -display: how the machine's screens are shown.
 */
#ifndef UI_SHOW_H
#define UI_SHOW_H

#include <glib.h>
#include <stdbool.h>
#include <stdio.h>

#include "util/bql.h"

struct machine;
struct show;
struct signals;

enum show_kind { SHOW_NONE, SHOW_EGL_HEADLESS, SHOW_SDL };

struct show_config {
    unsigned kind; /* of enum show_kind */
    bool has_gl;   /* windows are drawn by OpenGL */
    char *name;    /* the machine's, borrowed; NULL: it has none */
    bool starts_stopped;
};

/** The value of -display; an error of use names what is wrong with it. The name stays. */
bool show_parse(struct show_config *config, const char *text, GError **error) MUST_CHECK;

/** What `help` as the value prints. */
void show_print_help(FILE *out);

void show_free(struct show *show) REQUIRES(bql); /* NULL is fine */

/** All of the machine's screens are plugged in. A window that is closed does what a signal does. */
struct show *show_new(struct machine *machine, struct signals *signals,
                      const struct show_config *config, GError **error) OWNED_BY(show_free)
    REQUIRES(bql);

#endif
