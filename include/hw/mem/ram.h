/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * RAM blocks: zeroed host memory on a file descriptor (memfd), sealed so that
 * nobody who has the descriptor can cut it short under us.
 *
 * The only way from a number to a pointer is ram_pointer(), which checks.
 * Lifetime: counted; regions on the block hold references. Threads: any.
 */
#ifndef HW_MEM_RAM_H
#define HW_MEM_RAM_H

#include "hw/mem/mem.h"

struct ram;

enum { RAM_PAGE = 4096 };

void ram_unref(struct ram *ram); /* NULL is fine */
struct ram *ram_ref(struct ram *ram);

/** @size bytes, whole pages. NULL and @error: the system has no such memory. */
struct ram *ram_new(struct mem *mem, const char *name, uint64_t size, GError **error)
    OWNED_BY(ram_unref);

/** @length bytes at @offset, or NULL if they are not all inside. Lives as long as the block. */
void *ram_pointer(const struct ram *ram, uint64_t offset, uint64_t length);

const char *ram_name(const struct ram *ram);
uint64_t ram_size(const struct ram *ram);
int ram_fd(const struct ram *ram); /* borrowed: do not close */
struct mem *ram_mem(const struct ram *ram);

#endif
