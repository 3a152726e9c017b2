/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <string.h>

#include "util/iov.h"

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

bool iov_size(const struct iovec *iov, unsigned nr_iov, size_t *ret_size)
{
    size_t total = 0;

    for (unsigned i = 0; i < nr_iov; i++) {
        if (__builtin_add_overflow(total, iov[i].iov_len, &total))
            return false;
    }
    *ret_size = total;
    return true;
}

/* What is asked of a run of bytes, and what is left of it. */
struct walk {
    const struct iovec *iov;
    unsigned nr_iov;
    size_t offset; /* still to skip, from the start of *iov */
    size_t left;   /* still wanted */
};

/* The next piece of memory, not empty, in *@ret; false at the end. No sum is formed. */
static bool walk_next(struct walk *walk, struct iovec *ret)
{
    while (walk->left > 0 && walk->nr_iov > 0) {
        const struct iovec *piece = walk->iov++;
        size_t skipped = min_size(walk->offset, piece->iov_len);
        size_t size = min_size(walk->left, piece->iov_len - skipped);

        walk->nr_iov--;
        walk->offset -= skipped;
        walk->left -= size;
        if (size == 0)
            continue;
        ret->iov_base = (char *)piece->iov_base + skipped;
        ret->iov_len = size;
        return true;
    }
    return false;
}

size_t iov_to_buf(const struct iovec *iov, unsigned nr_iov, size_t offset, void *buf, size_t size)
{
    struct walk walk = { iov, nr_iov, offset, size };
    struct iovec piece;
    size_t done = 0;

    while (walk_next(&walk, &piece)) {
        memcpy((char *)buf + done, piece.iov_base, piece.iov_len);
        done += piece.iov_len;
    }
    return done;
}

size_t iov_from_buf(const struct iovec *iov, unsigned nr_iov, size_t offset, const void *buf,
                    size_t size)
{
    struct walk walk = { iov, nr_iov, offset, size };
    struct iovec piece;
    size_t done = 0;

    while (walk_next(&walk, &piece)) {
        memcpy(piece.iov_base, (const char *)buf + done, piece.iov_len);
        done += piece.iov_len;
    }
    return done;
}

size_t iov_fill(const struct iovec *iov, unsigned nr_iov, size_t offset, unsigned char byte,
                size_t size)
{
    struct walk walk = { iov, nr_iov, offset, size };
    struct iovec piece;
    size_t done = 0;

    while (walk_next(&walk, &piece)) {
        memset(piece.iov_base, byte, piece.iov_len);
        done += piece.iov_len;
    }
    return done;
}

size_t iov_copy(struct iovec *ret_iov, unsigned *nr_ret, const struct iovec *iov, unsigned nr_iov,
                size_t offset, size_t size)
{
    struct walk walk = { iov, nr_iov, offset, size };
    unsigned room = *nr_ret;
    unsigned nr = 0;
    size_t done = 0;

    while (nr < room && walk_next(&walk, &ret_iov[nr]))
        done += ret_iov[nr++].iov_len;
    *nr_ret = nr;
    return done;
}

size_t iov_discard_front(struct iovec **iov, unsigned *nr_iov, size_t size)
{
    size_t left = size;

    while (*nr_iov > 0 && (*iov)->iov_len <= left) {
        left -= (*iov)->iov_len;
        (*iov)++;
        (*nr_iov)--;
    }
    if (*nr_iov > 0) {
        (*iov)->iov_base = (char *)(*iov)->iov_base + left;
        (*iov)->iov_len -= left;
        left = 0;
    }
    return size - left;
}

size_t iov_discard_back(struct iovec *iov, unsigned *nr_iov, size_t size)
{
    size_t left = size;

    while (*nr_iov > 0 && iov[*nr_iov - 1].iov_len <= left) {
        left -= iov[*nr_iov - 1].iov_len;
        (*nr_iov)--;
    }
    if (*nr_iov > 0) {
        iov[*nr_iov - 1].iov_len -= left;
        left = 0;
    }
    return size - left;
}
