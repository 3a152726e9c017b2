/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Split virtqueues (virtio 1.2, 2.7), from the device's side.
 *
 * The driver puts chains of buffers into the available ring; the device pops one,
 * uses its memory, and pushes it into the used ring. Chains may be pushed in any
 * order, from any thread: the used ring has a lock.
 *
 * Nothing of the rings is trusted. Indices, lengths, flags and loops are checked
 * in one place, virtq_pop(); what breaks the rules breaks the queue: the device
 * needs a reset, and says so to the driver (virtio_device_broken()).
 *
 * Memory: rings are reached by generation-checked caches, buffers by DMA mappings
 * that last until the chain is pushed, dropped or let go; neither holds up an unmap for longer.
 *
 * Threads: virtq_pop() on the main thread, under the BQL; push, drop and what is
 * in a chain on any one thread at a time.
 */
#ifndef HW_VIRTIO_QUEUE_H
#define HW_VIRTIO_QUEUE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "hw/mem/dma.h"
#include "util/bql.h"

struct virtio_device;
struct virtq;

enum {
    VIRTQ_SIZE_MAX = 1024,
    VIRTQ_CHAIN_MAX = 1024, /* buffers of one chain, tables included; pieces in `out` and `in` */
    VIRTQ_PUSH_MAX = 64,    /* chains of one virtq_push_all() */
};

/* One request: what the driver has given, in its order. Freed by virtq_push() and virtq_drop(). */
struct virtq_chain {
    const struct iovec *out; /* what the device reads … */
    const struct iovec *in;  /* … and what it writes */
    unsigned nr_out, nr_in;
    unsigned nr_descriptors;  /* that it took to say so, empty ones among them */
    size_t out_size, in_size; /* bytes: sums of the above */
    /* The rest is private. */
    struct virtq *queue;
    uint32_t generation; /* of the queue: a chain of an earlier one is dropped when pushed */
    uint16_t head;
    bool is_let_go;
    unsigned nr_mappings;
    struct dma_mapping *mappings; /* void after virtq_let_go(), but for addresses and lengths */
};

enum virtq_pop {
    VIRTQ_GOT,
    VIRTQ_EMPTY,  /* and the handler will be called when there is more (its turn may have ended) */
    VIRTQ_BROKEN, /* now or before: nothing until reset */
};

/**
 * The next chain. What the driver says is what is checked: `out` comes before `in`, both lie in
 * RAM, their sizes add up to 4 GiB at most; any may be empty.
 */
enum virtq_pop virtq_pop(struct virtq *queue, struct virtq_chain **ret_chain)
    MUST_CHECK REQUIRES(bql);

/**
 * The chain is done; the device has written the first @written bytes of its `in`. Frees it. The
 * driver is told by virtq_notify(). Any thread; no lock of rank RANK_DEVICE or above held.
 */
void virtq_push(struct virtq_chain *chain, uint32_t written);

/**
 * virtq_push() for 1 to VIRTQ_PUSH_MAX chains of one queue, popped since its last reset: the driver
 * sees all of them at once, in this order.
 */
void virtq_push_all(struct virtq_chain *const *chains, const uint32_t *written, unsigned nr);

/**
 * Undo the last virtq_pop(), with nothing written: the next one gives the chain again. Several are
 * given back in the reverse order, before any other call for their queue.
 */
void virtq_unpop(struct virtq_chain *chain) REQUIRES(bql);

/**
 * Unmap the chain's buffers and keep it: one that waits for seconds must not hold up the unmap of
 * what its buffers lie in. `out` and `in` are empty then; their sizes stay, and so does its place
 * in the queue. Any thread; no lock of rank RANK_DEVICE or above held.
 */
void virtq_let_go(struct virtq_chain *chain);

/**
 * virtq_push() for a chain that was let go: @pieces, as much as has room, go into its `in`,
 * wherever that lies now. What is no RAM any more is left out, and a guest error. As virtq_push().
 */
void virtq_push_bytes(struct virtq_chain *chain, const struct iovec *pieces, unsigned nr_pieces);

/**
 * Raise the queue's interrupt for what was pushed since the last time, unless the driver does not
 * want one now. Any thread; no lock of rank RANK_DEVICE or above held. Behind the last push only
 * the device's own count of what is in flight keeps the queue there: it ends after this.
 */
void virtq_notify(struct virtq *queue);

/** Unmap and free a chain without answering: at reset, when nobody waits for it. NULL is fine. */
void virtq_drop(struct virtq_chain *chain);

/** Ask the driver for notifications, or spare both sides while the device polls anyway. Then pop
 * again: what came in between is not notified. */
void virtq_set_wants_notification(struct virtq *queue, bool wants) REQUIRES(bql);

/** Whether the driver has set it up, enabled it, and nothing has broken. */
bool virtq_is_ready(const struct virtq *queue) REQUIRES(bql);
struct virtio_device *virtq_device(const struct virtq *queue);
unsigned virtq_index(const struct virtq *queue);
struct virtq *virtq_of_chain(const struct virtq_chain *chain); /* any thread */

#endif
