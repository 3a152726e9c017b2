/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The terminal that the program was started in, made *raw*: keys come singly and
 * unchanged, Ctrl-C included. It is put back however the program ends, by a
 * signal too (not SIGKILL), and while it is stopped. A process has one.
 *
 * In the background (`gracevm &`, `timeout gracevm`) the terminal is somebody
 * else's: it is left alone until SIGCONT says that this has changed.
 *
 * Signals: SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP and SIGCONT are taken where
 * nobody has, crashes from whoever has. Each then goes on as if we were not
 * there. Whoever installs handlers later must end by exit() or terminal_close().
 *
 * Threads: under the BQL; signal handlers on any.
 */
#ifndef UI_TERMINAL_H
#define UI_TERMINAL_H

#include <stdbool.h>

#include "util/bql.h"

/**
 * Make @fd, a terminal, raw. @changed is called on the main loop when
 * terminal_is_ours() may have changed. @fd stays open until terminal_close().
 */
void terminal_open(int fd, void (*changed)(void *opaque), void *opaque) REQUIRES(bql);

/** As it was. */
void terminal_close(void) REQUIRES(bql);

/** Not in the background: reading from it does not stop the process. */
bool terminal_is_ours(void) REQUIRES(bql);

#endif
