/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A device's configuration space: bytes with masks, and what some of them do.
 */
#include <assert.h>
#include <string.h>

#include "hw/pci/msix.h"
#include "hw/pci/pci_internal.h"
#include "hw/pci/registers.h"
#include "util/log.h"

uint16_t pci_config_get16(const struct pci_device *device, unsigned offset)
{
    uint16_t value;

    memcpy(&value, device->config + offset, sizeof(value));
    return value;
}

uint32_t pci_config_get32(const struct pci_device *device, unsigned offset)
{
    uint32_t value;

    memcpy(&value, device->config + offset, sizeof(value));
    return value;
}

void pci_config_put(struct pci_device *device, unsigned offset, uint32_t value, unsigned size)
{
    assert(size <= sizeof(value) && offset <= PCI_CONFIG_SIZE - size);
    memcpy(device->config + offset, &value, size); /* both little-endian: x86 on x86 */
}

/* ---- INTx -------------------------------------------------------------------------- */

void pci_intx_update(struct pci_device *device)
{
    bool is_off = pci_config_get16(device, PCI_COMMAND) & PCI_COMMAND_INTX_OFF;

    irq_line_set(&device->bus->config.intx[device->slot],
                 device->intx_is_high && !is_off && !msix_is_enabled(device));
}

void pci_intx_set(struct pci_device *device, bool is_high)
{
    uint16_t status = pci_config_get16(device, PCI_STATUS);

    device->intx_is_high = is_high;
    /* It tells what is pending, whatever the command register lets through (6.2.3). */
    status = is_high ? status | PCI_STATUS_INTX : status & ~PCI_STATUS_INTX;
    pci_config_put(device, PCI_STATUS, status, sizeof(status));
    pci_intx_update(device);
}

bool pci_is_bus_master(const struct pci_device *device)
{
    return pci_config_get16(device, PCI_COMMAND) & PCI_COMMAND_BUS_MASTER;
}

/* ---- The guest's accesses ---------------------------------------------------------- */

uint32_t pci_config_read(struct pci_device *device, unsigned offset, unsigned size)
{
    uint32_t value = 0;

    if (offset >= PCI_CONFIG_SIZE)
        return 0; /* an extended capability of number 0: there are none (PCIe 3.0, 7.9.1) */
    if (device->ops->config_read && device->ops->config_read(device, offset, size, &value))
        return value;
    memcpy(&value, device->config + offset, size);
    return value;
}

static void move_bars(struct pci_device *device) REQUIRES(bql)
{
    g_autoptr(GError) error = NULL;

    if (!pci_bars_update(device->bus, device->slot, device->slot, &error))
        LOG_RATELIMITED(log_error, "%s: its BARs stay where they are: %s", device->name,
                        error->message);
}

void pci_config_write(struct pci_device *device, unsigned offset, unsigned size, uint32_t value)
{
    if (offset >= PCI_CONFIG_SIZE)
        return;
    for (unsigned i = 0; i < size; i++) {
        uint8_t mask = device->writable[offset + i];
        uint8_t *byte = &device->config[offset + i];

        *byte = (uint8_t)((*byte & ~mask) | (value >> (8 * i) & mask));
    }
    if (pci_meets(offset, size, PCI_COMMAND, 2) ||
        pci_meets(offset, size, PCI_BAR0, PCI_BARS_END - PCI_BAR0))
        move_bars(device);
    if (pci_meets(offset, size, PCI_COMMAND, 2))
        pci_intx_update(device);
    msix_config_written(device, offset, size);
    if (device->ops->config_written)
        device->ops->config_written(device, offset, size);
}
