/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registers (virtio 1.2, 4.1.4.3 to 4.1.4.6). Drivers access a field in its own
 * width, of 64 bits each half; reading has no effects in the common part, so other
 * reads get what lies there, while other writes are ignored.
 */
#include <inttypes.h>
#include <string.h>

#include "hw/virtio/virtio_pci_internal.h"
#include "util/atomic.h"

/* Offsets in the common part (4.1.4.3). */
enum {
    DEVICE_FEATURE_SELECT = 0x00,
    DEVICE_FEATURE = 0x04,
    DRIVER_FEATURE_SELECT = 0x08,
    DRIVER_FEATURE = 0x0c,
    CONFIG_MSIX_VECTOR = 0x10,
    NUM_QUEUES = 0x12,
    DEVICE_STATUS = 0x14,
    CONFIG_GENERATION = 0x15,
    QUEUE_SELECT = 0x16,
    QUEUE_SIZE = 0x18,
    QUEUE_MSIX_VECTOR = 0x1a,
    QUEUE_ENABLE = 0x1c,
    QUEUE_NOTIFY_OFF = 0x1e,
    QUEUE_DESC = 0x20,
    QUEUE_DRIVER = 0x28,
    QUEUE_DEVICE = 0x30,
    QUEUE_NOTIFY_DATA = 0x38, /* reads 0: the feature is not offered */
    QUEUE_RESET = 0x3a,
};

/* How wide the field is that begins there; 0: none does. */
static const uint8_t widths[VIRTIO_PCI_COMMON_SIZE] = {
    [DEVICE_FEATURE_SELECT] = 4, [DEVICE_FEATURE] = 4,
    [DRIVER_FEATURE_SELECT] = 4, [DRIVER_FEATURE] = 4,
    [CONFIG_MSIX_VECTOR] = 2,    [NUM_QUEUES] = 2,
    [DEVICE_STATUS] = 1,         [CONFIG_GENERATION] = 1,
    [QUEUE_SELECT] = 2,          [QUEUE_SIZE] = 2,
    [QUEUE_MSIX_VECTOR] = 2,     [QUEUE_ENABLE] = 2,
    [QUEUE_NOTIFY_OFF] = 2,      [QUEUE_DESC] = 4,
    [QUEUE_DESC + 4] = 4,        [QUEUE_DRIVER] = 4,
    [QUEUE_DRIVER + 4] = 4,      [QUEUE_DEVICE] = 4,
    [QUEUE_DEVICE + 4] = 4,      [QUEUE_NOTIFY_DATA] = 2,
    [QUEUE_RESET] = 2,
};

/* ---- Features ------------------------------------------------------------------------------ */

static uint32_t half(uint64_t features, uint32_t select)
{
    return select < 2 ? (uint32_t)(features >> (32 * select)) : 0;
}

static void write_feature(struct virtio_pci *proxy, uint32_t value) REQUIRES(bql)
{
    const uint32_t select = proxy->driver_feature_select;
    const uint64_t accepted = proxy->device->accepted;

    if (select < 2)
        virtio_set_accepted(proxy->device, (accepted & ~(UINT64_C(0xffffffff) << (32 * select))) |
                                               (uint64_t)value << (32 * select));
    else if (value)
        virtio_guest_error(proxy->device, "features 0x%x of word %u accepted, which has none",
                           value, select);
}

/* ---- Queues ---------------------------------------------------------------------------------- */

/* The driver's choice, or NULL: then all its fields read 0, and no write has an effect. */
static struct virtq *selected(struct virtio_pci *proxy) REQUIRES(bql)
{
    return proxy->queue_select < proxy->device->nr_queues
               ? virtio_queue(proxy->device, proxy->queue_select)
               : NULL;
}

static uint32_t read_queue(struct virtio_pci *proxy, struct virtq *queue, unsigned field)
    REQUIRES(bql)
{
    const struct virtq_setup *setup = virtq_setup(queue);

    switch (field) {
    case QUEUE_SIZE:
        return setup->size;
    case QUEUE_MSIX_VECTOR:
        return load_relaxed(&proxy->queue_vector[virtq_index(queue)]);
    case QUEUE_ENABLE:
        return setup->is_enabled;
    case QUEUE_NOTIFY_OFF:
        return virtq_index(queue);
    case QUEUE_DESC:
        return (uint32_t)setup->desc;
    case QUEUE_DESC + 4:
        return (uint32_t)(setup->desc >> 32);
    case QUEUE_DRIVER:
        return (uint32_t)setup->avail;
    case QUEUE_DRIVER + 4:
        return (uint32_t)(setup->avail >> 32);
    case QUEUE_DEVICE:
        return (uint32_t)setup->used;
    case QUEUE_DEVICE + 4:
        return (uint32_t)(setup->used >> 32);
    case QUEUE_RESET:
        return virtq_is_resetting(queue);
    default:
        return 0;
    }
}

/* A vector that there is, or none (4.1.5.1.2). */
static uint16_t checked_vector(const struct virtio_pci *proxy, uint32_t vector)
{
    return vector < proxy->nr_vectors ? (uint16_t)vector : VIRTIO_PCI_NO_VECTOR;
}

static void put_half(uint64_t *address, uint32_t value, bool is_high)
{
    *address = is_high ? (uint32_t)*address | (uint64_t)value << 32
                       : (*address & ~(uint64_t)UINT32_MAX) | value;
}

/* What cannot be changed while the queue is enabled (4.1.4.3.2). */
static void write_setup(struct virtio_pci *proxy, struct virtq *queue, unsigned field,
                        uint32_t value) REQUIRES(bql)
{
    struct virtq_setup *setup = virtq_setup(queue);

    if (setup->is_enabled) {
        virtio_guest_error(proxy->device, "queue %u changed while it is enabled",
                           virtq_index(queue));
        return;
    }
    switch (field & ~4U) {
    case QUEUE_DESC:
        put_half(&setup->desc, value, field & 4);
        break;
    case QUEUE_DRIVER:
        put_half(&setup->avail, value, field & 4);
        break;
    case QUEUE_DEVICE:
        put_half(&setup->used, value, field & 4);
        break;
    default:
        setup->size = (uint16_t)value;
    }
}

static void write_queue(struct virtio_pci *proxy, struct virtq *queue, unsigned field,
                        uint32_t value) REQUIRES(bql)
{
    const unsigned index = virtq_index(queue);

    switch (field) {
    case QUEUE_MSIX_VECTOR:
        store_relaxed(&proxy->queue_vector[index], checked_vector(proxy, value));
        break;
    case QUEUE_ENABLE:
        if (value == 1)
            virtq_enable(queue);
        else
            virtio_guest_error(proxy->device, "queue_enable of %u written %u", index, value);
        break;
    case QUEUE_RESET:
        if (value == 1)
            virtq_reset(queue);
        else
            virtio_guest_error(proxy->device, "queue_reset of %u written %u", index, value);
        if (!virtq_setup(queue)->is_enabled)
            store_relaxed(&proxy->queue_vector[index], VIRTIO_PCI_NO_VECTOR);
        break;
    default:
        write_setup(proxy, queue, field, value);
    }
}

/* ---- The common part
 * ----------------------------------------------------------------------------- */

static uint32_t read_field(struct virtio_pci *proxy, unsigned field) REQUIRES(bql)
{
    struct virtio_device *device = proxy->device;
    struct virtq *queue;

    switch (field) {
    case DEVICE_FEATURE_SELECT:
        return proxy->device_feature_select;
    case DEVICE_FEATURE:
        return half(device->offered, proxy->device_feature_select);
    case DRIVER_FEATURE_SELECT:
        return proxy->driver_feature_select;
    case DRIVER_FEATURE:
        return half(device->accepted, proxy->driver_feature_select);
    case CONFIG_MSIX_VECTOR:
        return proxy->config_vector;
    case NUM_QUEUES:
        return device->nr_queues;
    case DEVICE_STATUS:
        return virtio_get_status(device);
    case CONFIG_GENERATION:
        return device->config_generation;
    case QUEUE_SELECT:
        return proxy->queue_select;
    default:
        queue = selected(proxy);
        return queue ? read_queue(proxy, queue, field) : 0;
    }
}

static void write_field(struct virtio_pci *proxy, unsigned field, uint32_t value) REQUIRES(bql)
{
    struct virtq *queue;

    switch (field) {
    case DEVICE_FEATURE_SELECT:
        proxy->device_feature_select = value;
        break;
    case DRIVER_FEATURE_SELECT:
        proxy->driver_feature_select = value;
        break;
    case DRIVER_FEATURE:
        write_feature(proxy, value);
        break;
    case CONFIG_MSIX_VECTOR:
        proxy->config_vector = checked_vector(proxy, value);
        break;
    case DEVICE_STATUS:
        virtio_set_status(proxy->device, (uint8_t)value);
        if (value == 0)
            virtio_pci_reset_registers(proxy);
        break;
    case QUEUE_SELECT:
        proxy->queue_select = (uint16_t)value;
        break;
    case DEVICE_FEATURE:
    case NUM_QUEUES:
    case CONFIG_GENERATION:
    case QUEUE_NOTIFY_OFF:
    case QUEUE_NOTIFY_DATA:
        virtio_guest_error(proxy->device, "register 0x%x written, which is read-only", field);
        break;
    default:
        queue = selected(proxy);
        if (queue)
            write_queue(proxy, queue, field, value);
        else
            virtio_guest_error(proxy->device, "queue %u set up, which is not there",
                               proxy->queue_select);
    }
}

static uint32_t read_common(struct virtio_pci *proxy, unsigned offset, unsigned size) REQUIRES(bql)
{
    uint32_t value = 0;

    if (offset < VIRTIO_PCI_COMMON_SIZE && widths[offset] == size)
        return read_field(proxy, offset);
    for (unsigned i = 0; i < size && offset + i < VIRTIO_PCI_COMMON_SIZE; i++) {
        unsigned field = offset + i;

        while (widths[field] == 0)
            field--;
        value |= (read_field(proxy, field) >> (8 * (offset + i - field)) & 0xff) << (8 * i);
    }
    return value;
}

static void write_common(struct virtio_pci *proxy, unsigned offset, unsigned size, uint32_t value)
    REQUIRES(bql)
{
    if (offset < VIRTIO_PCI_COMMON_SIZE && widths[offset] == size)
        write_field(proxy, offset, value);
    else
        virtio_guest_error(proxy->device, "%u bytes written at 0x%x, which is no register", size,
                           offset);
}

/* ---- All of the BAR
 * -------------------------------------------------------------------------------- */

static void notify(struct virtio_pci *proxy, unsigned offset) REQUIRES(bql)
{
    if (offset % VIRTIO_PCI_NOTIFY_EACH == 0)
        virtio_doorbell(proxy->device, offset / VIRTIO_PCI_NOTIFY_EACH);
    else
        virtio_guest_error(proxy->device, "notification between two queues");
}

uint32_t virtio_pci_read(struct virtio_pci *proxy, unsigned offset, unsigned size)
{
    const unsigned page = offset & ~0xfffU;
    uint32_t value = 0;

    switch (page) {
    case VIRTIO_PCI_COMMON:
        return read_common(proxy, offset, size);
    case VIRTIO_PCI_ISR:
        if (offset == VIRTIO_PCI_ISR) {
            value =
                atomic_xchg(&proxy->isr, 0); /* pairs with the locked operation in interrupt() */
            pci_intx_set(&proxy->pci, false);
        }
        return value;
    case VIRTIO_PCI_CONFIG:
        virtio_read_config(proxy->device, offset - page, &value, size);
        return value;
    default:
        return 0; /* notifications are written */
    }
}

void virtio_pci_write(struct virtio_pci *proxy, unsigned offset, unsigned size, uint32_t value)
{
    const unsigned page = offset & ~0xfffU;

    switch (page) {
    case VIRTIO_PCI_COMMON:
        write_common(proxy, offset, size, value);
        break;
    case VIRTIO_PCI_CONFIG:
        virtio_write_config(proxy->device, offset - page, &value, size);
        break;
    case VIRTIO_PCI_NOTIFY:
        notify(proxy, offset - page);
        break;
    default:
        virtio_guest_error(proxy->device, "the ISR status written, which is read-only");
    }
}
