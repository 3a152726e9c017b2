/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A device for tests: it answers each chain with what it was given, at once or when
 * it is told to, and counts what its transport is asked for.
 */
#ifndef TESTS_VIRTIO_ECHO_H
#define TESTS_VIRTIO_ECHO_H

#include "tests/virtio/driver.h"
#include "util/iov.h"

enum { ECHO_QUEUES = 2, ECHO_HELD = 4096, ECHO_BYTES = 4096 };

struct echo {
    struct virtio_device device;
    bool holds;          /* chains, in `held` while there is room, instead of answering */
    bool resets_slowly;  /* virtio_reset_done() is called by the test */
    bool drops_at_reset; /* what is held */
    unsigned nr_held;    /* oldest first */
    unsigned nr_turns;   /* times that the handler was called */
    unsigned most;       /* chains of one turn */
    unsigned nr_starts, nr_resets, nr_queue_resets;
    unsigned nr_queue_interrupts; /* atomic */
    unsigned nr_config_interrupts;
    enum virtq_pop last;
    uint8_t config[12];
    unsigned config_writes;
    struct virtq_chain *held[ECHO_HELD];
};

static inline struct echo *echo_of(struct virtio_device *device)
{
    return container_of(device, struct echo, device);
}

/* With the first bytes of what came, at most ECHO_BYTES. */
void echo_answer(struct virtq_chain *chain);

/* The oldest that it holds. */
struct virtq_chain *echo_take(struct echo *echo);
void echo_drop_all(struct echo *echo);

struct echo *echo_new(struct guest *guest, uint16_t queue_size) REQUIRES(bql);

/* As its transport: counts. */
void echo_count(struct echo *echo) REQUIRES(bql);

void echo_free(struct echo *echo) REQUIRES(bql);

#endif
