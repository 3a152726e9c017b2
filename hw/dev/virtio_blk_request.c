/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One request. The driver may cut header, data and status into descriptors as it
 * likes (2.7.4), so they are found by counting bytes: the first 16 that the device
 * reads are the header, the last that it writes is the status.
 *
 * Header and extents are copied before they are checked; data is moved between file
 * and guest memory by a worker, and the chain's mappings live until then.
 */
#include <string.h>

#include "hw/dev/virtio_blk_internal.h"
#include "util/atomic.h"
#include "util/clock.h"
#include "util/iov.h"
#include "util/log.h"
#include "util/trace.h"

enum { /* 5.2.6 */
       TYPE_IN = 0,
       TYPE_OUT = 1,
       TYPE_FLUSH = 4,
       TYPE_GET_ID = 8,
       TYPE_DISCARD = 11,
       TYPE_WRITE_ZEROES = 13,
};

enum blk_status {
    STATUS_OK = 0,
    STATUS_IOERR = 1,
    STATUS_UNSUPP = 2,
    STATUS_LATER, /* none of the driver's: a worker has it */
};

struct header { /* little-endian, as all here */
    uint32_t type;
    uint32_t reserved;
    uint64_t sector;
};
_Static_assert(sizeof(struct header) == 16, "5.2.6");

struct extent { /* of a discard or write zeroes */
    uint64_t sector;
    uint32_t nr_sectors;
    uint32_t flags;
};
_Static_assert(sizeof(struct extent) == 16, "5.2.6");
enum { EXTENT_UNMAP = 1 << 0 };

/* With the pieces of its data, or with its extents; freed when it is answered. */
struct request {
    struct disk_request io;
    struct virtio_blk *blk;
    struct virtq_chain *chain;
    enum blk_op op;
    int64_t since_ns;
    uint64_t size; /* of all it does, bytes */
    struct extent *extents;
    unsigned nr_extents, extent; /* how many, and which one is being done */
    struct iovec pieces[];
};

static const enum disk_op disk_ops[NR_BLK_OPS] = {
    [BLK_OP_READ] = DISK_READ,
    [BLK_OP_WRITE] = DISK_WRITE,
    [BLK_OP_FLUSH] = DISK_FLUSH,
    [BLK_OP_DISCARD] = DISK_DISCARD,
    [BLK_OP_WRITE_ZEROES] = DISK_WRITE_ZEROES,
};

static const char *const verbs[NR_BLK_OPS] = {
    [BLK_OP_READ] = "read",
    [BLK_OP_WRITE] = "write",
    [BLK_OP_FLUSH] = "flush",
    [BLK_OP_DISCARD] = "discard",
    [BLK_OP_WRITE_ZEROES] = "write zeroes to",
};

/* ---- The end ------------------------------------------------------------------------- */

/*
 * All of `in` counts as written: the status stands at its end. After an error the
 * data before it is whatever it is, as the status says.
 */
static void answer(struct virtq_chain *chain, enum blk_status status)
{
    struct virtq *queue = chain->queue;
    uint8_t byte = (uint8_t)status;

    (void)!iov_from_buf(chain->in, chain->nr_in, chain->in_size - 1, &byte, 1); /* there is room */
    virtq_push(chain, (uint32_t)MIN(chain->in_size, UINT32_MAX));
    virtq_notify(queue);
}

static void report_error(const struct request *request, int error)
{
    const struct disk *disk = request->blk->disk;

    if (request->op == BLK_OP_FLUSH)
        LOG_RATELIMITED(log_error, "disk image '%s': cannot flush: %s", disk_path(disk),
                        g_strerror(-error));
    else
        LOG_RATELIMITED(log_error,
                        "disk image '%s': cannot %s %" G_GUINT64_FORMAT
                        " bytes at %" G_GUINT64_FORMAT ": %s",
                        disk_path(disk), verbs[request->op], request->io.size, request->io.offset,
                        g_strerror(-error));
}

static void account(const struct request *request, int error)
{
    struct blk_stats *stats = &request->blk->stats;

    fetch_add_relaxed(&stats->requests[request->op], 1);
    if (error)
        fetch_add_relaxed(&stats->errors[request->op], 1);
    else
        fetch_add_relaxed(&stats->bytes[request->op], request->size);
    hist_record(&stats->latency[request->op], (uint64_t)(monotonic_ns() - request->since_ns));
}

static bool start_next_extent(struct request *request) REQUIRES(bql);

static void finish(struct disk_request *io, int error)
{
    struct request *request = container_of(io, struct request, io);
    struct virtio_blk *blk = request->blk;

    bql_assert_held();
    if (error)
        report_error(request, error);
    else if (!blk->device.is_resetting && start_next_extent(request))
        return;
    account(request, error);
    TRACE4(blk_answer, io, verbs[request->op], error ? STATUS_IOERR : STATUS_OK, request->since_ns);
    store_relaxed(&blk->in_flight, blk->in_flight - 1);
    if (blk->device.is_resetting)
        virtq_drop(request->chain);
    else
        answer(request->chain, error ? STATUS_IOERR : STATUS_OK);
    g_free(request->extents);
    g_free(request);
    if (blk->device.is_resetting && blk->in_flight == 0)
        virtio_reset_done(&blk->device);
}

/* ---- The beginning ------------------------------------------------------------------- */

static enum blk_status refuse(struct virtio_blk *blk, enum blk_status status, const char *why,
                              const struct header *header)
{
    fetch_add_relaxed(&blk->stats.refused, 1);
    virtio_guest_error(&blk->device, "%s (type %u, sector %" G_GUINT64_FORMAT ")", why,
                       header->type, header->sector);
    return status;
}

/* The one gate for places on the disk. */
static bool is_inside(const struct virtio_blk *blk, uint64_t sector, uint64_t nr_sectors)
{
    uint64_t capacity = disk_size(blk->disk) / BLK_SECTOR;

    return nr_sectors <= capacity && sector <= capacity - nr_sectors;
}

static struct request *request_new(struct virtio_blk *blk, struct virtq_chain *chain,
                                   enum blk_op op, unsigned nr_pieces) REQUIRES(bql)
{
    struct request *request = g_malloc(sizeof(*request) + nr_pieces * sizeof(request->pieces[0]));

    *request = (struct request){
        .io = { .op = disk_ops[op], .done = finish, .is_durable = !blk->is_writeback },
        .blk = blk,
        .chain = chain,
        .op = op,
        .since_ns = monotonic_ns(),
    };
    return request;
}

static enum blk_status submit(struct request *request) REQUIRES(bql)
{
    struct virtio_blk *blk = request->blk;

    store_relaxed(&blk->in_flight, blk->in_flight + 1);
    disk_submit(&request->io, blk->disk);
    return STATUS_LATER;
}

static enum blk_status start_transfer(struct virtio_blk *blk, struct virtq_chain *chain,
                                      const struct header *header) REQUIRES(bql)
{
    bool is_write = header->type == TYPE_OUT;
    const struct iovec *iov = is_write ? chain->out : chain->in;
    unsigned nr_iov = is_write ? chain->nr_out : chain->nr_in;
    size_t skipped = is_write ? sizeof(*header) : 0;
    size_t size = is_write ? chain->out_size - sizeof(*header) : chain->in_size - 1;
    struct request *request;

    if (is_write && disk_is_readonly(blk->disk))
        return refuse(blk, STATUS_IOERR, "a write to a read-only disk", header);
    if (size % BLK_SECTOR || size > BLK_TRANSFER_MAX)
        return refuse(blk, STATUS_IOERR, "not whole sectors, or too many", header);
    if (!is_inside(blk, header->sector, size / BLK_SECTOR))
        return refuse(blk, STATUS_IOERR, "beyond the end of the disk", header);
    if (size == 0)
        return STATUS_OK;
    request = request_new(blk, chain, is_write ? BLK_OP_WRITE : BLK_OP_READ, nr_iov);
    request->io.nr_iov = nr_iov;
    request->io.size = iov_copy(request->pieces, &request->io.nr_iov, iov, nr_iov, skipped, size);
    request->io.iov = request->pieces;
    request->io.offset = header->sector * BLK_SECTOR;
    request->size = request->io.size;
    return submit(request);
}

static enum blk_status start_flush(struct virtio_blk *blk, struct virtq_chain *chain) REQUIRES(bql)
{
    return submit(request_new(blk, chain, BLK_OP_FLUSH, 0));
}

static enum blk_status get_id(const struct virtio_blk *blk, const struct virtq_chain *chain)
{
    size_t room = MIN(chain->in_size - 1, BLK_ID_BYTES);

    (void)!iov_from_buf(chain->in, chain->nr_in, 0, blk->id, room); /* what has no room is cut */
    return STATUS_OK;
}

/* ---- Discard and write zeroes -------------------------------------------------------- */

/* 5.2.6.2: unknown flags, and unmap where it says nothing, are unsupported; limits are errors. */
static enum blk_status check_extent(struct virtio_blk *blk, bool is_discard,
                                    const struct extent *extent, const struct header *header)
{
    uint32_t sectors_max = is_discard ? BLK_DISCARD_SECTORS_MAX : BLK_ZEROES_SECTORS_MAX;

    if (extent->flags & (is_discard ? UINT32_MAX : ~(uint32_t)EXTENT_UNMAP))
        return refuse(blk, STATUS_UNSUPP, "flags that an extent must not have", header);
    if (extent->nr_sectors > sectors_max)
        return refuse(blk, STATUS_IOERR, "an extent beyond what the device offers", header);
    if (!is_inside(blk, extent->sector, extent->nr_sectors))
        return refuse(blk, STATUS_IOERR, "an extent beyond the end of the disk", header);
    return STATUS_OK;
}

static void use_extent(struct request *request)
{
    const struct extent *extent = &request->extents[request->extent];

    request->io.offset = extent->sector * BLK_SECTOR;
    request->io.size = (uint64_t)extent->nr_sectors * BLK_SECTOR;
    request->io.may_unmap = extent->flags & EXTENT_UNMAP;
}

/* One after the other: a request is one for the disk at any time. */
static bool start_next_extent(struct request *request)
{
    if (!request->extents || ++request->extent == request->nr_extents)
        return false;
    use_extent(request);
    disk_submit(&request->io, request->blk->disk);
    return true;
}

static enum blk_status start_extents(struct virtio_blk *blk, struct virtq_chain *chain,
                                     const struct header *header) REQUIRES(bql)
{
    bool is_discard = header->type == TYPE_DISCARD;
    size_t size = chain->out_size - sizeof(*header);
    struct extent extents[BLK_EXTENTS_MAX];
    unsigned nr_extents = (unsigned)(size / sizeof(extents[0]));
    struct request *request;
    uint64_t bytes = 0;

    if (!virtio_has_feature(&blk->device, is_discard ? BLK_F_DISCARD : BLK_F_WRITE_ZEROES))
        return refuse(blk, STATUS_UNSUPP, "a request whose feature was not accepted", header);
    if (size == 0 || size % sizeof(extents[0]) || size > sizeof(extents))
        return refuse(blk, STATUS_IOERR, "no extent, a part of one, or too many", header);
    if (iov_to_buf(chain->out, chain->nr_out, sizeof(*header), extents, size) != size)
        return STATUS_IOERR;
    for (unsigned i = 0; i < nr_extents; i++) {
        struct extent *extent = &extents[i];
        enum blk_status status;

        extent->sector = GUINT64_FROM_LE(extent->sector);
        extent->nr_sectors = GUINT32_FROM_LE(extent->nr_sectors);
        extent->flags = GUINT32_FROM_LE(extent->flags);
        status = check_extent(blk, is_discard, extent, header);
        if (status != STATUS_OK)
            return status;
        bytes += (uint64_t)extent->nr_sectors * BLK_SECTOR;
    }
    request = request_new(blk, chain, is_discard ? BLK_OP_DISCARD : BLK_OP_WRITE_ZEROES, 0);
    request->extents = g_memdup2(extents, size);
    request->nr_extents = nr_extents;
    request->size = bytes;
    use_extent(request);
    return submit(request);
}

/* ---- Dispatch ------------------------------------------------------------------------ */

static enum blk_status start(struct virtio_blk *blk, struct virtq_chain *chain,
                             const struct header *header) REQUIRES(bql)
{
    switch (header->type) {
    case TYPE_IN:
    case TYPE_OUT:
        return start_transfer(blk, chain, header);
    case TYPE_FLUSH:
        return start_flush(blk, chain);
    case TYPE_GET_ID:
        return get_id(blk, chain);
    case TYPE_DISCARD:
    case TYPE_WRITE_ZEROES:
        return start_extents(blk, chain, header);
    default:
        return refuse(blk, STATUS_UNSUPP, "an unknown request", header);
    }
}

void blk_request_start(struct virtio_blk *blk, struct virtq_chain *chain)
{
    struct header header;
    enum blk_status status;

    if (chain->in_size == 0 ||
        iov_to_buf(chain->out, chain->nr_out, 0, &header, sizeof(header)) != sizeof(header)) {
        virtio_device_broken(&blk->device, "a request of %zu bytes to read and %zu to write",
                             chain->out_size, chain->in_size);
        virtq_drop(chain);
        return;
    }
    header.type = GUINT32_FROM_LE(header.type);
    header.sector = GUINT64_FROM_LE(header.sector);
    status = start(blk, chain, &header);
    if (status != STATUS_LATER)
        answer(chain, status);
}
