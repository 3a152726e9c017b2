/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * The real-time clock (MC146818A data sheet): ports 0x70 and 0x71, UTC, alarm,
 * periodic and update-ended interrupts, 114 bytes of memory.
 *
 * Threads: under the BQL.
 */
#ifndef HW_DEV_RTC_H
#define HW_DEV_RTC_H

#include "hw/irq/line.h"
#include "hw/mem/region.h"

enum { RTC_PORT = 0x70, RTC_PORTS = 2 };

struct guest_clock;
struct rtc;

void rtc_free(struct rtc *rtc) REQUIRES(bql); /* NULL is fine */
/** @clock moves the time on; it begins at the host's. */
struct rtc *rtc_new(const struct irq_line *line, const struct guest_clock *clock) OWNED_BY(rtc_free)
    REQUIRES(bql);
struct region *rtc_region(struct rtc *rtc, struct mem *mem) OWNED_BY(region_unref);
void rtc_reset(struct rtc *rtc) REQUIRES(bql);
/** The clock has stopped or gone on: look at the timers again. */
void rtc_clock_changed(struct rtc *rtc) REQUIRES(bql);

#endif
