/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <assert.h>
#include <string.h>

#include "hw/pci/pci_internal.h"
#include "util/atomic.h"
#include "util/metric.h"

/* ---- Beginning and end ------------------------------------------------------------- */

void pci_bus_free(struct pci_bus *bus)
{
    if (!bus)
        return;
    for (unsigned slot = 1; slot < PCI_SLOTS; slot++)
        assert(!bus->slots[slot]); /* whoever has put it there, takes it away first */
    pci_host_bridge_fini(bus);
}

static void check_config(const struct pci_bus_config *config)
{
    assert(config->mem && config->memory && config->ports && config->nr_buses >= 1);
    assert(config->nr_buses <= 256);
    /* Registers of 32 bits, and ports of 16. */
    assert(config->window32.size <= (UINT64_C(1) << 32) - config->window32.start);
    assert(config->window_ports.size <= 0x10000 - config->window_ports.start);
    assert(config->window64.size <= UINT64_MAX - config->window64.start);
}

struct pci_bus *pci_bus_new(const struct pci_bus_config *config, GError **error)
{
    struct pci_bus *bus = g_new0(struct pci_bus, 1);

    check_config(config);
    bus->config = *config;
    if (!pci_host_bridge_init(bus, error)) {
        pci_bus_free(bus);
        return NULL;
    }
    return bus;
}

const struct pci_bus_config *pci_bus_config(const struct pci_bus *bus)
{
    return &bus->config;
}

void pci_bus_for_each(struct pci_bus *bus, void (*visit)(struct pci_device *device, void *arg),
                      void *arg)
{
    for (unsigned slot = 0; slot < PCI_SLOTS; slot++) {
        struct pci_device *device = bus->slots[slot];

        if (device && device->is_plugged)
            visit(device, arg);
    }
}

/* ---- Reset ------------------------------------------------------------------------- */

/* Registers as after power-on: nothing is decoded, no interrupt is wanted. */
static void reset_registers(struct pci_device *device, void *arg G_GNUC_UNUSED)
{
    bql_assert_held();
    memcpy(device->config, device->at_reset, sizeof(device->config));
    msix_reset(device);
    pci_intx_set(device, false);
}

static void reset_device(struct pci_device *device, void *arg G_GNUC_UNUSED)
{
    bql_assert_held();
    if (device->ops->reset)
        device->ops->reset(device);
}

bool pci_bus_reset(struct pci_bus *bus, GError **error)
{
    bus->address = 0;
    pci_bus_for_each(bus, reset_registers, NULL);
    if (!pci_bars_update(bus, 0, PCI_SLOTS - 1, error))
        return false;
    pci_bus_for_each(bus, reset_device, NULL);
    return pci_bars_assign(bus, error) && pci_bars_update(bus, 0, PCI_SLOTS - 1, error);
}

/* ---- Figures ----------------------------------------------------------------------- */

void pci_count_guest_error(struct pci_bus *bus)
{
    fetch_add_relaxed(&bus->stats.guest_errors, 1);
}

void pci_bus_metrics_register(struct pci_bus *bus, struct metrics *metrics)
{
    const struct {
        const char *name, *help;
        const uint64_t *value;
    } figures[] = {
        { "gracevm_pci_bar_moves_total", "BARs moved, or switched on or off.", &bus->stats.moves },
        { "gracevm_pci_refused_moves_total", "Moves of BARs that the memory map refused.",
          &bus->stats.refused_moves },
        { "gracevm_pci_guest_errors_total", "Accesses that the PCI specifications do not allow.",
          &bus->stats.guest_errors },
    };

    for (size_t i = 0; i < ARRAY_SIZE(figures); i++)
        metric_add_u64(metrics_family(metrics, METRIC_COUNTER, figures[i].name, figures[i].help),
                       METRIC_NO_LABELS, figures[i].value, bus);
}
