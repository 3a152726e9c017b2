/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A PCI device for tests: BARs with a register each, and notes of what it is told.
 */
#ifndef TESTS_UNIT_PCI_DEVICE_H
#define TESTS_UNIT_PCI_DEVICE_H

#include "tests/unit/pci_scene.h"

/* Each of its BARs has at 0 what was last written there. */
struct test_device {
    struct pci_device pci;
    uint64_t written[PCI_BARS];
    uint64_t address[PCI_BARS]; /* as bar_moved() has told */
    unsigned nr_resets, nr_config_writes;
    bool was_decoded_at_reset;
};

static inline uint64_t test_device_read(void *opaque, uint64_t offset, unsigned size G_GNUC_UNUSED)
{
    return offset ? 0xab : *(uint64_t *)opaque;
}

static inline void test_device_write(void *opaque, uint64_t offset, uint64_t value,
                                     unsigned size G_GNUC_UNUSED)
{
    if (offset == 0)
        *(uint64_t *)opaque = value;
}

static const struct mmio_ops test_device_registers = { .read = test_device_read,
                                                       .write = test_device_write };

static inline void test_device_reset(struct pci_device *pci)
{
    struct test_device *device = container_of(pci, struct test_device, pci);

    bql_assert_held();
    device->nr_resets++;
    for (unsigned i = 0; i < PCI_BARS; i++)
        device->was_decoded_at_reset |= pci->bar[i].address != PCI_NOWHERE && pci->bar[i].region;
}

static inline void test_device_bar_moved(struct pci_device *pci, unsigned bar, uint64_t address)
{
    struct test_device *device = container_of(pci, struct test_device, pci);

    bql_assert_held();
    device->address[bar] = address;
}

static inline void test_device_written(struct pci_device *pci, unsigned offset G_GNUC_UNUSED,
                                       unsigned size G_GNUC_UNUSED)
{
    container_of(pci, struct test_device, pci)->nr_config_writes++;
}

static const struct pci_device_ops test_device_ops = {
    .reset = test_device_reset,
    .bar_moved = test_device_bar_moved,
    .config_written = test_device_written,
};

static const struct pci_ids test_device_ids = {
    .vendor = 0x1234,
    .device = 0x5678,
    .subsystem_vendor = 0x9abc,
    .subsystem_device = 0xdef0,
    .class_code = 0x030201,
    .revision = 0x42,
};

static inline void test_device_init(struct pci_scene *scene, struct test_device *device, int slot)
    REQUIRES(bql)
{
    g_autoptr(GError) error = NULL;

    memset(device, 0, sizeof(*device));
    for (unsigned i = 0; i < PCI_BARS; i++)
        device->address[i] = PCI_NOWHERE;
    g_assert_true(pci_device_init(&device->pci, scene->bus, "test", slot, &test_device_ids,
                                  &test_device_ops, &error));
    g_assert_no_error(error);
}

static inline void test_device_add_bar(struct test_device *device, unsigned bar,
                                       enum pci_bar_kind kind, uint64_t size) REQUIRES(bql)
{
    struct region *region = region_new_mmio(pci_bus_config(device->pci.bus)->mem, device->pci.name,
                                            size, &test_device_registers, &device->written[bar]);

    pci_add_bar(&device->pci, bar, kind, region);
    region_unref(region);
}

#endif
