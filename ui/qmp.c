/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Connections of clients. What one sends is looked at a piece of input at a time, and not further
 * while a request of it is not answered or much of its output is not read.
 */
#include "ui/qmp.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "ui/qmp_internal.h"
#include "ui/unix_spec.h"
#include "util/clock.h"
#include "util/keyval.h"
#include "util/log.h"

enum { TURN_VALUES = 16 }; /* of one client, then others have their turn */

/* ---- Clients ----------------------------------------------------------------------------------
 */

/* Fine at any place: freed by `work`. */
static void drop(struct qmp_client *client) REQUIRES(bql)
{
    if (client->fd < 0)
        return;
    log_topic(qmp, "client %d has gone", client->fd);
    loop_watch_free(client->watch);
    close(client->fd);
    client->fd = -1;
    if (client->request)
        client->request->client = NULL;
    client->request = NULL;
    (void)loop_defer(&client->work);
}

static void client_free(struct qmp_client *client) REQUIRES(bql)
{
    struct qmp *qmp = client->qmp;

    loop_cancel(&client->work);
    list_remove(&client->link);
    qmp->nr_clients--;
    unix_listen_set_paused(&qmp->listen, false);
    qmp_frame_fini(&client->frame);
    g_string_free(client->output, TRUE);
    g_free(client);
}

static void flush(struct qmp_client *client) REQUIRES(bql)
{
    while (client->fd >= 0 && client->output->len > 0) {
        ssize_t sent =
            send(client->fd, client->output->str, client->output->len, MSG_DONTWAIT | MSG_NOSIGNAL);

        if (sent > 0)
            g_string_erase(client->output, 0, sent);
        else if (sent < 0 && errno == EAGAIN)
            return;
        else if (sent == 0 || errno != EINTR)
            drop(client);
    }
}

/* Whether there is something to look at, and room for what comes of it. */
static bool is_open_for_work(const struct qmp_client *client)
{
    return client->fd >= 0 && !client->request && client->output->len < QMP_OUTPUT_FULL;
}

static void update_watch(struct qmp_client *client) REQUIRES(bql)
{
    const bool has_looked = client->input_at == client->input_end;
    short events = 0;

    if (client->fd < 0)
        return;
    if (client->has_no_more && has_looked && !client->request && client->output->len == 0) {
        drop(client);
        return;
    }
    if (is_open_for_work(client) && has_looked && !client->has_no_more)
        events |= POLLIN;
    if (client->output->len > 0)
        events |= POLLOUT;
    /* POLLPRI never comes, but as long as something is asked for, a hang-up is told. */
    loop_watch_set_events(client->watch, events ? events : POLLPRI);
}

void qmp_client_send(struct qmp_client *client, const char *line)
{
    if (client->fd < 0)
        return;
    log_topic(qmp, "to client %d: %s", client->fd, line);
    g_string_append(client->output, line);
    g_string_append(client->output, "\r\n");
    flush(client);
    if (client->output->len > QMP_OUTPUT_MAX) {
        LOG_RATELIMITED(log_warn, "QMP: a client that does not read is disconnected");
        drop(client);
    }
    update_watch(client);
}

static void look_at_input(struct qmp_client *client) REQUIRES(bql)
{
    unsigned nr = 0;

    while (is_open_for_work(client) && client->input_at < client->input_end && nr < TURN_VALUES) {
        enum qmp_framed framed;

        client->input_at += qmp_frame_feed(&client->frame, client->input + client->input_at,
                                           client->input_end - client->input_at, &framed);
        if (framed == QMP_FRAMED_VALUE)
            qmp_dispatch(client, client->frame.text->str, client->frame.text->len);
        else if (framed != QMP_FRAMED_MORE)
            qmp_reject(client, framed);
        nr += framed != QMP_FRAMED_MORE;
    }
    if (nr == TURN_VALUES)
        (void)loop_defer(&client->work);
    update_watch(client);
}

static void read_input(struct qmp_client *client) REQUIRES(bql)
{
    ssize_t got = recv(client->fd, client->input, sizeof(client->input), MSG_DONTWAIT);

    client->input_at = 0;
    client->input_end = got > 0 ? (size_t)got : 0;
    client->has_no_more = got == 0;
    if (got < 0 && errno != EAGAIN && errno != EINTR)
        drop(client);
}

static void on_client(void *opaque, short revents)
{
    struct qmp_client *client = opaque;

    bql_assert_held();
    if (revents & POLLIN)
        read_input(client);
    else if (revents & (POLLHUP | POLLERR))
        drop(client);
    flush(client);
    look_at_input(client);
}

static void on_work(struct deferred *deferred) NO_THREAD_SAFETY /* by the main loop */
{
    struct qmp_client *client = container_of(deferred, struct qmp_client, work);

    if (client->fd < 0)
        client_free(client);
    else
        look_at_input(client);
}

void qmp_add_client(struct qmp *qmp, int fd)
{
    struct qmp_client *client = g_new0(struct qmp_client, 1);

    log_topic(qmp, "client %d has come", fd);
    client->qmp = qmp;
    client->fd = fd;
    client->output = g_string_new(NULL);
    client->watch = loop_watch_new(fd, POLLIN, on_client, client);
    deferred_init(&client->work, on_work);
    qmp_frame_init(&client->frame);
    list_insert_tail(&qmp->clients, &client->link);
    if (++qmp->nr_clients == QMP_CLIENTS_MAX)
        unix_listen_set_paused(&qmp->listen, true);
    qmp_client_greet(client);
}

void qmp_event(struct qmp *qmp, const char *name, const char *data)
{
    struct timespec now;
    struct qmp_client *client;
    g_autofree char *line = NULL;

    (void)clock_gettime(CLOCK_REALTIME, &now); /* cannot fail for this clock */
    line = g_strdup_printf("{\"timestamp\": {\"seconds\": %lld, \"microseconds\": %ld}, "
                           "\"event\": \"%s\"%s%s}",
                           (long long)now.tv_sec, now.tv_nsec / 1000, name,
                           data ? ", \"data\": " : "", data ? data : "");
    list_for_each (client, &qmp->clients, link) {
        if (client->has_negotiated)
            qmp_client_send(client, line);
    }
}

/* ---- Coming in --------------------------------------------------------------------------------
 */

static void on_accepted(void *opaque, int fd)
{
    bql_assert_held();
    qmp_add_client(opaque, fd);
}

static bool listen_at(struct qmp *qmp, const struct unix_spec *spec, GError **error) REQUIRES(bql)
{
    if (!unix_listen_init(&qmp->listen, spec->path, on_accepted, qmp, error)) {
        g_prefix_error(error, "-qmp: ");
        return false;
    }
    while (spec->is_waiting && qmp->nr_clients == 0) {
        if (!unix_listen_wait(&qmp->listen, error))
            return false;
    }
    return true;
}

bool qmp_listen(struct qmp *qmp, const char *spec, GError **error)
{
    struct unix_spec got = { .is_waiting = true };
    bool is_done;

    if (!g_str_has_prefix(spec, "unix:"))
        return keyval_usage(error, "-qmp: '%s' is not unix:PATH,server=on[,wait=off]", spec);
    is_done = unix_spec_parse(&got, spec + strlen("unix:"), error);
    if (!is_done)
        g_prefix_error(error, "-qmp: ");
    else if (!*got.path) /* to Linux, a name of its own choice that nobody knows */
        is_done = keyval_usage(error, "-qmp: '%s' lacks its path", spec);
    else if (!got.is_server)
        is_done =
            keyval_usage(error, "-qmp: '%s': server=on is missing: there is no other way", spec);
    else
        is_done = listen_at(qmp, &got, error);
    unix_spec_fini(&got);
    return is_done;
}

/* ---- Life -------------------------------------------------------------------------------------
 */

void qmp_free(struct qmp *qmp)
{
    struct qmp_client *client, *next_client;
    struct qmp_request *request, *next_request;

    if (!qmp)
        return;
    machine_remove_listener(qmp->machine, &qmp->listener);
    list_for_each_safe (request, next_request, &qmp->requests, link) {
        if (request->cancel)
            request->cancel(request);
        qmp_request_free(request);
    }
    list_for_each_safe (client, next_client, &qmp->clients, link) {
        flush(client); /* as much as it takes now */
        drop(client);
        client_free(client);
    }
    unix_listen_fini(&qmp->listen);
    g_free(qmp);
}

void qmp_set_name(struct qmp *qmp, const char *name)
{
    qmp->name = name;
}

struct qmp *qmp_new(struct machine *machine)
{
    struct qmp *qmp = g_new0(struct qmp, 1);

    qmp->machine = machine;
    qmp->listener.event = qmp_on_machine_event;
    list_init(&qmp->clients);
    list_init(&qmp->requests);
    machine_add_listener(machine, &qmp->listener);
    return qmp;
}
