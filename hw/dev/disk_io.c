/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What workers do. Each function returns 0 or a negative errno. What a file
 * system cannot do by itself is done the long way, or left out where it is only a
 * hint.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <unistd.h>

#include "hw/dev/disk_internal.h"
#include "util/iov.h"

enum {
    PIECES = 256,       /* of a system call; what has more takes several */
    ZEROES = 64 * 1024, /* bytes */
};

static uint8_t zeroes[ZEROES]; /* never written */

static int transfer(const struct disk *disk, const struct disk_request *request)
{
    uint64_t moved = 0;

    while (moved < request->size) {
        struct iovec pieces[PIECES];
        unsigned nr_pieces = PIECES;
        off_t offset = (off_t)(request->offset + moved);
        ssize_t got;

        /* What does not fit comes in the next round. */
        if (iov_copy(pieces, &nr_pieces, request->iov, request->nr_iov, moved,
                     request->size - moved) == 0)
            return -EINVAL;
        if (request->op == DISK_READ)
            got = preadv(disk->fd, pieces, (int)nr_pieces, offset);
        else
            got = pwritev(disk->fd, pieces, (int)nr_pieces, offset);
        if (got > 0)
            moved += (uint64_t)got;
        else if (got == 0)
            return -EIO; /* somebody has cut the file short */
        else if (errno != EINTR)
            return -errno;
    }
    return 0;
}

static int sync_data(struct disk *disk) REQUIRES(disk->flush_lock)
{
    while (disk->flush_error == 0 && fdatasync(disk->fd) != 0) {
        if (errno != EINTR)
            disk->flush_error = -errno;
    }
    return disk->flush_error;
}

/*
 * A failed fdatasync() may have dropped what it could not write, and the next one
 * then succeeds without it. So once a flush has failed, all later ones fail: the
 * guest must not believe that its data is safe. One at a time, since the one beside a
 * failing one would succeed as well: the kernel tells of an error once.
 */
static int flush(struct disk *disk)
{
    int error;

    if (disk->is_readonly)
        return 0;
    mutex_lock(&disk->flush_lock);
    error = sync_data(disk);
    mutex_unlock(&disk->flush_lock);
    return error;
}

static int allocate(const struct disk *disk, int mode, const struct disk_request *request)
{
    while (fallocate(disk->fd, mode | FALLOC_FL_KEEP_SIZE, (off_t)request->offset,
                     (off_t)request->size) != 0) {
        if (errno != EINTR)
            return -errno;
    }
    return 0;
}

/* EINVAL: a block device whose blocks are larger than the request's. */
static bool is_unsupported(int error)
{
    return error == -EOPNOTSUPP || error == -ENOSYS || error == -ENODEV || error == -EINVAL;
}

static int discard(const struct disk *disk, const struct disk_request *request)
{
    int error = request->size ? allocate(disk, FALLOC_FL_PUNCH_HOLE, request) : 0;

    return is_unsupported(error) ? 0 : error; /* virtio 1.2, 5.2.6.2: it is a hint */
}

static int write_zeroes(const struct disk *disk, const struct disk_request *request)
{
    uint64_t written = 0;
    int error = -EOPNOTSUPP;

    if (request->size == 0)
        return 0;
    if (request->may_unmap)
        error = allocate(disk, FALLOC_FL_PUNCH_HOLE, request);
    if (is_unsupported(error))
        error = allocate(disk, FALLOC_FL_ZERO_RANGE, request);
    if (!is_unsupported(error))
        return error;
    while (written < request->size) {
        uint64_t left = request->size - written;
        ssize_t got = pwrite(disk->fd, zeroes, left < ZEROES ? left : ZEROES,
                             (off_t)(request->offset + written));

        if (got > 0)
            written += (uint64_t)got;
        else if (got == 0)
            return -EIO;
        else if (errno != EINTR)
            return -errno;
    }
    return 0;
}

static int change(const struct disk *disk, const struct disk_request *request)
{
    if (disk->is_readonly)
        return -EROFS;
    if (request->op == DISK_DISCARD)
        return discard(disk, request);
    if (request->op == DISK_WRITE_ZEROES)
        return write_zeroes(disk, request);
    return transfer(disk, request);
}

int disk_perform(struct disk *disk, const struct disk_request *request)
{
    int error;

    if (request->op == DISK_READ)
        return transfer(disk, request);
    if (request->op == DISK_FLUSH)
        return flush(disk);
    error = change(disk, request);
    if (error == 0 && request->is_durable)
        error = flush(disk);
    return error;
}
