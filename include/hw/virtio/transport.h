/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What a virtio transport needs of a device: its registers' meaning, without their
 * addresses. All values come from the driver, and any value is fine.
 *
 * Threads: under the BQL, except where said.
 */
#ifndef HW_VIRTIO_TRANSPORT_H
#define HW_VIRTIO_TRANSPORT_H

#include "hw/virtio/virtio.h"

/* How the transport is told of what the device wants. */
struct virtio_transport_ops {
    /** Queue @queue has used buffers that the driver wants to know of. Any thread. */
    void (*queue_interrupt)(struct virtio_device *device, unsigned queue);
    /** The configuration has changed, or DEVICE_NEEDS_RESET was set. */
    void (*config_interrupt)(struct virtio_device *device);
};

/**
 * @opaque is kept for it as transport_opaque; @place (stays) says where the device is. NULL for
 * all three when the transport goes: the device is then reset.
 */
void virtio_set_transport(struct virtio_device *device, const struct virtio_transport_ops *ops,
                          void *opaque, const char *place) REQUIRES(bql);

/** Whether the device may read and write guest memory: until then queues stand still, and what is
 * pushed is lost. At the start it may. */
void virtio_set_memory_access(struct virtio_device *device, bool is_allowed) REQUIRES(bql);

/** The same as a doorbell, but now. On the main thread. */
void virtio_run_queue(struct virtio_device *device, unsigned queue) REQUIRES(bql);

/** The driver wrote @status. 0 resets. Rules of 2.1 and 3.1 are kept here. */
void virtio_set_status(struct virtio_device *device, uint8_t status) REQUIRES(bql);

/** As the driver reads it: while a reset lasts, what it was before, and not 0. */
uint8_t virtio_get_status(const struct virtio_device *device) REQUIRES(bql);

/** What the driver has chosen so far; checked when it sets FEATURES_OK. */
void virtio_set_accepted(struct virtio_device *device, uint64_t features) REQUIRES(bql);

/**
 * @size bytes of the configuration at @offset, any numbers; what is outside reads 0. Writes
 * that are not wholly inside, or to a device that takes none, are guest errors.
 */
void virtio_read_config(struct virtio_device *device, uint64_t offset, void *ret_data,
                        unsigned size) REQUIRES(bql);
void virtio_write_config(struct virtio_device *device, uint64_t offset, const void *data,
                         unsigned size) REQUIRES(bql);

/* What a transport's registers say of a queue; as the driver wrote it. */
struct virtq_setup {
    uint16_t size; /* written; 0 from a driver that does not want it */
    uint64_t desc, avail, used;
    bool is_enabled;
};

/** To read; and to write, while it is not enabled. */
struct virtq_setup *virtq_setup(struct virtq *queue) REQUIRES(bql);

/** queue_enable was written 1: checks the setup; a wrong one breaks the device. */
void virtq_enable(struct virtq *queue) REQUIRES(bql);

/** Queue reset (2.6.1), if VIRTIO_F_RING_RESET was accepted: a guest error otherwise. */
void virtq_reset(struct virtq *queue) REQUIRES(bql);

/** Whether chains from before the queue's reset are still in flight. */
bool virtq_is_resetting(struct virtq *queue) REQUIRES(bql);

#endif
