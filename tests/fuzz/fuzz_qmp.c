/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A client of QMP that sends what the input says: words of the protocol, in any order, and any
 * bytes, in pieces of any size. The machine has a keyboard and a pointer, and no screens (a
 * screendump would write files of any name).
 *
 * Whatever came: each line that comes back is JSON of one of four kinds, the client can go on after
 * a line's end, another client is answered, and no key stays down that send-key has pressed.
 */
#include <assert.h>
#include <stdlib.h>

#include "hw/display/input.h"
#include "tests/fuzz/target.h"
#include "tests/unit/qmp_scene.h"
#include "util/log.h"
#include "util/start.h"

enum { LONGEST_INPUT = 512 };

#define STATUS_COMMAND "{\"execute\": \"query-status\", \"id\": \"fuzz\"}"

static const char *const words[] = {
    "{\"execute\":\"qmp_capabilities\"}",
    "{\"execute\":\"",
    "\",\"arguments\":{",
    "}}",
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "\n",
    "\"id\":",
    "null",
    "true",
    "-1",
    "1e400",
    "9223372036854775808",
    "\\ud800",
    "\\u0000",
    "query-version",
    "query-commands",
    "query-status",
    "query-cpus-fast",
    "query-rcu",
    "query-gpu-latency",
    "x-gpu-resources",
    "x-mtree",
    "stop",
    "cont",
    "system_reset",
    "system_powerdown",
    "quit",
    "screendump",
    "send-key",
    "input-send-event",
    "\"filename\":\"a\"",
    "\"head\":1",
    "\"keys\":[",
    "{\"type\":\"qcode\",\"data\":\"a\"}",
    "\"hold-time\":0",
    "\"hold-time\":60000",
    "\"events\":[",
    "{\"type\":\"abs\",\"data\":{\"axis\":\"x\",\"value\":1}}",
    "{\"type\":\"btn\",\"data\":{\"down\":true,\"button\":\"left\"}}",
    "{\"type\":\"key\",\"data\":{\"down\":true,\"key\":{\"type\":\"qcode\",\"data\":\"b\"}}}",
    "{\"execute\":\"send-key\",\"arguments\":{\"keys\":[{\"type\":\"qcode\",\"data\":\"ret\"}],",
};

struct keyboard {
    struct input_handler handler;
    bool is_down[KEY_CNT];
};

static struct {
    bool is_started;
    struct machine *machine;
    struct qmp *qmp;
    struct keyboard keyboard;
} world;

static void on_event(struct input_handler *handler, uint16_t type, uint16_t code, int32_t value)
{
    struct keyboard *keyboard = container_of(handler, struct keyboard, handler);

    if (type == EV_KEY) {
        assert(keyboard->is_down[code] != (value != 0));
        keyboard->is_down[code] = value != 0;
    }
}

static void on_sync(struct input_handler *handler UNUSED)
{
}

/* ---- The machine -----------------------------------------------------------------------------
 */

static void make_machine(void) REQUIRES(bql)
{
    struct steered steered = steered_new("/nonexistent/vmlinuz");

    qmp_free(steered.qmp);
    world.machine = steered.machine;
    world.keyboard = (struct keyboard){
        .handler = { .takes = INPUT_KEYS | INPUT_POINTER, .event = on_event, .sync = on_sync },
    };
    input_add_handler(machine_input(world.machine), &world.keyboard.handler);
}

static void end_machine(void) REQUIRES(bql)
{
    input_remove_handler(machine_input(world.machine), &world.keyboard.handler);
    machine_free(world.machine);
}

/* ---- The client ------------------------------------------------------------------------------
 */

static void check_line(const char *line)
{
    static const char *const kinds[] = { "QMP", "return", "error", "event" };
    g_autoptr(JsonParser) parser = json_parser_new();
    unsigned nr = 0;
    JsonObject *object;

    assert(json_parser_load_from_data(parser, line, -1, NULL));
    object = json_node_get_object(json_parser_get_root(parser));
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        nr += json_object_has_member(object, kinds[i]);
    assert(nr == 1);
}

static void check_lines(struct client *client)
{
    const char *end;

    client_listen(client);
    while ((end = strstr(client->heard->str, "\r\n"))) {
        g_autofree char *line = g_strndup(client->heard->str, (gsize)(end - client->heard->str));

        check_line(line);
        g_string_erase(client->heard, 0, end + 2 - client->heard->str);
    }
}

static void say(struct client *client, const char *bytes, size_t size) REQUIRES(bql)
{
    while (size > 0) {
        const ssize_t sent = send(client->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent > 0) {
            bytes += sent;
            size -= (size_t)sent;
        }
        (void)loop_iterate(false);
        check_lines(client);
        assert(!client->is_over);
    }
}

/* Until it has been answered; send-key may be in front, with a long time to hold. */
static bool is_answered(struct client *client) REQUIRES(bql)
{
    for (;;) {
        g_autofree char *line = NULL;

        client_listen(client);
        if (!strstr(client->heard->str, "\r\n") && !loop_iterate(false))
            return false;
        client_listen(client);
        line = strstr(client->heard->str, "\r\n") ? client_hear(client) : NULL;
        if (!line)
            continue;
        check_line(line);
        if (strstr(line, "\"id\": \"fuzz\""))
            return true;
    }
}

/* Whether a send-key lasts: what comes behind it waits. */
static bool holds_keys(void)
{
    for (unsigned code = 0; code < BTN_MISC; code++) {
        if (world.keyboard.is_down[code])
            return true;
    }
    return false;
}

/* Words are sent together, up to a byte that is no word. */
static void send_input(struct client *client, const uint8_t *data, size_t size) REQUIRES(bql)
{
    GString *piece = g_string_new(NULL);

    for (size_t i = 0; i < size; i++) {
        const uint8_t byte = data[i];

        if (byte < 128 && byte % 64 < ARRAY_SIZE(words)) {
            g_string_append(piece, words[byte % 64]);
            continue;
        }
        if (byte < 192)
            g_string_append_c(piece, (char)(byte - 96)); /* letters, signs */
        else if (i + 1 < size)
            g_string_append_c(piece, (char)data[++i]);
        say(client, piece->str, piece->len);
        g_string_truncate(piece, 0);
    }
    say(client, piece->str, piece->len);
    g_string_free(piece, TRUE);
}

static void run(const uint8_t *data, size_t size) REQUIRES(bql)
{
    struct client client, other;
    enum machine_end why;

    world.qmp = qmp_new(world.machine);
    client = client_new(world.qmp);
    if (size > 0 && data[0] & 1)
        say(&client, words[0], strlen(words[0]));
    send_input(&client, data, MIN(size, LONGEST_INPUT));
    settle();
    check_lines(&client);
    other = client_ready(world.qmp);
    client_say(&other, STATUS_COMMAND);
    if (!is_answered(&other))
        abort();
    client_say(&client, "\x01\n" STATUS_COMMAND); /* ends what was begun */
    if (!is_answered(&client) && !holds_keys())
        abort();
    client_free(&client);
    client_free(&other);
    settle();
    qmp_free(world.qmp);                             /* holds end */
    input_release_all(machine_input(world.machine)); /* what input-send-event has left */
    for (unsigned code = 0; code < KEY_CNT; code++)
        assert(!world.keyboard.is_down[code]);
    if (machine_has_ended(world.machine, &why)) {
        end_machine();
        make_machine();
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) NO_THREAD_SAFETY
{
    if (!world.is_started) {
        assert(util_start(NULL) == 0);
        assert(log_open("/dev/null", NULL)); /* of errors that the input makes */
        make_machine();
        world.is_started = true;
    }
    run(data, size);
    return 0;
}
