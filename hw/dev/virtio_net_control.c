/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "hw/dev/virtio_net_internal.h"
#include "util/atomic.h"
#include "util/iov.h"
#include "util/log.h"

/* ---- Which frames are wanted ----------------------------------------------------------------- */

static bool has_address(const struct net_addresses *addresses, const uint8_t *mac)
{
    for (unsigned i = 0; i < addresses->nr; i++) {
        if (memcmp(addresses->macs[i], mac, NET_MAC_SIZE) == 0)
            return true;
    }
    return addresses->is_cut;
}

bool net_is_wanted(const struct virtio_net *net, const uint8_t destination[static NET_MAC_SIZE])
{
    static const uint8_t broadcast[NET_MAC_SIZE] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
    const struct net_filter *filter = &net->filter;

    if (filter->takes_all)
        return true;
    if (memcmp(destination, broadcast, NET_MAC_SIZE) == 0)
        return !filter->no_broadcasts;
    if (destination[0] & 1)
        return !filter->no_groups &&
               (filter->takes_all_groups || has_address(&filter->groups, destination));
    return !filter->no_stations &&
           (filter->takes_all_stations || memcmp(destination, net->mac, NET_MAC_SIZE) == 0 ||
            has_address(&filter->stations, destination));
}

/* ---- Commands (5.1.6.5) ---------------------------------------------------------------------- */

/* What follows the class and the command, taken from the front. */
struct arguments {
    const struct virtq_chain *chain;
    size_t offset;
};

static size_t left(const struct arguments *arguments)
{
    return arguments->chain->out_size - arguments->offset;
}

/* False: there are not so many. */
static bool take(struct arguments *arguments, void *ret_bytes, size_t size)
{
    const struct virtq_chain *chain = arguments->chain;

    if (left(arguments) < size ||
        iov_to_buf(chain->out, chain->nr_out, arguments->offset, ret_bytes, size) < size)
        return false;
    arguments->offset += size;
    return true;
}

static bool *mode_of(struct virtio_net *net, uint8_t command)
{
    switch (command) {
    case NET_RX_PROMISC:
        return &net->filter.takes_all;
    case NET_RX_ALLMULTI:
        return &net->filter.takes_all_groups;
    case NET_RX_ALLUNI:
        return &net->filter.takes_all_stations;
    case NET_RX_NOMULTI:
        return &net->filter.no_groups;
    case NET_RX_NOUNI:
        return &net->filter.no_stations;
    case NET_RX_NOBCAST:
        return &net->filter.no_broadcasts;
    default:
        return NULL;
    }
}

static bool set_mode(struct virtio_net *net, uint8_t command, struct arguments *arguments)
    REQUIRES(bql)
{
    const bool is_extra = command > NET_RX_ALLMULTI;
    bool *mode = mode_of(net, command);
    uint8_t value;

    if (!mode || !virtio_has_feature(&net->device, NET_F_CTRL_RX) ||
        (is_extra && !virtio_has_feature(&net->device, NET_F_CTRL_RX_EXTRA)) ||
        !take(arguments, &value, 1) || left(arguments) > 0 || value > 1)
        return false;
    *mode = value;
    return true;
}

/* One of the two tables: how many, then so many addresses. */
static bool take_addresses(struct arguments *arguments, struct net_addresses *ret_addresses)
{
    struct net_addresses addresses = { 0 };
    uint32_t nr;

    if (!take(arguments, &nr, sizeof(nr)))
        return false;
    nr = GUINT32_FROM_LE(nr);
    if (nr > left(arguments) / NET_MAC_SIZE)
        return false;
    if (nr > NET_ADDRESSES_MAX) {
        addresses.is_cut = true;
        arguments->offset += (size_t)nr * NET_MAC_SIZE;
    } else {
        addresses.nr = nr;
        if (!take(arguments, addresses.macs, (size_t)nr * NET_MAC_SIZE))
            return false;
    }
    *ret_addresses = addresses;
    return true;
}

static bool set_tables(struct virtio_net *net, struct arguments *arguments) REQUIRES(bql)
{
    struct net_addresses stations, groups;

    if (!virtio_has_feature(&net->device, NET_F_CTRL_RX) || !take_addresses(arguments, &stations) ||
        !take_addresses(arguments, &groups) || left(arguments) > 0)
        return false;
    net->filter.stations = stations;
    net->filter.groups = groups;
    return true;
}

static bool set_address(struct virtio_net *net, struct arguments *arguments) REQUIRES(bql)
{
    uint8_t mac[NET_MAC_SIZE];

    if (!virtio_has_feature(&net->device, NET_F_CTRL_MAC_ADDR) ||
        !take(arguments, mac, sizeof(mac)) || left(arguments) > 0)
        return false;
    memcpy(net->mac, mac, sizeof(mac));
    return true;
}

/* What is not offered (VLANs, announcements, more queues) is refused as what nobody knows. */
static bool obey(struct virtio_net *net, const struct net_command *command,
                 struct arguments *arguments) REQUIRES(bql)
{
    if (command->class == NET_CLASS_RX)
        return set_mode(net, command->code, arguments);
    if (command->class == NET_CLASS_MAC && command->code == NET_MAC_TABLE_SET)
        return set_tables(net, arguments);
    if (command->class == NET_CLASS_MAC && command->code == NET_MAC_ADDR_SET)
        return set_address(net, arguments);
    return false;
}

/* False: the device is broken. */
static bool answer(struct virtio_net *net, struct virtq_chain *chain) REQUIRES(bql)
{
    struct arguments arguments = { .chain = chain };
    struct net_command command;
    uint8_t ack = NET_OK;

    if (!take(&arguments, &command, sizeof(command)) || chain->in_size < sizeof(ack)) {
        virtio_device_broken(&net->device, "a command of %zu bytes, or without room for an answer",
                             chain->out_size);
        virtq_drop(chain);
        return false;
    }
    if (!obey(net, &command, &arguments)) {
        ack = NET_ERR;
        (void)fetch_add_relaxed(&net->stats.refused, 1);
        virtio_guest_error(&net->device, "command %u of class %u, %zu bytes, is refused",
                           command.code, command.class, chain->out_size);
    }
    (void)iov_fill(chain->in, chain->nr_in, 0, ack, sizeof(ack)); /* there is room, as seen above */
    virtq_push(chain, sizeof(ack));
    return true;
}

void net_control(struct virtio_net *net)
{
    struct virtq *queue = virtio_queue(&net->device, NET_QUEUE_CONTROL);
    struct virtq_chain *chain;

    while (virtq_pop(queue, &chain) == VIRTQ_GOT) {
        if (!answer(net, chain))
            return;
        virtq_notify(queue);
    }
}
