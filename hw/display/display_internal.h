/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Between a display and its consoles.
 */
#ifndef HW_DISPLAY_DISPLAY_INTERNAL_H
#define HW_DISPLAY_DISPLAY_INTERNAL_H

#include "hw/display/display.h"

/** False: there are CONSOLES_MAX. */
bool display_add(struct display *display, struct console *console) MUST_CHECK REQUIRES(bql);
void display_remove(struct display *display, struct console *console) REQUIRES(bql);

#endif
