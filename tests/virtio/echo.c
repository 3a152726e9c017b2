/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "tests/virtio/echo.h"

void echo_answer(struct virtq_chain *chain)
{
    struct virtq *queue = chain->queue;
    size_t size = MIN(MIN(chain->out_size, chain->in_size), ECHO_BYTES);
    g_autofree uint8_t *data = g_malloc(ECHO_BYTES);

    g_assert_cmpuint(iov_to_buf(chain->out, chain->nr_out, 0, data, size), ==, size);
    g_assert_cmpuint(iov_from_buf(chain->in, chain->nr_in, 0, data, size), ==, size);
    virtq_push(chain, (uint32_t)size);
    virtq_notify(queue);
}

static void echo_handle(struct virtio_device *device, unsigned number)
{
    bql_assert_held();
    struct echo *echo = echo_of(device);
    struct virtq_chain *chain;
    unsigned nr = 0;

    echo->nr_turns++;
    while ((echo->last = virtq_pop(virtio_queue(device, number), &chain)) == VIRTQ_GOT) {
        nr++;
        if (echo->holds && echo->nr_held < ECHO_HELD) {
            echo->held[echo->nr_held++] = chain;
        } else {
            echo_answer(chain);
        }
    }
    echo->most = MAX(echo->most, nr);
}

struct virtq_chain *echo_take(struct echo *echo)
{
    struct virtq_chain *chain = echo->held[0];

    g_assert_cmpuint(echo->nr_held, >, 0);
    echo->nr_held--;
    memmove(echo->held, echo->held + 1, echo->nr_held * sizeof(echo->held[0]));
    return chain;
}

void echo_drop_all(struct echo *echo)
{
    while (echo->nr_held > 0)
        virtq_drop(echo_take(echo));
}

static void echo_get_config(struct virtio_device *device, void *ret_config)
{
    memcpy(ret_config, echo_of(device)->config, sizeof(echo_of(device)->config));
}

static void echo_set_config(struct virtio_device *device, unsigned offset, const void *data,
                            unsigned size)
{
    struct echo *echo = echo_of(device);

    g_assert_cmpuint(offset + size, <=, sizeof(echo->config));
    memcpy(echo->config + offset, data, size);
    echo->config_writes++;
}

static void echo_start(struct virtio_device *device)
{
    echo_of(device)->nr_starts++;
}

static bool echo_reset(struct virtio_device *device)
{
    struct echo *echo = echo_of(device);

    echo->nr_resets++;
    if (echo->drops_at_reset)
        echo_drop_all(echo);
    return !echo->resets_slowly;
}

static void echo_reset_queue(struct virtio_device *device, unsigned queue G_GNUC_UNUSED)
{
    echo_of(device)->nr_queue_resets++;
}

static void count_queue_interrupt(struct virtio_device *device, unsigned queue)
{
    g_assert_cmpuint(queue, <, ECHO_QUEUES);
    (void)fetch_add_relaxed(&echo_of(device)->nr_queue_interrupts, 1);
}

static void count_config_interrupt(struct virtio_device *device)
{
    echo_of(device)->nr_config_interrupts++;
}

struct echo *echo_new(struct guest *guest, uint16_t queue_size)
{
    static struct virtio_ops ops = {
        .id = VIRTIO_ID_ENTROPY,
        .pci_class = 0x00ff00,
        .nr_queues = ECHO_QUEUES,
        .features = 1 << 3,
        .config_size = sizeof(((struct echo *)NULL)->config),
        .handle_queue = echo_handle,
        .get_config = echo_get_config,
        .set_config = echo_set_config,
        .start = echo_start,
        .reset = echo_reset,
        .reset_queue = echo_reset_queue,
    };
    struct echo *echo = g_new0(struct echo, 1);

    ops.queue_size = queue_size; /* one device at a time */
    virtio_device_init(&echo->device, &ops, "echo", guest->scene.space, ECHO_QUEUES);
    for (unsigned i = 0; i < sizeof(echo->config); i++)
        echo->config[i] = (uint8_t)(0x10 + i);
    return echo;
}

void echo_count(struct echo *echo)
{
    static const struct virtio_transport_ops ops = {
        .queue_interrupt = count_queue_interrupt,
        .config_interrupt = count_config_interrupt,
    };

    virtio_set_transport(&echo->device, &ops, NULL, "echo test");
}

void echo_free(struct echo *echo)
{
    if (echo->device.transport)
        virtio_set_transport(&echo->device, NULL, NULL, NULL);
    echo_drop_all(echo);
    if (echo->device.is_resetting)
        virtio_reset_done(&echo->device);
    virtio_device_fini(&echo->device);
    g_free(echo);
}
