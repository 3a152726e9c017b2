/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A Unix socket. As a server it has one client at a time; the next one gets its
 * turn when that has gone. What is printed while there is none is kept, the last
 * BACKLOG_SIZE bytes, for the client that comes: so the boot messages before
 * the first, and the last words between two, are not lost.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ui/char_input.h"
#include "ui/char_kinds.h"
#include "ui/char_output.h"
#include "ui/unix_listen.h"
#include "ui/unix_spec.h"
#include "util/log.h"

enum { BACKLOG_SIZE = 64 * 1024 };

struct char_socket {
    struct char_backend backend;
    char *path;
    bool is_server;
    struct unix_listen listen; /* if is_server */

    bool has_client;
    struct char_output output;       /* the client's descriptor */
    struct loop_watch *client_watch; /* input, and the client's end */
    bool has_no_more;                /* the client sends no more, but may still read */
    struct char_input input;

    uint8_t backlog[BACKLOG_SIZE];
    unsigned backlog_head, backlog_count;
};

static struct char_socket *socket_of(struct char_backend *backend)
{
    return container_of(backend, struct char_socket, backend);
}

/* ---- Clients ------------------------------------------------------------------- */

/* POLLPRI never comes, but as long as something is asked for, a hang-up is told. */
static void look_for_input(struct char_socket *sock) REQUIRES(bql)
{
    bool is_wanted = !sock->has_no_more && char_input_space(&sock->input) > 0;

    if (sock->client_watch)
        loop_watch_set_events(sock->client_watch, is_wanted ? POLLIN : POLLPRI);
}

static void drop_client(struct char_socket *sock) REQUIRES(bql)
{
    if (!sock->has_client)
        return;
    sock->has_client = false;
    loop_watch_free(sock->client_watch);
    sock->client_watch = NULL;
    char_output_stop(&sock->output);
    unix_listen_set_paused(&sock->listen, false);
    if (!sock->is_server)
        log_warn("'%s': the other side has closed the connection", sock->path);
}

static void keep(struct char_socket *sock, const uint8_t *data, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        if (sock->backlog_count == BACKLOG_SIZE) {
            sock->backlog_head = (sock->backlog_head + 1) % BACKLOG_SIZE;
            sock->backlog_count--;
        }
        sock->backlog[(sock->backlog_head + sock->backlog_count++) % BACKLOG_SIZE] = data[i];
    }
}

/* Whether all has been sent. */
static bool send_backlog(struct char_socket *sock) REQUIRES(bql)
{
    while (sock->has_client && sock->backlog_count > 0 && !sock->output.is_blocked) {
        size_t size = sock->backlog_count, sent;

        if (size > BACKLOG_SIZE - sock->backlog_head)
            size = BACKLOG_SIZE - sock->backlog_head;
        sent = char_output_write(&sock->output, sock->backlog + sock->backlog_head, size);
        if (!sock->has_client)
            break; /* none of it may have arrived */
        sock->backlog_head = (sock->backlog_head + (unsigned)sent) % BACKLOG_SIZE;
        sock->backlog_count -= (unsigned)sent;
    }
    return sock->backlog_count == 0;
}

static void tell_drained(struct char_socket *sock) REQUIRES(bql)
{
    if (sock->backend.drained)
        sock->backend.drained(sock->backend.drained_opaque);
}

static void socket_ready(struct char_output *output) NO_THREAD_SAFETY /* as its caller has it */
{
    struct char_socket *sock = container_of(output, struct char_socket, output);

    bql_assert_held();
    if (send_backlog(sock) || !sock->has_client)
        tell_drained(sock);
}

/* Called from within a write: what was waiting for the client is told later, by the caller. */
static void socket_failed(struct char_output *output, int error UNUSED)
{
    bql_assert_held();
    drop_client(container_of(output, struct char_socket, output));
}

static bool has_hung_up(const struct char_socket *sock)
{
    struct pollfd pollfd = { .fd = sock->output.fd.fd, .events = POLLPRI };

    return poll(&pollfd, 1, 0) > 0 && pollfd.revents & (POLLHUP | POLLERR);
}

static void on_client(void *opaque, short revents)
{
    struct char_socket *sock = opaque;
    uint8_t bytes[CHAR_INPUT_SIZE];
    ssize_t size = 0;
    bool was_blocked = sock->output.is_blocked || sock->backlog_count > 0;

    bql_assert_held();
    if (char_input_space(&sock->input) > 0 && !sock->has_no_more) {
        size = char_fd_read(&sock->output.fd, bytes, char_input_space(&sock->input));
        for (ssize_t i = 0; i < size; i++)
            char_input_put(&sock->input, bytes[i]);
        (void)char_input_deliver(&sock->input, &sock->backend.sink); /* the rest waits */
        sock->has_no_more = size == 0;
    }
    /* What a client sent before it went, and what has no room, is lost with it. */
    if ((size < 0 && errno != EAGAIN) || (size <= 0 && has_hung_up(sock)) ||
        (revents & (POLLHUP | POLLERR) && char_input_space(&sock->input) == 0)) {
        drop_client(sock);
        if (was_blocked)
            tell_drained(sock);
        return;
    }
    look_for_input(sock);
}

static void take_client(struct char_socket *sock, int fd) REQUIRES(bql)
{
    sock->has_client = true;
    sock->has_no_more = false;
    sock->input.count = 0; /* the one before may have typed half a line */
    sock->output.fd = (struct char_fd){ .fd = fd, .kind = CHAR_FD_SOCKET };
    sock->client_watch = loop_watch_new(fd, POLLIN, on_client, sock);
    unix_listen_set_paused(&sock->listen, true);
    (void)send_backlog(sock); /* or later */
}

static void on_accepted(void *opaque, int fd)
{
    bql_assert_held();
    take_client(opaque, fd);
}

/* ---- Back end ------------------------------------------------------------------- */

static size_t socket_write(struct char_backend *backend, const uint8_t *data, size_t size)
{
    struct char_socket *sock = socket_of(backend);
    size_t sent = 0;

    bql_assert_held();
    if (sock->has_client) {
        if (!send_backlog(sock) && sock->has_client)
            return 0;
        sent = sock->has_client ? char_output_write(&sock->output, data, size) : 0;
    }
    if (sock->has_client)
        return sent;
    keep(sock, data, size);
    return size;
}

static void socket_may_receive(struct char_backend *backend)
{
    struct char_socket *sock = socket_of(backend);

    bql_assert_held();
    if (char_input_deliver(&sock->input, &sock->backend.sink))
        look_for_input(sock);
}

static bool socket_wait(struct char_backend *backend, int64_t deadline_ns)
{
    bql_assert_held();
    return char_output_wait(&socket_of(backend)->output, deadline_ns);
}

static void socket_free(struct char_backend *backend)
{
    struct char_socket *sock = socket_of(backend);

    bql_assert_held();
    loop_watch_free(sock->client_watch);
    char_output_stop(&sock->output);
    unix_listen_fini(&sock->listen);
    g_free(sock->path);
    g_free(sock);
}

static struct char_socket *socket_new(const char *path)
{
    struct char_socket *sock = g_new0(struct char_socket, 1);

    sock->path = g_strdup(path);
    sock->output = (struct char_output){
        .fd = { .fd = -1 },
        .ready = socket_ready,
        .failed = socket_failed,
    };
    sock->backend.write = socket_write;
    sock->backend.may_receive = socket_may_receive;
    sock->backend.wait = socket_wait;
    sock->backend.free = socket_free;
    return sock;
}

/* ---- Options -------------------------------------------------------------------- */

static bool listen_at(struct char_socket *sock, const struct unix_spec *options, GError **error)
    REQUIRES(bql)
{
    sock->is_server = true;
    if (!unix_listen_init(&sock->listen, options->path, on_accepted, sock, error))
        return false;
    while (options->is_waiting && !sock->has_client) {
        if (!unix_listen_wait(&sock->listen, error))
            return false;
    }
    return true;
}

static bool connect_to(struct char_socket *sock, GError **error) REQUIRES(bql)
{
    struct sockaddr_un address;
    int fd;

    if (!unix_address(&address, sock->path, error))
        return false;
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0) {
        g_set_error(error, CHAR_ERROR, 0,
                    "cannot connect to '%s': %s (to listen there: unix:%s,server=on)", sock->path,
                    errno == EAGAIN ? "too many wait there already" : g_strerror(errno),
                    sock->path);
        if (fd >= 0)
            close(fd);
        return false;
    }
    take_client(sock, fd);
    return true;
}

struct char_backend *char_socket_new(const char *rest, const struct char_host *host UNUSED,
                                     GError **error)
{
    struct unix_spec options = { .is_waiting = true };
    struct char_socket *sock = NULL;

    if (unix_spec_parse(&options, rest, error)) {
        bool is_done;

        sock = socket_new(options.path);
        is_done = options.is_server ? listen_at(sock, &options, error) : connect_to(sock, error);
        if (!is_done) {
            socket_free(&sock->backend);
            sock = NULL;
        }
    }
    unix_spec_fini(&options);
    return sock ? &sock->backend : NULL;
}
