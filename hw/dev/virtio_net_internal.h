/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * virtio-net's inside: virtio_net.c is the device, virtio_net_frame.c takes frames to and from the
 * guest, virtio_net_control.c does what the driver commands and says which frames it wants.
 * Numbers and layouts: virtio 1.2, 5.1.
 *
 * Threads: under the BQL; counters are atomic.
 */
#ifndef HW_DEV_VIRTIO_NET_INTERNAL_H
#define HW_DEV_VIRTIO_NET_INTERNAL_H

#include "hw/dev/virtio_net.h"
#include "hw/dev/virtio_net_wire.h"
#include "hw/net/net.h"

enum { /* 5.1.2, with one pair of data queues */
       NET_QUEUE_RECEIVE,
       NET_QUEUE_TRANSMIT,
       NET_QUEUE_CONTROL,
       NR_NET_QUEUES,
};

enum {
    NET_QUEUE_SIZE = 256,
    NET_RECEIVE_CHAINS_MAX = VIRTQ_PUSH_MAX, /* that one frame may be spread over */
    NET_ADDRESSES_MAX = 64,                  /* of each kind in the driver's table */
    NET_WIRE_HEADER = sizeof(struct net_header),
};

/* Addresses that the driver wants to hear of. */
struct net_addresses {
    unsigned nr;
    bool is_cut; /* it named more than there is room for: all are wanted */
    uint8_t macs[NET_ADDRESSES_MAX][NET_MAC_SIZE];
};

/* Which frames the driver wants (5.1.6.5.1, 5.1.6.5.2). */
struct net_filter {
    /* By NET_RX_*, each a command of its own. */
    bool takes_all, takes_all_groups, takes_all_stations, no_groups, no_stations, no_broadcasts;
    struct net_addresses stations, groups;
};

enum net_direction { NET_TO_GUEST, NET_FROM_GUEST, NR_NET_DIRECTIONS };

struct net_stats { /* atomic */
    uint64_t frames[NR_NET_DIRECTIONS], bytes[NR_NET_DIRECTIONS];
    uint64_t unwanted; /* by the filter, or while no driver was there */
    uint64_t unfit;    /* for the driver's buffers */
    uint64_t refused;  /* of the guest: frames and commands that break a rule */
};

struct virtio_net {
    struct virtio_device device;
    struct net_backend *backend;
    struct net_card card;
    uint8_t own_mac[NET_MAC_SIZE]; /* at reset */
    uint8_t mac[NET_MAC_SIZE];     /* now */
    struct net_filter filter;
    struct net_stats stats;
    unsigned effort; /* for frames to the guest, since the receive queue's last turn */
    /* A frame on its way, and its header: one that is sent may be answered at once. */
    uint8_t to_guest[NET_WIRE_HEADER + NET_FRAME_MAX], from_guest[NET_WIRE_HEADER + NET_FRAME_MAX];
};

/* virtio_net_frame.c */
/** As card->receive(). */
bool net_frame_to_guest(struct virtio_net *net, const uint8_t *frame, size_t size) REQUIRES(bql);
void net_frames_from_guest(struct virtio_net *net) REQUIRES(bql);

/* virtio_net_control.c */
void net_control(struct virtio_net *net) REQUIRES(bql);
/** Whether the driver wants the frame for @destination. */
bool net_is_wanted(const struct virtio_net *net, const uint8_t destination[static NET_MAC_SIZE])
    REQUIRES(bql);

#endif
