/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "hw/dev/virtio_net_internal.h"
#include "util/atomic.h"
#include "util/log.h"
#include "util/metric.h"

static struct virtio_net *net_of(struct virtio_device *device)
{
    return container_of(device, struct virtio_net, device);
}

static void get_config(struct virtio_device *device, void *ret_config)
{
    const struct virtio_net *net = net_of(device);
    struct net_config config = {
        .status = GUINT16_TO_LE(net->backend->is_link_up ? NET_STATUS_LINK_UP : 0),
        .nr_queue_pairs = GUINT16_TO_LE(1),
        .mtu = GUINT16_TO_LE((uint16_t)net->backend->mtu),
    };

    bql_assert_held();
    memcpy(config.mac, net->mac, sizeof(config.mac));
    memcpy(ret_config, &config, sizeof(config));
}

static void handle_queue(struct virtio_device *device, unsigned index)
{
    struct virtio_net *net = net_of(device);

    bql_assert_held();
    switch (index) {
    case NET_QUEUE_RECEIVE:
        net->effort = 0;
        net->backend->may_receive(net->backend);
        break;
    case NET_QUEUE_TRANSMIT:
        net_frames_from_guest(net);
        break;
    case NET_QUEUE_CONTROL:
        net_control(net);
        break;
    default:
        break;
    }
}

static void forget_driver(struct virtio_net *net) REQUIRES(bql)
{
    memset(&net->filter, 0, sizeof(net->filter));
    memcpy(net->mac, net->own_mac, sizeof(net->mac));
    net->effort = 0;
}

/* No chain is kept between two calls, so there is nothing to wait for. */
static bool reset(struct virtio_device *device)
{
    struct virtio_net *net = net_of(device);

    bql_assert_held();
    forget_driver(net);
    net->backend->may_receive(net->backend); /* what waits was for the driver that has gone */
    return true;
}

/* Without CTRL_RX the driver cannot say which frames it wants: it gets all (5.1.6.5.1). */
static void start(struct virtio_device *device)
{
    struct virtio_net *net = net_of(device);

    bql_assert_held();
    net->filter.takes_all = !virtio_has_feature(device, NET_F_CTRL_RX);
}

static bool on_frame(struct net_card *card, const uint8_t *frame, size_t size)
{
    bql_assert_held();
    return net_frame_to_guest(container_of(card, struct virtio_net, card), frame, size);
}

static void on_link_changed(struct net_card *card)
{
    bql_assert_held();
    virtio_config_changed(&container_of(card, struct virtio_net, card)->device);
}

static const struct virtio_ops common_ops = {
    .id = VIRTIO_ID_NET,
    .pci_class = 0x020000, /* Ethernet controller */
    .nr_queues = NR_NET_QUEUES,
    .queue_size = NET_QUEUE_SIZE,
    .features = NET_F_MAC | NET_F_STATUS | NET_F_MTU | NET_F_MRG_RXBUF | NET_F_CTRL_VQ |
                NET_F_CTRL_RX | NET_F_CTRL_RX_EXTRA | NET_F_CTRL_MAC_ADDR,
    .config_size = sizeof(struct net_config),
    .handle_queue = handle_queue,
    .get_config = get_config,
    .start = start,
    .reset = reset,
};

void virtio_net_free(struct virtio_net *net)
{
    if (!net)
        return;
    net_disconnect(net->backend);
    virtio_device_fini(&net->device);
    g_free(net);
}

struct virtio_net *virtio_net_new(struct space *memory, struct net_backend *backend,
                                  const uint8_t mac[static NET_MAC_SIZE])
{
    struct virtio_net *net = g_new0(struct virtio_net, 1);

    net->backend = backend;
    net->card = (struct net_card){ .receive = on_frame, .link_changed = on_link_changed };
    memcpy(net->own_mac, mac, sizeof(net->own_mac));
    forget_driver(net);
    virtio_device_init(&net->device, &common_ops, "virtio-net", memory, NR_NET_QUEUES);
    net_connect(backend, &net->card);
    return net;
}

struct virtio_device *virtio_net_device(struct virtio_net *net)
{
    return &net->device;
}

/* ---- What it has counted --------------------------------------------------------------------- */

static const char *const direction_names[NR_NET_DIRECTIONS] = {
    [NET_TO_GUEST] = "to_guest",
    [NET_FROM_GUEST] = "from_guest",
};

void virtio_net_metrics_register(struct virtio_net *net, struct metrics *metrics, const char *name)
{
    struct metric_family *frames = metrics_family(
        metrics, METRIC_COUNTER, "gracevm_net_frames_total", "Frames that cards have carried.");
    struct metric_family *bytes =
        metrics_family(metrics, METRIC_COUNTER, "gracevm_net_bytes_total",
                       "Bytes of frames that cards have carried, headers included.");
    struct metric_family *dropped =
        metrics_family(metrics, METRIC_COUNTER, "gracevm_net_dropped_total",
                       "Frames for guests that the driver did not want or had no room for.");
    const struct metric_label *labels = METRIC_LABELS({ "card", name });

    for (unsigned i = 0; i < NR_NET_DIRECTIONS; i++) {
        const struct metric_label *both =
            METRIC_LABELS({ "card", name }, { "direction", direction_names[i] });

        metric_add_u64(frames, both, &net->stats.frames[i], net);
        metric_add_u64(bytes, both, &net->stats.bytes[i], net);
    }
    metric_add_u64(dropped, METRIC_LABELS({ "card", name }, { "why", "unwanted" }),
                   &net->stats.unwanted, net);
    metric_add_u64(dropped, METRIC_LABELS({ "card", name }, { "why", "unfit" }), &net->stats.unfit,
                   net);
    metric_add_u64(metrics_family(metrics, METRIC_COUNTER, "gracevm_net_refused_total",
                                  "Frames and commands of drivers that break a rule."),
                   labels, &net->stats.refused, net);
}
