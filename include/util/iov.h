/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Copies to and from scattered pieces of memory.
 *
 * Offsets and sizes may come from a guest: any value is fine. What lies beyond
 * the end of the pieces is left out, and each function returns how many bytes
 * there were, so the caller compares that with what it wanted. The pieces
 * themselves (addresses and lengths) have been checked by whoever made them;
 * empty ones are fine, with any address.
 *
 * Threads: as the memory behind the pieces. Copying from memory that a guest
 * writes at the same time yields some mixture, once (docs/locking.md, rule 5).
 */
#ifndef UTIL_IOV_H
#define UTIL_IOV_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/uio.h>

#include "util/annotate.h"

/** The sum of all lengths in *@ret_size; false if it does not fit. */
bool iov_size(const struct iovec *iov, unsigned nr_iov, size_t *ret_size) MUST_CHECK;

/** Copy @size bytes from @offset on into @buf. Returns how many there were. */
size_t iov_to_buf(const struct iovec *iov, unsigned nr_iov, size_t offset, void *buf, size_t size)
    MUST_CHECK;

/** Copy @size bytes of @buf to @offset on. Returns how many had room. */
size_t iov_from_buf(const struct iovec *iov, unsigned nr_iov, size_t offset, const void *buf,
                    size_t size) MUST_CHECK;

/** Set @size bytes from @offset on to @byte. Returns how many there were. */
size_t iov_fill(const struct iovec *iov, unsigned nr_iov, size_t offset, unsigned char byte,
                size_t size);

/**
 * Make @ret_iov describe @size bytes from @offset on: the same memory, no copy of
 * it. *@nr_ret says how many pieces @ret_iov has room for, and then how many it
 * has. Returns the bytes described: fewer if memory or room runs out.
 */
size_t iov_copy(struct iovec *ret_iov, unsigned *nr_ret, const struct iovec *iov, unsigned nr_iov,
                size_t offset, size_t size) MUST_CHECK;

/** Drop @size bytes at the front: moves *@iov on and changes its first piece. Returns how many. */
size_t iov_discard_front(struct iovec **iov, unsigned *nr_iov, size_t size);

/** Drop @size bytes at the back: lowers *@nr_iov and changes the last piece. Returns how many. */
size_t iov_discard_back(struct iovec *iov, unsigned *nr_iov, size_t size);

#endif
