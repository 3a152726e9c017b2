/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A PCI bus with one virtio device, and what a driver does to it by configuration
 * space and BARs; messages, lines and doorbells end in counters.
 */
#ifndef TESTS_VIRTIO_BUS_H
#define TESTS_VIRTIO_BUS_H

#include "hw/mem/access.h"
#include "hw/pci/pci.h"
#include "hw/pci/registers.h"
#include "hw/virtio/virtio_pci.h"
#include "tests/virtio/echo.h"

enum {
    BUS_SLOT = 3,
    BUS_DOORBELLS = 8,
    BUS_MESSAGES = 16, /* data of messages that are counted apart */

    /* Where virtio_pci has what, as its capabilities say; one test looks there. */
    COMMON_AT = 0x0000,
    ISR_AT = 0x1000,
    CONFIG_AT = 0x2000,
    NOTIFY_AT = 0x3000,

    FEATURE_SELECT = 0x00,
    OFFERED = 0x04,
    ACCEPT_SELECT = 0x08,
    ACCEPT = 0x0c,
    CONFIG_VECTOR = 0x10,
    NR_QUEUES = 0x12,
    STATUS = 0x14,
    GENERATION = 0x15,
    SELECT = 0x16,
    SIZE_OF_QUEUE = 0x18,
    VECTOR = 0x1a,
    ENABLE = 0x1c,
    NOTIFY_OFF = 0x1e,
    DESC_AT = 0x20,
    AVAIL_AT = 0x28,
    USED_AT = 0x30,
    RESET = 0x3a,
    NO_VECTOR = 0xffff,
};

#define BUS_ECAM UINT64_C(0xb0000000)
#define BUS_APIC UINT64_C(0xfee00000)

struct bus_doorbell {
    uint64_t address;
    int fd;
};

struct bus {
    struct guest *guest;
    struct region *ports;
    struct msi_routes *routes;
    struct pci_bus *pci;
    struct echo *echo;
    struct virtio_pci *proxy;

    unsigned messages[BUS_MESSAGES]; /* by data; atomic */
    bool line_is_high;
    unsigned line_rises;

    struct bus_doorbell doorbells[BUS_DOORBELLS];
    unsigned nr_doorbells;
    bool refuses_doorbells;
};

/* @shared: a region that the device shares, or NULL. */
struct bus *bus_new(uint16_t queue_size, bool has_doorbells, struct guest *guest,
                    struct region *shared) REQUIRES(bql);

void bus_free(struct bus *bus);

/* ---- Accesses ------------------------------------------------------------------------------- */

uint64_t bus_read(struct bus *bus, uint64_t address, unsigned size) REQUIRES(bql);
void bus_write(struct bus *bus, uint64_t address, uint64_t value, unsigned size) REQUIRES(bql);

static inline uint64_t config_at(unsigned offset)
{
    return BUS_ECAM + (BUS_SLOT << 15) + offset;
}

uint32_t get_config(struct bus *bus, unsigned offset, unsigned size) REQUIRES(bql);
void set_config(struct bus *bus, unsigned offset, uint32_t value, unsigned size) REQUIRES(bql);

/* Where @bar is. */
uint64_t bar_address(struct bus *bus, unsigned bar) REQUIRES(bql);

/* Registers, by offset in BAR 0. */
uint32_t get(struct bus *bus, unsigned offset, unsigned size) REQUIRES(bql);
void set(struct bus *bus, unsigned offset, uint32_t value, unsigned size) REQUIRES(bql);
void set64(struct bus *bus, unsigned offset, uint64_t value) REQUIRES(bql);

/* The first capability of that @id and virtio @kind (0: any), or 0. */
unsigned find_capability(struct bus *bus, uint8_t id, uint8_t kind) REQUIRES(bql);

void enable_bus_master(struct bus *bus, bool is_on) REQUIRES(bql);

/* Vector n sends data n. */
void enable_msix(struct bus *bus) REQUIRES(bql);

/* Up to FEATURES_OK, by registers. */
void bus_negotiate(struct bus *bus, uint64_t features) REQUIRES(bql);

struct driver bus_set_up(struct bus *bus, unsigned number, uint64_t where, unsigned size)
    REQUIRES(bql);

/* And let the device have its turn. */
void bus_offer(struct bus *bus, struct driver *driver, unsigned head) REQUIRES(bql);

/* All that a driver does before it offers something; queue 0 only. */
struct driver bus_drive(struct bus *bus, uint64_t features, bool has_msix, uint64_t where,
                        unsigned size) REQUIRES(bql);

#endif
