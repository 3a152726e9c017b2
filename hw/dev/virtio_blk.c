/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <string.h>

#include "hw/dev/virtio_blk_internal.h"
#include "util/atomic.h"
#include "util/metric.h"

/* 5.2.4, as far as the features offered make it known. Little-endian. */
struct config {
    uint64_t capacity; /* sectors */
    uint32_t size_max, seg_max;
    uint16_t cylinders;
    uint8_t heads, sectors;
    uint32_t blk_size;
    uint8_t physical_block_exp, alignment_offset;
    uint16_t min_io_size; /* this and the next in blocks of blk_size */
    uint32_t opt_io_size;
    uint8_t writeback, unused0;
    uint16_t num_queues;
    uint32_t max_discard_sectors, max_discard_seg, discard_sector_alignment;
    uint32_t max_write_zeroes_sectors, max_write_zeroes_seg;
    uint8_t write_zeroes_may_unmap, unused1[3];
};
_Static_assert(offsetof(struct config, writeback) == 32 && sizeof(struct config) == 64,
               "the layout of 5.2.4, and four bytes to an even end");

static struct virtio_blk *blk_of(struct virtio_device *device)
{
    return container_of(device, struct virtio_blk, device);
}

static void handle_queue(struct virtio_device *device, unsigned index)
{
    struct virtq *queue = virtio_queue(device, index);
    struct virtq_chain *chain;

    bql_assert_held();
    while (virtq_pop(queue, &chain) == VIRTQ_GOT)
        blk_request_start(blk_of(device), chain);
}

/* From the moment that the driver has chosen: it asks before it starts the device (5.2.5.1). */
static bool is_writeback(const struct virtio_blk *blk) REQUIRES(bql)
{
    const struct virtio_device *device = &blk->device;

    return blk->is_writeback && (virtio_has_feature(device, BLK_F_FLUSH) ||
                                 !(device->status & VIRTIO_STATUS_FEATURES_OK));
}

static void get_config(struct virtio_device *device, void *ret_config)
{
    const struct virtio_blk *blk = blk_of(device);
    struct config config = {
        .capacity = GUINT64_TO_LE(disk_size(blk->disk) / BLK_SECTOR),
        .size_max = GUINT32_TO_LE(BLK_SIZE_MAX),
        .seg_max = GUINT32_TO_LE(BLK_SEG_MAX),
        .blk_size = GUINT32_TO_LE(BLK_SECTOR),
        .physical_block_exp = (uint8_t)__builtin_ctz(BLK_BLOCK_SECTORS),
        .min_io_size = GUINT16_TO_LE(BLK_BLOCK_SECTORS),
        .num_queues = GUINT16_TO_LE((uint16_t)device->nr_queues),
        .max_discard_sectors = GUINT32_TO_LE(BLK_DISCARD_SECTORS_MAX),
        .max_discard_seg = GUINT32_TO_LE(BLK_EXTENTS_MAX),
        .discard_sector_alignment = GUINT32_TO_LE(BLK_BLOCK_SECTORS),
        .max_write_zeroes_sectors = GUINT32_TO_LE(BLK_ZEROES_SECTORS_MAX),
        .max_write_zeroes_seg = GUINT32_TO_LE(BLK_EXTENTS_MAX),
        .write_zeroes_may_unmap = 1,
    };

    bql_assert_held();
    config.writeback = is_writeback(blk);
    memcpy(ret_config, &config, sizeof(config));
}

/* The cache mode is all that a driver may choose (5.2.5). */
static void set_config(struct virtio_device *device, unsigned offset, const void *data,
                       unsigned size)
{
    struct virtio_blk *blk = blk_of(device);
    uint8_t value;

    bql_assert_held();
    if (offset != offsetof(struct config, writeback) || size != 1 ||
        !virtio_has_feature(device, BLK_F_CONFIG_WCE)) {
        fetch_add_relaxed(&blk->stats.refused, 1);
        virtio_guest_error(device, "%u bytes of configuration written at %u", size, offset);
        return;
    }
    memcpy(&value, data, 1);
    blk->is_writeback = (value & 1) && virtio_has_feature(device, BLK_F_FLUSH);
}

/* 5.2.6.2: without the flush feature a write that is done is on the medium. */
static void start(struct virtio_device *device)
{
    struct virtio_blk *blk = blk_of(device);

    bql_assert_held();
    blk->is_writeback = is_writeback(blk);
}

static bool reset(struct virtio_device *device)
{
    struct virtio_blk *blk = blk_of(device);

    bql_assert_held();
    blk->is_writeback = true;
    return blk->in_flight == 0; /* else the last of them calls virtio_reset_done() */
}

static const struct virtio_ops common_ops = {
    .id = VIRTIO_ID_BLOCK,
    .pci_class = 0x018000, /* mass storage, other */
    .nr_queues = VIRTIO_QUEUES_MAX,
    .queue_size = BLK_QUEUE_SIZE,
    .features = BLK_F_SIZE_MAX | BLK_F_SEG_MAX | BLK_F_BLK_SIZE | BLK_F_FLUSH | BLK_F_TOPOLOGY |
                BLK_F_CONFIG_WCE,
    .config_size = sizeof(struct config),
    .handle_queue = handle_queue,
    .get_config = get_config,
    .set_config = set_config,
    .start = start,
    .reset = reset,
};

void virtio_blk_free(struct virtio_blk *blk)
{
    if (!blk)
        return;
    disk_drain(blk->disk);
    virtio_device_fini(&blk->device);
    disk_close(blk->disk);
    g_free(blk);
}

struct virtio_blk *virtio_blk_new(struct space *memory, struct disk *disk, const char *serial,
                                  unsigned nr_queues)
{
    struct virtio_blk *blk = g_new0(struct virtio_blk, 1);

    assert(nr_queues > 0 && nr_queues <= VIRTIO_QUEUES_MAX);
    blk->disk = disk;
    blk->is_writeback = true;
    if (serial)
        memcpy(blk->id, serial, strnlen(serial, BLK_ID_BYTES));
    blk->ops = common_ops;
    if (nr_queues > 1)
        blk->ops.features |= BLK_F_MQ;
    if (disk_is_readonly(disk))
        blk->ops.features |= BLK_F_RO;
    else
        blk->ops.features |= BLK_F_DISCARD | BLK_F_WRITE_ZEROES;
    virtio_device_init(&blk->device, &blk->ops, "virtio-blk", memory, nr_queues);
    return blk;
}

struct virtio_device *virtio_blk_device(struct virtio_blk *blk)
{
    return &blk->device;
}

/* ---- What it has counted ------------------------------------------------------------- */

static const char *const op_names[NR_BLK_OPS] = {
    [BLK_OP_READ] = "read",
    [BLK_OP_WRITE] = "write",
    [BLK_OP_FLUSH] = "flush",
    [BLK_OP_DISCARD] = "discard",
    [BLK_OP_WRITE_ZEROES] = "write_zeroes",
};

void virtio_blk_metrics_register(struct virtio_blk *blk, struct metrics *metrics, const char *name)
{
    struct metric_family *requests = metrics_family(
        metrics, METRIC_COUNTER, "gracevm_blk_requests_total", "Requests to disks, answered.");
    struct metric_family *bytes = metrics_family(metrics, METRIC_COUNTER, "gracevm_blk_bytes_total",
                                                 "Bytes of requests to disks that succeeded.");
    struct metric_family *errors =
        metrics_family(metrics, METRIC_COUNTER, "gracevm_blk_errors_total",
                       "Requests that the host failed to do; the guest saw an I/O error.");
    struct metric_family *latency =
        metrics_family(metrics, METRIC_SECONDS, "gracevm_blk_request_seconds",
                       "Time from taking a request to answering it.");

    for (unsigned op = 0; op < NR_BLK_OPS; op++) {
        const struct metric_label *labels = METRIC_LABELS({ "disk", name }, { "op", op_names[op] });

        metric_add_u64(requests, labels, &blk->stats.requests[op], blk);
        metric_add_u64(bytes, labels, &blk->stats.bytes[op], blk);
        metric_add_u64(errors, labels, &blk->stats.errors[op], blk);
        metric_add_hist(latency, labels, &blk->stats.latency[op], blk);
    }
    metric_add_u64(metrics_family(metrics, METRIC_COUNTER, "gracevm_blk_refused_total",
                                  "Requests that a guest must not make, answered with an error."),
                   METRIC_LABELS({ "disk", name }), &blk->stats.refused, blk);
    metric_add_u64(metrics_family(metrics, METRIC_GAUGE, "gracevm_blk_in_flight",
                                  "Requests that workers have now."),
                   METRIC_LABELS({ "disk", name }), &blk->in_flight, blk);
}
