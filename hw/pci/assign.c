/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Places for BARs: there is no firmware, so this is what it would do. Largest first,
 * each aligned to its size, one after another: so no gaps but the one that aligning the
 * first leaves.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "hw/pci/pci_internal.h"
#include "hw/pci/registers.h"

enum window_kind { WINDOW_PORTS, WINDOW_32, WINDOW_64, NR_WINDOWS };

struct placement {
    struct pci_device *device;
    unsigned bar;
    uint64_t address;
};

struct window {
    const char *name;
    struct mem_extent extent;
    uint64_t used; /* bytes from its start on */
};

static const struct pci_bar *bar_of(const struct placement *placement)
{
    return &placement->device->bar[placement->bar];
}

/* Descending by size; among equals as they were, so that addresses do not depend on qsort(). */
static int larger_first(const void *a, const void *b)
{
    const struct placement *left = a, *right = b;
    uint64_t left_size = bar_of(left)->size, right_size = bar_of(right)->size;

    if (left_size != right_size)
        return left_size > right_size ? -1 : 1;
    if (left->device->slot != right->device->slot)
        return left->device->slot < right->device->slot ? -1 : 1;
    return left->bar < right->bar ? -1 : left->bar > right->bar;
}

static unsigned collect(struct pci_bus *bus, struct placement all[PCI_SLOTS * PCI_BARS])
    REQUIRES(bql)
{
    unsigned nr = 0;

    for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
        struct pci_device *device = bus->slots[slot];

        for (unsigned i = 0; device && device->is_plugged && i < PCI_BARS; i++) {
            if (device->bar[i].region)
                all[nr++] = (struct placement){ .device = device, .bar = i };
        }
    }
    qsort(all, nr, sizeof(all[0]), larger_first);
    return nr;
}

static enum window_kind window_for(enum pci_bar_kind kind, bool has_window64)
{
    switch (kind) {
    case PCI_BAR_PORTS:
        return WINDOW_PORTS;
    case PCI_BAR_MEMORY32:
    case PCI_BAR_MEMORY64:
        return WINDOW_32;
    case PCI_BAR_MEMORY64_PREFETCHABLE:
        return has_window64 ? WINDOW_64 : WINDOW_32;
    }
    return WINDOW_32;
}

static bool place(struct window *window, struct placement *placement, GError **error)
{
    uint64_t size = bar_of(placement)->size; /* a power of two */
    uint64_t gap = -(window->extent.start + window->used) & (size - 1);
    uint64_t room = window->extent.size - window->used;

    if (gap > room || size > room - gap) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_NOSPC,
                    "%s: no room for BAR %u of 0x%" PRIx64 " bytes in the %s window of PCI, "
                    "which has 0x%" PRIx64 " from 0x%" PRIx64 " on",
                    placement->device->name, placement->bar, size, window->name,
                    window->extent.size, window->extent.start);
        return false;
    }
    placement->address = window->extent.start + window->used + gap;
    window->used += gap + size;
    return true;
}

static void start_decoding(const struct placement *placement)
{
    struct pci_device *device = placement->device;
    uint16_t command = pci_config_get16(device, PCI_COMMAND);

    command |= bar_of(placement)->kind == PCI_BAR_PORTS ? PCI_COMMAND_PORTS : PCI_COMMAND_MEMORY;
    pci_bar_set_register(device, placement->bar, placement->address);
    pci_config_put(device, PCI_COMMAND, command, sizeof(command));
}

bool pci_bars_assign(struct pci_bus *bus, GError **error)
{
    const struct pci_bus_config *config = &bus->config;
    struct window windows[NR_WINDOWS] = {
        [WINDOW_PORTS] = { .name = "port", .extent = config->window_ports },
        [WINDOW_32] = { .name = "32-bit", .extent = config->window32 },
        [WINDOW_64] = { .name = "64-bit", .extent = config->window64 },
    };
    struct placement all[PCI_SLOTS * PCI_BARS];
    unsigned nr = collect(bus, all);

    for (unsigned i = 0; i < nr; i++) {
        enum window_kind kind = window_for(bar_of(&all[i])->kind, config->window64.size > 0);

        if (!place(&windows[kind], &all[i], error))
            return false;
    }
    for (unsigned i = 0; i < nr; i++)
        start_decoding(&all[i]);
    return true;
}
