/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * Where stores meet cached code.
 *
 * A virtual CPU that caches decoded instructions marks the 64-byte granules that
 * they came from. Whoever stores into RAM by other ways than a vCPU's fast write
 * mapping calls code_gate_written() *after* the store: if a marked granule was hit,
 * the page's marks are taken away, the page goes into a log with a sequence
 * number, and touched() is called (to kick the vCPUs). Before it runs on, a vCPU
 * compares the sequence with the one it knows, and drops code of the pages logged
 * since. Fast mappings of a page for writing and marks in it exclude each other.
 *
 * Caching code, in this order: know the sequence (code_gate_changes() done);
 * code_gate_mark(); if it says so, see to it that no vCPU has a fast write mapping
 * of the page, then code_gate_dropped(); only then read the bytes. docs/memory.md
 * has the ordering argument.
 *
 * Threads: any. Takes a leaf lock. RAM by host pointer has no gate: code in it is
 * never cached (struct range: `ram` is NULL), and its stores need no call.
 */
#ifndef HW_MEM_CODE_GATE_H
#define HW_MEM_CODE_GATE_H

#include "hw/mem/ram.h"

enum {
    CODE_GRANULE = 64, /* bytes; 64 granules a page make one word */
    CODE_GATE_LOG = 256,
};

struct code_change {
    const struct ram *ram; /* a name only: may be gone */
    uint64_t page;         /* offset in the block / RAM_PAGE */
};

/** What is called when marked code was written: from any thread, with any lock: kick, no more. */
void code_gate_set_touched(struct code_gate *gate, void (*touched)(void *opaque), void *opaque);

/**
 * A vCPU wants a fast write mapping of @page. True: it may have one, until it is
 * told to drop it. False: the page has marks; every store goes by code_gate_written().
 */
bool code_gate_want_write(struct ram *ram, uint64_t page) MUST_CHECK;

/**
 * Mark granules of @page (bit n: bytes from 64 n). True: some vCPU may have a fast
 * write mapping; make all drop theirs before reading the bytes, then call
 * code_gate_dropped() with the ticket (not needed if that is given up).
 */
bool code_gate_mark(struct ram *ram, uint64_t page, uint64_t granules, uint64_t *ret_ticket)
    MUST_CHECK;

/** No vCPU has a fast write mapping of @page that is older than the mark which gave @ticket. */
void code_gate_dropped(struct ram *ram, uint64_t page, uint64_t ticket);

/** The granules of @page that are marked now. */
uint64_t code_gate_marks(const struct ram *ram, uint64_t page);

/**
 * @length bytes at @offset, inside the block, have been stored. A full barrier, one load
 * and a branch where no code is. The second is for a store that was itself a
 * locked operation: no barrier.
 */
void code_gate_written(struct ram *ram, uint64_t offset, uint64_t length);
void code_gate_written_locked_op(struct ram *ram, uint64_t offset, uint64_t length);

/** The number of the newest change; an acquire. Compare with what changes were taken up to. */
uint64_t code_gate_sequence(const struct code_gate *gate);

/**
 * The changes after number @since, oldest first, and the number that they lead up to.
 * False: too far behind, drop all code; *@ret_now is then valid too.
 */
bool code_gate_changes(struct code_gate *gate, uint64_t since,
                       struct code_change ret[CODE_GATE_LOG], unsigned *ret_nr, uint64_t *ret_now)
    MUST_CHECK;

#endif
