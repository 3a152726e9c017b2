/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/virtio/virtio_pci.h"

#include <assert.h>
#include <string.h>

#include "hw/pci/msix.h"
#include "hw/pci/registers.h"
#include "hw/virtio/virtio_pci_internal.h"
#include "util/atomic.h"

enum {
    VENDOR = 0x1af4, /* 4.1.2 */
    DEVICE_BASE = 0x1040,
    REVISION = 1,
};

/* Kinds of capabilities (4.1.4). */
enum {
    CAP_COMMON = 1,
    CAP_NOTIFY = 2,
    CAP_ISR = 3,
    CAP_CONFIG = 4,
    CAP_WINDOW = 5,
    CAP_SHARED = 8
};

/* A capability behind its two bytes of header (4.1.4). */
struct capability_body {
    uint8_t size; /* of all, header included */
    uint8_t kind;
    uint8_t bar;
    uint8_t id;
    uint8_t padding[2];
    uint32_t offset; /* in the BAR */
    uint32_t length;
    uint32_t more[2]; /* as the kind has it */
} __attribute__((packed));

enum {
    HEADER_SIZE = 2,
    PLAIN_SIZE = offsetof(struct capability_body, more),
    /* In the window's capability, by offsets from its beginning (4.1.4.9). */
    WINDOW_BAR = 4,
    WINDOW_OFFSET = 8,
    WINDOW_LENGTH = 12,
    WINDOW_DATA = 16,
    WINDOW_DATA_SIZE = 4,
};

static struct virtio_pci *proxy_of(struct pci_device *pci)
{
    return container_of(pci, struct virtio_pci, pci);
}

/* ---- Interrupts ---------------------------------------------------------------------------- */

/* INTx is under the BQL, which who has pushed may not have. */
static void on_intx(struct deferred *deferred)
{
    bql_assert_held();
    struct virtio_pci *proxy = container_of(deferred, struct virtio_pci, intx);

    pci_intx_set(&proxy->pci, load_relaxed(&proxy->isr) != 0);
}

/* Any thread. NO_VECTOR is no vector of ours, and so nothing. */
static void interrupt(struct virtio_pci *proxy, uint32_t cause, uint16_t vector)
{
    bool has_msix = msix_is_enabled(&proxy->pci);

    /* Of the configuration it is told in any case (4.1.4.5.1). */
    if (!has_msix || cause == VIRTIO_PCI_ISR_CONFIG)
        (void)fetch_or(&proxy->isr, cause); /* pairs with the exchange where it is read */
    if (has_msix)
        msix_raise(&proxy->pci, vector);
    else
        (void)loop_defer(&proxy->intx); /* pending already is as good */
}

/* Any thread, with the queue's lock. */
static void queue_interrupt(struct virtio_device *device, unsigned queue)
{
    struct virtio_pci *proxy = device->transport_opaque;

    interrupt(proxy, VIRTIO_PCI_ISR_QUEUE, load_relaxed(&proxy->queue_vector[queue]));
}

static void config_interrupt(struct virtio_device *device)
{
    bql_assert_held();
    struct virtio_pci *proxy = device->transport_opaque;

    interrupt(proxy, VIRTIO_PCI_ISR_CONFIG, proxy->config_vector);
}

static const struct virtio_transport_ops transport_ops = {
    .queue_interrupt = queue_interrupt,
    .config_interrupt = config_interrupt,
};

/* ---- The BAR -----------------------------------------------------------------------------------
 */

static uint64_t registers_read(void *opaque, uint64_t offset, unsigned size)
{
    bql_assert_held();
    struct virtio_pci *proxy = opaque;

    return proxy->device ? virtio_pci_read(proxy, (unsigned)offset, size) : UINT64_MAX;
}

static void registers_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    bql_assert_held();
    struct virtio_pci *proxy = opaque;

    if (proxy->device)
        virtio_pci_write(proxy, (unsigned)offset, size, (uint32_t)value);
}

/* A driver may access fields of 64 bits by halves only (4.1.3.1); who does it at once gets that. */
static const struct mmio_ops registers_ops = {
    .read = registers_read,
    .write = registers_write,
    .max_access = 4,
};

/* ---- The window in configuration space
 * ------------------------------------------------------------ */

static uint32_t window_word(const struct virtio_pci *proxy, unsigned offset)
{
    uint32_t value;

    memcpy(&value, proxy->pci.config + proxy->window + offset, sizeof(value));
    return value;
}

/* What register the driver has chosen, if it is one. */
static bool find_in_window(struct virtio_pci *proxy, unsigned *ret_offset, unsigned *ret_size)
{
    uint32_t offset = window_word(proxy, WINDOW_OFFSET);
    uint32_t size = window_word(proxy, WINDOW_LENGTH);

    if (proxy->pci.config[proxy->window + WINDOW_BAR] != VIRTIO_PCI_REGISTERS_BAR ||
        (size != 1 && size != 2 && size != 4) || offset % size != 0 || offset >= VIRTIO_PCI_SIZE) {
        virtio_guest_error(proxy->device, "%u bytes at 0x%x are no register", size, offset);
        return false;
    }
    *ret_offset = offset;
    *ret_size = size;
    return true;
}

static bool is_window_data(const struct virtio_pci *proxy, unsigned offset)
{
    return offset - (proxy->window + WINDOW_DATA) < WINDOW_DATA_SIZE; /* before it: a large one */
}

static bool config_read(struct pci_device *pci, unsigned offset, unsigned size, uint32_t *ret_value)
{
    bql_assert_held();
    struct virtio_pci *proxy = proxy_of(pci);
    unsigned at, length;
    uint32_t value;

    if (!proxy->device || !is_window_data(proxy, offset))
        return false;
    if (!find_in_window(proxy, &at, &length))
        return false;
    value = virtio_pci_read(proxy, at, length) >> 8 * (offset - (proxy->window + WINDOW_DATA));
    *ret_value = size < 4 ? value & ((1U << 8 * size) - 1) : value;
    return true;
}

static void config_written(struct pci_device *pci, unsigned offset, unsigned size)
{
    bql_assert_held();
    struct virtio_pci *proxy = proxy_of(pci);
    unsigned at, length;

    if (!proxy->device)
        return;
    if (offset <= PCI_COMMAND && offset + size > PCI_COMMAND)
        virtio_set_memory_access(proxy->device, pci_is_bus_master(pci));
    if (is_window_data(proxy, offset) && find_in_window(proxy, &at, &length))
        virtio_pci_write(proxy, at, length,
                         length < 4 ? window_word(proxy, WINDOW_DATA) & ((1U << 8 * length) - 1)
                                    : window_word(proxy, WINDOW_DATA));
}

/* ---- Reset
 * ------------------------------------------------------------------------------------------- */

void virtio_pci_reset_registers(struct virtio_pci *proxy)
{
    proxy->device_feature_select = proxy->driver_feature_select = 0;
    proxy->queue_select = 0;
    proxy->config_vector = VIRTIO_PCI_NO_VECTOR;
    for (unsigned i = 0; i < VIRTIO_QUEUES_MAX; i++)
        store_relaxed(&proxy->queue_vector[i], VIRTIO_PCI_NO_VECTOR);
    loop_cancel(&proxy->intx);
    store_relaxed(&proxy->isr, 0); /* the device has been reset: nobody sets it */
    pci_intx_set(&proxy->pci, false);
}

static void on_reset(struct pci_device *pci)
{
    bql_assert_held();
    struct virtio_pci *proxy = proxy_of(pci);

    virtio_set_status(proxy->device, 0);
    virtio_pci_reset_registers(proxy);
    virtio_set_memory_access(proxy->device, pci_is_bus_master(pci));
}

static void on_bar_moved(struct pci_device *pci, unsigned bar, uint64_t address)
{
    bql_assert_held();
    if (bar == VIRTIO_PCI_REGISTERS_BAR)
        virtio_pci_doorbells_move(proxy_of(pci), address);
}

static const struct pci_device_ops pci_ops = {
    .reset = on_reset,
    .bar_moved = on_bar_moved,
    .config_read = config_read,
    .config_written = config_written,
};

/* ---- Beginning and end
 * --------------------------------------------------------------------------------- */

static unsigned add_capability(struct virtio_pci *proxy, struct capability_body body,
                               unsigned nr_more) REQUIRES(bql)
{
    unsigned size = PLAIN_SIZE + nr_more * (unsigned)sizeof(body.more[0]);

    body.size = (uint8_t)(HEADER_SIZE + size);
    return pci_add_capability(&proxy->pci, PCI_CAPABILITY_VENDOR, &body, size);
}

static void add_window(struct virtio_pci *proxy) REQUIRES(bql)
{
    static const uint8_t bar = 0xff;
    static const uint32_t words[] = { UINT32_MAX, UINT32_MAX, UINT32_MAX };

    proxy->window = add_capability(proxy, (struct capability_body){ .kind = CAP_WINDOW }, 1);
    pci_set_writable(&proxy->pci, proxy->window + WINDOW_BAR, &bar, sizeof(bar));
    pci_set_writable(&proxy->pci, proxy->window + WINDOW_OFFSET, words, sizeof(words));
}

static void add_shared_memory(struct virtio_pci *proxy) REQUIRES(bql)
{
    const struct virtio_shared_memory *shared = &proxy->device->shared;
    const uint64_t size = region_size(shared->region);

    pci_add_bar(&proxy->pci, VIRTIO_PCI_SHARED_BAR, PCI_BAR_MEMORY64_PREFETCHABLE, shared->region);
    (void)add_capability(proxy,
                         (struct capability_body){
                             .kind = CAP_SHARED,
                             .bar = VIRTIO_PCI_SHARED_BAR,
                             .id = shared->id,
                             .length = (uint32_t)size,
                             .more = { 0, (uint32_t)(size >> 32) }, /* high halves */
                         },
                         2);
}

static void add_capabilities(struct virtio_pci *proxy) REQUIRES(bql)
{
    const struct virtio_device *device = proxy->device;

    (void)add_capability(proxy,
                         (struct capability_body){ .kind = CAP_COMMON,
                                                   .offset = VIRTIO_PCI_COMMON,
                                                   .length = VIRTIO_PCI_COMMON_SIZE },
                         0);
    (void)add_capability(proxy,
                         (struct capability_body){
                             .kind = CAP_NOTIFY,
                             .offset = VIRTIO_PCI_NOTIFY,
                             .length = VIRTIO_PCI_NOTIFY_EACH * device->nr_queues,
                             .more = { VIRTIO_PCI_NOTIFY_EACH }, /* the multiplier */
                         },
                         1);
    (void)add_capability(
        proxy, (struct capability_body){ .kind = CAP_ISR, .offset = VIRTIO_PCI_ISR, .length = 1 },
        0);
    if (device->ops->config_size > 0)
        (void)add_capability(proxy,
                             (struct capability_body){ .kind = CAP_CONFIG,
                                                       .offset = VIRTIO_PCI_CONFIG,
                                                       .length = device->ops->config_size },
                             0);
    add_window(proxy);
    if (device->shared.region)
        add_shared_memory(proxy);
}

static bool init_pci(struct virtio_pci *proxy, struct pci_bus *bus, const char *name, int slot,
                     GError **error) REQUIRES(bql)
{
    const struct virtio_ops *ops = proxy->device->ops;
    const struct pci_ids ids = {
        .vendor = VENDOR,
        .device = (uint16_t)(DEVICE_BASE + ops->id),
        .subsystem_vendor = VENDOR,
        .subsystem_device = (uint16_t)(DEVICE_BASE + ops->id), /* 0x40 or more: not legacy */
        .class_code = ops->pci_class,
        .revision = REVISION,
    };

    if (!pci_device_init(&proxy->pci, bus, name, slot, &ids, &pci_ops, error))
        return false;
    proxy->nr_vectors = proxy->device->nr_queues + 1;
    if (!msix_init(&proxy->pci, proxy->nr_vectors, VIRTIO_PCI_MSIX_BAR, error)) {
        pci_device_fini(&proxy->pci);
        return false;
    }
    return true;
}

struct virtio_pci *virtio_pci_new(struct pci_bus *bus, struct virtio_device *device,
                                  const char *name, int slot, GError **error)
{
    struct virtio_pci *proxy = g_new0(struct virtio_pci, 1);

    proxy->device = device;
    if (!init_pci(proxy, bus, name, slot, error)) {
        g_free(proxy);
        return NULL;
    }
    deferred_init(&proxy->intx, on_intx);
    proxy->registers = region_new_mmio(pci_bus_config(bus)->mem, "virtio registers",
                                       VIRTIO_PCI_SIZE, &registers_ops, proxy);
    region_on_released(proxy->registers, g_free, proxy); /* its handlers use it */
    pci_add_bar(&proxy->pci, VIRTIO_PCI_REGISTERS_BAR, PCI_BAR_MEMORY32, proxy->registers);
    add_capabilities(proxy);
    virtio_set_transport(device, &transport_ops, proxy, proxy->pci.name);
    virtio_set_memory_access(device, false);
    virtio_pci_reset_registers(proxy);
    virtio_pci_doorbells_init(proxy);
    pci_device_plug(&proxy->pci);
    return proxy;
}

void virtio_pci_free(struct virtio_pci *proxy)
{
    struct region *registers;

    if (!proxy)
        return;
    registers = proxy->registers;
    virtio_set_transport(proxy->device, NULL, NULL, NULL);
    loop_cancel(&proxy->intx);
    pci_device_fini(&proxy->pci); /* the doorbells go with the BAR */
    virtio_pci_doorbells_fini(proxy);
    proxy->device = NULL;
    region_unref(registers); /* and with it the proxy */
}
