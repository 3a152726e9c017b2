/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A machine with QMP, and clients at the other ends of socket pairs, on one thread: whoever waits
 * for an answer lets the main loop run.
 */
#ifndef TESTS_UNIT_QMP_SCENE_H
#define TESTS_UNIT_QMP_SCENE_H

#include <errno.h>
#include <glib.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hw/cpu/cpu.h"
#include "hw/machine/machine.h"
#include "ui/qmp.h"
#include "util/loop.h"

struct client {
    int fd;
    GString *heard; /* not taken yet */
    bool is_over;   /* the other side has closed */
};

struct steered {
    struct machine *machine;
    struct qmp *qmp;
};

/* @kernel: its file, which machine_power_on() will want. */
static inline struct steered steered_new(const char *kernel) REQUIRES(bql)
{
    const struct machine_config config = {
        .backend = &cpu_soft,
        .nr_cpus = 2,
        .ram_size = MACHINE_RAM_MIN,
        .kernel = kernel,
    };
    g_autoptr(GError) error = NULL;
    struct steered steered = { .machine = machine_new(&config, &error) };

    g_assert_no_error(error);
    steered.qmp = qmp_new(steered.machine);
    return steered;
}

static inline void steered_free(struct steered *steered) REQUIRES(bql)
{
    qmp_free(steered->qmp);
    machine_free(steered->machine);
}

static inline struct client client_new(struct qmp *qmp) REQUIRES(bql)
{
    int fds[2];

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    qmp_add_client(qmp, fds[0]);
    return (struct client){ .fd = fds[1], .heard = g_string_new(NULL) };
}

static inline void client_free(struct client *client)
{
    close(client->fd);
    g_string_free(client->heard, TRUE);
}

/* All that is there now. */
static inline void client_listen(struct client *client)
{
    char bytes[4096];
    ssize_t got;

    while ((got = recv(client->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) > 0)
        g_string_append_len(client->heard, bytes, got);
    client->is_over = got == 0 || (got < 0 && errno != EAGAIN);
}

static inline void client_say(struct client *client, const char *text) REQUIRES(bql)
{
    size_t left = strlen(text);

    while (left > 0) {
        const ssize_t sent = send(client->fd, text, left, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent > 0) {
            text += sent;
            left -= (size_t)sent;
            continue;
        }
        g_assert_cmpint(errno, ==, EAGAIN);
        (void)loop_iterate(true);
    }
}

/* The next line, without its end; NULL: the other side has closed. */
static inline char *client_hear(struct client *client) REQUIRES(bql)
{
    const char *end;
    char *line;

    for (;;) {
        client_listen(client);
        end = strstr(client->heard->str, "\r\n");
        if (end || client->is_over)
            break;
        (void)loop_iterate(true);
    }
    if (!end)
        return NULL;
    line = g_strndup(client->heard->str, (gsize)(end - client->heard->str));
    g_string_erase(client->heard, 0, end + 2 - client->heard->str);
    return line;
}

static inline void client_hears(struct client *client, const char *wanted) REQUIRES(bql)
{
    g_autofree char *line = client_hear(client);

    g_assert_cmpstr(line, ==, wanted);
}

/* A line with @part in it. */
static inline void client_hears_of(struct client *client, const char *part) REQUIRES(bql)
{
    g_autofree char *line = client_hear(client);

    if (!line || !strstr(line, part))
        g_error("'%s' has no '%s'", line, part);
}

/* An event's name and data; any timestamp. */
static inline void client_hears_event(struct client *client, const char *wanted) REQUIRES(bql)
{
    g_autofree char *line = client_hear(client);
    const char *event = line ? strstr(line, "\"event\"") : NULL;

    g_assert_nonnull(event);
    g_assert_true(g_str_has_prefix(line, "{\"timestamp\": {\"seconds\": "));
    g_assert_cmpstr(event, ==, wanted);
}

/* One that has greeted and been greeted. */
static inline struct client client_ready(struct qmp *qmp) REQUIRES(bql)
{
    struct client client = client_new(qmp);

    client_hears_of(&client, "{\"QMP\": {\"version\": ");
    client_say(&client, "{\"execute\": \"qmp_capabilities\"}");
    client_hears(&client, "{\"return\": {}}");
    return client;
}

/* What is ready now is done. */
static inline void settle(void) REQUIRES(bql)
{
    while (loop_iterate(false))
        continue;
}

#endif
