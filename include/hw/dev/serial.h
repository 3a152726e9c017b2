/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A 16550A serial port: FIFOs, interrupts, modem lines that say "connected".
 * TL16C550 data sheet. Output goes out as fast as the back end takes it.
 *
 * Threads: under the BQL.
 */
#ifndef HW_DEV_SERIAL_H
#define HW_DEV_SERIAL_H

#include "hw/dev/char.h"
#include "hw/irq/line.h"
#include "hw/mem/region.h"

enum { SERIAL_PORTS = 8, SERIAL_COM1 = 0x3f8 };

struct metrics;
struct serial;

/** NULL is fine. The back end is not freed. */
void serial_free(struct serial *serial) REQUIRES(bql);
/** @backend of NULL: nothing is connected; output is dropped. */
struct serial *serial_new(const struct irq_line *line, struct char_backend *backend)
    OWNED_BY(serial_free) REQUIRES(bql);
struct region *serial_region(struct serial *serial, struct mem *mem) OWNED_BY(region_unref);
void serial_reset(struct serial *serial) REQUIRES(bql);
void serial_metrics_register(struct serial *serial, struct metrics *metrics);

#endif
