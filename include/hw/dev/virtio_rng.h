/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * virtio-rng (virtio 1.2, 5.4): the host's random bytes, as fast as the guest asks,
 * within VIRTIO_RNG_BYTES_MAX a request.
 */
#ifndef HW_DEV_VIRTIO_RNG_H
#define HW_DEV_VIRTIO_RNG_H

#include "hw/virtio/virtio.h"

enum { VIRTIO_RNG_BYTES_MAX = 65536 };

struct virtio_rng;

void virtio_rng_free(struct virtio_rng *rng) REQUIRES(bql); /* NULL is fine */
struct virtio_rng *virtio_rng_new(struct space *memory) OWNED_BY(virtio_rng_free) REQUIRES(bql);
struct virtio_device *virtio_rng_device(struct virtio_rng *rng);

#endif
