/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <glib.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "hw/virtio/virtio_internal.h"
#include "util/log.h"
#include "util/metric.h"

/* What transport and queues do for every device. */
#define OWN_FEATURES                                                                               \
    (VIRTIO_F_INDIRECT_DESC | VIRTIO_F_EVENT_IDX | VIRTIO_F_VERSION_1 | VIRTIO_F_RING_RESET)

enum {
    CONFIG_MAX = 1024,
    /* Those that a driver writes. */
    DRIVERS_STATUS = VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER | VIRTIO_STATUS_DRIVER_OK |
                     VIRTIO_STATUS_FEATURES_OK | VIRTIO_STATUS_FAILED,
};

/* ---- Errors of the driver ---------------------------------------------------------------------
 */

static void PRINTF_LIKE(2, 0)
    tell(const struct virtio_device *device, const char *format, va_list arguments)
{
    g_autofree char *text = g_strdup_vprintf(format, arguments);

    log_guest_error("%s: %s", device->place, text);
}

static void PRINTF_LIKE(2, 0)
    note_error(struct virtio_device *device, const char *format, va_list arguments)
{
    (void)fetch_add_relaxed(&device->guest_errors, 1);
    if (log_is_on(guest_errors))
        tell(device, format, arguments);
}

void virtio_guest_error(struct virtio_device *device, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    note_error(device, format, arguments);
    va_end(arguments);
}

static void tell_driver(struct virtio_device *device) REQUIRES(bql)
{
    if (device->status & VIRTIO_STATUS_DRIVER_OK && device->transport)
        device->transport->config_interrupt(device);
}

void virtio_device_broken(struct virtio_device *device, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    note_error(device, format, arguments);
    va_end(arguments);
    if (device->is_resetting || device->status & VIRTIO_STATUS_NEEDS_RESET)
        return;
    device->status |= VIRTIO_STATUS_NEEDS_RESET;
    tell_driver(device);
}

/* ---- Reset
 * --------------------------------------------------------------------------------------- */

void virtio_reset_done(struct virtio_device *device)
{
    assert(device->is_resetting);
    device->is_resetting = false;
    device->status = 0;
    log_topic(virtio, "%s: reset", device->place);
}

static void reset(struct virtio_device *device) REQUIRES(bql)
{
    if (device->is_resetting)
        return;
    device->is_resetting = true;
    device->accepted = 0;
    store_relaxed(&device->generation, device->generation + 1);
    for (unsigned i = 0; i < device->nr_queues; i++)
        virtq_tear_down(&device->queues[i]);
    if (!device->ops->reset || device->ops->reset(device))
        virtio_reset_done(device);
}

/* ---- Status and features -----------------------------------------------------------------------
 */

void virtio_set_accepted(struct virtio_device *device, uint64_t features)
{
    if (device->is_resetting || device->status & VIRTIO_STATUS_FEATURES_OK) {
        virtio_guest_error(device, "features written after FEATURES_OK");
        return;
    }
    device->accepted = features;
}

/* Drivers negotiate again with less, or give up (3.1.1, step 6). */
static bool are_features_fine(struct virtio_device *device)
{
    uint64_t unknown = device->accepted & ~device->offered;

    if (unknown) {
        virtio_guest_error(device, "features 0x%" PRIx64 " accepted that were not offered",
                           unknown);
        return false;
    }
    if (!virtio_has_feature(device, VIRTIO_F_VERSION_1)) {
        virtio_guest_error(device, "a driver without VERSION_1");
        return false;
    }
    return true;
}

static void start(struct virtio_device *device) REQUIRES(bql)
{
    log_topic(virtio, "%s: driver ready, features 0x%" PRIx64, device->place, device->accepted);
    if (device->ops->start)
        device->ops->start(device);
    for (unsigned i = 0; i < device->nr_queues; i++)
        virtio_doorbell(device, i); /* what came before was not looked at */
}

void virtio_set_status(struct virtio_device *device, uint8_t status)
{
    const uint8_t before = device->status;
    uint8_t more = (uint8_t)(status & DRIVERS_STATUS & ~before);

    if (status == 0) {
        reset(device);
        return;
    }
    if (device->is_resetting) {
        virtio_guest_error(device, "status 0x%x written during reset", status);
        return;
    }
    if (before & DRIVERS_STATUS & ~status)
        virtio_guest_error(device, "status 0x%x written, which clears bits of 0x%x", status,
                           before);
    if (more & VIRTIO_STATUS_FEATURES_OK && !are_features_fine(device))
        more &= (uint8_t)~VIRTIO_STATUS_FEATURES_OK;
    if (more & VIRTIO_STATUS_DRIVER_OK && !((before | more) & VIRTIO_STATUS_FEATURES_OK)) {
        virtio_guest_error(device, "DRIVER_OK written without FEATURES_OK");
        more &= (uint8_t)~VIRTIO_STATUS_DRIVER_OK;
    }
    device->status |= more;
    if (more & VIRTIO_STATUS_DRIVER_OK)
        start(device);
}

uint8_t virtio_get_status(const struct virtio_device *device)
{
    /* It was 0, and the device is still busy with what was before that. */
    if (device->is_resetting && device->status == 0)
        return VIRTIO_STATUS_ACKNOWLEDGE;
    return device->status;
}

/* ---- Configuration
 * --------------------------------------------------------------------------------- */

void virtio_config_changed(struct virtio_device *device)
{
    device->config_generation++;
    tell_driver(device);
}

void virtio_read_config(struct virtio_device *device, uint64_t offset, void *ret_data,
                        unsigned size)
{
    const unsigned config_size = device->ops->config_size;
    uint8_t config[CONFIG_MAX];
    unsigned part;

    memset(ret_data, 0, size);
    if (offset >= config_size)
        return;
    device->ops->get_config(device, config);
    part = MIN(size, config_size - (unsigned)offset);
    memcpy(ret_data, config + offset, part);
}

void virtio_write_config(struct virtio_device *device, uint64_t offset, const void *data,
                         unsigned size)
{
    const unsigned config_size = device->ops->config_size;

    if (!device->ops->set_config || size > config_size || offset > config_size - size) {
        virtio_guest_error(device, "configuration written at 0x%" PRIx64 ", which it cannot be",
                           offset);
        return;
    }
    device->ops->set_config(device, (unsigned)offset, data, size);
}

/* ---- Transport
 * --------------------------------------------------------------------------------------- */

void virtio_set_transport(struct virtio_device *device, const struct virtio_transport_ops *ops,
                          void *opaque, const char *place)
{
    if (!ops)
        reset(device); /* after it nobody notifies */
    device->transport = ops;
    device->transport_opaque = opaque;
    device->place = place ? place : device->name;
}

void virtio_set_memory_access(struct virtio_device *device, bool is_allowed)
{
    if (load_relaxed(&device->may_access_memory) == is_allowed)
        return;
    store_relaxed(&device->may_access_memory, is_allowed);
    for (unsigned i = 0; is_allowed && i < device->nr_queues; i++)
        virtio_doorbell(device, i); /* what was notified meanwhile was not looked at */
}

struct virtq *virtio_queue(struct virtio_device *device, unsigned queue)
{
    assert(queue < device->nr_queues);
    return &device->queues[queue];
}

/* ---- Beginning and end
 * --------------------------------------------------------------------------------- */

void virtio_set_shared_memory(struct virtio_device *device, uint8_t id, struct region *region)
{
    assert(!device->shared.region && !device->transport);
    assert(region_kind(region) == REGION_CONTAINER);
    device->shared = (struct virtio_shared_memory){ id, region_ref(region) };
}

void virtio_device_init(struct virtio_device *device, const struct virtio_ops *ops,
                        const char *name, struct space *memory, unsigned nr_queues)
{
    assert(nr_queues > 0 && nr_queues <= ops->nr_queues && nr_queues <= VIRTIO_QUEUES_MAX);
    assert(ops->queue_size > 0 && ops->queue_size <= VIRTQ_SIZE_MAX);
    assert((ops->queue_size & (ops->queue_size - 1)) == 0);
    assert(ops->config_size <= CONFIG_MAX && (ops->config_size == 0 || ops->get_config));
    *device = (struct virtio_device){
        .name = name,
        .place = name,
        .ops = ops,
        .memory = memory,
        .offered = ops->features | OWN_FEATURES,
        .may_access_memory = true,
        .nr_queues = nr_queues,
        .queues = g_new0(struct virtq, nr_queues),
    };
    for (unsigned i = 0; i < nr_queues; i++)
        virtq_init(&device->queues[i], device, i);
}

void virtio_device_fini(struct virtio_device *device)
{
    assert(!device->is_resetting && !device->transport);
    for (unsigned i = 0; i < device->nr_queues; i++)
        virtq_fini(&device->queues[i]);
    g_free(device->queues);
    region_unref(device->shared.region);
}

void virtio_metrics_register(struct virtio_device *device, struct metrics *metrics)
{
    struct metric_family *chains = metrics_family(
        metrics, METRIC_COUNTER, "gracevm_virtio_chains_total", "Chains taken from queues.");
    struct metric_family *interrupts =
        metrics_family(metrics, METRIC_COUNTER, "gracevm_virtio_interrupts_total",
                       "Notifications of drivers, sent or not wanted.");
    struct metric_family *errors =
        metrics_family(metrics, METRIC_COUNTER, "gracevm_virtio_guest_errors_total",
                       "What drivers did against the specification.");

    for (unsigned i = 0; i < device->nr_queues; i++) {
        const struct virtq_stats *stats = &device->queues[i].stats;
        char number[12];

        (void)g_snprintf(number, sizeof(number), "%u", i);
        metric_add_u64(chains, METRIC_LABELS({ "device", device->place }, { "queue", number }),
                       &stats->chains, device);
        metric_add_u64(
            interrupts,
            METRIC_LABELS({ "device", device->place }, { "queue", number }, { "what", "sent" }),
            &stats->interrupts, device);
        metric_add_u64(interrupts,
                       METRIC_LABELS({ "device", device->place }, { "queue", number },
                                     { "what", "suppressed" }),
                       &stats->suppressed, device);
    }
    metric_add_u64(errors, METRIC_LABELS({ "device", device->place }), &device->guest_errors,
                   device);
}
