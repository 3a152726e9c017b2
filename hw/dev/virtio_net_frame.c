/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "hw/dev/virtio_net_internal.h"
#include "util/atomic.h"
#include "util/iov.h"
#include "util/trace.h"

static void count(struct virtio_net *net, enum net_direction direction, size_t size)
{
    TRACE2(net_frame, direction == NET_TO_GUEST ? "to guest" : "from guest", size);
    (void)fetch_add_relaxed(&net->stats.frames[direction], 1);
    (void)fetch_add_relaxed(&net->stats.bytes[direction], size);
}

/* ---- To the guest (5.1.6.3, 5.1.6.4) --------------------------------------------------------- */

/* Buffers of the driver, taken for one frame. */
struct room {
    struct virtq_chain *chains[NET_RECEIVE_CHAINS_MAX];
    unsigned nr;
    unsigned effort; /* descriptors and pieces that were looked at */
    size_t size;
};

enum room_found { ROOM_FOUND, ROOM_LATER, ROOM_NEVER };

/* Take chains that hold @size bytes together. */
static enum room_found find_room(struct virtio_net *net, size_t size, struct room *room)
    REQUIRES(bql)
{
    struct virtq *queue = virtio_queue(&net->device, NET_QUEUE_RECEIVE);
    const unsigned nr_max =
        virtio_has_feature(&net->device, NET_F_MRG_RXBUF) ? NET_RECEIVE_CHAINS_MAX : 1;

    while (room->size < size) {
        struct virtq_chain *chain;

        if (room->nr == nr_max || room->effort >= NET_TURN_EFFORT)
            return ROOM_NEVER;
        switch (virtq_pop(queue, &chain)) {
        case VIRTQ_GOT:
            break;
        case VIRTQ_EMPTY:
            return ROOM_LATER;
        case VIRTQ_BROKEN:
            return ROOM_NEVER;
        }
        room->chains[room->nr++] = chain;
        room->size += chain->in_size;
        room->effort += chain->nr_descriptors + chain->nr_in;
        if (chain->out_size > 0) {
            virtio_device_broken(&net->device, "a buffer to receive into that is for reading");
            return ROOM_NEVER;
        }
        if (nr_max > 1 && chain->in_size < NET_WIRE_HEADER) { /* 5.1.6.3.1 */
            virtio_guest_error(&net->device, "a mergeable buffer of %zu bytes", chain->in_size);
            return ROOM_NEVER;
        }
    }
    return ROOM_FOUND;
}

static void give_back(struct room *room) REQUIRES(bql)
{
    while (room->nr > 0)
        virtq_unpop(room->chains[--room->nr]);
}

/* The frame behind its header, into as many buffers as were taken. */
static void fill(struct virtio_net *net, const struct room *room, size_t size) REQUIRES(bql)
{
    uint32_t written[NET_RECEIVE_CHAINS_MAX];
    size_t done = 0;

    for (unsigned i = 0; i < room->nr; i++) {
        const struct virtq_chain *chain = room->chains[i];
        const size_t part = MIN(chain->in_size, size - done);

        written[i] = (uint32_t)iov_from_buf(chain->in, chain->nr_in, 0, net->to_guest + done, part);
        done += part;
    }
    virtq_push_all(room->chains, written, room->nr);
    virtq_notify(virtio_queue(&net->device, NET_QUEUE_RECEIVE));
}

bool net_frame_to_guest(struct virtio_net *net, const uint8_t *frame, size_t size)
{
    struct net_header header = { .gso_type = NET_HEADER_GSO_NONE };
    const size_t total = sizeof(header) + size;
    struct room room = { .nr = 0 };
    enum room_found found;

    if (size < NET_HEADER_SIZE || size > NET_FRAME_MAX ||
        !virtq_is_ready(virtio_queue(&net->device, NET_QUEUE_RECEIVE)) ||
        !net_is_wanted(net, frame)) {
        (void)fetch_add_relaxed(&net->stats.unwanted, 1);
        return true;
    }
    if (net->effort >= NET_TURN_EFFORT) { /* the driver's buffers are costly, or frames many */
        virtio_doorbell(&net->device, NET_QUEUE_RECEIVE);
        return false;
    }
    found = find_room(net, total, &room);
    net->effort += room.effort;
    switch (found) {
    case ROOM_FOUND:
        break;
    case ROOM_LATER:
        give_back(&room);
        return false;
    case ROOM_NEVER:
        give_back(&room); /* a smaller frame may fit */
        (void)fetch_add_relaxed(&net->stats.unfit, 1);
        return true;
    }
    header.nr_buffers = GUINT16_TO_LE((uint16_t)room.nr);
    memcpy(net->to_guest, &header, sizeof(header));
    memcpy(net->to_guest + sizeof(header), frame, size);
    fill(net, &room, total);
    count(net, NET_TO_GUEST, size);
    return true;
}

/* ---- From the guest (5.1.6.2) ---------------------------------------------------------------- */

/* The gate: what the driver may send is whole, not too long, and asks for nothing that was not
 * negotiated. NULL: it is fine. */
static const char *what_is_wrong(const struct virtq_chain *chain, const struct net_header *header)
{
    if (chain->out_size < sizeof(*header) + NET_HEADER_SIZE)
        return "shorter than its headers";
    if (chain->out_size > sizeof(*header) + NET_FRAME_MAX)
        return "longer than any";
    if (header->flags || header->gso_type != NET_HEADER_GSO_NONE)
        return "that wants an offload";
    return NULL;
}

static void send(struct virtio_net *net, const struct virtq_chain *chain) REQUIRES(bql)
{
    struct net_header header = { 0 };
    const size_t size =
        iov_to_buf(chain->out, chain->nr_out, 0, net->from_guest, sizeof(net->from_guest));
    const char *wrong;

    memcpy(&header, net->from_guest, MIN(size, sizeof(header)));
    wrong = what_is_wrong(chain, &header);
    if (wrong) {
        (void)fetch_add_relaxed(&net->stats.refused, 1);
        virtio_guest_error(&net->device, "a frame of %zu bytes %s", chain->out_size, wrong);
        return;
    }
    count(net, NET_FROM_GUEST, size - sizeof(header));
    if (net->backend->is_link_up)
        net->backend->send(net->backend, net->from_guest + sizeof(header), size - sizeof(header));
}

void net_frames_from_guest(struct virtio_net *net)
{
    struct virtq *queue = virtio_queue(&net->device, NET_QUEUE_TRANSMIT);
    struct virtq_chain *chain;
    bool has_sent = false;

    while (virtq_pop(queue, &chain) == VIRTQ_GOT) {
        if (chain->in_size > 0) {
            virtio_device_broken(&net->device, "a frame to send in a buffer for writing");
            virtq_drop(chain);
            return;
        }
        send(net, chain);
        virtq_push(chain, 0);
        has_sent = true;
    }
    if (has_sent)
        virtq_notify(queue);
}
