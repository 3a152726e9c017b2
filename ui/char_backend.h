/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What a serial port can be connected to: the terminal, a file, a socket, nothing.
 *
 * Threads: under the BQL; made on the main thread, when the main loop exists.
 */
#ifndef UI_CHAR_BACKEND_H
#define UI_CHAR_BACKEND_H

#include <glib.h>
#include <stdio.h>

#include "hw/dev/char.h"

/* What back ends ask of the program. */
struct char_host {
    void (*quit)(void *opaque); /* Ctrl-a x; on the main loop */
    void *opaque;
};

/** Ends the back end; the device has gone. What the terminal was like is restored. NULL is fine. */
void char_backend_free(struct char_backend *backend) REQUIRES(bql);

/**
 * What @spec describes: one line of char_backend_print_help(). @host is copied. An
 * error names what is wrong with @spec. Waits for a client if @spec says so.
 */
struct char_backend *char_backend_new(const char *spec, const struct char_host *host,
                                      GError **error) OWNED_BY(char_backend_free) REQUIRES(bql);

/** The list that `help` as a value prints. */
void char_backend_print_help(FILE *out);

#endif
