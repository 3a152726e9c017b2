/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Template: the loops of a scheme's read side. Included once by each scheme's
 * file, after it has defined
 *   PEER_LOCK(), PEER_UNLOCK()    a read section
 *   PEER_QUIESCENT()              outside a section, in a loop (quiescent-state schemes)
 *   PEER_ONLINE(), PEER_OFFLINE() around a loop (likewise)
 */
#include "peer.h"

/* About 2 µs at 30 ns a section. */
enum { SECTIONS_A_BEAT = 64 };

/* The same loop once more, starting @offset bytes into a line of code. */
#define PAIRS_AT(offset, n)                                                                        \
    do {                                                                                           \
        __asm__ volatile(".p2align 6\n\t.skip " #offset ", 0x90");                                 \
        for (unsigned long i_ = 0; i_ < (n); i_++) {                                               \
            PEER_LOCK();                                                                           \
            PEER_UNLOCK();                                                                         \
        }                                                                                          \
    } while (0)

static void pairs_even(unsigned long n, unsigned placement)
{
    switch (placement) {
    case 0:
        PAIRS_AT(0, n);
        break;
    case 2:
        PAIRS_AT(16, n);
        break;
    case 4:
        PAIRS_AT(32, n);
        break;
    default:
        PAIRS_AT(48, n);
        break;
    }
}

static void pairs_odd(unsigned long n, unsigned placement)
{
    switch (placement) {
    case 1:
        PAIRS_AT(8, n);
        break;
    case 3:
        PAIRS_AT(24, n);
        break;
    case 5:
        PAIRS_AT(40, n);
        break;
    default:
        PAIRS_AT(56, n);
        break;
    }
}

static void loop_pairs(unsigned long n, unsigned placement)
{
    PEER_ONLINE();
    if (placement % 2 == 0)
        pairs_even(n, placement);
    else
        pairs_odd(n, placement);
    PEER_QUIESCENT();
    PEER_OFFLINE();
}

static void loop_short_sections(struct other *other)
{
    PEER_ONLINE();
    while (!other_must_stop(other)) {
        for (int i = 0; i < SECTIONS_A_BEAT; i++) {
            PEER_LOCK();
            other_walk(other);
            PEER_UNLOCK();
            PEER_QUIESCENT();
        }
        other_beat(other);
    }
    PEER_OFFLINE();
}

static void loop_long_sections(struct other *other)
{
    PEER_ONLINE();
    while (!other_must_stop(other)) {
        PEER_LOCK();
        int64_t end = other_beat(other) + other->section_ns;
        while (other_beat(other) < end && !other_must_stop(other))
            other_walk(other);
        PEER_UNLOCK();
        PEER_QUIESCENT();
    }
    PEER_OFFLINE();
}
