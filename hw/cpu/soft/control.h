/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Bits of the control registers that may be set.
 */
#ifndef HW_CPU_SOFT_CONTROL_H
#define HW_CPU_SOFT_CONTROL_H

#include "hw/cpu/state.h"

#define CR0_KNOWN                                                                                  \
    (CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP | CR0_AM | CR0_NW | CR0_CD |     \
     CR0_PG)

enum {
    CR4_KNOWN = CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_MCE | CR4_PGE | CR4_PCE | CR4_OSFXSR |
                CR4_OSXMMEXCPT | CR4_UMIP | CR4_FSGSBASE | CR4_SMEP | CR4_SMAP,
};

#endif
