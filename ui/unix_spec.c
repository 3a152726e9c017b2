/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "ui/unix_spec.h"

#include <string.h>

#include "util/keyval.h"

static bool parse_switch(const char *option, const char *value, bool *ret, GError **error)
{
    if (strcmp(value, "on") != 0 && strcmp(value, "off") != 0)
        return keyval_usage(error, "'%s': 'on' or 'off', not '%s'", option, value);
    *ret = strcmp(value, "on") == 0;
    return true;
}

static bool parse_option(struct unix_spec *spec, const char *option, GError **error)
{
    if (g_str_has_prefix(option, "server="))
        return parse_switch(option, option + strlen("server="), &spec->is_server, error);
    if (g_str_has_prefix(option, "wait="))
        return parse_switch(option, option + strlen("wait="), &spec->is_waiting, error);
    if (strcmp(option, "server") == 0) /* these two as scripts have long written them */
        spec->is_server = true;
    else if (strcmp(option, "nowait") == 0)
        spec->is_waiting = false;
    else
        return keyval_usage(error, "unknown option '%s' of 'unix' (known: server, wait)", option);
    return true;
}

bool unix_spec_parse(struct unix_spec *spec, const char *text, GError **error)
{
    GString *path = g_string_new(NULL);
    g_auto(GStrv) words = NULL;

    while (*text && (*text != ',' || text[1] == ',')) {
        g_string_append_c(path, *text);
        text += *text == ',' ? 2 : 1;
    }
    spec->path = g_string_free(path, FALSE);
    words = g_strsplit(*text ? text + 1 : text, ",", -1);
    for (char **word = words; *word; word++) {
        if (!parse_option(spec, *word, error))
            return false;
    }
    return true;
}

void unix_spec_fini(struct unix_spec *spec)
{
    g_free(spec->path);
}
