/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * From a client's value to a command, and from its outcome to an answer. All that comes from a
 * client is checked here against the table of commands.
 */
#include <stdarg.h>
#include <string.h>

#include "ui/qmp_internal.h"
#include "util/log.h"

/* ---- Answers ----------------------------------------------------------------------------------
 */

void qmp_request_free(struct qmp_request *request)
{
    if (request->client) {
        request->client->request = NULL;
        (void)loop_defer(&request->client->work); /* for what has come behind it */
    }
    list_remove(&request->link);
    if (request->id)
        json_node_unref(request->id);
    json_object_unref(request->arguments);
    g_free(request);
}

/* {"@kind": @json, "id": …}, where @id may be NULL. */
static void send(struct qmp_client *client, const char *kind, const char *json, JsonNode *id)
    REQUIRES(bql)
{
    GString *line = g_string_new(NULL);
    g_autofree char *id_text = id ? json_to_string(id, FALSE) : NULL;

    g_string_append_printf(line, "{\"%s\": %s", kind, json);
    if (id_text)
        g_string_append_printf(line, ", \"id\": %s", id_text);
    g_string_append_c(line, '}');
    qmp_client_send(client, line->str);
    g_string_free(line, TRUE);
}

static void send_error(struct qmp_client *client, const char *class, const char *message,
                       JsonNode *id) REQUIRES(bql)
{
    g_autoptr(JsonNode) node = json_node_new(JSON_NODE_VALUE);
    g_autofree char *valid = g_utf8_make_valid(message, -1);
    g_autofree char *quoted = NULL, *json = NULL;

    json_node_set_string(node, valid);
    quoted = json_to_string(node, FALSE);
    json = g_strdup_printf("{\"class\": \"%s\", \"desc\": %s}", class, quoted);
    send(client, "error", json, id);
}

static void end(struct qmp_request *request, const char *kind, const char *json) REQUIRES(bql)
{
    struct qmp_client *client = request->client;
    g_autoptr(JsonNode) id = g_steal_pointer(&request->id);

    qmp_request_free(request);
    if (client)
        send(client, kind, json, id);
}

void qmp_answer_text(struct qmp_request *request, const char *json)
{
    end(request, "return", json);
}

void qmp_answer(struct qmp_request *request, JsonNode *value)
{
    g_autofree char *json = json_to_string(value, FALSE);

    json_node_unref(value);
    qmp_answer_text(request, json);
}

void qmp_done(struct qmp_request *request)
{
    qmp_answer_text(request, "{}");
}

void qmp_refuse(struct qmp_request *request, const char *format, ...)
{
    struct qmp_client *client = request->client;
    g_autoptr(JsonNode) id = g_steal_pointer(&request->id);
    g_autofree char *message = NULL;
    va_list arguments;

    va_start(arguments, format);
    message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    qmp_request_free(request);
    if (client)
        send_error(client, "GenericError", message, id);
}

/* ---- Members ----------------------------------------------------------------------------------
 */

bool qmp_error(GError **error, const char *format, ...)
{
    g_autofree char *message = NULL;
    va_list arguments;

    va_start(arguments, format);
    message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    g_set_error_literal(error, QMP_ERROR, 0, message);
    return false;
}

static const char *type_name(enum qmp_type type)
{
    switch (type) {
    case QMP_STRING:
        return "a string";
    case QMP_INTEGER:
        return "an integer";
    case QMP_BOOLEAN:
        return "a boolean";
    case QMP_ARRAY:
        return "an array";
    case QMP_OBJECT:
        return "an object";
    case QMP_ANY:
        return "anything";
    }
    g_assert_not_reached();
}

static bool has_type(JsonNode *node, enum qmp_type type)
{
    const GType value = JSON_NODE_HOLDS_VALUE(node) ? json_node_get_value_type(node) : G_TYPE_NONE;

    switch (type) {
    case QMP_STRING:
        return value == G_TYPE_STRING;
    case QMP_INTEGER:
        return value == G_TYPE_INT64;
    case QMP_BOOLEAN:
        return value == G_TYPE_BOOLEAN;
    case QMP_ARRAY:
        return JSON_NODE_HOLDS_ARRAY(node);
    case QMP_OBJECT:
        return JSON_NODE_HOLDS_OBJECT(node);
    case QMP_ANY:
        return true;
    }
    g_assert_not_reached();
}

static bool is_known(const struct qmp_member *members, const char *name)
{
    for (; members->name; members++) {
        if (strcmp(members->name, name) == 0)
            return true;
    }
    return false;
}

static bool check_names(JsonObject *object, const char *what, const struct qmp_member *members,
                        GError **error)
{
    JsonObjectIter iterator;
    const char *name;
    JsonNode *value;

    json_object_iter_init(&iterator, object);
    while (json_object_iter_next(&iterator, &name, &value)) {
        if (!is_known(members, name))
            return qmp_error(error, "%s: there is no '%s'", what, name);
    }
    return true;
}

bool qmp_check_members(JsonObject *object, const char *what, const struct qmp_member *members,
                       GError **error)
{
    if (!check_names(object, what, members, error))
        return false;
    for (; members->name; members++) {
        JsonNode *value = json_object_get_member(object, members->name);

        if (!value && !members->is_optional)
            return qmp_error(error, "%s: '%s' is missing", what, members->name);
        if (value && !has_type(value, members->type))
            return qmp_error(error, "%s: '%s' is to be %s", what, members->name,
                             type_name(members->type));
    }
    return true;
}

const char *qmp_string(JsonObject *object, const char *name)
{
    return json_object_has_member(object, name) ? json_object_get_string_member(object, name)
                                                : NULL;
}

gint64 qmp_integer(JsonObject *object, const char *name, gint64 absent)
{
    return json_object_has_member(object, name) ? json_object_get_int_member(object, name) : absent;
}

/* ---- Commands ---------------------------------------------------------------------------------
 */

static const struct qmp_command *find(const char *name)
{
    for (size_t i = 0; i < qmp_nr_commands; i++) {
        if (strcmp(qmp_commands[i].name, name) == 0)
            return &qmp_commands[i];
    }
    return NULL;
}

static void run(struct qmp_client *client, const struct qmp_command *command, JsonObject *message)
    REQUIRES(bql)
{
    JsonNode *id = json_object_get_member(message, "id");
    g_autoptr(JsonObject) arguments =
        json_object_has_member(message, "arguments")
            ? json_object_ref(json_object_get_object_member(message, "arguments"))
            : json_object_new();
    g_autoptr(GError) error = NULL;
    struct qmp_request *request;

    if (!qmp_check_members(arguments, command->name, command->arguments, &error)) {
        send_error(client, "GenericError", error->message, id);
        return;
    }
    request = g_new0(struct qmp_request, 1);
    request->qmp = client->qmp;
    request->client = client;
    request->id = id ? json_node_ref(id) : NULL;
    request->arguments = g_steal_pointer(&arguments);
    list_insert_tail(&client->qmp->requests, &request->link);
    client->request = request;
    command->run(request);
}

/* The first command opens the conversation, and no other does. */
static bool is_in_turn(const struct qmp_client *client, const char *name, GError **error)
{
    const bool is_first = strcmp(name, "qmp_capabilities") == 0;

    if (is_first && client->has_negotiated)
        return qmp_error(error, "qmp_capabilities has been executed: once is enough");
    if (!is_first && !client->has_negotiated)
        return qmp_error(error, "'%s' comes too early: the first command is qmp_capabilities",
                         name);
    return true;
}

static void execute(struct qmp_client *client, JsonObject *message) REQUIRES(bql)
{
    static const struct qmp_member members[] = {
        { "execute", QMP_STRING, false },
        { "arguments", QMP_OBJECT, true },
        { "id", QMP_ANY, true },
        { NULL, QMP_STRING, true },
    };
    JsonNode *id = json_object_get_member(message, "id");
    g_autoptr(GError) error = NULL;
    const struct qmp_command *command;
    const char *name;

    if (!qmp_check_members(message, "a command", members, &error)) {
        send_error(client, "GenericError", error->message, id);
        return;
    }
    name = json_object_get_string_member(message, "execute");
    command = is_in_turn(client, name, &error) ? find(name) : NULL;
    if (command) {
        run(client, command, message);
        return;
    }
    if (!error)
        qmp_error(&error, "there is no command '%s' (query-commands lists what there is)", name);
    send_error(client, "CommandNotFound", error->message, id);
}

void qmp_dispatch(struct qmp_client *client, const char *text, size_t size)
{
    g_autoptr(JsonParser) parser = json_parser_new_immutable();
    g_autoptr(GError) error = NULL;
    JsonNode *root;

    log_topic(qmp, "from client %d: %.*s", client->fd, (int)MIN(size, LOG_LINE_MAX), text);
    if (!json_parser_load_from_data(parser, text, (gssize)size, &error)) {
        g_autofree char *message = g_strdup_printf("this is not JSON: %s", error->message);

        send_error(client, "GenericError", message, NULL);
        return;
    }
    root = json_parser_get_root(parser);
    if (root && JSON_NODE_HOLDS_OBJECT(root))
        execute(client, json_node_get_object(root));
    else
        send_error(client, "GenericError", "a command is a JSON object", NULL);
}

void qmp_reject(struct qmp_client *client, enum qmp_framed why)
{
    switch (why) {
    case QMP_FRAMED_TOO_LONG:
        send_error(client, "GenericError", "the value is longer than 1 MiB", NULL);
        return;
    case QMP_FRAMED_TOO_DEEP:
        send_error(client, "GenericError", "values are nested more than 64 deep", NULL);
        return;
    case QMP_FRAMED_GARBAGE:
    case QMP_FRAMED_MORE:
    case QMP_FRAMED_VALUE:
        send_error(client, "GenericError", "this is not JSON; skipped to the end of the line",
                   NULL);
        return;
    }
    g_assert_not_reached();
}

void qmp_client_greet(struct qmp_client *client)
{
    g_autoptr(JsonNode) version = qmp_version();
    g_autofree char *text = json_to_string(version, FALSE);
    g_autofree char *line =
        g_strdup_printf("{\"QMP\": {\"version\": %s, \"capabilities\": []}}", text);

    qmp_client_send(client, line);
}
