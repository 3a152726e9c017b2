/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A virtio-net card between a driver in memory and a network that only keeps what it gets and
 * sends what it is told, waiting when the card has no room.
 */
#ifndef TESTS_UNIT_NET_SCENE_H
#define TESTS_UNIT_NET_SCENE_H

#include "hw/dev/virtio_net.h"
#include "hw/dev/virtio_net_wire.h"
#include "tests/unit/virtio_guest.h"

enum {
    RECEIVE,
    TRANSMIT,
    CONTROL,
    NR_QUEUES,
    WIRE_HEADER = sizeof(struct net_header),
    PEER_MTU = 9000,
};

/* The network. */
struct peer {
    struct net_backend backend;
    unsigned nr_sent; /* frames of the guest; the last of them: */
    uint8_t sent[NET_FRAME_MAX];
    size_t sent_size;
    const uint8_t *waiting; /* a frame that the card had no room for; NULL: none */
    size_t waiting_size;
    bool echoes; /* at once, what the guest sends */
};

struct net_scene {
    struct guest guest;
    struct peer peer;
    struct virtio_net *net;
};

static const uint8_t own_mac[NET_MAC_SIZE] = { 0x52, 0x54, 0, 1, 2, 3 };

static inline void peer_send(struct net_backend *backend, const uint8_t *frame, size_t size)
{
    struct peer *peer = container_of(backend, struct peer, backend);

    bql_assert_held();
    g_assert_cmpuint(size, >=, NET_HEADER_SIZE);
    g_assert_cmpuint(size, <=, NET_FRAME_MAX);
    peer->nr_sent++;
    peer->sent_size = size;
    memcpy(peer->sent, frame, size);
    if (peer->echoes)
        (void)net_deliver(backend, frame, size); /* or it is lost */
}

static inline void peer_may_receive(struct net_backend *backend)
{
    struct peer *peer = container_of(backend, struct peer, backend);

    bql_assert_held();
    if (peer->waiting && net_deliver(backend, peer->waiting, peer->waiting_size))
        peer->waiting = NULL;
}

/* Sends a frame to the guest, or has it wait. @frame stays. */
static inline void peer_offer(struct peer *peer, const uint8_t *frame, size_t size) REQUIRES(bql)
{
    g_assert_null(peer->waiting);
    peer->waiting = frame;
    peer->waiting_size = size;
    peer_may_receive(&peer->backend);
}

static inline void net_scene_init(struct net_scene *scene) REQUIRES(bql)
{
    memset(scene, 0, sizeof(*scene));
    scene->peer.backend = (struct net_backend){
        .send = peer_send,
        .may_receive = peer_may_receive,
        .mtu = PEER_MTU,
        .is_link_up = true,
    };
    guest_init(&scene->guest);
    scene->net = virtio_net_new(scene->guest.scene.space, &scene->peer.backend, own_mac);
    guest_plug(&scene->guest, virtio_net_device(scene->net));
}

static inline void net_scene_fini(struct net_scene *scene) REQUIRES(bql)
{
    guest_unplug(&scene->guest);
    virtio_net_free(scene->net);
    guest_fini(&scene->guest);
}

static inline void let_loop_run(void) REQUIRES(bql)
{
    while (loop_iterate(false))
        continue;
}

#endif
