/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Checked access to a space, whatever lies there: RAM is copied inside a read
 * section of its own; MMIO is called with the BQL, outside any section.
 *
 * Nobody answers: reads give all ones, writes are ignored; counted, and told under
 * `-d guest_errors`. Addresses that would wrap around end at 2^64 the same way.
 * Writes to RAM drop cached code (hw/mem/code_gate.h).
 *
 * Threads: registered with RCU.
 *
 * RAM is copied bytewise in effect: guest-visible atomicity is the CPU's affair,
 * which stores through host pointers. Aligned 1, 2, 4 and 8 bytes are one access.
 */
#ifndef HW_MEM_ACCESS_H
#define HW_MEM_ACCESS_H

#include <stddef.h>

#include "hw/mem/view.h"

enum mem_result {
    MEM_OK,
    MEM_UNASSIGNED, /* at least one byte met nobody, or a size that its region does not answer */
    MEM_READ_ONLY,  /* at least one byte was ROM, and none unassigned */
    MEM_IS_RAM_NOW, /* mem_mmio_*() only: nothing was done; look in the current view again */
};

/** Any length, any alignment. Any thread, without the BQL, outside a section. */
enum mem_result mem_read(struct space *space, gpa_t gpa, void *buf, size_t length) EXCLUDES(bql);
enum mem_result mem_write(struct space *space, gpa_t gpa, const void *buf, size_t length)
    EXCLUDES(bql);

/** The same for who holds the BQL. */
enum mem_result mem_read_locked(struct space *space, gpa_t gpa, void *buf, size_t length)
    REQUIRES(bql);
enum mem_result mem_write_locked(struct space *space, gpa_t gpa, const void *buf, size_t length)
    REQUIRES(bql);

/**
 * For a CPU whose lookup ended at MMIO or a hole, or at ROM for a write: leave the
 * section, then call. @size is 1, 2, 4 or 8; @gpa need not be aligned. Resolved
 * again in the current view, under the BQL. MEM_IS_RAM_NOW when all bytes are RAM
 * there (or ROM, for a read): enter a section, drop what changed, retry.
 */
enum mem_result mem_mmio_read(struct space *space, gpa_t gpa, unsigned size, uint64_t *ret_value)
    MUST_CHECK EXCLUDES(bql);
enum mem_result mem_mmio_write(struct space *space, gpa_t gpa, unsigned size, uint64_t value)
    MUST_CHECK EXCLUDES(bql);

#endif
