/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The protocol: greeting, framing, errors, connections and their limits.
 */
#include <glib/gstdio.h>
#include <sched.h>
#include <sys/un.h>

#include "tests/unit/mem_scene.h"
#include "tests/unit/qmp_scene.h"
#include "ui/qmp_internal.h"
#include "ui/unix_listen.h"
#include "util/keyval.h"
#include "util/thread.h"

#define STATUS "{\"execute\": \"query-status\"}"
#define PRELAUNCH "{\"running\": false, \"singlestep\": false, \"status\": \"prelaunch\"}"

static struct steered begin(void) REQUIRES(bql)
{
    return steered_new("/nonexistent/vmlinuz");
}

static void the_first_command_opens(void)
{
    bql_assert_held();
    struct steered steered = begin();
    struct client client = client_new(steered.qmp);

    client_hears(&client, "{\"QMP\": {\"version\": {\"qemu\":{\"major\":0,\"minor\":1,\"micro\":0},"
                          "\"package\":\"gracevm 0.1.0\"}, \"capabilities\": []}}");
    client_say(&client, STATUS);
    client_hears_of(&client, "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": ");
    client_say(&client,
               "{\"execute\": \"qmp_capabilities\", \"arguments\": {\"enable\": [\"x\"]}}");
    client_hears_of(&client, "\"class\": \"GenericError\"");
    client_say(&client, "{\"execute\": \"qmp_capabilities\", \"arguments\": {\"enable\": []}}");
    client_hears(&client, "{\"return\": {}}");
    client_say(&client, "{\"execute\": \"qmp_capabilities\"}");
    client_hears_of(&client, "\"class\": \"CommandNotFound\"");
    client_say(&client, STATUS);
    client_hears(&client, "{\"return\": " PRELAUNCH "}");
    client_free(&client);
    steered_free(&steered);
}

static void ids_come_back_as_they_are(void)
{
    bql_assert_held();
    static const char *const ids[] = { "1", "\"a\\\"b\"", "null", "[1,{\"x\":[]}]", "{}", "false" };
    struct steered steered = begin();
    struct client client = client_ready(steered.qmp);

    for (size_t i = 0; i < ARRAY_SIZE(ids); i++) {
        g_autofree char *good =
            g_strdup_printf("{\"id\": %s, \"execute\": \"query-status\"}", ids[i]);
        g_autofree char *wanted =
            g_strdup_printf("{\"return\": " PRELAUNCH ", \"id\": %s}", ids[i]);
        g_autofree char *bad = g_strdup_printf("{\"execute\": \"gone\", \"id\": %s}", ids[i]);
        g_autofree char *part = g_strdup_printf(", \"id\": %s}", ids[i]);

        client_say(&client, good);
        client_hears(&client, wanted);
        client_say(&client, bad);
        client_hears_of(&client, part);
    }
    client_free(&client);
    steered_free(&steered);
}

static void what_is_wrong_is_said(void)
{
    bql_assert_held();
    static const struct {
        const char *command, *desc;
    } rows[] = {
        { "[1]", "a command is a JSON object" },
        { "{]", "this is not JSON" },
        { "{\"execute\": }", "this is not JSON" },
        { "hello\n", "this is not JSON" },
        { "{}", "a command: 'execute' is missing" },
        { "{\"execute\": 1}", "a command: 'execute' is to be a string" },
        { "{\"execute\": \"stop\", \"arguments\": []}", "'arguments' is to be an object" },
        { "{\"execute\": \"stop\", \"exec\": 1}", "a command: there is no 'exec'" },
        { "{\"execute\": \"gone\"}", "there is no command 'gone'" },
        { "{\"execute\": \"stop\", \"arguments\": {\"a\": 1}}", "stop: there is no 'a'" },
        { "{\"execute\": \"screendump\"}", "screendump: 'filename' is missing" },
        { "{\"execute\": \"screendump\", \"arguments\": {\"filename\": 1}}",
          "screendump: 'filename' is to be a string" },
        { "{\"execute\": \"screendump\", \"arguments\": {\"filename\": \"a\", \"head\": 1.5}}",
          "screendump: 'head' is to be an integer" },
    };
    struct steered steered = begin();
    struct client client = client_ready(steered.qmp);

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        client_say(&client, rows[i].command);
        client_hears_of(&client, rows[i].desc);
        client_say(&client, STATUS); /* and it goes on */
        client_hears(&client, "{\"return\": " PRELAUNCH "}");
    }
    client_free(&client);
    steered_free(&steered);
}

static void commands_come_in_pieces_and_several_at_once(void)
{
    bql_assert_held();
    static const char piece[] = STATUS;
    struct steered steered = begin();
    struct client client = client_ready(steered.qmp);
    GString *many = g_string_new(NULL);

    for (size_t i = 0; i < strlen(piece); i++) {
        const char byte[] = { piece[i], '\0' };

        client_say(&client, byte);
        settle();
    }
    client_hears(&client, "{\"return\": " PRELAUNCH "}");
    for (unsigned i = 0; i < 2000; i++)
        g_string_append_printf(many, "{\"execute\": \"query-status\", \"id\": %u}", i);
    client_say(&client, many->str);
    for (unsigned i = 0; i < 2000; i++) {
        g_autofree char *wanted = g_strdup_printf("{\"return\": " PRELAUNCH ", \"id\": %u}", i);

        client_hears(&client, wanted);
    }
    g_string_free(many, TRUE);
    client_free(&client);
    steered_free(&steered);
}

static void clients_do_not_meet(void)
{
    bql_assert_held();
    struct steered steered = begin();
    struct client first = client_ready(steered.qmp), second = client_ready(steered.qmp);
    struct client silent = client_new(steered.qmp);

    client_say(&first, "{\"execute\": \"query-");
    settle();
    client_say(&second, STATUS);
    client_hears(&second, "{\"return\": " PRELAUNCH "}");
    client_free(&second);
    settle();
    client_say(&first, "status\"}");
    client_hears(&first, "{\"return\": " PRELAUNCH "}");
    machine_ask_end(steered.machine, MACHINE_QUIT);
    client_hears_event(&first, "\"event\": \"SHUTDOWN\", \"data\": {\"guest\": false, "
                               "\"reason\": \"host-signal\"}}");
    client_hears_of(&silent, "QMP"); /* it has not opened: it is told of nothing */
    client_listen(&silent);
    g_assert_cmpuint(silent.heard->len, ==, 0);
    client_free(&first);
    client_free(&silent);
    steered_free(&steered);
}

/* As with a pipe into netcat: all is answered, then the connection ends. */
static void one_that_sends_no_more_gets_its_answers(void)
{
    bql_assert_held();
    struct steered steered = begin();
    struct client client = client_ready(steered.qmp);
    g_autofree char *line = NULL;

    for (unsigned i = 0; i < 100; i++)
        client_say(&client, STATUS);
    shutdown(client.fd, SHUT_WR);
    for (unsigned i = 0; i < 100; i++)
        client_hears(&client, "{\"return\": " PRELAUNCH "}");
    line = client_hear(&client);
    g_assert_null(line);
    client_free(&client);
    steered_free(&steered);
}

/* As much of @text from @at on as the socket takes. */
static size_t push(const struct client *client, const GString *text, size_t at) REQUIRES(bql)
{
    ssize_t sent;

    while (at < text->len &&
           (sent = send(client->fd, text->str + at, text->len - at, MSG_DONTWAIT)) > 0) {
        at += (size_t)sent;
        settle();
    }
    return at;
}

/* Commands wait for a client that does not read. */
static void a_client_that_does_not_read_is_not_served(void)
{
    bql_assert_held();
    struct steered steered = begin();
    struct client lazy = client_ready(steered.qmp), other = client_ready(steered.qmp);
    GString *many = g_string_new(NULL);
    size_t at = 0;
    unsigned nr = 0, nr_wanted = 0;

    for (; many->len < 512 << 10; nr_wanted++)
        g_string_append(many, "{\"execute\": \"query-commands\"}");
    at = push(&lazy, many, at);
    g_assert_cmpuint(at, <, many->len);
    client_say(&other, STATUS);
    client_hears(&other, "{\"return\": " PRELAUNCH "}");
    while (nr < nr_wanted) { /* now it reads, and gets on */
        g_autofree char *line = client_hear(&lazy);

        g_assert_true(g_str_has_prefix(line, "{\"return\": [{\"name\":"));
        nr++;
        at = push(&lazy, many, at);
    }
    g_string_free(many, TRUE);
    client_free(&lazy);
    client_free(&other);
    steered_free(&steered);
}

/* Events do not wait: it is disconnected. */
static void a_client_that_never_reads_is_disconnected(void)
{
    bql_assert_held();
    struct steered steered = begin();
    struct client lazy = client_ready(steered.qmp);
    g_autofree char *data = g_strnfill(1 << 16, '1');
    size_t heard = 0;

    for (unsigned i = 0; i < 2 * QMP_OUTPUT_MAX >> 16; i++)
        qmp_event(steered.qmp, "STOP", data);
    settle();
    while (!lazy.is_over) {
        client_listen(&lazy);
        heard += lazy.heard->len;
        g_string_truncate(lazy.heard, 0);
    }
    g_assert_cmpuint(heard, <, QMP_OUTPUT_MAX);
    client_free(&lazy);
    steered_free(&steered);
}

/* ---- Listening -------------------------------------------------------------------------------
 */

static int connect_to(const char *path)
{
    struct sockaddr_un address;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_true(unix_address(&address, path, NULL));
    g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof(address)), ==, 0);
    return fd;
}

static void values_of_the_option_are_checked(void)
{
    bql_assert_held();
    static const struct {
        const char *spec, *message;
    } rows[] = {
        { "tcp:localhost:1", "'tcp:localhost:1' is not unix:PATH" },
        { "unix:/nonexistent/q", "'unix:/nonexistent/q': server=on is missing" },
        { "unix:,server=on,wait=off", "'unix:,server=on,wait=off' lacks its path" },
        { "unix:/nonexistent/q,server=maybe", "'on' or 'off', not 'maybe'" },
        { "unix:/nonexistent/q,server=on,wat=off", "unknown option 'wat=off'" },
        { "unix:/nonexistent/q,server=on,wait=off", "-qmp: cannot listen on '/nonexistent/q'" },
    };
    struct steered steered = begin();

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(qmp_listen(steered.qmp, rows[i].spec, &error));
        if (!strstr(error->message, rows[i].message))
            g_error("%s: %s", rows[i].spec, error->message);
        g_assert_cmpint(error->domain == KEYVAL_ERROR, ==, i + 1 < ARRAY_SIZE(rows));
    }
    steered_free(&steered);
}

static void more_clients_than_there_may_be_wait(void)
{
    bql_assert_held();
    g_autofree char *folder = g_dir_make_tmp("gracevm-qmp-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "q", NULL);
    g_autofree char *spec = g_strdup_printf("unix:%s,server=on,wait=off", path);
    struct steered steered = begin();
    struct client clients[QMP_CLIENTS_MAX + 1];

    g_assert_true(qmp_listen(steered.qmp, spec, NULL));
    for (unsigned i = 0; i <= QMP_CLIENTS_MAX; i++) {
        clients[i] = (struct client){ .fd = connect_to(path), .heard = g_string_new(NULL) };
        if (i < QMP_CLIENTS_MAX)
            client_hears_of(&clients[i], "QMP");
    }
    settle();
    client_listen(&clients[QMP_CLIENTS_MAX]);
    g_assert_cmpuint(clients[QMP_CLIENTS_MAX].heard->len, ==, 0);
    client_free(&clients[3]);
    client_hears_of(&clients[QMP_CLIENTS_MAX], "QMP");
    for (unsigned i = 0; i <= QMP_CLIENTS_MAX; i++) {
        if (i != 3)
            client_free(&clients[i]);
    }
    steered_free(&steered);
    g_assert_cmpint(g_rmdir(folder), ==, 0); /* the socket has gone */
}

static void come(void *path)
{
    int fd = -1;
    struct sockaddr_un address;

    g_assert_true(unix_address(&address, path, NULL));
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    while (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        sched_yield(); /* it does not listen yet */
    close(fd);
}

/* The BQL is given back and taken anew: clang does not follow that through an assertion. */
static void it_waits_for_a_client(void) NO_THREAD_SAFETY
{
    bql_assert_held();
    g_autofree char *folder = g_dir_make_tmp("gracevm-qmp-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "q", NULL);
    g_autofree char *spec = g_strdup_printf("unix:%s,server=on", path);
    struct steered steered = begin();
    struct thread *thread = thread_start("client", come, path);

    g_assert_true(qmp_listen(steered.qmp, spec, NULL));
    bql_unlock();
    thread_join(thread);
    bql_lock();
    steered_free(&steered);
    g_assert_cmpint(g_rmdir(folder), ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(test) g_test_add_func("/qmp/" #test, test)
    ADD(the_first_command_opens);
    ADD(ids_come_back_as_they_are);
    ADD(what_is_wrong_is_said);
    ADD(commands_come_in_pieces_and_several_at_once);
    ADD(clients_do_not_meet);
    ADD(one_that_sends_no_more_gets_its_answers);
    ADD(a_client_that_does_not_read_is_not_served);
    ADD(a_client_that_never_reads_is_disconnected);
    ADD(values_of_the_option_are_checked);
    ADD(more_clients_than_there_may_be_wait);
    ADD(it_waits_for_a_client);
#undef ADD
    return run_with_bql();
}
