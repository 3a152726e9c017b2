/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * virtio-blk's inside: virtio_blk.c is the device, virtio_blk_request.c one
 * request from chain to answer. Numbers and layouts: virtio 1.2, 5.2.
 *
 * Threads: the main thread, under the BQL; counters are atomic.
 */
#ifndef HW_DEV_VIRTIO_BLK_INTERNAL_H
#define HW_DEV_VIRTIO_BLK_INTERNAL_H

#include "hw/dev/virtio_blk.h"
#include "util/hist.h"

enum { BLK_SECTOR = 512, BLK_ID_BYTES = VIRTIO_BLK_SERIAL_MAX };

enum { /* feature bits, 5.2.3 */
       BLK_F_SIZE_MAX = 1 << 1,
       BLK_F_SEG_MAX = 1 << 2,
       BLK_F_RO = 1 << 5,
       BLK_F_BLK_SIZE = 1 << 6,
       BLK_F_FLUSH = 1 << 9,
       BLK_F_TOPOLOGY = 1 << 10,
       BLK_F_CONFIG_WCE = 1 << 11,
       BLK_F_MQ = 1 << 12,
       BLK_F_DISCARD = 1 << 13,
       BLK_F_WRITE_ZEROES = 1 << 14,
};

/*
 * What the configuration offers and requests are held to. The product of the first
 * two bounds one transfer, and with it how long a worker is busy with it.
 */
enum {
    BLK_QUEUE_SIZE = 256,
    BLK_SEG_MAX = BLK_QUEUE_SIZE - 2, /* header and status have descriptors of their own */
    BLK_SIZE_MAX = 1 << 20,           /* bytes of a segment */
    BLK_TRANSFER_MAX = BLK_SEG_MAX * BLK_SIZE_MAX,
    BLK_EXTENTS_MAX = 32,                  /* of a discard or write zeroes */
    BLK_DISCARD_SECTORS_MAX = 1 << 22,     /* of an extent: 2 GiB, one system call */
    BLK_ZEROES_SECTORS_MAX = 1 << 18,      /* of an extent: 128 MiB, perhaps really written */
    BLK_BLOCK_SECTORS = 4096 / BLK_SECTOR, /* what file systems and disks like best */
};

/* What is counted and timed, by what it was. */
enum blk_op {
    BLK_OP_READ,
    BLK_OP_WRITE,
    BLK_OP_FLUSH,
    BLK_OP_DISCARD,
    BLK_OP_WRITE_ZEROES,
    NR_BLK_OPS,
};

struct blk_stats {
    uint64_t requests[NR_BLK_OPS]; /* answered; atomic, as all here */
    uint64_t bytes[NR_BLK_OPS];    /* of those that succeeded */
    uint64_t errors[NR_BLK_OPS];   /* that the host could not do */
    uint64_t refused;              /* that the guest must not ask for, or that nobody knows */
    struct hist latency[NR_BLK_OPS];
};

struct virtio_blk {
    struct virtio_device device;
    struct virtio_ops ops; /* its own: features depend on the disk */
    struct disk *disk;
    char id[BLK_ID_BYTES]; /* filled up with zeroes, not terminated */
    bool is_writeback GUARDED_BY(bql);
    uint64_t in_flight; /* requests that a worker has; changed under the BQL, atomic */
    struct blk_stats stats;
};

/**
 * Begin, and perhaps end, what @chain asks for. Takes the chain. The last one that
 * ends after a reset has begun calls virtio_reset_done().
 */
void blk_request_start(struct virtio_blk *blk, struct virtq_chain *chain) REQUIRES(bql);

#endif
