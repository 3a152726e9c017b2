/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * One access to guest memory at its host address, as one instruction (asm): a
 * compiler must neither split, merge nor reorder them, since other processors of
 * the guest see them (TSO comes free on x86-64), and sanitizers must not take a
 * guest's race for ours.
 */
#ifndef HW_CPU_SOFT_HOST_ACCESS_H
#define HW_CPU_SOFT_HOST_ACCESS_H

#include <stdint.h>
#include <string.h>

#include "util/annotate.h"

typedef struct {
    uint8_t b[16];
} bytes16;

#define HOST_ACCESS_(bits, suffix, reg)                                                            \
    typedef uint##bits##_t __attribute__((may_alias, aligned(1))) host_any##bits;                  \
    static ALWAYS_INLINE uint##bits##_t host_load##bits(const void *host)                          \
    {                                                                                              \
        uint##bits##_t value;                                                                      \
        __asm__ volatile("mov" suffix " %1, %0"                                                    \
                         : "=" reg(value)                                                          \
                         : "m"(*(const host_any##bits *)host));                                    \
        return value;                                                                              \
    }                                                                                              \
    static ALWAYS_INLINE void host_store##bits(void *host, uint##bits##_t value)                   \
    {                                                                                              \
        __asm__ volatile("mov" suffix " %1, %0" : "=m"(*(host_any##bits *)host) : reg "i"(value)); \
    }
HOST_ACCESS_(8, "b", "q")
HOST_ACCESS_(16, "w", "r")
HOST_ACCESS_(32, "l", "r")
HOST_ACCESS_(64, "q", "r")
#undef HOST_ACCESS_

/* 16 bytes need not be one access (no processor promises it for SSE). No alignment check here. */
static ALWAYS_INLINE bytes16 host_load128(const void *host)
{
    const uint64_t half[2] = { host_load64(host), host_load64((const char *)host + 8) };
    bytes16 value;

    memcpy(&value, half, sizeof(value));
    return value;
}

static ALWAYS_INLINE void host_store128(void *host, bytes16 value)
{
    uint64_t half[2];

    memcpy(half, &value, sizeof(half));
    host_store64(host, half[0]);
    host_store64((char *)host + 8, half[1]);
}

#endif
