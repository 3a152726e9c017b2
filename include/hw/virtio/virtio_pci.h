/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Virtio over PCI (virtio 1.2, 4.1), modern only: registers in one BAR, MSI-X in a
 * second, the shared memory region, if there is one, in a third (64-bit,
 * prefetchable). Vectors: one for the configuration and one a queue.
 *
 * Threads: under the BQL; interrupts from any.
 */
#ifndef HW_VIRTIO_VIRTIO_PCI_H
#define HW_VIRTIO_VIRTIO_PCI_H

#include "hw/pci/pci.h"
#include "hw/virtio/virtio.h"

struct virtio_pci;

/**
 * The device is off the bus, and its reset has begun: let the main loop run until
 * `is_resetting` is false before virtio_device_fini(). NULL is fine.
 */
void virtio_pci_free(struct virtio_pci *proxy) REQUIRES(bql);

/** Put @device on @bus. @name is the option's: "virtio-blk-pci". @slot as in pci_device_init(). */
struct virtio_pci *virtio_pci_new(struct pci_bus *bus, struct virtio_device *device,
                                  const char *name, int slot, GError **error)
    OWNED_BY(virtio_pci_free) REQUIRES(bql);

#endif
