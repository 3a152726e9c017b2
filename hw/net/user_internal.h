/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The user-mode network's inside: user.c is the back end and libslirp's callbacks, user_poll.c the
 * main loop's side, user_forward.c the form of a forwarded port.
 *
 * Threads: the main thread, under the BQL; counters are atomic.
 */
#ifndef HW_NET_USER_INTERNAL_H
#define HW_NET_USER_INTERNAL_H

#include <glib.h>
#include <libslirp.h>

#include "hw/net/user.h"
#include "util/loop.h"

/* IPv4, in the host's order. */
#define NET_USER_NETWORK UINT32_C(0x0a000200) /* 10.0.2.0/24 */
#define NET_USER_MASK UINT32_C(0xffffff00)
#define NET_USER_ROUTER UINT32_C(0x0a000202)
#define NET_USER_NAMES UINT32_C(0x0a000203)
#define NET_USER_GUEST UINT32_C(0x0a00020f) /* the first, and as a rule only, one that is given */

/* What libslirp waits for, on one descriptor. */
struct user_socket {
    int fd;
    uint32_t events;  /* of epoll(7) */
    uint32_t revents; /* that have been seen since */
};

/* A descriptor as epoll has it. */
struct user_watched {
    uint32_t events; /* 0: it has not */
    uint32_t turn;   /* in which it was last named … */
    unsigned index;  /* … in this place of `sockets` */
    bool is_counted; /* among the guest's sockets */
    bool is_listener;
};

struct user_poll {
    int epoll; /* -1: none */
    struct loop_watch *watch;
    bool is_listening;
    struct loop_timer timer;        /* when libslirp has something to do by itself */
    int64_t deadline_ns;            /* of the guest's clock; DEADLINE_NEVER: none */
    struct loop_timer accept_again; /* set: no descriptor was left, so listeners are not watched */
    struct deferred turn;
    uint32_t nr_turns;
    GArray *sockets; /* struct user_socket: the answer to libslirp's last questions */
    GArray *watched; /* struct user_watched by descriptor */
};

struct net_user {
    struct net_backend backend;
    const struct guest_clock *clock;
    Slirp *slirp;
    struct user_poll poll;
    GQueue waiting;    /* GBytes: frames for the guest */
    GPtrArray *timers; /* struct user_timer: libslirp's */

    uint64_t nr_waiting, nr_sockets;      /* gauges; atomic, as what follows */
    uint64_t lost, refused, guest_errors; /* frames for the guest; its connections; messages */
    uint64_t accepts_put_off;             /* for want of descriptors */
};

/* user_poll.c */
bool user_poll_init(struct net_user *user, GError **error) MUST_CHECK REQUIRES(bql);
void user_poll_fini(struct net_user *user) REQUIRES(bql); /* after slirp_cleanup() */
/** libslirp's state has changed: ask it anew what it waits for, in this turn of the main loop. */
void user_poll_later(struct net_user *user) REQUIRES(bql);
/** @fd is a socket of the guest's, or is none any more: whether that is news. Never is it for -1,
 * which libslirp says of sockets that could not be made. */
bool user_poll_count(struct net_user *user, int fd, bool is_counted) REQUIRES(bql);
/** It will close @fd. */
void user_poll_forget(struct net_user *user, int fd) REQUIRES(bql);
void user_poll_clock_changed(struct net_user *user) REQUIRES(bql);
/** Whether the guest has so many frames to take that no more may come from the host. */
bool user_is_paused(const struct net_user *user) REQUIRES(bql);

#endif
