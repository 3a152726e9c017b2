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

/* Aligned, so that two schemes' loops of two cycles a turn differ by their code alone. */
static __attribute__((aligned(64))) void loop_pairs(unsigned long n)
{
    PEER_ONLINE();
    for (unsigned long i = 0; i < n; i++) {
        PEER_LOCK();
        PEER_UNLOCK();
    }
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
