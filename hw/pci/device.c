/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <string.h>

#include "hw/pci/pci_internal.h"
#include "hw/pci/registers.h"
#include "util/log.h"

enum {
    CLASS_BRIDGE = 0x06,
    PAGE_SIZE = 4096,
    PORTS_MAX = 256, /* of one BAR, on a PC (PCI 3.0, 6.2.5.1) */

    /* The PCI Express capability (PCIe 3.0, 7.8), by offsets behind its header of 2 bytes. */
    EXPRESS_SIZE = 0x3c - 2,
    EXPRESS_FLAGS = 0x02 - 2,
    EXPRESS_DEVICE = 0x04 - 2,
    EXPRESS_CONTROL = 0x08 - 2,

    EXPRESS_VERSION = 2,
    EXPRESS_INTEGRATED = 9 << 4, /* root complex integrated endpoint: there is no link */
    EXPRESS_ROLE_BASED = 0x80,   /* error reporting, in byte 1: required */
    EXPRESS_REPORTING = 0x0f,    /* which errors would be reported */
};

/* ---- Slots ------------------------------------------------------------------------- */

/* The slot's number, or -1. */
static int choose_slot(const struct pci_bus *bus, int slot, const char *name, GError **error)
    REQUIRES(bql)
{
    if (slot >= PCI_SLOTS || slot < -1) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                    "%s: there is no PCI slot %d, only 1 to %d", name, slot, PCI_SLOTS - 1);
        return -1;
    }
    if (slot >= 0 && bus->slots[slot]) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_EXIST, "%s: PCI slot %d is taken by %s", name,
                    slot, bus->slots[slot]->name);
        return -1;
    }
    for (int i = 1; slot < 0 && i < PCI_SLOTS; i++) {
        if (!bus->slots[i])
            slot = i;
    }
    if (slot < 0)
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOSPC, "%s: all %d PCI slots are taken", name,
                    PCI_SLOTS - 1);
    return slot;
}

/* ---- The header -------------------------------------------------------------------- */

static void let_write(struct pci_device *device, unsigned offset, uint32_t mask, unsigned size)
{
    memcpy(device->writable + offset, &mask, size);
}

static void fill_header(struct pci_device *device, const struct pci_ids *ids)
{
    pci_config_put(device, PCI_VENDOR, ids->vendor, 2);
    pci_config_put(device, PCI_DEVICE, ids->device, 2);
    pci_config_put(device, PCI_REVISION, ids->revision, 1);
    pci_config_put(device, PCI_CLASS, ids->class_code, 3);
    pci_config_put(device, PCI_SUBSYSTEM_VENDOR, ids->subsystem_vendor, 2);
    pci_config_put(device, PCI_SUBSYSTEM, ids->subsystem_device, 2);
    let_write(device, PCI_COMMAND,
              PCI_COMMAND_PORTS | PCI_COMMAND_MEMORY | PCI_COMMAND_BUS_MASTER | PCI_COMMAND_PARITY |
                  PCI_COMMAND_SERR | PCI_COMMAND_INTX_OFF,
              2);
    let_write(device, PCI_CACHE_LINE, 0xff, 1);          /* a register without meaning in PCIe */
    let_write(device, PCI_INTERRUPT_LINE, 0xff, 1);      /* the guest's own note */
    pci_config_put(device, PCI_INTERRUPT_LINE, 0xff, 1); /* unknown: _PRT knows */
}

/* What makes Linux take it for PCI Express. It has no link, slot or port, so little is in it. */
static void add_express(struct pci_device *device) REQUIRES(bql)
{
    uint8_t body[EXPRESS_SIZE] = {
        [EXPRESS_FLAGS] = EXPRESS_VERSION | EXPRESS_INTEGRATED,
        [EXPRESS_DEVICE + 1] = EXPRESS_ROLE_BASED,
    };
    uint8_t reporting = EXPRESS_REPORTING;
    unsigned offset = pci_add_capability(device, PCI_CAPABILITY_EXPRESS, body, sizeof(body));

    pci_set_writable(device, offset + 2 + EXPRESS_CONTROL, &reporting, 1);
}

bool pci_device_init(struct pci_device *device, struct pci_bus *bus, const char *name, int slot,
                     const struct pci_ids *ids, const struct pci_device_ops *ops, GError **error)
{
    slot = choose_slot(bus, slot, name, error);
    if (slot < 0)
        return false;
    *device = (struct pci_device){
        .name = g_strdup_printf("%s 0:%x.0", name, (unsigned)slot),
        .bus = bus,
        .slot = (unsigned)slot,
        .ops = ops,
        .next_capability = PCI_HEADER_END,
    };
    for (unsigned i = 0; i < PCI_BARS; i++)
        device->bar[i].address = PCI_NOWHERE;
    bus->slots[slot] = device;
    fill_header(device, ids);
    if (ids->class_code >> 16 != CLASS_BRIDGE) {
        pci_config_put(device, PCI_INTERRUPT_PIN, 1, 1); /* INTA */
        add_express(device);
    }
    return true;
}

void pci_device_plug(struct pci_device *device)
{
    memcpy(device->at_reset, device->config, sizeof(device->at_reset));
    device->is_plugged = true;
}

void pci_device_fini(struct pci_device *device)
{
    struct pci_bus *bus = device->bus;
    g_autoptr(GError) error = NULL;

    pci_config_put(device, PCI_COMMAND, 0, 2);
    if (!pci_bars_update(bus, device->slot, device->slot, &error))
        log_error("%s cannot be taken out of the memory map: %s", device->name, error->message);
    pci_intx_set(device, false);
    bus->slots[device->slot] = NULL;
    msix_fini(device);
    for (unsigned i = 0; i < PCI_BARS; i++)
        region_unref(device->bar[i].region);
    g_free(device->name);
    *device = (struct pci_device){ .name = NULL };
}

/* ---- Its description --------------------------------------------------------------- */

/* The power of two that @size is rounded up to. */
static uint64_t rounded_size(enum pci_bar_kind kind, uint64_t size)
{
    uint64_t rounded = kind == PCI_BAR_PORTS ? 4 : PAGE_SIZE;

    while (rounded < size)
        rounded <<= 1;
    return rounded;
}

static bool is_free(const struct pci_device *device, unsigned bar)
{
    const struct pci_bar *before = bar ? &device->bar[bar - 1] : NULL;

    return !device->bar[bar].region && !(before && before->region && pci_bar_is_64(before->kind));
}

void pci_add_bar(struct pci_device *device, unsigned bar, enum pci_bar_kind kind,
                 struct region *region)
{
    uint64_t size = rounded_size(kind, region_size(region));

    assert(!device->is_plugged);
    assert(bar < PCI_BARS && is_free(device, bar));
    assert(!pci_bar_is_64(kind) || (bar + 1 < PCI_BARS && is_free(device, bar + 1)));
    assert(pci_bar_is_64(kind) || size <= (kind == PCI_BAR_PORTS ? PORTS_MAX : UINT64_C(1) << 31));
    device->bar[bar] = (struct pci_bar){
        .region = region_ref(region),
        .kind = kind,
        .size = size,
        .address = PCI_NOWHERE,
    };
    pci_bar_set_register(device, bar, 0);
    /* What cannot be written tells the size: it stays 0 when ones are written (6.2.5.1). */
    let_write(device, PCI_BAR0 + 4 * bar, (uint32_t) ~(size - 1), 4);
    if (pci_bar_is_64(kind))
        let_write(device, PCI_BAR0 + 4 * bar + 4, (uint32_t)(~(size - 1) >> 32), 4);
}

/* Where the number of the first or next capability stands that is 0: the chain's end. */
static unsigned end_of_chain(const struct pci_device *device)
{
    unsigned at = PCI_CAPABILITIES;

    while (device->config[at])
        at = device->config[at] + 1U;
    return at;
}

unsigned pci_add_capability(struct pci_device *device, uint8_t id, const void *body, unsigned size)
{
    unsigned offset = device->next_capability;

    assert(!device->is_plugged);
    assert(size <= PCI_CONFIG_SIZE && offset + 2 + size <= PCI_CONFIG_SIZE);
    device->config[end_of_chain(device)] = (uint8_t)offset;
    device->config[offset] = id;
    memcpy(device->config + offset + 2, body, size);
    device->next_capability = (offset + 2 + size + 3) & ~3U; /* they begin at dwords (6.7) */
    pci_config_put(device, PCI_STATUS,
                   pci_config_get16(device, PCI_STATUS) | PCI_STATUS_CAPABILITIES, 2);
    return offset;
}

void pci_set_writable(struct pci_device *device, unsigned offset, const void *mask, unsigned size)
{
    assert(offset >= PCI_HEADER_END && size <= PCI_CONFIG_SIZE && offset <= PCI_CONFIG_SIZE - size);
    memcpy(device->writable + offset, mask, size);
}
