/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * A RAM block, and what the code gate keeps of each of its pages.
 */
#ifndef HW_MEM_RAM_INTERNAL_H
#define HW_MEM_RAM_INTERNAL_H

#include "hw/mem/ram.h"

struct ram {
    struct mem *mem;
    char *name;
    uint8_t *host;
    uint64_t size;
    int fd;
    uint32_t refs; /* atomic */

    /* One element a page of 4 KiB. */
    uint64_t
        *code_marks; /* granules from which code is cached; set under the gate's lock, atomic */
    uint8_t *may_be_fast; /* some vCPU may have a fast write mapping; atomic */
};

#endif
