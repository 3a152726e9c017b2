/* SPDX-License-Identifier: GPL-2.0-or-later */
/** The time stamp counter as a function of the machine's one clock: the same for all processors. */
#ifndef HW_CPU_TSC_H
#define HW_CPU_TSC_H

#include <stdint.h>

#include "hw/cpu/cpuid.h"
#include "util/clock.h"
#include "util/guest_clock.h"

_Static_assert(CPU_TSC_HZ * 2 == NS_PER_S * 5, "five ticks of the TSC are two nanoseconds");

/** What it shows. Any thread, in a section too. */
static inline uint64_t cpu_tsc(const struct guest_clock *clock)
{
    return (uint64_t)guest_clock_now(clock) * 5 / 2;
}

#endif
