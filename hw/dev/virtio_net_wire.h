/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What a driver and a network card say to each other: virtio 1.2, 5.1. Little-endian.
 * (<linux/virtio_net.h> brings names along that hw/virtio/virtio.h has as well.)
 */
#ifndef HW_DEV_VIRTIO_NET_WIRE_H
#define HW_DEV_VIRTIO_NET_WIRE_H

#include <stdint.h>

enum { /* feature bits, 5.1.3 */
       NET_F_MTU = 1 << 3,
       NET_F_MAC = 1 << 5,
       NET_F_MRG_RXBUF = 1 << 15,
       NET_F_STATUS = 1 << 16,
       NET_F_CTRL_VQ = 1 << 17,
       NET_F_CTRL_RX = 1 << 18,
       NET_F_CTRL_RX_EXTRA = 1 << 20,
       NET_F_CTRL_MAC_ADDR = 1 << 23,
};

/* 5.1.4, as far as the features offered make it known. */
struct net_config {
    uint8_t mac[6];
    uint16_t status, nr_queue_pairs, mtu;
};
_Static_assert(sizeof(struct net_config) == 12, "the layout of 5.1.4");

enum { NET_STATUS_LINK_UP = 1 };

/* In front of each frame (5.1.6). */
struct net_header {
    uint8_t flags, gso_type;
    uint16_t header_size, gso_size, checksum_start, checksum_offset;
    uint16_t nr_buffers; /* that a received frame is in */
};
_Static_assert(sizeof(struct net_header) == 12, "the layout of 5.1.6");

enum {
    NET_HEADER_NEEDS_CHECKSUM = 1, /* a flag */
    NET_HEADER_GSO_NONE = 0,
    NET_HEADER_GSO_TCP4 = 1,
};

/* A command (5.1.6.5), and behind it what the command needs. */
struct net_command {
    uint8_t class, code;
};

enum net_class { NET_CLASS_RX, NET_CLASS_MAC, NET_CLASS_VLAN, NET_CLASS_ANNOUNCE, NET_CLASS_MQ };

enum { /* of NET_CLASS_RX, 5.1.6.5.1: a byte, 0 or 1 */
       NET_RX_PROMISC,
       NET_RX_ALLMULTI,
       NET_RX_ALLUNI,
       NET_RX_NOMULTI,
       NET_RX_NOUNI,
       NET_RX_NOBCAST,
};

enum { /* of NET_CLASS_MAC, 5.1.6.5.2 */
       NET_MAC_TABLE_SET,
       NET_MAC_ADDR_SET,
};

enum net_ack { NET_OK, NET_ERR };

#endif
