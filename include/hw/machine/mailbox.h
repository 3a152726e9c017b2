/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The wakeup mailbox (ACPI 6.4, 5.2.12.19): how further processors start where there is no real
 * mode for them to begin in. A page of RAM, but for the command: the guest writes which processor
 * is to begin where, then the command, and waits until that is 0 again.
 *
 * A processor can be started that has never been, or that has halted with interrupts off: that is
 * how Linux leaves one which it takes off line.
 *
 * Threads: under the BQL. Processors are started on their own threads.
 */
#ifndef HW_MACHINE_MAILBOX_H
#define HW_MACHINE_MAILBOX_H

#include "hw/mem/region.h"

struct cpus;
struct mailbox;

/** The processors have stopped. NULL is fine. */
void mailbox_free(struct mailbox *mailbox) REQUIRES(bql);
struct mailbox *mailbox_new(struct cpus *cpus) OWNED_BY(mailbox_free) REQUIRES(bql);

/** The page at LAYOUT_MAILBOX. */
struct region *mailbox_region(struct mailbox *mailbox, struct mem *mem) OWNED_BY(region_unref);

/** Empty; what has been asked for and not been done is not done. The processors are paused. */
void mailbox_reset(struct mailbox *mailbox) REQUIRES(bql);

#endif
