/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Keys and movements. A command is checked as a whole before anything of it is done.
 */
#include <string.h>

#include "hw/display/input.h"
#include "ui/qmp_internal.h"
#include "util/clock.h"

enum {
    KEYS_MAX = 32, /* of one send-key */
    EVENTS_MAX = 256,
    HOLD_MS = 100,
    HOLD_MS_MAX = 60000,
};

struct happening {
    uint16_t type, code;
    int32_t value;
};

static struct input *input_of(const struct qmp_request *request)
{
    return machine_input(request->qmp->machine);
}

/* ---- What clients write ------------------------------------------------------------------------
 */

/* The object at @index, called @what in errors. */
static JsonObject *object_at(JsonArray *array, unsigned index, const char *what, GError **error)
{
    JsonNode *node = json_array_get_element(array, index);

    if (JSON_NODE_HOLDS_OBJECT(node))
        return json_node_get_object(node);
    qmp_error(error, "%s is to be an object", what);
    return NULL;
}

/* {"type": "qcode", "data": NAME} */
static bool read_key(JsonObject *key, uint16_t *ret_code, GError **error)
{
    static const struct qmp_member members[] = {
        { "type", QMP_STRING, false },
        { "data", QMP_ANY, false },
        { NULL, QMP_ANY, true },
    };
    static const struct qmp_member qcode[] = {
        { "type", QMP_STRING, false },
        { "data", QMP_STRING, false },
        { NULL, QMP_ANY, true },
    };
    const char *name;

    if (!qmp_check_members(key, "a key", members, error))
        return false;
    if (strcmp(qmp_string(key, "type"), "qcode") != 0)
        return qmp_error(error, "a key: type '%s' is not qcode", qmp_string(key, "type"));
    if (!qmp_check_members(key, "a key", qcode, error))
        return false;
    name = qmp_string(key, "data");
    *ret_code = qmp_key_code(name);
    return *ret_code || qmp_error(error, "a key: there is none called '%s'", name);
}

/* Also that the machine has what takes it. */
static bool is_taken(const struct qmp_request *request, enum input_takes takes, GError **error)
    REQUIRES(bql)
{
    if (input_is_taken(input_of(request), takes))
        return true;
    return takes == INPUT_KEYS
               ? qmp_error(error, "no device takes keys: -device virtio-keyboard-pci does")
               : qmp_error(error, "no device takes a pointer: -device virtio-tablet-pci does");
}

/* ---- send-key ----------------------------------------------------------------------------------
 */

/* Keys that are held. */
struct hold {
    struct qmp_request *request;
    struct loop_timer end;
    uint16_t codes[KEYS_MAX];
    unsigned nr;
};

static void set_key(struct input *input, uint16_t code, bool is_down) REQUIRES(bql)
{
    input_send(input, EV_KEY, code, is_down);
    input_sync(input); /* each by itself, as fingers do it */
}

static void let_go(struct hold *hold) REQUIRES(bql)
{
    loop_timer_cancel(&hold->end);
    for (unsigned i = hold->nr; i-- > 0;)
        set_key(input_of(hold->request), hold->codes[i], false);
}

static void on_hold_end(struct loop_timer *timer) NO_THREAD_SAFETY /* by the main loop */
{
    struct hold *hold = container_of(timer, struct hold, end);

    let_go(hold);
    qmp_done(hold->request);
    g_free(hold);
}

static void cancel_hold(struct qmp_request *request)
{
    bql_assert_held();
    let_go(request->data);
    g_free(request->data);
}

static bool read_keys(const struct qmp_request *request, struct hold *hold, GError **error)
    REQUIRES(bql)
{
    JsonArray *keys = json_object_get_array_member(request->arguments, "keys");

    hold->nr = json_array_get_length(keys);
    if (hold->nr > KEYS_MAX || hold->nr == 0)
        return qmp_error(error, "send-key: %u keys are not 1 to %d", hold->nr, KEYS_MAX);
    for (unsigned i = 0; i < hold->nr; i++) {
        JsonObject *key = object_at(keys, i, "a key", error);

        if (!key || !read_key(key, &hold->codes[i], error))
            return false;
    }
    return is_taken(request, INPUT_KEYS, error);
}

/* Answered when all are up again, so that what the client sends next comes after them. */
void qmp_send_key(struct qmp_request *request)
{
    const gint64 hold_ms = qmp_integer(request->arguments, "hold-time", HOLD_MS);
    struct hold *hold = g_new0(struct hold, 1);
    g_autoptr(GError) error = NULL;

    bql_assert_held();
    hold->request = request;
    hold->end.fn = on_hold_end;
    if (hold_ms < 0 || hold_ms > HOLD_MS_MAX)
        qmp_error(&error, "send-key: hold-time %" G_GINT64_FORMAT " is not 0 to %d ms", hold_ms,
                  HOLD_MS_MAX);
    if (error || !read_keys(request, hold, &error)) {
        qmp_refuse(request, "%s", error->message);
        g_free(hold);
        return;
    }
    request->data = hold;
    request->cancel = cancel_hold;
    for (unsigned i = 0; i < hold->nr; i++)
        set_key(input_of(request), hold->codes[i], true);
    loop_timer_set(&hold->end, monotonic_ns() + hold_ms * NS_PER_MS);
}

/* ---- input-send-event --------------------------------------------------------------------------
 */

static bool read_key_event(JsonObject *data, struct happening *ret, GError **error)
{
    static const struct qmp_member members[] = {
        { "down", QMP_BOOLEAN, false },
        { "key", QMP_OBJECT, false },
        { NULL, QMP_ANY, true },
    };

    ret->type = EV_KEY;
    if (!qmp_check_members(data, "a key's event", members, error) ||
        !read_key(json_object_get_object_member(data, "key"), &ret->code, error))
        return false;
    ret->value = json_object_get_boolean_member(data, "down");
    return true;
}

/* QEMU's enum InputButton: a wheel's notch is a button that is pressed. */
static const struct {
    const char *name;
    struct happening pressed;
} buttons[] = {
    { "left", { EV_KEY, BTN_LEFT, 1 } },          { "middle", { EV_KEY, BTN_MIDDLE, 1 } },
    { "right", { EV_KEY, BTN_RIGHT, 1 } },        { "side", { EV_KEY, BTN_SIDE, 1 } },
    { "extra", { EV_KEY, BTN_EXTRA, 1 } },        { "wheel-up", { EV_REL, REL_WHEEL, 1 } },
    { "wheel-down", { EV_REL, REL_WHEEL, -1 } },  { "wheel-left", { EV_REL, REL_HWHEEL, -1 } },
    { "wheel-right", { EV_REL, REL_HWHEEL, 1 } },
};

static bool read_button_event(JsonObject *data, struct happening *ret, GError **error)
{
    static const struct qmp_member members[] = {
        { "down", QMP_BOOLEAN, false },
        { "button", QMP_STRING, false },
        { NULL, QMP_ANY, true },
    };

    if (!qmp_check_members(data, "a button's event", members, error))
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(buttons); i++) {
        if (strcmp(buttons[i].name, qmp_string(data, "button")) != 0)
            continue;
        *ret = buttons[i].pressed;
        if (!json_object_get_boolean_member(data, "down"))
            ret->value = 0;
        return true;
    }
    return qmp_error(error, "a button's event: there is no button '%s'",
                     qmp_string(data, "button"));
}

static bool read_position(JsonObject *data, struct happening *ret, GError **error)
{
    static const struct qmp_member members[] = {
        { "axis", QMP_STRING, false },
        { "value", QMP_INTEGER, false },
        { NULL, QMP_ANY, true },
    };
    const char *axis;
    gint64 value;

    if (!qmp_check_members(data, "a position", members, error))
        return false;
    axis = qmp_string(data, "axis");
    value = json_object_get_int_member(data, "value");
    if (strcmp(axis, "x") != 0 && strcmp(axis, "y") != 0)
        return qmp_error(error, "a position: axis '%s' is neither x nor y", axis);
    if (value < 0 || value > INPUT_ABS_MAX)
        return qmp_error(error, "a position: %" G_GINT64_FORMAT " is not 0 to %d", value,
                         INPUT_ABS_MAX);
    *ret = (struct happening){ EV_ABS, *axis == 'x' ? ABS_X : ABS_Y, (int32_t)value };
    return true;
}

static bool read_event(JsonObject *event, struct happening *ret, GError **error)
{
    static const struct qmp_member members[] = {
        { "type", QMP_STRING, false },
        { "data", QMP_OBJECT, false },
        { NULL, QMP_ANY, true },
    };
    JsonObject *data;
    const char *type;

    if (!qmp_check_members(event, "an event", members, error))
        return false;
    type = qmp_string(event, "type");
    data = json_object_get_object_member(event, "data");
    if (strcmp(type, "key") == 0)
        return read_key_event(data, ret, error);
    if (strcmp(type, "btn") == 0)
        return read_button_event(data, ret, error);
    if (strcmp(type, "abs") == 0)
        return read_position(data, ret, error);
    return qmp_error(error, "an event: type '%s' is not key, btn or abs", type);
}

static bool read_events(const struct qmp_request *request, struct happening *ret_events,
                        unsigned *ret_nr, GError **error) REQUIRES(bql)
{
    JsonArray *events = json_object_get_array_member(request->arguments, "events");

    *ret_nr = json_array_get_length(events);
    if (*ret_nr > EVENTS_MAX)
        return qmp_error(error, "input-send-event: more than %d events", EVENTS_MAX);
    for (unsigned i = 0; i < *ret_nr; i++) {
        JsonObject *event = object_at(events, i, "an event", error);
        struct happening *got = &ret_events[i];

        if (!event || !read_event(event, got, error) ||
            !is_taken(request,
                      got->type == EV_KEY && got->code < BTN_MISC ? INPUT_KEYS : INPUT_POINTER,
                      error))
            return false;
    }
    return true;
}

void qmp_input_send_event(struct qmp_request *request)
{
    struct happening events[EVENTS_MAX];
    unsigned nr;
    g_autoptr(GError) error = NULL;

    bql_assert_held();
    if (!read_events(request, events, &nr, &error)) {
        qmp_refuse(request, "%s", error->message);
        return;
    }
    for (unsigned i = 0; i < nr; i++)
        input_send(input_of(request), events[i].type, events[i].code, events[i].value);
    input_sync(input_of(request));
    qmp_done(request);
}
