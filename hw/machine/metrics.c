/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What the machine's parts count, all of it: docs/metrics.md.
 */
#include "util/metric.h"

#include "hw/cpu/cpu.h"
#include "hw/dev/serial.h"
#include "hw/irq/lapic.h"
#include "hw/irq/msi.h"
#include "hw/machine/parts.h"
#include "hw/mem/mem.h"
#include "hw/net/user.h"
#include "hw/pci/pci.h"
#include "hw/virtio/virtio.h"

void machine_metrics_register(struct machine *machine, struct metrics *metrics)
{
    rcu_metrics_register(metrics);
    util_metrics_register(metrics);
    mem_metrics_register(machine->mem, metrics);
    cpus_metrics_register(machine->cpus, metrics);
    if (machine->lapics)
        lapics_metrics_register(machine->lapics, metrics);
    msi_metrics_register(machine->routes, metrics);
    pci_bus_metrics_register(machine->bus, metrics);
    serial_metrics_register(machine->serial, metrics);
    for (guint i = 0; i < machine->devices->len; i++) {
        const struct machine_device *device = machine->devices->pdata[i];

        virtio_metrics_register(device->virtio, metrics);
        if (device->add_metrics)
            device->add_metrics(device, metrics);
    }
    for (guint i = 0; i < machine->networks->len; i++) {
        const struct machine_network *network = machine->networks->pdata[i];

        net_user_metrics_register(network->backend, metrics, network->id);
    }
}
