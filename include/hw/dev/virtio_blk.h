/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * virtio-blk (virtio 1.2, 5.2) over a disk: a queue a processor; read, write, flush,
 * discard, write zeroes, identity. What the host cannot do is an I/O error for the guest.
 */
#ifndef HW_DEV_VIRTIO_BLK_H
#define HW_DEV_VIRTIO_BLK_H

#include "hw/dev/disk.h"
#include "hw/virtio/virtio.h"

struct metrics;
enum { VIRTIO_BLK_SERIAL_MAX = 20 }; /* 5.2.6: GET_ID's buffer */

struct virtio_blk;

/** Without a transport. Waits, with the BQL dropped, for what is in flight; closes the disk. NULL
 * is fine. Main thread. */
void virtio_blk_free(struct virtio_blk *blk) REQUIRES(bql);
/** Takes @disk over. @serial: up to VIRTIO_BLK_SERIAL_MAX characters, may be NULL. */
struct virtio_blk *virtio_blk_new(struct space *memory, struct disk *disk, const char *serial,
                                  unsigned nr_queues) OWNED_BY(virtio_blk_free) REQUIRES(bql);
struct virtio_device *virtio_blk_device(struct virtio_blk *blk);

/**
 * What it counts, as gracevm_blk_*{disk=@name}: the option's id. Remove with
 * metrics_remove(metrics, blk) before virtio_blk_free().
 */
void virtio_blk_metrics_register(struct virtio_blk *blk, struct metrics *metrics, const char *name);

#endif
