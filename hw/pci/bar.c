/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * BARs: from registers to places in the map.
 *
 * A guest may write any address at any time, over RAM, over other BARs, or one half
 * of an address before the other. BARs lie behind all else that answers, so none of it
 * hides anything but other BARs; and an address that its space does not reach is
 * not decoded.
 */
#include <assert.h>
#include <inttypes.h>

#include "hw/pci/pci_internal.h"
#include "hw/pci/registers.h"
#include "util/atomic.h"
#include "util/log.h"

enum {
    BAR_PRIORITY = -1
}; /* behind RAM and the platform's own devices, as on a real host bridge */

uint32_t pci_bar_type(enum pci_bar_kind kind)
{
    switch (kind) {
    case PCI_BAR_PORTS:
        return PCI_BAR_IS_PORTS;
    case PCI_BAR_MEMORY32:
        return 0;
    case PCI_BAR_MEMORY64:
        return PCI_BAR_IS_64;
    case PCI_BAR_MEMORY64_PREFETCHABLE:
        return PCI_BAR_IS_64 | PCI_BAR_IS_PREFETCHABLE;
    }
    return 0;
}

void pci_bar_set_register(struct pci_device *device, unsigned bar, uint64_t address)
{
    enum pci_bar_kind kind = device->bar[bar].kind;

    pci_config_put(device, PCI_BAR0 + 4 * bar, (uint32_t)address | pci_bar_type(kind), 4);
    if (pci_bar_is_64(kind))
        pci_config_put(device, PCI_BAR0 + 4 * bar + 4, (uint32_t)(address >> 32), 4);
}

static struct region *container_of_bar(const struct pci_device *device, unsigned bar)
{
    const struct pci_bus_config *config = &device->bus->config;

    return device->bar[bar].kind == PCI_BAR_PORTS ? config->ports : config->memory;
}

/* Where the registers say that @bar is. */
static uint64_t decode(const struct pci_device *device, unsigned index)
{
    const struct pci_bar *bar = &device->bar[index];
    unsigned enable = bar->kind == PCI_BAR_PORTS ? PCI_COMMAND_PORTS : PCI_COMMAND_MEMORY;
    uint64_t address, end;

    if (!bar->region || !device->is_plugged || !(pci_config_get16(device, PCI_COMMAND) & enable))
        return PCI_NOWHERE;
    address = pci_config_get32(device, PCI_BAR0 + 4 * index);
    if (pci_bar_is_64(bar->kind))
        address |= (uint64_t)pci_config_get32(device, PCI_BAR0 + 4 * index + 4) << 32;
    address &= ~(bar->size - 1);
    end = region_size(container_of_bar(device, index));
    return address < end && bar->size <= end - address ? address : PCI_NOWHERE;
}

/* Inside a transaction, where each change is true. */
static void put(struct pci_device *device, unsigned index, uint64_t address) REQUIRES(bql)
{
    const struct pci_bar *bar = &device->bar[index];
    struct region *container = container_of_bar(device, index);
    bool is_done;

    if (bar->address == PCI_NOWHERE)
        is_done = region_add(container, address, bar->region, BAR_PRIORITY, NULL);
    else if (address == PCI_NOWHERE)
        is_done = region_del(bar->region, NULL);
    else
        is_done = region_move(bar->region, address, NULL);
    assert(is_done);
}

/* The transaction's outcome stands: tell the owner. */
static void has_moved(struct pci_device *device, unsigned index, uint64_t address) REQUIRES(bql)
{
    device->bar[index].address = address;
    fetch_add_relaxed(&device->bus->stats.moves, 1);
    if (address == PCI_NOWHERE)
        log_topic(pci, "%s: BAR %u is not decoded", device->name, index);
    else
        log_topic(pci, "%s: BAR %u at 0x%" PRIx64, device->name, index, address);
    if (device->ops->bar_moved)
        device->ops->bar_moved(device, index, address);
}

typedef void bar_function(struct pci_device *device, unsigned index, uint64_t address);

/* Call @fn for each BAR that is not where its registers say; whether there was one. */
static bool for_each_stray(struct pci_bus *bus, unsigned first, unsigned last, bar_function *fn)
    REQUIRES(bql)
{
    bool was_one = false;

    for (unsigned slot = first; slot <= last; slot++) {
        struct pci_device *device = bus->slots[slot];

        for (unsigned i = 0; device && i < PCI_BARS; i++) {
            uint64_t address = decode(device, i);

            if (address == device->bar[i].address || !device->bar[i].region)
                continue;
            was_one = true;
            if (fn)
                fn(device, i, address);
        }
    }
    return was_one;
}

bool pci_bars_update(struct pci_bus *bus, unsigned first, unsigned last, GError **error)
{
    if (!for_each_stray(bus, first, last, NULL))
        return true;
    mem_begin(bus->config.mem);
    (void)for_each_stray(bus, first, last, put); /* there is one */
    if (!mem_commit(bus->config.mem, error)) {
        fetch_add_relaxed(&bus->stats.refused_moves, 1);
        return false;
    }
    (void)for_each_stray(bus, first, last, has_moved);
    if (bus->config.map_changed)
        bus->config.map_changed(bus->config.opaque);
    return true;
}
