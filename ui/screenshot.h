/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A screen as a PNG file.
 *
 * The device is asked to draw what it has not drawn yet, the picture is copied, and another thread
 * makes the file (ui/save.h): the main loop waits for nothing, and who does not empty a pipe holds
 * up other screenshots for SAVE_PATIENCE_NS.
 *
 * Threads: under the BQL on the main thread.
 */
#ifndef UI_SCREENSHOT_H
#define UI_SCREENSHOT_H

#include <glib.h>

#include "util/bql.h"

struct console;

/**
 * Call @done once the file is there, with NULL; or with an error that names @path and is @done's.
 * Never before this returns. One after the other, in order. A screen that is off is an error.
 */
void screenshot_save(struct console *console, const char *path,
                     void (*done)(void *opaque, GError *error), void *opaque) REQUIRES(bql);

/**
 * The program ends: wait for the files that are being written, but not for who does not empty a
 * pipe, and call their @done. Those whose device is still drawing are told of when the console
 * goes; or they have been drawn by then, and this is to be called again.
 */
void screenshots_finish(void) REQUIRES(bql);

#endif
