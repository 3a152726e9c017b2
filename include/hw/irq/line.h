/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Interrupt lines: one wire from a device to a pin of an interrupt controller.
 *
 * A line has a level. What shares a pin (PCI's INTx) is joined by whoever gives
 * the lines out: each holder has a line of its own, and the pin is high while one is.
 *
 * Threads: under the BQL.
 */
#ifndef HW_IRQ_LINE_H
#define HW_IRQ_LINE_H

#include <stdbool.h>

#include "util/bql.h"

/* A value, copied freely. All zero bytes: connected nowhere. */
struct irq_line {
    void (*set)(void *opaque, unsigned pin, bool is_high);
    void *opaque;
    unsigned pin;
};

/** Drive the line. Again with the same level is fine, and no edge. */
static inline void irq_line_set(const struct irq_line *line, bool is_high) REQUIRES(bql)
{
    if (line->set)
        line->set(line->opaque, line->pin, is_high);
}

#endif
