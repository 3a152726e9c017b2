/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * MSI-X (PCI Local Bus 3.0, 6.8.2): a table of messages in a BAR, each with a mask
 * bit, and a pending bit for what was raised while masked.
 *
 * Raising takes no lock: each entry is a route (hw/irq/msi.h), and its message is
 * read under SRCU. A vector raised while masked is sent when it is unmasked, once.
 */
#ifndef HW_PCI_MSIX_H
#define HW_PCI_MSIX_H

#include "hw/pci/pci.h"

enum { MSIX_VECTORS_MAX = 256 };

/**
 * Give @device, which is not plugged yet, @nr vectors with table and pending bits in BAR @bar of
 * their own. False: no routes left. pci_device_fini() ends it.
 */
bool msix_init(struct pci_device *device, unsigned nr, unsigned bar, GError **error)
    MUST_CHECK REQUIRES(bql);

/** Whether the guest has turned it on: then INTx is silent. Any thread. */
bool msix_is_enabled(const struct pci_device *device);

/**
 * Raise @vector, which may be any number; out of range, or MSI-X off: nothing. Any thread, any
 * locks; not after pci_device_fini().
 */
void msix_raise(struct pci_device *device, unsigned vector);

/**
 * As msi_route_eventfd(), while the vector is unmasked; or -1. What is signalled by it after the
 * guest has masked the vector is lost: ask again before each hand-over.
 */
int msix_eventfd(struct pci_device *device, unsigned vector) REQUIRES(bql);

#endif
