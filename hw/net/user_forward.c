/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <arpa/inet.h>
#include <string.h>

#include "hw/net/user_internal.h"
#include "util/keyval.h"

/* One side of a forward: "[ADDRESS]:PORT". */
struct side {
    bool may_be_any; /* port 0, which the host chooses, and no address */
    struct in_addr address;
    uint16_t port;
};

static bool wrong(const char *option, const char *text, GError **error, const char *what)
{
    return keyval_usage(error,
                        "%s: hostfwd=%s: %s (it is tcp or udp, then "
                        ":[HOST ADDRESS]:PORT-[GUEST ADDRESS]:PORT)",
                        option, text, what);
}

/* What is wrong with it; NULL: nothing. */
static const char *parse_side(const char *text, struct side *side)
{
    const char *colon = strrchr(text, ':');
    g_autofree char *address = NULL;
    guint64 port;

    if (!colon)
        return "a port is missing";
    address = g_strndup(text, (gsize)(colon - text));
    if (*address && inet_pton(AF_INET, address, &side->address) != 1)
        return "an address is not of the form 127.0.0.1";
    if (!g_ascii_string_to_unsigned(colon + 1, 10, side->may_be_any ? 0 : 1, 65535, &port, NULL))
        return "a port is no number up to 65535";
    side->port = (uint16_t)port;
    return NULL;
}

bool net_user_parse_forward(const char *option, const char *text,
                            struct net_user_forward *ret_forward, GError **error)
{
    struct side host = { .may_be_any = true };
    struct side guest = { .address.s_addr = htonl(NET_USER_GUEST) };
    g_auto(GStrv) parts = g_strsplit(text, ":", 2);
    g_auto(GStrv) sides = NULL;
    const char *fault;

    if (!parts[0] || !parts[1])
        return wrong(option, text, error, "it has no colon");
    if (!g_str_equal(parts[0], "tcp") && !g_str_equal(parts[0], "udp") && *parts[0])
        return wrong(option, text, error, "it is neither tcp nor udp");
    sides = g_strsplit(parts[1], "-", 2);
    if (!sides[0] || !sides[1])
        return wrong(option, text, error, "it has no '-' between the host's side and the guest's");
    fault = parse_side(sides[0], &host);
    if (!fault)
        fault = parse_side(sides[1], &guest);
    if (fault)
        return wrong(option, text, error, fault);
    *ret_forward = (struct net_user_forward){
        .is_udp = g_str_equal(parts[0], "udp"),
        .host = host.address,
        .host_port = host.port,
        .guest = guest.address,
        .guest_port = guest.port,
    };
    return true;
}
