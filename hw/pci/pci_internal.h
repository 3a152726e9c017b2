/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What the parts of hw/pci know of each other.
 *
 * host_bridge.c finds the device that an access means, config.c has its
 * registers, bar.c moves its regions, assign.c chooses their places, msix.c has
 * the messages, device.c and bus.c put all of it together.
 */
#ifndef HW_PCI_PCI_INTERNAL_H
#define HW_PCI_PCI_INTERNAL_H

#include "hw/pci/pci.h"

/* Counters; atomic. */
struct pci_stats {
    uint64_t moves;         /* BARs that are elsewhere now, or decoded or not */
    uint64_t refused_moves; /* changes that a listener of the map has refused */
    uint64_t guest_errors;  /* accesses that the specifications do not allow */
};

struct pci_bus {
    struct pci_bus_config config;
    struct pci_device *slots[PCI_SLOTS] GUARDED_BY(bql);
    struct pci_device bridge;
    uint32_t address GUARDED_BY(bql); /* what was written to port 0xcf8 */
    struct region *address_port, *data_port, *ecam;
    uint32_t nr_regions; /* of these, not released yet: the last one frees the bus; atomic */
    struct pci_stats stats;
};

/* ---- host_bridge.c ----------------------------------------------------------------- */

/** Device 0, and the ways to configuration space, which go into the map. */
bool pci_host_bridge_init(struct pci_bus *bus, GError **error) MUST_CHECK REQUIRES(bql);
/** Frees the bus, sooner or later. */
void pci_host_bridge_fini(struct pci_bus *bus) REQUIRES(bql);

/* ---- config.c ---------------------------------------------------------------------- */

/** @size is 1, 2 or 4, @offset less than PCIE_CONFIG_SIZE and a multiple of it. */
uint32_t pci_config_read(struct pci_device *device, unsigned offset, unsigned size) REQUIRES(bql);
void pci_config_write(struct pci_device *device, unsigned offset, unsigned size, uint32_t value)
    REQUIRES(bql);

/** The stored bytes, without what reading and writing does. */
uint16_t pci_config_get16(const struct pci_device *device, unsigned offset);
uint32_t pci_config_get32(const struct pci_device *device, unsigned offset);
void pci_config_put(struct pci_device *device, unsigned offset, uint32_t value, unsigned size);

/** Drive INTA as the device wants it, and the registers let it. */
void pci_intx_update(struct pci_device *device) REQUIRES(bql);

/* ---- bar.c ------------------------------------------------------------------------- */

/** The low bits of @kind's register, and how large the register is. */
uint32_t pci_bar_type(enum pci_bar_kind kind);
static inline bool pci_bar_is_64(enum pci_bar_kind kind)
{
    return kind >= PCI_BAR_MEMORY64;
}

/** Let @bar's register hold @address. */
void pci_bar_set_register(struct pci_device *device, unsigned bar, uint64_t address);

/**
 * All BARs of the devices in @first to @last to where their registers say, in one commit.
 * False: the map is as it was, and so are they.
 */
bool pci_bars_update(struct pci_bus *bus, unsigned first, unsigned last, GError **error)
    MUST_CHECK REQUIRES(bql);

/* ---- assign.c ---------------------------------------------------------------------- */

/** A place for each BAR in its register, and decoding on. False: no register has changed. */
bool pci_bars_assign(struct pci_bus *bus, GError **error) MUST_CHECK REQUIRES(bql);

/* ---- msix.c ------------------------------------------------------------------------ */

/** Of a device that may have none. */
void msix_reset(struct pci_device *device) REQUIRES(bql);
void msix_fini(struct pci_device *device) REQUIRES(bql);

/** The guest has written @size bytes at @offset of configuration space. */
void msix_config_written(struct pci_device *device, unsigned offset, unsigned size) REQUIRES(bql);

/* ---- bus.c ------------------------------------------------------------------------- */

/** Count it; the caller logs. */
void pci_count_guest_error(struct pci_bus *bus);

/** Whether @size bytes at @offset meet the @length bytes at @start. */
static inline bool pci_meets(unsigned offset, unsigned size, unsigned start, unsigned length)
{
    return offset < start + length && start < offset + size;
}

#endif
