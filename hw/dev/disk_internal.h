/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A disk's inside: disk.c hands requests to workers and completions to the main
 * loop, disk_open.c finds out what a path is, disk_io.c does the system calls,
 * disk_holder.c finds out who is in the way.
 */
#ifndef HW_DEV_DISK_INTERNAL_H
#define HW_DEV_DISK_INTERNAL_H

#include "hw/dev/disk.h"
#include "util/event.h"
#include "util/lock.h"

enum {
    DISK_WORKERS_MAX = 4, /* what a disk's queue gains from more is little, and threads add up */
};

/* A first-in, first-out list of requests, linked by their `next`. */
struct disk_requests {
    struct disk_request *first;
    struct disk_request *last; /* void if first is NULL */
};

struct disk_worker {
    struct disk *disk;
    struct thread *thread;
    struct event wake;
    struct disk_request *request;  /* handed over with `wake`; NULL: the end */
    struct disk_worker *next_idle; /* guarded by lock */
};

struct disk {
    char *path;
    int fd;
    uint64_t size;
    bool is_readonly;

    struct mutex flush_lock; /* held while a worker flushes */
    int flush_error;         /* the first failure of one, negative; guarded by flush_lock */

    struct mutex lock;
    struct disk_requests waiting;  /* guarded by lock; only while no worker is idle */
    struct disk_requests finished; /* guarded by lock */
    struct disk_worker *idle;      /* guarded by lock; the one that slept last is first */
    bool is_closing;               /* guarded by lock */
    int64_t inject_delay_ns;       /* guarded by lock */
    int inject_error;              /* guarded by lock */
    struct condition news;         /* finished is not empty, or injection has changed */

    unsigned in_flight GUARDED_BY(bql);
    struct disk_request last;        /* flush, by disk_settle() */
    bool is_flushed GUARDED_BY(bql); /* by it, and nothing was submitted since */
    bool has_lost GUARDED_BY(bql);   /* that flush failed */
    unsigned nr_workers GUARDED_BY(bql);
    struct disk_worker workers[DISK_WORKERS_MAX];
    struct disk_requests completed GUARDED_BY(bql); /* taken from finished, done() not called yet */
    struct deferred completions;
};

/** What @path is, opened and locked: its descriptor, or -1 and @error. */
int disk_open_file(const char *path, bool is_readonly, uint64_t *ret_size, GError **error);

/** Who has the file of @fd locked, as part of a sentence; g_free() it. Never NULL. */
char *disk_holder(int fd);

/** Do it; may block. 0 or a negative errno. A worker. */
int disk_perform(struct disk *disk, const struct disk_request *request);

#endif
