/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * PCI Express: one root bus of 32 slots with one function each (PCI Local Bus 3.0,
 * PCI Express Base 3.0 chapter 7). Configuration space by ports 0xcf8/0xcfc and by
 * ECAM; BARs that we assign at reset, since there is no firmware, and that the
 * guest may move.
 *
 * A device embeds struct pci_device, describes itself between pci_device_init()
 * and pci_device_plug(), and lives on the bus until pci_device_fini().
 *
 * Threads: all under the BQL, but for raising MSI-X (hw/pci/msix.h).
 */
#ifndef HW_PCI_PCI_H
#define HW_PCI_PCI_H

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#include "hw/irq/line.h"
#include "hw/irq/msi.h"
#include "hw/mem/region.h"
#include "hw/mem/view.h"

struct metrics;
struct msix;
struct pci_bus;
struct pci_device;

enum {
    PCI_SLOTS = 32,
    PCI_BARS = 6,
    PCI_CONFIG_SIZE = 256,   /* what ports reach, and capabilities lie in */
    PCIE_CONFIG_SIZE = 4096, /* what ECAM reaches; ends the same for our devices */
};
#define PCI_NOWHERE UINT64_MAX /* where a BAR is that is not decoded */

/* Of the machine. */
struct pci_bus_config {
    struct mem *mem;
    /* Containers that BARs go into, behind all else (priority -1): a guest may put them anywhere,
     * and RAM stays where it is. Addresses in the first are guest-physical. */
    struct region *memory, *ports;
    struct msi_routes *routes;
    struct irq_line intx[PCI_SLOTS]; /* INTA of each slot; the machine's _PRT says the same */
    uint64_t ecam_base;              /* 1 MiB a bus; the machine reserves it */
    unsigned nr_buses;               /* that ECAM covers; all but bus 0 are empty */
    /* Where BARs are assigned. Size 0: none, and then 64-bit BARs go into window32. */
    struct mem_extent window32, window64, window_ports;
    /** BARs have moved: processors must see it before their next instruction. */
    void (*map_changed)(void *opaque);
    /** Writes of @size bytes (0: any) at @address signal @fd instead; off again. NULL: cannot. */
    bool (*set_doorbell)(void *opaque, uint64_t address, unsigned size, int fd, bool is_on);
    void *opaque;
};

/** All devices have been finished. NULL is fine. */
void pci_bus_free(struct pci_bus *bus) REQUIRES(bql);
struct pci_bus *pci_bus_new(const struct pci_bus_config *config, GError **error)
    OWNED_BY(pci_bus_free) REQUIRES(bql);
const struct pci_bus_config *pci_bus_config(const struct pci_bus *bus);

/**
 * Power-on or reset: each device's registers and reset(), then all BARs assigned and decoded.
 * False: the windows are too small, and @error says for whose BAR; then none is decoded.
 */
bool pci_bus_reset(struct pci_bus *bus, GError **error) MUST_CHECK REQUIRES(bql);

/** Call @visit for each device, by slot; number 0 is the host bridge. */
void pci_bus_for_each(struct pci_bus *bus, void (*visit)(struct pci_device *device, void *arg),
                      void *arg) REQUIRES(bql);

/** What is counted, as gracevm_pci_*. metrics_remove(metrics, bus) before pci_bus_free(). */
void pci_bus_metrics_register(struct pci_bus *bus, struct metrics *metrics);

struct pci_device_ops {
    /** Back to power-on; BARs are not decoded while it runs. */
    void (*reset)(struct pci_device *device);
    /** BAR @bar is decoded at @address now (PCI_NOWHERE: not). NULL is fine. */
    void (*bar_moved)(struct pci_device *device, unsigned bar, uint64_t address);
    /** Instead of the stored bytes, for a capability with a window of its own; false: not mine.
     * @size is 1, 2 or 4, @offset a multiple of it. NULL is fine. */
    bool (*config_read)(struct pci_device *device, unsigned offset, unsigned size,
                        uint32_t *ret_value);
    /** After the writable bits have been stored. NULL is fine. */
    void (*config_written)(struct pci_device *device, unsigned offset, unsigned size);
};

struct pci_ids {
    uint16_t vendor, device;
    uint16_t subsystem_vendor, subsystem_device;
    uint32_t class_code; /* 24 bits: class, subclass, interface */
    uint8_t revision;
};

enum pci_bar_kind {
    PCI_BAR_PORTS,
    PCI_BAR_MEMORY32,
    PCI_BAR_MEMORY64,              /* takes two BARs */
    PCI_BAR_MEMORY64_PREFETCHABLE, /* the same, in the 64-bit window if there is one */
};

struct pci_bar {
    struct region *region; /* NULL: none */
    enum pci_bar_kind kind;
    uint64_t size;    /* a power of two */
    uint64_t address; /* as decoded, or PCI_NOWHERE */
};

/* Embedded in a device. What is in it is read-only to its owner, by the functions below. */
struct pci_device {
    char *name; /* "virtio-blk-pci 0:3.0" */
    struct pci_bus *bus;
    unsigned slot;
    const struct pci_device_ops *ops;
    struct pci_bar bar[PCI_BARS];
    struct msix *msix;        /* NULL: none */
    bool intx_is_high;        /* what the device wants; the line may be lower */
    bool is_plugged;          /* before it, the guest sees an empty slot */
    unsigned next_capability; /* where the next one goes */
    uint8_t config[PCI_CONFIG_SIZE];
    uint8_t writable[PCI_CONFIG_SIZE]; /* bits that the guest can change */
    uint8_t at_reset[PCI_CONFIG_SIZE]; /* what reset puts back: taken by pci_device_plug() */
};

/**
 * @slot of -1: the first free one from 1 on. False: no slot. After it, pci_device_fini() must be
 * called, whatever else fails.
 */
bool pci_device_init(struct pci_device *device, struct pci_bus *bus, const char *name, int slot,
                     const struct pci_ids *ids, const struct pci_device_ops *ops, GError **error)
    MUST_CHECK REQUIRES(bql);
/**
 * Out of the map, off the bus; nobody raises its vectors any more. Its regions live on until the
 * grace period's end, but no handler is called again. Should a listener of the map refuse (the log
 * says so), they stay: what handlers use goes safely only by the region's on_released().
 */
void pci_device_fini(struct pci_device *device) REQUIRES(bql);

/**
 * A BAR that shows @region; takes a reference. Its size is rounded up to a power of two, of memory
 * to 4 KiB at least, so that devices have pages of their own (PCI 3.0, 6.2.5.1).
 */
void pci_add_bar(struct pci_device *device, unsigned bar, enum pci_bar_kind kind,
                 struct region *region) REQUIRES(bql);

/**
 * A capability with @size bytes behind its 2 of header, from @body; its offset in configuration
 * space. Aborts where there is no room: how many a device has is ours to know.
 */
unsigned pci_add_capability(struct pci_device *device, uint8_t id, const void *body, unsigned size)
    REQUIRES(bql);
/** Let the guest write these bits. */
void pci_set_writable(struct pci_device *device, unsigned offset, const void *mask, unsigned size)
    REQUIRES(bql);

/** The description is complete: the guest may see it, BARs come with the next reset. */
void pci_device_plug(struct pci_device *device) REQUIRES(bql);

/** The device's INTA, unless the guest has turned it off (command bit 10) or uses MSI-X. */
void pci_intx_set(struct pci_device *device, bool is_high) REQUIRES(bql);

/** Whether the guest lets it read and write memory (command bit 2). */
bool pci_is_bus_master(const struct pci_device *device) REQUIRES(bql);

#endif
