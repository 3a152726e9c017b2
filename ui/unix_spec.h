/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * How options say which Unix socket: PATH[,server=on|off][,wait=on|off]. A comma in the path is
 * written twice.
 */
#ifndef UI_UNIX_SPEC_H
#define UI_UNIX_SPEC_H

#include <glib.h>
#include <stdbool.h>

#include "util/annotate.h"

struct unix_spec {
    char *path;
    bool is_server, is_waiting;
};

void unix_spec_fini(struct unix_spec *spec);
/** @text into @spec, which has the defaults. On failure, too, it is to be finished. */
bool unix_spec_parse(struct unix_spec *spec, const char *text, GError **error) MUST_CHECK;

#endif
