/* SPDX-License-Identifier: GPL-2.0-or-later */
/** The driver's side of a virtio device, for tests of device models: memory of its own, queues set
 * up, chains made of any pieces, answers awaited. */
#ifndef TESTS_UNIT_VIRTIO_GUEST_H
#define TESTS_UNIT_VIRTIO_GUEST_H

#include <string.h>

#include "hw/virtio/transport.h"
#include "tests/unit/mem_scene.h"
#include "util/loop.h"

enum {
    GUEST_RAM = 8 << 20,
    GUEST_QUEUES = 8,
    GUEST_QUEUE_SIZE = 256,
    GUEST_RINGS = 0x4000,                    /* bytes a queue, from 0 on: */
    GUEST_AVAIL = 0x1000,                    /* behind the descriptors */
    GUEST_USED = 0x2000,                     /* behind the available ring */
    GUEST_DATA = GUEST_QUEUES * GUEST_RINGS, /* the test's */
};

struct guest_descriptor {
    uint64_t gpa;
    uint32_t length;
    uint16_t flags, next;
};

struct guest_buffer { /* one descriptor of a chain */
    uint64_t gpa;
    uint32_t length;
    bool is_in; /* the device writes it */
};

struct guest {
    struct scene scene;
    struct region *ram;
    uint8_t *bytes; /* of the RAM, GUEST_RAM of them */
    struct virtio_device *device;
    unsigned nr_interrupts, nr_config_interrupts;
    struct {
        uint16_t descriptor, added, taken;
    } queues[GUEST_QUEUES];
};

static inline void guest_on_interrupt(struct virtio_device *device, unsigned queue UNUSED)
{
    fetch_add_relaxed(&((struct guest *)device->transport_opaque)->nr_interrupts, 1);
}

static inline void guest_on_config(struct virtio_device *device)
{
    ((struct guest *)device->transport_opaque)->nr_config_interrupts++;
}

static const struct virtio_transport_ops guest_transport = {
    .queue_interrupt = guest_on_interrupt,
    .config_interrupt = guest_on_config,
};

/* Memory. Then make the device on guest->scene.space. */
static inline void guest_init(struct guest *guest) REQUIRES(bql)
{
    struct ram *ram;

    memset(guest, 0, sizeof(*guest));
    guest->scene = scene_new(UINT64_C(1) << 40);
    ram = ram_of(&guest->scene, GUEST_RAM);
    guest->ram = region_new_ram(guest->scene.mem, "ram", ram, 0, GUEST_RAM);
    guest->bytes = ram_pointer(ram, 0, GUEST_RAM);
    ram_unref(ram);
    put_in(guest->scene.root, 0, guest->ram, 0);
}

static inline void guest_fini(struct guest *guest) REQUIRES(bql)
{
    struct mem_stats stats;

    mem_get_stats(guest->scene.mem, &stats);
    g_assert_cmpuint(stats.dma_holders, ==, 0);
    take_out_and_forget(guest->ram);
    scene_free(&guest->scene);
}

static inline void guest_plug(struct guest *guest, struct virtio_device *device) REQUIRES(bql)
{
    guest->device = device;
    virtio_set_transport(device, &guest_transport, guest, "test");
}

static inline void guest_unplug(struct guest *guest) REQUIRES(bql)
{
    virtio_set_transport(guest->device, NULL, NULL, NULL);
}

static inline unsigned guest_queue_size(const struct guest *guest)
{
    return MIN(GUEST_QUEUE_SIZE, guest->device->ops->queue_size);
}

static inline void guest_setup_queue(struct guest *guest, unsigned queue) REQUIRES(bql)
{
    struct virtq_setup *setup = virtq_setup(virtio_queue(guest->device, queue));
    uint64_t at = queue * GUEST_RINGS;

    memset(guest->bytes + at, 0, GUEST_RINGS);
    memset(&guest->queues[queue], 0, sizeof(guest->queues[queue]));
    setup->size = (uint16_t)guest_queue_size(guest);
    setup->desc = at;
    setup->avail = at + GUEST_AVAIL;
    setup->used = at + GUEST_USED;
    virtq_enable(virtio_queue(guest->device, queue));
    g_assert_true(setup->is_enabled);
}

/* Negotiates @features and VERSION_1, with all queues. */
static inline void guest_start(struct guest *guest, uint64_t features) REQUIRES(bql)
{
    const uint8_t known = VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER;

    virtio_set_accepted(guest->device, features | VIRTIO_F_VERSION_1);
    virtio_set_status(guest->device, known | VIRTIO_STATUS_FEATURES_OK);
    g_assert_cmpuint(virtio_get_status(guest->device), ==, known | VIRTIO_STATUS_FEATURES_OK);
    for (unsigned i = 0; i < guest->device->nr_queues; i++)
        guest_setup_queue(guest, i);
    virtio_set_status(guest->device, known | VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_DRIVER_OK);
}

static inline bool guest_device_is_broken(const struct guest *guest) REQUIRES(bql)
{
    return virtio_get_status(guest->device) & VIRTIO_STATUS_NEEDS_RESET;
}

/* Puts a chain into the table, in slots after the one before; returns its head. */
static inline uint16_t guest_chain(struct guest *guest, unsigned queue,
                                   const struct guest_buffer *buffers, unsigned nr)
{
    struct guest_descriptor *table = (void *)(guest->bytes + queue * GUEST_RINGS);
    unsigned size = guest_queue_size(guest);
    uint16_t head = guest->queues[queue].descriptor;

    for (unsigned i = 0; i < nr; i++) {
        uint16_t slot = (uint16_t)((head + i) % size);

        table[slot] = (struct guest_descriptor){
            .gpa = buffers[i].gpa,
            .length = buffers[i].length,
            .flags = (uint16_t)((i + 1 < nr) | (buffers[i].is_in ? 2 : 0)), /* NEXT, WRITE */
            .next = (uint16_t)((slot + 1) % size),
        };
    }
    guest->queues[queue].descriptor = (uint16_t)((head + nr) % size);
    return head;
}

static inline void guest_add(struct guest *guest, unsigned queue, uint16_t head)
{
    uint16_t *avail = (void *)(guest->bytes + queue * GUEST_RINGS + GUEST_AVAIL);

    avail[2 + guest->queues[queue].added % guest_queue_size(guest)] = head;
    store_release(&avail[1], ++guest->queues[queue].added); /* pairs with the device's look */
}

/* Makes a chain available, and tells the device. */
static inline uint16_t guest_send(struct guest *guest, unsigned queue,
                                  const struct guest_buffer *buffers, unsigned nr)
{
    uint16_t head = guest_chain(guest, queue, buffers, nr);

    guest_add(guest, queue, head);
    virtio_doorbell(guest->device, queue);
    return head;
}

static inline uint16_t guest_used(const struct guest *guest, unsigned queue) /* any thread */
{
    const uint16_t *used = (const void *)(guest->bytes + queue * GUEST_RINGS + GUEST_USED);
    return load_acquire(&used[1]); /* pairs: the device's */
}

/* How many answers there are that guest_take() has not taken. */
static inline unsigned guest_answers(const struct guest *guest, unsigned queue)
{
    return (uint16_t)(guest_used(guest, queue) - guest->queues[queue].taken);
}

/* The next answer's head and length, when it is there. */
static inline uint16_t guest_take(struct guest *guest, unsigned queue, uint32_t *ret_written)
    REQUIRES(bql)
{
    const uint32_t *used = (const void *)(guest->bytes + queue * GUEST_RINGS + GUEST_USED);

    while (guest_answers(guest, queue) == 0)
        (void)loop_iterate(true); /* whether that was it is seen above */
    used += 1 + 2 * (guest->queues[queue].taken++ % guest_queue_size(guest));
    *ret_written = used[1];
    return (uint16_t)used[0];
}

#endif
