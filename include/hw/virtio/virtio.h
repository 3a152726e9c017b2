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
 * What transports need: hw/virtio/transport.h.
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
struct virtio_transport_ops;

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

    /**
     * The queue @queue's chains, until virtq_pop() gives no more: at the end of a turn it says
     * VIRTQ_EMPTY, and calls again later. So it does if the handler returns before that, unless it
     * has popped nothing: then it must ring virtio_doorbell() itself.
     */
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
     * NULL: there is never anything to let go of.
     */
    bool (*reset)(struct virtio_device *device);
    /** The driver resets the queue @queue alone: let go of its chains that wait. Those in flight
     * end by themselves, unseen by the driver. NULL: none wait. */
    void (*reset_queue)(struct virtio_device *device, unsigned queue);
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
    const char *name;  /* "virtio-blk", for logs; stays */
    const char *place; /* where it is plugged in, as the transport says; or the name */
    const struct virtio_ops *ops;
    struct space *memory; /* where chains and rings lie */
    const struct virtio_transport_ops *transport;
    void *transport_opaque;
    uint64_t offered, accepted; /* features; accepted is final from FEATURES_OK on */
    uint8_t status;
    bool is_resetting;
    bool may_access_memory; /* atomic */
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
/** After the transport is gone, its reset has ended (is_resetting), and all chains are back. */
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

/** The driver broke a rule, and only that: count, and tell under `-d guest_errors`. Any thread. */
void virtio_guest_error(struct virtio_device *device, const char *format, ...) PRINTF_LIKE(2, 3);

/**
 * The driver broke the rules: count, log (rate-limited) what was wrong, set DEVICE_NEEDS_RESET
 * and tell the driver. Nothing is popped until it resets.
 */
void virtio_device_broken(struct virtio_device *device, const char *format, ...) PRINTF_LIKE(2, 3)
    REQUIRES(bql);

/** A doorbell: have the queue's handler called by the main loop. Any thread. Any number. */
void virtio_doorbell(struct virtio_device *device, unsigned queue);

/** Chains, interrupts and guest errors as gracevm_virtio_*, by place. When it is plugged in. */
void virtio_metrics_register(struct virtio_device *device, struct metrics *metrics);

#endif
