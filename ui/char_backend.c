/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "ui/char_kinds.h"
#include "util/keyval.h"

/* ---- Nothing ------------------------------------------------------------------- */

static size_t null_write(struct char_backend *backend UNUSED, const uint8_t *data UNUSED,
                         size_t size)
{
    return size;
}

static void null_free(struct char_backend *backend)
{
    g_free(backend);
}

static struct char_backend *
char_null_new(const char *rest UNUSED, const struct char_host *host UNUSED, GError **error UNUSED)
{
    struct char_backend *backend = g_new0(struct char_backend, 1);

    backend->write = null_write;
    backend->free = null_free;
    return backend;
}

/* ---- The kinds ------------------------------------------------------------------ */

static const struct kind {
    const char *name;
    const char *argument; /* NULL: none */
    const char *help;
    struct char_backend *(*make)(const char *rest, const struct char_host *host, GError **error);
} kinds[] = {
    { "stdio", NULL, "this terminal (Ctrl-a h shows its keys), or a pipe", char_stdio_new },
    { "file", "PATH", "output goes into a file, which is emptied first", char_file_new },
    { "unix", "PATH[,server=on|off][,wait=on|off]",
      "a socket; server=on listens, and waits for a client unless wait=off", char_socket_new },
    { "pty", NULL, "a pseudo-terminal, whose path is printed", char_pty_new },
    { "null", NULL, "output is dropped", char_null_new },
    { "none", NULL, "the same", char_null_new },
};

static const struct kind *kind_of(const char *name, size_t length)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (strlen(kinds[i].name) == length && strncmp(kinds[i].name, name, length) == 0)
            return &kinds[i];
    return NULL;
}

static char *list_of_kinds(void)
{
    GString *list = g_string_new(NULL);

    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        g_string_append_printf(list, "%s%s%s", i ? ", " : "", kinds[i].name,
                               kinds[i].argument ? ":…" : "");
    return g_string_free(list, FALSE);
}

struct char_backend *char_backend_new(const char *spec, const struct char_host *host,
                                      GError **error)
{
    const char *colon = strchr(spec, ':');
    size_t length = colon ? (size_t)(colon - spec) : strlen(spec);
    const struct kind *kind = kind_of(spec, length);

    if (!kind) {
        g_autofree char *list = list_of_kinds();

        g_set_error(error, KEYVAL_ERROR, KEYVAL_ERROR_USAGE, "unknown back end '%.*s' (known: %s)",
                    (int)length, spec, list);
        return NULL;
    }
    if (kind->argument && !(colon && colon[1] && colon[1] != ',')) {
        g_set_error(error, KEYVAL_ERROR, KEYVAL_ERROR_USAGE, "'%s' lacks its path: %s:%s", spec,
                    kind->name, kind->argument);
        return NULL;
    }
    if (!kind->argument && colon) {
        g_set_error(error, KEYVAL_ERROR, KEYVAL_ERROR_USAGE, "'%s': nothing may follow '%s'", spec,
                    kind->name);
        return NULL;
    }
    return kind->make(colon ? colon + 1 : "", host, error);
}

void char_backend_free(struct char_backend *backend)
{
    if (backend)
        backend->free(backend);
}

void char_backend_print_help(FILE *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        g_autofree char *value =
            g_strconcat(kinds[i].name, kinds[i].argument ? ":" : NULL, kinds[i].argument, NULL);

        fprintf(out, "%-6s%s%*s%s\n", "", value, strlen(value) < 12 ? 12 - (int)strlen(value) : 2,
                "", kinds[i].help);
    }
}
