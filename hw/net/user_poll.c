/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * libslirp wants to be asked, before each sleep, what it waits for, and told afterwards what has
 * come. Its descriptors are in an epoll of their own, so that the main loop has one to watch,
 * however many connections there are, and only what has changed costs a system call.
 */
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hw/net/user_internal.h"
#include "util/atomic.h"
#include "util/clock.h"
#include "util/log.h"

enum {
    /* Descriptors served in one turn; each may bring a socket buffer, 128 KiB. */
    TURN_SOCKETS = 16,
    /* As many waiting frames keep the host's sockets from being read. */
    PAUSE_FRAMES = NET_USER_WAITING_MAX / 4,
};
#define ACCEPT_AGAIN_NS (100 * NS_PER_MS)

_Static_assert(PAUSE_FRAMES >= 100, "what one connection may send at once is no reason to pause");

bool user_is_paused(const struct net_user *user)
{
    return user->waiting.length >= PAUSE_FRAMES;
}

/* ---- Events ---------------------------------------------------------------------------------- */

static const struct {
    int slirp;
    uint32_t epoll;
} event_pairs[] = {
    { SLIRP_POLL_IN, EPOLLIN },   { SLIRP_POLL_OUT, EPOLLOUT }, { SLIRP_POLL_PRI, EPOLLPRI },
    { SLIRP_POLL_ERR, EPOLLERR }, { SLIRP_POLL_HUP, EPOLLHUP },
};

static uint32_t to_epoll(int slirp)
{
    uint32_t events = 0;

    for (size_t i = 0; i < ARRAY_SIZE(event_pairs); i++)
        events |= slirp & event_pairs[i].slirp ? event_pairs[i].epoll : 0;
    return events;
}

static int to_slirp(uint32_t epoll)
{
    int events = 0;

    for (size_t i = 0; i < ARRAY_SIZE(event_pairs); i++)
        events |= epoll & event_pairs[i].epoll ? event_pairs[i].slirp : 0;
    return events;
}

/* ---- What is in epoll ------------------------------------------------------------------------ */

/* The place of @fd in the table, made if need be. */
static struct user_watched *watched_at(struct user_poll *poll, int fd)
{
    if ((guint)fd >= poll->watched->len)
        g_array_set_size(poll->watched, (guint)fd + 1); /* zeroes */
    return &g_array_index(poll->watched, struct user_watched, fd);
}

bool user_poll_count(struct net_user *user, int fd, bool is_counted)
{
    struct user_watched *watched;
    bool was_counted;

    if (fd < 0)
        return false;
    watched = watched_at(&user->poll, fd);
    was_counted = watched->is_counted;
    watched->is_counted = is_counted;
    return was_counted != is_counted;
}

static bool is_listener(int fd)
{
    int value = 0;
    socklen_t size = sizeof(value);

    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, &size) == 0 && value;
}

static void set_watched(struct user_poll *poll, int fd, uint32_t events) REQUIRES(bql)
{
    struct user_watched *watched = watched_at(poll, fd);
    struct epoll_event event = { .events = events, .data.fd = fd };
    int error;

    if (watched->events == 0 && events)
        watched->is_listener = is_listener(fd);
    if (watched->is_listener && loop_timer_is_set(&poll->accept_again))
        events = 0;
    if (watched->events == events)
        return;
    if (!events) {
        (void)epoll_ctl(poll->epoll, EPOLL_CTL_DEL, fd, NULL); /* it may be closed already */
        watched->events = 0;
        return;
    }
    error = epoll_ctl(poll->epoll, watched->events ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &event);
    if (error && errno == ENOENT)
        error = epoll_ctl(poll->epoll, EPOLL_CTL_ADD, fd, &event);
    if (error)
        LOG_RATELIMITED(log_warn, "network: a socket cannot be watched: %s", g_strerror(errno));
    watched->events = error ? 0 : events;
}

void user_poll_forget(struct net_user *user, int fd)
{
    if (fd >= 0)
        set_watched(&user->poll, fd, 0);
}

/* ---- A turn: tell what has come, ask what is next -------------------------------------------- */

static int add_socket(int fd, int events, void *opaque)
{
    struct net_user *user = opaque;
    const struct user_socket socket = { .fd = fd, .events = to_epoll(events) };

    g_array_append_val(user->poll.sockets, socket);
    return (int)user->poll.sockets->len - 1;
}

static int events_of(int index, void *opaque)
{
    const struct net_user *user = opaque;

    return to_slirp(g_array_index(user->poll.sockets, struct user_socket, index).revents);
}

/*
 * Whether libslirp can accept a connection. It does not say when it could not; the listener would
 * be ready again at once, and the main loop never asleep.
 */
static bool can_accept(struct net_user *user) REQUIRES(bql)
{
    const int fd = eventfd(0, EFD_CLOEXEC); /* takes what accept() does: a descriptor, and a file */

    if (fd >= 0) {
        (void)close(fd); /* it was nothing */
        return true;
    }
    LOG_RATELIMITED(log_warn, "network: cannot accept a connection from the host: %s",
                    g_strerror(errno));
    (void)fetch_add_relaxed(&user->accepts_put_off, 1);
    loop_timer_set(&user->poll.accept_again, monotonic_ns() + ACCEPT_AGAIN_NS);
    return false;
}

/* Which of the sockets have something. */
static void collect(struct net_user *user) REQUIRES(bql)
{
    struct user_poll *poll = &user->poll;
    struct epoll_event events[TURN_SOCKETS];
    const int nr = epoll_wait(poll->epoll, events, TURN_SOCKETS, 0);

    for (int i = 0; i < nr; i++) {
        const struct user_watched *watched = watched_at(poll, events[i].data.fd);

        if (watched->turn == poll->nr_turns && (!watched->is_listener || can_accept(user)))
            g_array_index(poll->sockets, struct user_socket, watched->index).revents =
                events[i].events;
    }
}

static void arm_timer(struct net_user *user) REQUIRES(bql)
{
    struct user_poll *poll = &user->poll;

    loop_timer_set(&poll->timer, poll->deadline_ns == DEADLINE_NEVER
                                     ? DEADLINE_NEVER
                                     : guest_clock_deadline(user->clock, poll->deadline_ns));
}

/* Ask what it waits for, and have the main loop wait for that. */
static void ask(struct net_user *user) REQUIRES(bql)
{
    struct user_poll *poll = &user->poll;
    uint32_t timeout_ms = UINT32_MAX;
    g_autoptr(GArray) before = poll->sockets;

    poll->sockets = g_array_new(FALSE, TRUE, sizeof(struct user_socket));
    poll->nr_turns++;
    slirp_pollfds_fill(user->slirp, &timeout_ms, add_socket, user);
    for (guint i = 0; i < poll->sockets->len; i++) {
        const struct user_socket *socket = &g_array_index(poll->sockets, struct user_socket, i);

        set_watched(poll, socket->fd, socket->events);
        watched_at(poll, socket->fd)->turn = poll->nr_turns;
        watched_at(poll, socket->fd)->index = i;
    }
    for (guint i = 0; i < before->len; i++) {
        const int fd = g_array_index(before, struct user_socket, i).fd;

        if (watched_at(poll, fd)->turn != poll->nr_turns) /* not named any more */
            set_watched(poll, fd, 0);
    }
    poll->deadline_ns = timeout_ms == UINT32_MAX
                            ? DEADLINE_NEVER
                            : guest_clock_now(user->clock) + INT64_C(1000000) * timeout_ms;
    arm_timer(user);
}

static void set_listening(struct user_poll *poll, bool is_listening) REQUIRES(bql)
{
    if (poll->is_listening == is_listening)
        return;
    poll->is_listening = is_listening;
    loop_watch_set_events(poll->watch, is_listening ? POLLIN : 0);
}

static void take_turn(struct net_user *user) REQUIRES(bql)
{
    struct user_poll *poll = &user->poll;

    if (user_is_paused(user)) { /* until the guest has taken some */
        set_listening(poll, false);
        loop_timer_cancel(&poll->timer);
        return;
    }
    set_listening(poll, true);
    collect(user);
    slirp_pollfds_poll(user->slirp, 0, events_of, user);
    ask(user);
}

static void on_ready(void *arg, short revents UNUSED)
{
    bql_assert_held();
    take_turn(arg);
}

static void on_turn(struct deferred *deferred)
{
    bql_assert_held();
    take_turn(container_of(deferred, struct net_user, poll.turn));
}

static void on_timer(struct loop_timer *timer)
{
    bql_assert_held();
    take_turn(container_of(timer, struct net_user, poll.timer));
}

static void on_accept_again(struct loop_timer *timer)
{
    bql_assert_held();
    take_turn(container_of(timer, struct net_user, poll.accept_again));
}

void user_poll_later(struct net_user *user)
{
    (void)loop_defer(&user->poll.turn); /* pending already is as good */
}

void user_poll_clock_changed(struct net_user *user)
{
    arm_timer(user);
}

/* ---- Beginning and end ----------------------------------------------------------------------- */

bool user_poll_init(struct net_user *user, GError **error)
{
    struct user_poll *poll = &user->poll;

    deferred_init(&poll->turn, on_turn);
    poll->timer.fn = on_timer;
    poll->accept_again.fn = on_accept_again;
    poll->deadline_ns = DEADLINE_NEVER;
    poll->sockets = g_array_new(FALSE, TRUE, sizeof(struct user_socket));
    poll->watched = g_array_new(FALSE, TRUE, sizeof(struct user_watched));
    poll->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (poll->epoll < 0) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno), "epoll_create1: %s",
                    g_strerror(errno));
        return false;
    }
    poll->watch = loop_watch_new(poll->epoll, POLLIN, on_ready, user);
    poll->is_listening = true;
    return true;
}

void user_poll_fini(struct net_user *user)
{
    struct user_poll *poll = &user->poll;

    loop_cancel(&poll->turn);
    loop_timer_cancel(&poll->timer);
    loop_timer_cancel(&poll->accept_again);
    loop_watch_free(poll->watch);
    g_array_unref(poll->sockets);
    g_array_unref(poll->watched);
    if (poll->epoll >= 0)
        (void)close(poll->epoll); /* nothing of it is kept */
}
