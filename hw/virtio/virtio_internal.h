/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A queue from the inside, and what its files and the device's share.
 *
 * Two threads may be at a queue: the main thread, which pops, and whoever pushes.
 * What the one side uses is apart from what the other does: `pop` is under the BQL,
 * `push` under the queue's lock; only setting up and tearing down touch both, with both.
 */
#ifndef HW_VIRTIO_VIRTIO_INTERNAL_H
#define HW_VIRTIO_VIRTIO_INTERNAL_H

#include "hw/mem/dma.h"
#include "hw/virtio/transport.h"
#include "util/lock.h"
#include "util/loop.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "rings are read as they are");

/* The rings in guest memory (2.7.5 to 2.7.8). Every member is read and written by atomics. */
struct virtq_descriptor {
    uint64_t address;
    uint32_t length;
    uint16_t flags;
    uint16_t next;
};

struct virtq_avail {
    uint16_t flags;
    uint16_t index;
    uint16_t ring[]; /* then used_event */
};

struct virtq_used_element {
    uint32_t id;
    uint32_t length;
};

struct virtq_used {
    uint16_t flags;
    uint16_t index;
    struct virtq_used_element ring[]; /* then avail_event */
};

enum {
    VIRTQ_DESC_F_NEXT = 1,
    VIRTQ_DESC_F_WRITE = 2,
    VIRTQ_DESC_F_INDIRECT = 4,
    VIRTQ_AVAIL_F_NO_INTERRUPT = 1,
    VIRTQ_USED_F_NO_NOTIFY = 1,

    /* Chains and pieces of a queue that are in flight; more waits in the ring. 8 MiB of ours. */
    VIRTQ_LOAD_MAX = 65536,
};

/* How much the handler may pop before others have their turn. */
struct virtq_turn {
    bool is_on;       /* the handler is being called */
    bool has_more;    /* what it popped last was a chain, or would have been */
    unsigned nr_left; /* chains */
    uint64_t effort;  /* since the last look at the clock */
    int64_t end_ns;
};

struct virtq_stats { /* all atomic */
    uint64_t chains;
    uint64_t interrupts, suppressed;
};

struct virtq {
    struct virtio_device *device;
    unsigned index;

    /* Under the BQL. */
    struct virtq_setup setup;
    bool is_resetting; /* see virtq_is_resetting() */
    struct {
        struct mem_cache desc, avail, used;
        uint16_t next; /* entry of the available ring */
        uint16_t seen; /* the driver's index, when it was read last */
        bool wants_notification;
        struct virtq_turn turn;
    } pop;

    struct deferred doorbell;
    struct deferred broken;
    const char *fault; /* of a push: what `broken` will tell; atomic */

    /* Guarded by lock, but for the atomics. */
    struct mutex lock;
    uint32_t generation;
    struct {
        bool is_live;
        bool has_event_index;
        uint16_t mask;     /* size - 1 */
        uint16_t next;     /* entry of the used ring */
        uint16_t notified; /* what `next` was when the driver was last told, or spared */
        struct mem_cache avail, used;
    } push;

    uint32_t load;         /* chains and their pieces in flight, of all generations; atomic */
    uint32_t is_throttled; /* the handler waits for the load to sink; atomic */
    struct virtq_stats stats;
};

static inline uint64_t virtq_avail_size(unsigned size)
{
    return sizeof(struct virtq_avail) + (size + 1) * sizeof(uint16_t);
}

static inline uint64_t virtq_used_size(unsigned size)
{
    return sizeof(struct virtq_used) + size * sizeof(struct virtq_used_element) + sizeof(uint16_t);
}

/* queue.c */
void virtq_init(struct virtq *queue, struct virtio_device *device, unsigned index) REQUIRES(bql);
void virtq_fini(struct virtq *queue) REQUIRES(bql);
/** As after power-on. Chains in flight will be dropped. */
void virtq_tear_down(struct virtq *queue) REQUIRES(bql);

/* chain.c */
struct virtq_buffer {
    uint64_t address;
    uint32_t length;
};

/** Unmap and free; of `in` the first @written bytes have been written. */
void virtq_chain_free(struct virtq_chain *chain, size_t written);

/** Copy @pieces, as much as has room, to where `in` of a chain that was let go lies now. Returns
 * how much that was; *@ret_is_ram: all of it had somewhere to go. */
size_t virtq_chain_write(const struct virtq_chain *chain, const struct iovec *pieces,
                         unsigned nr_pieces, bool *ret_is_ram);

#endif
