/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The conversation, from a side that trusts the other one with nothing: each answer has a limit in
 * time, in size (of the frame) and in depth (the same).
 */
#include <errno.h>
#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <stdarg.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "ui/ctl_internal.h"
#include "ui/qmp_frame.h"
#include "util/clock.h"

/* A machine disconnects a client for which it holds 4 MiB (QMP_OUTPUT_MAX); no answer is longer. */
enum { ANSWER_MAX = 8 << 20 };

struct ctl_link {
    char *path;
    GSocket *socket;
    pid_t pid;      /* of who listens … */
    int process_fd; /* and its pidfd; -1: we cannot have it */
    int64_t patience_ns;
    struct qmp_frame frame;
    char input[4096]; /* from at to end it has not been looked at */
    size_t at, end;
    char *end_reason; /* SHUTDOWN has been told; else NULL */
};

bool ctl_error(GError **error, enum ctl_error code, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    if (error)
        *error = g_error_new_valist(CTL_ERROR, (int)code, format, arguments);
    va_end(arguments);
    return false;
}

const char *ctl_link_end_reason(const struct ctl_link *link)
{
    return link->end_reason;
}

void ctl_link_add_patience(struct ctl_link *link, int64_t more_ns)
{
    link->patience_ns = deadline_after_ns(link->patience_ns, more_ns);
}

static int64_t patience_ends(const struct ctl_link *link)
{
    return deadline_after_ns(monotonic_ns(), link->patience_ns);
}

static bool has_gone(const struct ctl_link *link, GError **error)
{
    if (link->end_reason)
        return ctl_error(error, CTL_ERROR_GONE, "the machine has ended (%s)", link->end_reason);
    return ctl_error(error, CTL_ERROR_GONE,
                     "'%s': the machine has hung up: its program has ended, or does not want us",
                     link->path);
}

/* ---- Bytes -----------------------------------------------------------------------------------
 */

/* Whether @events came before @deadline_ns. */
static bool wait_for(struct ctl_link *link, short events, int64_t deadline_ns, GError **error)
{
    struct pollfd fd = { .fd = g_socket_get_fd(link->socket), .events = events };
    const int nr = ctl_poll(&fd, 1, deadline_ns, error);

    if (nr == 0)
        ctl_error(
            error, CTL_ERROR_SOCKET,
            "'%s': no answer in %g s: the program is stopped or stuck, has 8 clients already, "
            "or does not speak QMP",
            link->path, (double)link->patience_ns / NS_PER_S);
    return nr > 0;
}

static bool send_all(struct ctl_link *link, const char *bytes, size_t size, int64_t deadline_ns,
                     GError **error)
{
    while (size > 0) {
        gssize sent;

        if (!wait_for(link, POLLOUT, deadline_ns, error))
            return false;
        sent = g_socket_send_with_blocking(link->socket, bytes, size, FALSE, NULL, NULL);
        if (sent < 0 && errno != EAGAIN)
            return has_gone(link, error);
        bytes += MAX(sent, 0);
        size -= (size_t)MAX(sent, 0);
    }
    return true;
}

static bool receive(struct ctl_link *link, int64_t deadline_ns, GError **error)
{
    gssize got;

    do {
        if (!wait_for(link, POLLIN, deadline_ns, error))
            return false;
        errno = 0;
        got = g_socket_receive_with_blocking(link->socket, link->input, sizeof(link->input), FALSE,
                                             NULL, NULL);
    } while (got < 0 && errno == EAGAIN);
    if (got <= 0)
        return has_gone(link, error);
    link->at = 0;
    link->end = (size_t)got;
    return true;
}

/* ---- Values ----------------------------------------------------------------------------------
 */

static bool is_nonsense(const struct ctl_link *link, const char *why, GError **error)
{
    return ctl_error(error, CTL_ERROR_SOCKET, "'%s' does not speak QMP: %s", link->path, why);
}

static void take_note(struct ctl_link *link, JsonNode *value)
{
    const char *reason;

    if (link->end_reason || strcmp(ctl_string(value, "event"), "SHUTDOWN") != 0)
        return;
    reason = ctl_string(ctl_member(value, "data"), "reason");
    link->end_reason = ctl_clean(*reason ? reason : "it does not say why", false);
}

static JsonNode *parse(struct ctl_link *link, GError **error)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonNode *root = NULL;

    if (json_parser_load_from_data(parser, link->frame.text->str, (gssize)link->frame.text->len,
                                   NULL))
        root = json_parser_get_root(parser);
    if (root && JSON_NODE_HOLDS_OBJECT(root))
        return json_parser_steal_root(parser);
    is_nonsense(link, root ? "it says an array" : "it says what is no JSON", error);
    return NULL;
}

/* The next value: an object. NULL: an error. */
static JsonNode *hear(struct ctl_link *link, int64_t deadline_ns, GError **error)
{
    enum qmp_framed framed;

    for (;;) {
        link->at +=
            qmp_frame_feed(&link->frame, link->input + link->at, link->end - link->at, &framed);
        if (framed == QMP_FRAMED_VALUE)
            break;
        if (framed == QMP_FRAMED_GARBAGE)
            is_nonsense(link, "it says what is no JSON", error);
        else if (framed == QMP_FRAMED_TOO_LONG)
            is_nonsense(link, "an answer is longer than 8 MiB", error);
        else if (framed == QMP_FRAMED_TOO_DEEP)
            is_nonsense(link, "an answer is nested more than 64 deep", error);
        if (framed != QMP_FRAMED_MORE || !receive(link, deadline_ns, error))
            return NULL;
    }
    return parse(link, error);
}

JsonNode *ctl_link_event(struct ctl_link *link, GError **error)
{
    for (;;) {
        g_autoptr(JsonNode) value = hear(link, INT64_MAX, error);

        if (!value)
            return NULL;
        take_note(link, value);
        if (*ctl_string(value, "event"))
            return g_steal_pointer(&value);
    }
}

static JsonNode *hear_answer(struct ctl_link *link, int64_t deadline_ns, GError **error)
{
    for (;;) {
        g_autoptr(JsonNode) value = hear(link, deadline_ns, error);
        JsonNode *returned = ctl_member(value, "return"), *refused = ctl_member(value, "error");

        if (!value)
            return NULL;
        if (returned)
            return json_node_copy(returned);
        if (refused) {
            g_autofree char *why = ctl_clean(ctl_string(refused, "desc"), false);

            ctl_error(error, CTL_ERROR_REFUSED, "the machine refuses: %s", why);
            return NULL;
        }
        if (!*ctl_string(value, "event")) {
            is_nonsense(link, "it says neither an answer nor an event", error);
            return NULL;
        }
        take_note(link, value);
    }
}

JsonNode *ctl_link_ask(struct ctl_link *link, const char *command, GError **error)
{
    const int64_t deadline_ns = patience_ends(link);
    /* At once: a machine that is told to quit does not wait for the end of the line. */
    g_autofree char *line = g_strconcat(command, "\n", NULL);

    if (!send_all(link, line, strlen(line), deadline_ns, error))
        return NULL;
    return hear_answer(link, deadline_ns, error);
}

JsonNode *ctl_link_execute(struct ctl_link *link, const char *command, JsonObject *arguments,
                           GError **error)
{
    g_autoptr(JsonNode) node = json_node_init_object(json_node_alloc(), NULL);
    JsonObject *object = json_object_new();
    g_autofree char *text = NULL;

    json_node_take_object(node, object);
    json_object_set_string_member(object, "execute", command);
    if (arguments)
        json_object_set_object_member(object, "arguments", arguments);
    text = json_to_string(node, FALSE);
    return ctl_link_ask(link, text, error);
}

/* ---- Time ------------------------------------------------------------------------------------
 */

bool ctl_link_idle(struct ctl_link *link, int64_t deadline_ns, GError **error)
{
    for (;;) {
        struct pollfd fd = { .fd = g_socket_get_fd(link->socket), .events = POLLIN };
        const int nr = ctl_poll(&fd, 1, deadline_ns, error);
        g_autoptr(JsonNode) value = NULL;

        if (nr <= 0)
            return nr == 0;
        value = hear(link, deadline_ns, error);
        if (!value)
            return false;
        take_note(link, value);
    }
}

/* It hangs up before it closes its disks. */
static bool wait_for_process(struct ctl_link *link, GError **error)
{
    struct pollfd fd = { .fd = link->process_fd, .events = POLLIN };
    int nr;

    if (link->process_fd < 0)
        return true;
    nr = ctl_poll(&fd, 1, patience_ends(link), error);
    if (nr == 0)
        ctl_error(error, CTL_ERROR_SOCKET,
                  "it has hung up, but its process %d has not ended in %g s: it may wait for a "
                  "disk, or is a relay of the machine",
                  (int)link->pid, (double)link->patience_ns / NS_PER_S);
    return nr > 0;
}

bool ctl_link_wait_for_end(struct ctl_link *link, GError **error)
{
    const int64_t deadline_ns = patience_ends(link);

    for (;;) {
        g_autoptr(GError) reason = NULL;
        g_autoptr(JsonNode) value = hear(link, deadline_ns, &reason);

        if (value) {
            take_note(link, value);
            continue;
        }
        if (g_error_matches(reason, CTL_ERROR, CTL_ERROR_GONE))
            return wait_for_process(link, error);
        g_propagate_error(error, g_steal_pointer(&reason));
        return false;
    }
}

/* ---- Life ------------------------------------------------------------------------------------
 */

/*
 * unix(7), SO_PEERCRED: who called listen(); 0: it is of another name space. Nobody else can have
 * got its number meanwhile, if it answers what it is asked from now on.
 */
static void find_process(struct ctl_link *link)
{
    struct ucred peer = { 0 };
    socklen_t size = sizeof(peer);

    if (getsockopt(g_socket_get_fd(link->socket), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0)
        link->pid = peer.pid;
    if (link->pid > 0)
        link->process_fd = (int)syscall(SYS_pidfd_open, link->pid, 0);
}

static bool connect_to(struct ctl_link *link, GError **error)
{
    g_autoptr(GSocketAddress) address = NULL;
    g_autoptr(GError) reason = NULL;

    /* GIO would cut it. */
    if (strlen(link->path) >= sizeof(((struct sockaddr_un *)NULL)->sun_path))
        return ctl_error(error, CTL_ERROR_SOCKET, "'%s': longer than the path of a socket can be",
                         link->path);
    address = g_unix_socket_address_new(link->path);
    link->socket = g_socket_new(G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM,
                                G_SOCKET_PROTOCOL_DEFAULT, &reason);
    if (link->socket && g_socket_connect(link->socket, address, NULL, &reason)) {
        find_process(link);
        return true;
    }
    return ctl_error(error, CTL_ERROR_SOCKET,
                     "'%s': %s: is the machine running, with -qmp unix:%s,server=on,wait=off?",
                     link->path, reason->message, link->path);
}

static bool is_greeted(struct ctl_link *link, GError **error)
{
    g_autoptr(JsonNode) greeting = hear(link, patience_ends(link), error);
    g_autoptr(JsonNode) nothing = NULL;

    if (!greeting)
        return false;
    if (!ctl_member(greeting, "QMP"))
        return is_nonsense(link, "there is no greeting", error);
    nothing = ctl_link_execute(link, "qmp_capabilities", NULL, error);
    return nothing;
}

void ctl_link_close(struct ctl_link *link)
{
    if (!link)
        return;
    g_clear_object(&link->socket);
    if (link->process_fd >= 0)
        close(link->process_fd);
    qmp_frame_fini(&link->frame);
    g_free(link->end_reason);
    g_free(link->path);
    g_free(link);
}

struct ctl_link *ctl_link_open(const char *path, int64_t patience_ns, GError **error)
{
    struct ctl_link *link = g_new0(struct ctl_link, 1);

    link->path = g_strdup(path);
    link->process_fd = -1;
    link->patience_ns = patience_ns;
    qmp_frame_init(&link->frame);
    link->frame.value_max = ANSWER_MAX;
    if (connect_to(link, error) && is_greeted(link, error))
        return link;
    ctl_link_close(link);
    return NULL;
}
