/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Virtio devices (virtio 1.2, chapters 2 and 3): the state machine between a
 * device model and its transport. Modern devices only (VERSION_1).
 *
 * A device model embeds struct virtio_device and describes itself in a
 * struct virtio_ops. Its queues are processed on the main loop: a doorbell only
 * defers the queue's call, which handles at most VIRTIO_TURN_CHAINS chains or
 * VIRTIO_TURN_NS and then lets others have their turn.
 *
 * Reset can take time (work in flight on other threads): the device stays in
 * reset, and `device_status` does not read 0, until virtio_reset_done().
 *
 * Threads: under the BQL, except where said.
 */
#ifndef HW_VIRTIO_VIRTIO_H
#define HW_VIRTIO_VIRTIO_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "hw/mem/region.h"
#include "hw/virtio/queue.h"

struct metrics;
struct space;
struct virtio_device;

enum { VIRTIO_QUEUES_MAX = 64, VIRTIO_TURN_CHAINS = 64 };
#define VIRTIO_TURN_NS INT64_C(1000000)

enum virtio_id { /* virtio 1.2, chapter 5 */
                 VIRTIO_ID_NET = 1,
                 VIRTIO_ID_BLOCK = 2,
                 VIRTIO_ID_ENTROPY = 4,
                 VIRTIO_ID_GPU = 16,
                 VIRTIO_ID_INPUT = 18,
};

/* Feature bits that transport and queues answer for (6). */
#define VIRTIO_F_INDIRECT_DESC (UINT64_C(1) << 28)
#define VIRTIO_F_EVENT_IDX (UINT64_C(1) << 29)
#define VIRTIO_F_VERSION_1 (UINT64_C(1) << 32)
#define VIRTIO_F_RING_RESET (UINT64_C(1) << 40)

struct virtio_ops {
    enum virtio_id id;
    uint32_t pci_class;  /* 24 bits, for the transport */
    unsigned nr_queues;  /* as many as the device may have; virtio_device_init() says how many */
    uint16_t queue_size; /* a power of two up to VIRTQ_SIZE_MAX */
    uint64_t features;   /* of its own, offered; the common ones are added */
    unsigned config_size;

    /** Some of the queue @queue's chains; more than a turn's: return, and be called again. */
    void (*handle_queue)(struct virtio_device *device, unsigned queue);
    /** Copy the configuration, all config_size bytes. */
    void (*get_config)(struct virtio_device *device, void *ret_config);
    /** The driver has written @size bytes at @offset, inside it. NULL: it cannot. */
    void (*set_config)(struct virtio_device *device, unsigned offset, const void *data,
                       unsigned size);
    /** DRIVER_OK: features are final, queues may be used. NULL is fine. */
    void (*start)(struct virtio_device *device);
    /**
     * Stop: pop nothing, let go of chains. True: done. False: work is in flight, and
     * virtio_reset_done() will be called. What is pushed meanwhile does not reach the driver.
     */
    bool (*reset)(struct virtio_device *device);
};

/* How the transport is told of what the device wants. */
struct virtio_transport_ops {
    /** Queue @queue has used buffers that the driver wants to know of. Any thread. */
    void (*queue_interrupt)(struct virtio_device *device, unsigned queue);
    /** The configuration has changed, or DEVICE_NEEDS_RESET was set. */
    void (*config_interrupt)(struct virtio_device *device);
};

enum virtio_status { /* 2.1 */
                     VIRTIO_STATUS_ACKNOWLEDGE = 1,
                     VIRTIO_STATUS_DRIVER = 2,
                     VIRTIO_STATUS_DRIVER_OK = 4,
                     VIRTIO_STATUS_FEATURES_OK = 8,
                     VIRTIO_STATUS_NEEDS_RESET = 64,
                     VIRTIO_STATUS_FAILED = 128,
};

/* A region of memory that device and driver share (2.10). */
struct virtio_shared_memory {
    uint8_t id;
    struct region *region; /* a container, of a power of two bytes; the device fills it */
};

/* Embedded in a device model. What is in it is read-only to the model. */
struct virtio_device {
    const char *name; /* "virtio-blk", for logs; stays */
    const struct virtio_ops *ops;
    struct space *memory; /* where chains and rings lie */
    const struct virtio_transport_ops *transport;
    void *transport_opaque;
    uint64_t offered, accepted; /* features; accepted is final from FEATURES_OK on */
    uint8_t status;
    bool is_resetting;
    uint8_t config_generation;
    uint32_t generation; /* grows with each reset; atomic */
    unsigned nr_queues;
    struct virtq *queues;               /* nr_queues of them */
    struct virtio_shared_memory shared; /* region NULL: none */
    uint64_t guest_errors;              /* atomic */
};

/** @nr_queues up to ops->nr_queues. Before the transport is made. */
void virtio_device_init(struct virtio_device *device, const struct virtio_ops *ops,
                        const char *name, struct space *memory, unsigned nr_queues) REQUIRES(bql);
/** After the transport is gone, and a reset has ended. */
void virtio_device_fini(struct virtio_device *device) REQUIRES(bql);

/** Give it a shared memory region, before the transport is made; takes a reference. */
void virtio_set_shared_memory(struct virtio_device *device, uint8_t id, struct region *region)
    REQUIRES(bql);

static inline bool virtio_has_feature(const struct virtio_device *device, uint64_t feature)
{
    return device->accepted & feature;
}

struct virtq *virtio_queue(struct virtio_device *device, unsigned queue);

/** The reset that ops->reset() began has ended. */
void virtio_reset_done(struct virtio_device *device) REQUIRES(bql);

/** get_config() gives something new: count the generation, tell the driver. */
void virtio_config_changed(struct virtio_device *device) REQUIRES(bql);

/**
 * The driver broke the rules: count, log (rate-limited) what was wrong, set DEVICE_NEEDS_RESET
 * and tell the driver. Nothing is popped until it resets.
 */
void virtio_device_broken(struct virtio_device *device, const char *format, ...) PRINTF_LIKE(2, 3)
    REQUIRES(bql);

/* ---- For transports ---------------------------------------------------------------- */

/** A doorbell: have the queue's handler called by the main loop. Any thread. Any number. */
void virtio_doorbell(struct virtio_device *device, unsigned queue);

/** The driver wrote @status. 0 resets. Rules of 2.1 and 3.1 are kept here. */
void virtio_set_status(struct virtio_device *device, uint8_t status) REQUIRES(bql);
uint8_t virtio_get_status(const struct virtio_device *device) REQUIRES(bql);
void virtio_set_accepted(struct virtio_device *device, uint64_t features) REQUIRES(bql);

/* What a transport's registers say of a queue; as the driver wrote it. */
struct virtq_setup {
    uint16_t size; /* written; 0 from a driver that does not want it */
    uint64_t desc, avail, used;
    bool is_enabled;
};
struct virtq_setup *virtq_setup(struct virtq *queue) REQUIRES(bql);
/** queue_enable was written 1: checks the setup, and is silent (broken) if it is wrong. */
void virtq_enable(struct virtq *queue) REQUIRES(bql);
/** Queue reset (4.1.4.3.2), if VIRTIO_F_RING_RESET was accepted. */
void virtq_reset(struct virtq *queue) REQUIRES(bql);

void virtio_metrics_register(struct virtio_device *device, struct metrics *metrics);

#endif
