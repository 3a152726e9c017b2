/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A client's life: it is listened to until it is clear what it wants, answered, and then read from
 * until it closes. A socket closed with input that nobody has read would look broken to the peer
 * (unix(7): ECONNRESET), and curl would say so.
 */
#include "ui/metrics_server.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ui/unix_listen.h"
#include "ui/unix_spec.h"
#include "util/clock.h"
#include "util/keyval.h"
#include "util/list.h"
#include "util/log.h"
#include "util/loop.h"

enum {
    CLIENTS_MAX = 16,
    REQUEST_MAX = 8192, /* bytes of a request's head */
};
#define MOMENT_NS (100 * NS_PER_MS) /* of silence: it wants plain text */
#define REQUEST_NS (2 * NS_PER_S)   /* for the rest of a request that has begun */
#define ANSWER_NS (10 * NS_PER_S)   /* to read the answer, and to close */

struct metrics_server {
    struct metrics *metrics;
    struct unix_listen listen;
    struct list clients; /* oldest first */
    unsigned nr_clients;
};

struct client {
    struct metrics_server *server;
    struct list_node link;
    int fd;
    struct loop_watch *watch;
    struct loop_timer timer;
    GString *request; /* what it has said */
    GString *answer;  /* NULL: it is listened to */
    size_t sent;      /* of the answer */
    bool has_ended;   /* it says no more */
};

/* ---- Clients ----------------------------------------------------------------------------------
 */

static void client_free(struct client *client) REQUIRES(bql)
{
    list_remove(&client->link);
    client->server->nr_clients--;
    loop_timer_cancel(&client->timer);
    loop_watch_free(client->watch);
    close(client->fd);
    g_string_free(client->request, TRUE);
    if (client->answer)
        g_string_free(client->answer, TRUE);
    g_free(client);
}

static GString *text_of(struct metrics *metrics)
{
    GString *got = g_string_new(NULL);
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);

    if (out) {
        metrics_print(metrics, out);
        if (fclose(out) == 0)
            g_string_append_len(got, text, (gssize)size);
    }
    free(text);
    return got;
}

/* RFC 1945 (HTTP/1.0), sections 5.1 and 6. */
static void add_head(GString *answer, const char *request)
{
    const bool is_head = g_str_has_prefix(request, "HEAD ");
    const bool is_known = is_head || g_str_has_prefix(request, "GET ");
    g_autofree char *head = NULL;

    if (!is_known)
        g_string_assign(answer, "GET and HEAD are all there is\n");
    head = g_strdup_printf("HTTP/1.0 %s\r\nContent-Type: text/plain; version=0.0.4; "
                           "charset=utf-8\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
                           is_known ? "200 OK" : "501 Not Implemented", answer->len);
    if (is_head)
        g_string_truncate(answer, 0);
    g_string_prepend(answer, head);
}

/* What is not sent at once goes when there is room. */
static void flush(struct client *client) REQUIRES(bql)
{
    while (client->sent < client->answer->len) {
        const ssize_t sent = send(client->fd, client->answer->str + client->sent,
                                  client->answer->len - client->sent, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent > 0) {
            client->sent += (size_t)sent;
        } else if (sent < 0 && errno == EAGAIN) {
            loop_watch_set_events(client->watch, client->has_ended ? POLLOUT : POLLIN | POLLOUT);
            return;
        } else if (sent == 0 || errno != EINTR) {
            client_free(client);
            return;
        }
    }
    if (client->has_ended) {
        client_free(client);
        return;
    }
    (void)shutdown(client->fd, SHUT_WR); /* fails: the peer has gone, which poll() tells */
    loop_watch_set_events(client->watch, POLLIN);
}

static void answer(struct client *client, bool is_http) REQUIRES(bql)
{
    client->answer = text_of(client->server->metrics);
    if (is_http)
        add_head(client->answer, client->request->str);
    loop_timer_set(&client->timer, monotonic_ns() + ANSWER_NS);
    flush(client);
}

/* Whether the first line is that of a request of HTTP; the line may not be whole yet. */
static bool is_http(const GString *request)
{
    const char *end = strchr(request->str, '\n');
    const gssize length = end ? end - request->str : (gssize)request->len;

    return g_strstr_len(request->str, length, " HTTP/");
}

static bool is_whole(const GString *request)
{
    return strstr(request->str, "\r\n\r\n") || strstr(request->str, "\n\n") ||
           request->len >= REQUEST_MAX;
}

/* @is_over: it will say no more. */
static void consider(struct client *client, bool is_over) REQUIRES(bql)
{
    const GString *request = client->request;

    if (is_http(request) && (is_over || is_whole(request)))
        answer(client, true);
    else if (is_over || (strchr(request->str, '\n') && !is_http(request)) ||
             request->len >= REQUEST_MAX)
        answer(client, false);
}

static void on_time(struct loop_timer *timer) NO_THREAD_SAFETY /* by the main loop */
{
    struct client *client = container_of(timer, struct client, timer);

    if (client->answer)
        client_free(client);
    else
        consider(client, true);
}

static void on_client(void *opaque, short revents UNUSED) NO_THREAD_SAFETY /* by the main loop */
{
    struct client *client = opaque;
    char input[1024];
    const ssize_t got = recv(client->fd, input, sizeof(input), MSG_DONTWAIT);

    if (got < 0 && errno != EAGAIN && errno != EINTR) {
        client_free(client);
        return;
    }
    client->has_ended |= got == 0;
    if (client->answer) {
        if (client->has_ended || client->sent < client->answer->len)
            flush(client);
        return;
    }
    if (got > 0) {
        if (client->request->len == 0)
            loop_timer_set(&client->timer, monotonic_ns() + REQUEST_NS);
        g_string_append_len(client->request, input, got);
    }
    consider(client, client->has_ended);
}

static void on_accepted(void *opaque, int fd) NO_THREAD_SAFETY /* by the main loop */
{
    struct metrics_server *server = opaque;
    struct client *client = g_new0(struct client, 1);

    if (server->nr_clients == CLIENTS_MAX)
        client_free(list_first_entry(&server->clients, struct client, link));
    client->server = server;
    client->fd = fd;
    client->request = g_string_new(NULL);
    client->timer.fn = on_time;
    client->watch = loop_watch_new(fd, POLLIN, on_client, client);
    list_insert_tail(&server->clients, &client->link);
    server->nr_clients++;
    loop_timer_set(&client->timer, monotonic_ns() + MOMENT_NS);
}

/* ---- Life -------------------------------------------------------------------------------------
 */

void metrics_server_free(struct metrics_server *server)
{
    struct client *client, *next;

    if (!server)
        return;
    list_for_each_safe (client, next, &server->clients, link)
        client_free(client);
    unix_listen_fini(&server->listen);
    g_free(server);
}

/* Of what -qmp takes, too, only what makes sense here. */
static bool parse(struct unix_spec *spec, const char *text, GError **error)
{
    if (!g_str_has_prefix(text, "unix:"))
        return keyval_usage(error, "-metrics: '%s' is not unix:PATH", text);
    if (!unix_spec_parse(spec, text + strlen("unix:"), error)) {
        g_prefix_error(error, "-metrics: ");
        return false;
    }
    if (!*spec->path)
        return keyval_usage(error, "-metrics: '%s' lacks its path", text);
    if (!spec->is_server || spec->is_waiting)
        return keyval_usage(error, "-metrics: '%s': it is a server, and waits for nobody", text);
    return true;
}

struct metrics_server *metrics_server_new(struct metrics *metrics, const char *spec, GError **error)
{
    struct metrics_server *server = g_new0(struct metrics_server, 1);
    struct unix_spec got = { .is_server = true };
    bool is_listening = false;

    server->metrics = metrics;
    list_init(&server->clients);
    if (parse(&got, spec, error)) {
        is_listening = unix_listen_init(&server->listen, got.path, on_accepted, server, error);
        if (!is_listening)
            g_prefix_error(error, "-metrics: ");
    }
    unix_spec_fini(&got);
    if (is_listening)
        return server;
    metrics_server_free(server);
    return NULL;
}
