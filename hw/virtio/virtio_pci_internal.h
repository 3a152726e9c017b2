/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What the parts of the PCI transport know of each other: virtio_pci.c makes the
 * device, with its capabilities and interrupts; virtio_pci_registers.c answers in
 * its BAR; virtio_pci_doorbell.c turns notifications into eventfds, where the
 * machine has a kernel that signals them.
 */
#ifndef HW_VIRTIO_VIRTIO_PCI_INTERNAL_H
#define HW_VIRTIO_VIRTIO_PCI_INTERNAL_H

#include "hw/virtio/transport.h"
#include "hw/virtio/virtio_pci.h"
#include "util/loop.h"

enum {
    VIRTIO_PCI_REGISTERS_BAR = 0,
    VIRTIO_PCI_MSIX_BAR = 1,
    VIRTIO_PCI_SHARED_BAR = 2, /* and 3: it is of 64 bits */

    /* In the registers' BAR: a page each. */
    VIRTIO_PCI_COMMON = 0x0000,
    VIRTIO_PCI_ISR = 0x1000,
    VIRTIO_PCI_CONFIG = 0x2000,
    VIRTIO_PCI_NOTIFY = 0x3000,
    VIRTIO_PCI_SIZE = 0x4000,

    VIRTIO_PCI_COMMON_SIZE = 0x3c,
    VIRTIO_PCI_NOTIFY_EACH = 4, /* bytes a queue: queue_notify_off counts in them */

    VIRTIO_PCI_NO_VECTOR = 0xffff,
    VIRTIO_PCI_ISR_QUEUE = 1,
    VIRTIO_PCI_ISR_CONFIG = 2,
};

/* An eventfd that notifications of one queue signal. */
struct virtio_pci_doorbell {
    struct virtio_pci *proxy;
    unsigned queue;
    int fd;
    struct loop_watch *watch;
    bool is_on; /* registered at proxy->doorbells_at */
};

struct virtio_pci {
    struct pci_device pci;
    struct virtio_device *device; /* NULL: it has gone */
    struct region *registers;
    unsigned nr_vectors;
    unsigned window; /* where in configuration space the window into the registers is */

    /* As the driver has written them. */
    uint32_t device_feature_select, driver_feature_select;
    uint16_t queue_select;
    uint16_t config_vector;
    uint16_t queue_vector[VIRTIO_QUEUES_MAX]; /* atomic: read by who pushes */

    uint32_t isr; /* atomic */
    struct deferred intx;

    unsigned nr_doorbells; /* 0: the machine has none */
    struct virtio_pci_doorbell *doorbells;
    uint64_t doorbells_at; /* PCI_NOWHERE: they are off */
};

/* virtio_pci.c */
/** Registers of the transport as after power-on. */
void virtio_pci_reset_registers(struct virtio_pci *proxy) REQUIRES(bql);

/* virtio_pci_registers.c: @size is 1, 2 or 4, @offset a multiple of it, and both inside the BAR. */
uint32_t virtio_pci_read(struct virtio_pci *proxy, unsigned offset, unsigned size) REQUIRES(bql);
void virtio_pci_write(struct virtio_pci *proxy, unsigned offset, unsigned size, uint32_t value)
    REQUIRES(bql);

/* virtio_pci_doorbell.c */
void virtio_pci_doorbells_init(struct virtio_pci *proxy) REQUIRES(bql);
/** They are off: the BAR is not decoded any more. */
void virtio_pci_doorbells_fini(struct virtio_pci *proxy) REQUIRES(bql);
/** The registers are at @address, or PCI_NOWHERE. */
void virtio_pci_doorbells_move(struct virtio_pci *proxy, uint64_t address) REQUIRES(bql);

#endif
