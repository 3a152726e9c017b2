/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Commands about the machine as a whole. */
#include <stdlib.h>
#include <string.h>

#include "ui/ctl_internal.h"
#include "util/clock.h"
#include "util/keyval.h"

bool ctl_show_json(struct ctl *ctl, GString *out, JsonNode *answer)
{
    g_autofree char *text = json_to_string(answer, !ctl->is_json);

    g_string_append_printf(out, "%s\n", text);
    json_node_unref(answer);
    return true;
}

/* ---- Status ----------------------------------------------------------------------------------
 */

/* What several commands return, together. */
struct state {
    JsonNode *status, *name, *cpus, *version;
};

static void state_free(struct state *state)
{
    g_clear_pointer(&state->status, json_node_unref);
    g_clear_pointer(&state->name, json_node_unref);
    g_clear_pointer(&state->cpus, json_node_unref);
    g_clear_pointer(&state->version, json_node_unref);
}

static bool state_get(struct ctl *ctl, struct state *state, GError **error)
{
    return (state->status = ctl_link_execute(ctl->link, "query-status", NULL, error)) &&
           (state->name = ctl_link_execute(ctl->link, "query-name", NULL, error)) &&
           (state->cpus = ctl_link_execute(ctl->link, "query-cpus-fast", NULL, error)) &&
           (state->version = ctl_link_execute(ctl->link, "query-version", NULL, error));
}

static JsonNode *state_json(const struct state *state)
{
    JsonNode *node = json_node_init_object(json_node_alloc(), NULL);
    JsonObject *object = json_object_new();

    json_node_take_object(node, object);
    json_object_set_string_member(object, "status", ctl_string(state->status, "status"));
    json_object_set_boolean_member(object, "running", ctl_is_true(state->status, "running"));
    json_object_set_string_member(object, "name", ctl_string(state->name, "name"));
    json_object_set_int_member(object, "cpus", ctl_length(state->cpus));
    json_object_set_string_member(object, "version", ctl_string(state->version, "package"));
    return node;
}

/* What a state of QEMU's list means; NULL: its name says all. */
static const char *meaning(const char *status)
{
    if (strcmp(status, "prelaunch") == 0)
        return "it has not run yet: cont begins it";
    if (strcmp(status, "paused") == 0)
        return "cont goes on";
    if (strcmp(status, "guest-panicked") == 0)
        return "its kernel has panicked";
    return NULL;
}

bool ctl_status(struct ctl *ctl, GString *out, GError **error)
{
    struct state state = { 0 };
    const bool is_good = state_get(ctl, &state, error);
    const bool is_running = ctl_is_true(state.status, "running");
    g_autofree char *name = ctl_clean(ctl_string(state.name, "name"), false);
    g_autofree char *status = ctl_clean(ctl_string(state.status, "status"), false);
    g_autofree char *version = ctl_clean(ctl_string(state.version, "package"), false);
    const char *hint = meaning(status);

    if (is_good && ctl->is_json) {
        ctl_show_json(ctl, out, state_json(&state));
    } else if (is_good) {
        if (*name)
            g_string_append_printf(out, "%s: ", name);
        ctl_put(out, &ctl->style, is_running ? CTL_GOOD : CTL_WARNING, 0, status);
        g_string_append_printf(out, "%s%s%s\n", hint ? " (" : "", hint ? hint : "",
                               hint ? ")" : "");
        g_string_append_printf(out, "%u processor%s, %s\n", ctl_length(state.cpus),
                               ctl_length(state.cpus) == 1 ? "" : "s", version);
    }
    state_free(&state);
    return is_good;
}

/* ---- Life ------------------------------------------------------------------------------------
 */

/* @command, and @done to say of it. */
static bool do_it(struct ctl *ctl, GString *out, const char *command, const char *done,
                  GError **error)
{
    JsonNode *answer = ctl_link_execute(ctl->link, command, NULL, error);

    if (!answer)
        return false;
    if (ctl->is_json)
        return ctl_show_json(ctl, out, answer);
    json_node_unref(answer);
    g_string_append_printf(out, "%s\n", done);
    return true;
}

bool ctl_stop(struct ctl *ctl, GString *out, GError **error)
{
    return do_it(ctl, out, "stop", "stopped; cont goes on", error);
}

bool ctl_cont(struct ctl *ctl, GString *out, GError **error)
{
    return do_it(ctl, out, "cont", "running", error);
}

bool ctl_powerdown(struct ctl *ctl, GString *out, GError **error)
{
    return do_it(ctl, out, "system_powerdown", "the power button is pressed", error);
}

bool ctl_reset(struct ctl *ctl, GString *out, GError **error)
{
    return do_it(ctl, out, "system_reset", "reset", error);
}

/* Returns when it has ended, so that its disks can be used. */
bool ctl_quit(struct ctl *ctl, GString *out, GError **error)
{
    g_autoptr(GError) reason = NULL;

    if (!do_it(ctl, out, "quit", "the machine has ended", error))
        return false;
    if (ctl_link_wait_for_end(ctl->link, &reason))
        return true;
    if (g_error_matches(reason, CTL_ERROR, CTL_ERROR_SOCKET))
        return ctl_error(error, CTL_ERROR_SOCKET, "'%s': asked to end, the machine has not: %s",
                         ctl->path, reason->message);
    g_propagate_error(error, g_steal_pointer(&reason));
    return false;
}

/* ---- Screens and keys ------------------------------------------------------------------------
 */

/* A number of the command line, 0 to @max. */
static bool read_number(const char *text, const char *what, gint64 max, gint64 *ret_number,
                        GError **error)
{
    char *end = NULL;
    const guint64 number = g_ascii_isdigit(*text) ? g_ascii_strtoull(text, &end, 10) : 0;

    if (!end || *end || number > (guint64)max)
        return keyval_usage(error, "%s: '%s' is not a number from 0 to %" G_GINT64_FORMAT, what,
                            text, max);
    *ret_number = (gint64)number;
    return true;
}

bool ctl_screendump(struct ctl *ctl, GString *out, GError **error)
{
    /* The machine's folder may be another one. */
    g_autofree char *path = g_canonicalize_filename(ctl->words[0], NULL);
    JsonObject *arguments;
    JsonNode *answer;
    gint64 head = 0;

    if (ctl->nr_words > 1 && !read_number(ctl->words[1], "screendump: HEAD", 15, &head, error))
        return false;
    if (!g_utf8_validate(path, -1, NULL))
        return keyval_usage(error, "screendump: '%s': JSON can only name files in UTF-8", path);
    arguments = json_object_new();
    json_object_set_string_member(arguments, "filename", path);
    if (head)
        json_object_set_int_member(arguments, "head", head);
    answer = ctl_link_execute(ctl->link, "screendump", arguments, error);
    if (!answer)
        return false;
    if (ctl->is_json)
        return ctl_show_json(ctl, out, answer);
    json_node_unref(answer);
    g_string_append_printf(out, "written: %s\n", path);
    return true;
}

/* "ctrl-alt-f2" as send-key wants it; NULL: a name is empty. */
static JsonArray *keys_of(const char *text)
{
    g_auto(GStrv) names = g_strsplit(text, "-", -1);
    JsonArray *keys = json_array_new();

    for (unsigned i = 0; names[i]; i++) {
        JsonObject *key = json_object_new();

        if (!*names[i]) {
            json_object_unref(key);
            json_array_unref(keys);
            return NULL;
        }
        json_object_set_string_member(key, "type", "qcode");
        json_object_set_string_member(key, "data", names[i]);
        json_array_add_object_element(keys, key);
    }
    return keys;
}

bool ctl_sendkey(struct ctl *ctl, GString *out, GError **error)
{
    enum { HOLD_MAX = 60000, HOLD = 100 }; /* ms, as docs/qmp.md has them */
    gint64 hold_ms = HOLD;
    JsonObject *arguments;
    JsonArray *keys;
    JsonNode *answer;

    if (ctl->nr_words > 1 &&
        !read_number(ctl->words[1], "sendkey: MILLISECONDS", HOLD_MAX, &hold_ms, error))
        return false;
    if (!g_utf8_validate(ctl->words[0], -1, NULL) || !(keys = keys_of(ctl->words[0])))
        return keyval_usage(error, "sendkey: '%s' is not KEY or KEY-KEY…, as in ctrl-alt-f2",
                            ctl->words[0]);
    arguments = json_object_new();
    json_object_set_array_member(arguments, "keys", keys);
    json_object_set_int_member(arguments, "hold-time", hold_ms);
    ctl_link_add_patience(ctl->link, hold_ms * NS_PER_MS);
    answer = ctl_link_execute(ctl->link, "send-key", arguments, error);
    if (!answer)
        return false;
    if (ctl->is_json)
        return ctl_show_json(ctl, out, answer);
    json_node_unref(answer);
    return true;
}

/* ---- Others ----------------------------------------------------------------------------------
 */

bool ctl_mtree(struct ctl *ctl, GString *out, GError **error)
{
    JsonNode *answer = ctl_link_execute(ctl->link, "x-mtree", NULL, error);
    g_autofree char *text = NULL;

    if (!answer)
        return false;
    if (ctl->is_json)
        return ctl_show_json(ctl, out, answer);
    text = ctl_clean(ctl_string(answer, "human-readable-text"), true);
    g_string_append(out, text);
    json_node_unref(answer);
    return true;
}

/* A name alone is a command without arguments. */
bool ctl_raw(struct ctl *ctl, GString *out, GError **error)
{
    const char *text = ctl->words[0];
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autofree char *line = NULL;
    JsonNode *root, *answer;

    if (*text != '{') {
        if (!g_utf8_validate(text, -1, NULL))
            return keyval_usage(error, "raw: this is not UTF-8");
        answer = ctl_link_execute(ctl->link, text, NULL, error);
        return answer && ctl_show_json(ctl, out, answer);
    }
    if (!json_parser_load_from_data(parser, text, -1, NULL))
        return keyval_usage(error, "raw: this is not JSON: %s", text);
    root = json_parser_get_root(parser);
    if (!*ctl_string(root, "execute"))
        return keyval_usage(error, "raw: '%s' is not {\"execute\": \"NAME\", …}", text);
    line = json_to_string(root, FALSE); /* on one line */
    answer = ctl_link_ask(ctl->link, line, error);
    return answer && ctl_show_json(ctl, out, answer);
}

/* "20:15:02.123456 RESET guest-reset {…}" */
static void show_event(struct ctl *ctl, GString *out, JsonNode *event)
{
    JsonNode *stamp = ctl_member(event, "timestamp"), *data = ctl_member(event, "data");
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_local(ctl_number(stamp, "seconds"));
    g_autofree char *clock = time ? g_date_time_format(time, "%H:%M:%S") : NULL;
    g_autofree char *name = ctl_clean(ctl_string(event, "event"), false);
    g_autofree char *text = data ? json_to_string(data, FALSE) : NULL;
    g_autofree char *clean = text ? ctl_clean(text, false) : NULL;

    g_string_append_printf(out, "%s.%06d ", clock ? clock : "--:--:--",
                           (int)CLAMP(ctl_number(stamp, "microseconds"), 0, 999999));
    ctl_put(out, &ctl->style, CTL_BOLD, 0, name);
    g_string_append_printf(out, "%s%s\n", clean ? " " : "", clean ? clean : "");
}

/* Ends well by Ctrl-C, or with the machine. */
bool ctl_events(struct ctl *ctl, GString *out, GError **error)
{
    for (;;) {
        g_autoptr(GError) reason = NULL;
        JsonNode *event = ctl_link_event(ctl->link, &reason);

        if (!event) {
            if (g_error_matches(reason, CTL_ERROR, CTL_ERROR_GONE) &&
                ctl_link_end_reason(ctl->link))
                return true;
            g_propagate_error(error, g_steal_pointer(&reason));
            return false;
        }
        g_string_truncate(out, 0);
        if (ctl->is_json) {
            ctl_show_json(ctl, out, event);
        } else {
            show_event(ctl, out, event);
            json_node_unref(event);
        }
        if (!ctl_write(out->str, error))
            return false;
        g_string_truncate(out, 0);
    }
}
