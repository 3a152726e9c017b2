/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <errno.h>
#include <sys/random.h>

#include "hw/dev/virtio_rng.h"

enum { QUEUE_SIZE = 8 };

struct virtio_rng {
    struct virtio_device device;
};

/* Never waits: virtio_rng_new() has seen the system's generator ready. Fewer bytes: it failed. */
static size_t fill(uint8_t *bytes, size_t size)
{
    size_t filled = 0;

    while (filled < size) {
        ssize_t got = getrandom(bytes + filled, size - filled, 0);

        if (got > 0)
            filled += (size_t)got;
        else if (got == 0 || errno != EINTR)
            break;
    }
    return filled;
}

/* The first bytes of the chain, up to the limit. Returns how many. */
static uint32_t fill_chain(const struct virtq_chain *chain)
{
    size_t left = VIRTIO_RNG_BYTES_MAX;

    for (unsigned i = 0; i < chain->nr_in && left > 0; i++) {
        size_t size = MIN(chain->in[i].iov_len, left);
        size_t filled = fill(chain->in[i].iov_base, size);

        left -= filled;
        if (filled < size)
            break;
    }
    return (uint32_t)(VIRTIO_RNG_BYTES_MAX - left);
}

static void handle_queue(struct virtio_device *device, unsigned index)
{
    struct virtq *queue = virtio_queue(device, index);
    struct virtq_chain *chain;

    bql_assert_held();
    while (virtq_pop(queue, &chain) == VIRTQ_GOT) {
        if (chain->in_size == 0 || chain->out_size > 0) { /* 5.4.6.1 */
            virtio_device_broken(device, "a request for entropy that is not for writing alone");
            virtq_drop(chain);
            return;
        }
        virtq_push(chain, fill_chain(chain));
        virtq_notify(queue);
    }
}

static void get_config(struct virtio_device *device UNUSED, void *ret_config UNUSED)
{
}

static const struct virtio_ops ops = {
    .id = VIRTIO_ID_ENTROPY,
    .pci_class = 0xff0000, /* unclassified */
    .nr_queues = 1,
    .queue_size = QUEUE_SIZE,
    .handle_queue = handle_queue,
    .get_config = get_config,
};

void virtio_rng_free(struct virtio_rng *rng)
{
    if (!rng)
        return;
    virtio_device_fini(&rng->device);
    g_free(rng);
}

struct virtio_rng *virtio_rng_new(struct space *memory)
{
    struct virtio_rng *rng = g_new0(struct virtio_rng, 1);
    uint8_t byte;

    /* Waits, if the host has only just booted; afterwards no call does. */
    (void)fill(&byte, sizeof(byte));
    virtio_device_init(&rng->device, &ops, "virtio-rng", memory, ops.nr_queues);
    return rng;
}

struct virtio_device *virtio_rng_device(struct virtio_rng *rng)
{
    return &rng->device;
}
