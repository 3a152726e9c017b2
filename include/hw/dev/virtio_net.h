/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * virtio-net (virtio 1.2, 5.1): a network card with one pair of queues and a control queue. No
 * offloads: checksums and segments are the guest's work, and each frame is one that goes over a
 * wire as it is.
 *
 * Threads: under the BQL.
 */
#ifndef HW_DEV_VIRTIO_NET_H
#define HW_DEV_VIRTIO_NET_H

#include "hw/net/net.h"
#include "hw/virtio/virtio.h"

struct metrics;
struct virtio_net;

enum {
    /* Descriptors and pieces of receive buffers that are looked at before others have their turn;
     * a frame that needs more is lost. About a millisecond. */
    NET_TURN_EFFORT = 4096,
};

/** Without a transport. Disconnects from its back end. NULL is fine. */
void virtio_net_free(struct virtio_net *net) REQUIRES(bql);

/** A card with the address @mac, connected to @backend, which outlives it. */
struct virtio_net *virtio_net_new(struct space *memory, struct net_backend *backend,
                                  const uint8_t mac[static NET_MAC_SIZE]) OWNED_BY(virtio_net_free)
    REQUIRES(bql);

struct virtio_device *virtio_net_device(struct virtio_net *net);

/** gracevm_net_*, labelled @name. Remove with metrics_remove(metrics, net). */
void virtio_net_metrics_register(struct virtio_net *net, struct metrics *metrics, const char *name);

#endif
