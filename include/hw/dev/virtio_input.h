/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * virtio-input (virtio 1.2, 5.8): a keyboard, or a tablet with buttons and wheels.
 *
 * What is pressed and moved comes as reports: events that belong together. A guest that gives no
 * buffers misses reports, each as a whole; once it gives some again, it is told of keys and of the
 * position as they are now. So no key stays down for ever.
 *
 * Threads: under the BQL on the main thread.
 */
#ifndef HW_DEV_VIRTIO_INPUT_H
#define HW_DEV_VIRTIO_INPUT_H

#include "hw/virtio/virtio.h"

struct input;
struct virtio_input;

enum virtio_input_kind { VIRTIO_INPUT_KEYBOARD, VIRTIO_INPUT_TABLET };

enum {
    VIRTIO_INPUT_SERIAL_MAX = 127,  /* characters */
    VIRTIO_INPUT_EVENTS_MAX = 1024, /* that wait for the guest, SYN_REPORT included */
    VIRTIO_INPUT_REPORT_MAX = 512,  /* of one report */
};

void virtio_input_free(struct virtio_input *device) REQUIRES(bql); /* NULL is fine */

/** Takes events of @input from now on. @serial is copied; NULL: none. */
struct virtio_input *virtio_input_new(struct space *memory, struct input *input,
                                      enum virtio_input_kind kind, const char *serial)
    OWNED_BY(virtio_input_free) REQUIRES(bql);

struct virtio_device *virtio_input_device(struct virtio_input *device);

/** LEDs that the guest has lit: bits by LED_NUML and so on. */
unsigned virtio_input_leds(const struct virtio_input *device) REQUIRES(bql);

/** Reports that the guest has missed. */
uint64_t virtio_input_dropped(const struct virtio_input *device) REQUIRES(bql);

/** gracevm_input_*, labelled @name. */
void virtio_input_metrics_register(struct virtio_input *device, struct metrics *metrics,
                                   const char *name);

#endif
