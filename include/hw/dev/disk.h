/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A raw disk image, and I/O on it by worker threads.
 *
 * Opened once: locked against a second user by open-file-description locks
 * (writers exclude all, readers share). A request is done by a worker and
 * completed on the main loop. Requests may complete in any order; a flush is done
 * after what had been completed when it was submitted.
 *
 * Threads: under the BQL; workers are the disk's own.
 */
#ifndef HW_DEV_DISK_H
#define HW_DEV_DISK_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "util/bql.h"
#include "util/loop.h"

struct disk;

enum disk_op { DISK_READ, DISK_WRITE, DISK_FLUSH, DISK_DISCARD, DISK_WRITE_ZEROES };

/* In the memory of whoever submits it, until done() is called. */
struct disk_request {
    enum disk_op op;
    uint64_t offset, size; /* bytes; inside the disk: the caller checks */
    const struct iovec *iov;
    unsigned nr_iov;
    bool may_unmap;  /* DISK_WRITE_ZEROES may leave holes */
    bool is_durable; /* what it changes is on the medium when it is done, as if flushed */
    /** On the main loop. @result: 0 or a negative errno. */
    void (*done)(struct disk_request *request, int result);
    /* The rest is private. */
    struct disk *disk;
    struct disk_request *next;
    int result;
};

/** All requests have been completed (disk_drain()). Flushes. NULL is fine. */
void disk_close(struct disk *disk) REQUIRES(bql);
/** Locked, and whole sectors of 512 bytes: else an error that names @path. Block devices too. */
struct disk *disk_open(const char *path, bool is_readonly, GError **error) OWNED_BY(disk_close)
    REQUIRES(bql);

const char *disk_path(const struct disk *disk); /* as it was opened; lives as long as the disk */
uint64_t disk_size(const struct disk *disk);
bool disk_is_readonly(const struct disk *disk);
void disk_submit(struct disk_request *request, struct disk *disk) REQUIRES(bql);
unsigned disk_in_flight(const struct disk *disk) REQUIRES(bql);

/** Wait, with the BQL dropped, until nothing is in flight. Main thread. */
void disk_drain(struct disk *disk) REQUIRES(bql);

/** The same. False: nothing in flight has come back for @patience_ns. */
bool disk_drain_within(struct disk *disk, int64_t patience_ns) MUST_CHECK REQUIRES(bql);

/**
 * At the end: wait for all, and flush, so that disk_close() has nothing left to wait for. False: as
 * above. The disk cannot be closed then, but this can be called again.
 */
bool disk_settle(struct disk *disk, int64_t patience_ns) MUST_CHECK REQUIRES(bql);

/** After it: whether something that the guest wrote may not be on the medium. */
bool disk_has_lost(const struct disk *disk) REQUIRES(bql);

/*
 * For tests: each request takes @delay_ns longer, those that are in flight too, and
 * fails with @error_number if that is not 0. A later call ends an earlier one's delay.
 */
void disk_inject(struct disk *disk, int64_t delay_ns, int error_number) REQUIRES(bql);

#endif
