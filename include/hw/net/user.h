/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The user-mode network, by libslirp: a network of its own behind a router that is this program.
 * The guest's connections become the host's sockets, so it needs no privileges. The router gives
 * addresses (DHCP), answers names (DNS), and takes connections from the host where it is told to.
 *
 *     10.0.2.2 the router, and the host's own loopback behind it   10.0.2.3 names
 *     10.0.2.15 the guest                                          fec0::/64 the same for IPv6
 *
 * Threads: the main thread, under the BQL.
 */
#ifndef HW_NET_USER_H
#define HW_NET_USER_H

#include <glib.h>
#include <netinet/in.h>

#include "hw/net/net.h"
#include "util/guest_clock.h"

struct metrics;
struct net_user;

enum {
    NET_USER_HOSTNAME_MAX = 32, /* characters: libslirp has room for no more */
    NET_USER_WAITING_MAX = 512, /* frames that wait for the guest; more are lost */
    NET_USER_SOCKETS_MAX = 512, /* from there on the guest opens no further connections */
};

struct net_user_config {
    char *hostname;     /* DHCP tells the guest this; NULL: nothing */
    char **forwards;    /* ports of the host, as net_user_parse_forward(); NULL: none */
    bool is_restricted; /* the guest reaches neither the host nor anybody beyond it */
    bool has_ipv6;
};

/* "tcp:127.0.0.1:2222-10.0.2.15:22" */
struct net_user_forward {
    bool is_udp;
    struct in_addr host, guest; /* host 0: all addresses */
    uint16_t host_port, guest_port;
};

/**
 * [tcp|udp]:[HOST ADDRESS]:PORT-[GUEST ADDRESS]:PORT. Errors are of use, and sentences behind
 * @option ("-netdev user").
 */
bool net_user_parse_forward(const char *option, const char *text,
                            struct net_user_forward *ret_forward, GError **error) MUST_CHECK;

/** Listens on the ports to be forwarded. @clock stays. Free with net_free(). */
struct net_backend *net_user_new(const char *option, const struct net_user_config *config,
                                 const struct guest_clock *clock, GError **error) REQUIRES(bql);

/** gracevm_net_user_*, labelled @name. Remove with metrics_remove(metrics, backend). */
void net_user_metrics_register(struct net_backend *backend, struct metrics *metrics,
                               const char *name);

#endif
