/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The screens of one machine, in order.
 */
#include <glib.h>
#include <string.h>

#include "hw/display/display_internal.h"

struct display {
    struct console *consoles[CONSOLES_MAX];
    unsigned nr_consoles;
};

struct display *display_new(void)
{
    return g_new0(struct display, 1);
}

void display_free(struct display *display)
{
    if (!display)
        return;
    g_assert_cmpuint(display->nr_consoles, ==, 0);
    g_free(display);
}

struct console *display_console(struct display *display, unsigned index)
{
    return index < display->nr_consoles ? display->consoles[index] : NULL;
}

bool display_add(struct display *display, struct console *console)
{
    if (display->nr_consoles == CONSOLES_MAX)
        return false;
    display->consoles[display->nr_consoles++] = console;
    return true;
}

void display_remove(struct display *display, struct console *console)
{
    unsigned at = 0;

    while (display->consoles[at] != console) {
        at++;
        g_assert_cmpuint(at, <, display->nr_consoles);
    }
    display->nr_consoles--;
    memmove(&display->consoles[at], &display->consoles[at + 1],
            (display->nr_consoles - at) * sizeof display->consoles[0]);
}
