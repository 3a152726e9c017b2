/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The host bridge: device 0, and the two ways from a processor to configuration space,
 * which are ports 0xcf8 and 0xcfc (PCI Local Bus 3.0, 3.2.2.3.2) and ECAM (PCI Express
 * Base 3.0, 7.2.2). There is one bus; where no device is, nobody answers: ones.
 */
#include <assert.h>

#include "hw/pci/pci_internal.h"
#include "hw/pci/registers.h"
#include "util/atomic.h"
#include "util/log.h"

enum {
    PORT_ADDRESS = 0xcf8,
    PORT_DATA = 0xcfc,
    ADDRESS_MASK = 0x00fffffc, /* bus, device, function, register */
    ECAM_BUS_SHIFT = 20,
    NR_REGIONS = 3,
};
#define ADDRESS_ENABLE UINT32_C(0x80000000)

/* The generic PCIe host bridge of Red Hat's numbers: drivers know its class, none its number. */
static const struct pci_ids bridge_ids = {
    .vendor = 0x1b36, .device = 0x0008, .class_code = 0x060000, /* bridge, of the host */
};
static const struct pci_device_ops bridge_ops;

/* Ones in @size bytes: what a read gives that nobody answers. */
static uint64_t ones(unsigned size)
{
    return size < 8 ? (UINT64_C(1) << (8 * size)) - 1 : UINT64_MAX;
}

/* The device that @bus_number and @function (with the slot from bit 3 on) name, or NULL. */
static struct pci_device *find(const struct pci_bus *bus, unsigned bus_number, unsigned function)
    REQUIRES(bql)
{
    struct pci_device *device;

    if (bus_number != 0 || function % 8 != 0)
        return NULL;
    device = bus->slots[function / 8 % PCI_SLOTS];
    return device && device->is_plugged ? device : NULL;
}

/* ---- Ports ------------------------------------------------------------------------- */

/* Only 4 bytes at once are this register; else the ports belong to others, whom we don't have. */
static uint64_t address_read(void *opaque, uint64_t offset, unsigned size)
{
    struct pci_bus *bus = opaque;

    bql_assert_held();
    return offset == 0 && size == 4 ? bus->address : ones(size);
}

static void address_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct pci_bus *bus = opaque;

    bql_assert_held();
    if (offset == 0 && size == 4)
        bus->address = (uint32_t)value & (ADDRESS_ENABLE | ADDRESS_MASK);
}

static struct pci_device *find_by_port(const struct pci_bus *bus) REQUIRES(bql)
{
    uint32_t address = bus->address;

    return address & ADDRESS_ENABLE ? find(bus, address >> 16 & 0xff, address >> 8 & 0xff) : NULL;
}

static uint64_t data_read(void *opaque, uint64_t offset, unsigned size)
{
    struct pci_bus *bus = opaque;
    struct pci_device *device;

    bql_assert_held();
    device = find_by_port(bus);
    return device ? pci_config_read(device, (bus->address & 0xfc) + (unsigned)offset, size)
                  : ones(size);
}

static void data_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct pci_bus *bus = opaque;
    struct pci_device *device;

    bql_assert_held();
    device = find_by_port(bus);
    if (device)
        pci_config_write(device, (bus->address & 0xfc) + (unsigned)offset, size, (uint32_t)value);
}

/* ---- ECAM -------------------------------------------------------------------------- */

static struct pci_device *find_by_ecam(const struct pci_bus *bus, uint64_t offset) REQUIRES(bql)
{
    return find(bus, (unsigned)(offset >> ECAM_BUS_SHIFT), (unsigned)(offset >> 12 & 0xff));
}

static uint64_t ecam_read(void *opaque, uint64_t offset, unsigned size)
{
    struct pci_device *device;

    bql_assert_held();
    device = find_by_ecam(opaque, offset);
    return device ? pci_config_read(device, offset % PCIE_CONFIG_SIZE, size) : ones(size);
}

static void ecam_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    struct pci_device *device;

    bql_assert_held();
    device = find_by_ecam(opaque, offset);
    if (device)
        pci_config_write(device, offset % PCIE_CONFIG_SIZE, size, (uint32_t)value);
}

/* ---- Beginning and end ------------------------------------------------------------- */

static const struct mmio_ops address_ops = { .read = address_read,
                                             .write = address_write,
                                             .max_access = 4 };
static const struct mmio_ops data_ops = { .read = data_read, .write = data_write, .max_access = 4 };
static const struct mmio_ops ecam_ops = { .read = ecam_read, .write = ecam_write, .max_access = 4 };

/* Any thread, no lock: by now no handler runs, and none will. */
static void region_released(void *opaque)
{
    struct pci_bus *bus = opaque;

    /* A full barrier: who comes last has the others' accesses behind him. */
    if (fetch_sub(&bus->nr_regions, 1) == 1)
        g_free(bus);
}

static struct region *new_way(struct pci_bus *bus, const char *name, uint64_t size,
                              const struct mmio_ops *ops)
{
    struct region *region = region_new_mmio(bus->config.mem, name, size, ops, bus);

    region_on_released(region, region_released, bus);
    return region;
}

/* In a transaction, or not at all. */
static void add_way(struct region *container, uint64_t offset, struct region *region) REQUIRES(bql)
{
    bool is_done = region_add(container, offset, region, 0, NULL);

    assert(is_done);
}

bool pci_host_bridge_init(struct pci_bus *bus, GError **error)
{
    const struct pci_bus_config *config = &bus->config;

    bus->nr_regions = NR_REGIONS;
    bus->address_port = new_way(bus, "pci address", 4, &address_ops);
    bus->data_port = new_way(bus, "pci data", 4, &data_ops);
    bus->ecam = new_way(bus, "pci ecam", (uint64_t)config->nr_buses << ECAM_BUS_SHIFT, &ecam_ops);
    if (!pci_device_init(&bus->bridge, bus, "host-bridge", 0, &bridge_ids, &bridge_ops, error))
        return false;
    pci_device_plug(&bus->bridge);
    mem_begin(config->mem);
    add_way(config->ports, PORT_ADDRESS, bus->address_port);
    add_way(config->ports, PORT_DATA, bus->data_port);
    add_way(config->memory, config->ecam_base, bus->ecam);
    return mem_commit(config->mem, error);
}

/* Out of the map, unless it has never come there. In a transaction. */
static void del_way(struct region *region) REQUIRES(bql)
{
    if (region_is_added(region)) {
        bool is_done = region_del(region, NULL);

        assert(is_done);
    }
}

void pci_host_bridge_fini(struct pci_bus *bus)
{
    g_autoptr(GError) error = NULL;

    if (bus->bridge.bus)
        pci_device_fini(&bus->bridge);
    mem_begin(bus->config.mem);
    del_way(bus->address_port);
    del_way(bus->data_port);
    del_way(bus->ecam);
    if (!mem_commit(bus->config.mem, &error)) /* then they keep the bus, which has no devices */
        log_error("the PCI bus cannot be taken out of the memory map: %s", error->message);
    region_unref(bus->address_port);
    region_unref(bus->data_port);
    region_unref(bus->ecam);
}
