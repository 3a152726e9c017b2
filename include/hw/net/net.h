/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A network card's two ends: the card on this side, and what it is connected to (a back end) on
 * the other. What goes between them are Ethernet frames without their check sequence.
 *
 * To the network a frame is taken or lost, as on a wire. To the guest there is back pressure: a
 * card without room says so, and calls may_receive() when it may have some.
 *
 * Threads: under the BQL.
 */
#ifndef HW_NET_NET_H
#define HW_NET_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "util/bql.h"

enum {
    NET_MAC_SIZE = 6,
    NET_HEADER_SIZE = 14, /* addresses and type: no frame is shorter */
    NET_MTU_MAX = 65535,
    NET_FRAME_MAX = NET_HEADER_SIZE + 4 + NET_MTU_MAX, /* with a VLAN tag */
};

/* The guest's side, embedded in a card. */
struct net_card {
    /** A frame for the guest, up to NET_FRAME_MAX bytes. False: no room, it keeps nothing. */
    bool (*receive)(struct net_card *card, const uint8_t *frame, size_t size);
    /** The link has come or gone: backend->is_link_up. */
    void (*link_changed)(struct net_card *card);
};

/* The network's side, embedded in a back end. */
struct net_backend {
    /** A frame of the guest, NET_HEADER_SIZE to NET_FRAME_MAX bytes. May call card->receive(). */
    void (*send)(struct net_backend *backend, const uint8_t *frame, size_t size);
    /** The card has room again, or has been reset. Calls nothing but card->receive(). */
    void (*may_receive)(struct net_backend *backend);
    /** The machine's clock has stopped or gone on. NULL is fine. */
    void (*clock_changed)(struct net_backend *backend);
    void (*free)(struct net_backend *backend);
    unsigned mtu; /* bytes behind the Ethernet header */
    bool is_link_up;
    struct net_card *card; /* NULL: none; set by net_connect() */
};

/** Only one card at a time. */
void net_connect(struct net_backend *backend, struct net_card *card) REQUIRES(bql);
void net_disconnect(struct net_backend *backend) REQUIRES(bql);

/** The cable is plugged in or out; tells the card. */
void net_set_link(struct net_backend *backend, bool is_up) REQUIRES(bql);

/** For the card: whether @frame is taken or lost; false: it waits for may_receive(). */
bool net_deliver(struct net_backend *backend, const uint8_t *frame, size_t size) REQUIRES(bql);

/** After net_disconnect(). NULL is fine. */
void net_free(struct net_backend *backend) REQUIRES(bql);

/** "52:54:00:12:34:56", one station's and not zero. False: it is not. */
bool net_parse_mac(const char *text, uint8_t ret_mac[static NET_MAC_SIZE]) MUST_CHECK;

#endif
