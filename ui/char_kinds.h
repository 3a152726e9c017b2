/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The kinds of back ends, for char_backend.c.
 */
#ifndef UI_CHAR_KINDS_H
#define UI_CHAR_KINDS_H

#include "ui/char_backend.h"

/* Each takes what follows the kind's name and its colon. */
struct char_backend *char_stdio_new(const char *rest, const struct char_host *host, GError **error)
    REQUIRES(bql);
struct char_backend *char_file_new(const char *rest, const struct char_host *host, GError **error)
    REQUIRES(bql);
struct char_backend *char_socket_new(const char *rest, const struct char_host *host, GError **error)
    REQUIRES(bql);
struct char_backend *char_pty_new(const char *rest, const struct char_host *host, GError **error)
    REQUIRES(bql);

/** Of what the host cannot do; what is wrong with a value is KEYVAL_ERROR. */
#define CHAR_ERROR (g_quark_from_static_string("gracevm-char"))

#endif
