/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two pairs of "store mine, look at yours" (docs/memory.md has the argument):
 *
 *   a store:  bytes, barrier, marks          a vCPU:  marks (locked), bytes
 *   a fast mapping:  flag (locked), marks    a vCPU:  marks (locked), flag
 *
 * A page is logged before its marks go, both under the lock: whoever finds no
 * marks any more finds the sequence number moved.
 */
#include <assert.h>
#include <inttypes.h>
#include <sched.h>

#include "hw/mem/mem_internal.h"
#include "hw/mem/ram_internal.h"
#include "util/atomic.h"
#include "util/log.h"
#include "util/mutant.h"

void code_gate_init(struct code_gate *gate)
{
    mutex_init(&gate->lock, "code gate", RANK_LEAF);
}

void code_gate_fini(struct code_gate *gate)
{
    mutex_fini(&gate->lock);
}

void code_gate_set_touched(struct code_gate *gate, void (*touched)(void *opaque), void *opaque)
{
    gate->touched = touched;
    gate->opaque = opaque;
}

bool code_gate_want_write(struct ram *ram, uint64_t page)
{
    assert(page < ram->size / RAM_PAGE);
    if (load_relaxed(&ram->code_marks[page]))
        return false; /* without the flag, which would cost the next marker a round of kicks */
    (void)atomic_xchg(&ram->may_be_fast[page], 1);
    smp_mb_after_rmw(); /* pairs with the one in code_gate_mark() */
    return !load_relaxed(&ram->code_marks[page]);
}

bool code_gate_mark(struct ram *ram, uint64_t page, uint64_t granules, uint64_t *ret_ticket)
{
    struct code_gate *gate = mem_code_gate(ram->mem);

    assert(page < ram->size / RAM_PAGE);
    WITH_MUTEX (&gate->lock) {
        (void)fetch_or(&ram->code_marks[page], granules);
        *ret_ticket = gate->sequence;
    }
    smp_mb_after_rmw(); /* pairs with code_gate_want_write(), and with code_gate_written() */
    if (MUTANT(code_gate_forgets_fast))
        return atomic_xchg(&ram->may_be_fast[page], 0);
    return load_relaxed(&ram->may_be_fast[page]);
}

void code_gate_dropped(struct ram *ram, uint64_t page, uint64_t ticket)
{
    struct code_gate *gate = mem_code_gate(ram->mem);

    /* If no marks have gone since, this page has had marks all the time, and each wish for a fast
     * mapping was refused. Else the flag stays, which costs a round of kicks. */
    WITH_MUTEX (&gate->lock) {
        if (gate->sequence == ticket)
            store_relaxed(&ram->may_be_fast[page], 0);
    }
}

uint64_t code_gate_marks(const struct ram *ram, uint64_t page)
{
    assert(page < ram->size / RAM_PAGE);
    return load_relaxed(&ram->code_marks[page]);
}

/* Granules of one page that [first, last] (bytes in it) meets. */
static uint64_t granules_of(uint64_t first, uint64_t last)
{
    uint64_t low = first / CODE_GRANULE, high = last / CODE_GRANULE;

    return (~UINT64_C(0) >> (63 - (high - low))) << low;
}

/* Code was hit: under the lock again, since another may have been here first. */
static void COLD drop_marks(struct ram *ram, uint64_t page)
{
    struct code_gate *gate = mem_code_gate(ram->mem);
    bool is_first = false;

    if (MUTANT(code_gate_logs_late)) {
        store_relaxed(&ram->code_marks[page], 0);
        sched_yield();
        store_relaxed(&ram->code_marks[page], 1);
    }
    WITH_MUTEX (&gate->lock) {
        if (load_relaxed(&ram->code_marks[page])) {
            struct code_change *slot = &gate->log[(gate->sequence + 1) % CODE_GATE_LOG];

            is_first = true;
            *slot = (struct code_change){ ram, page };
            /* Before the marks go. release: pairs with code_gate_sequence() */
            store_release(&gate->sequence, gate->sequence + 1);
            (void)atomic_xchg(&ram->code_marks[page], 0);
        }
    }
    if (!is_first)
        return; /* the sequence has moved before we came out of the lock */
    fetch_add_relaxed(&gate->nr_touched, 1);
    log_topic(mem, "%s: code in page 0x%" PRIx64 " was written", ram->name, page);
    if (gate->touched)
        gate->touched(gate->opaque);
}

static void check_marks(struct ram *ram, uint64_t offset, uint64_t length)
{
    uint64_t last = offset + length - 1;

    assert(length > 0 && length <= ram->size && offset <= ram->size - length);
    for (uint64_t page = offset / RAM_PAGE; page <= last / RAM_PAGE; page++) {
        uint64_t start = page * RAM_PAGE;
        /* acquire: who finds the marks gone, finds the sequence moved */
        uint64_t marks = load_acquire(&ram->code_marks[page]);

        if (likely(marks == 0))
            continue;
        if (marks & granules_of(MAX(offset, start) - start, MIN(last - start, RAM_PAGE - 1)))
            drop_marks(ram, page);
    }
}

void code_gate_written(struct ram *ram, uint64_t offset, uint64_t length)
{
    if (length == 0)
        return;
    if (!MUTANT(code_gate_no_barrier))
        smp_mb(); /* the bytes, then the look at the marks: pairs with code_gate_mark() */
    check_marks(ram, offset, length);
}

void code_gate_written_locked_op(struct ram *ram, uint64_t offset, uint64_t length)
{
    smp_mb_after_rmw();
    check_marks(ram, offset, length);
}

uint64_t code_gate_sequence(const struct code_gate *gate)
{
    return load_acquire(&gate->sequence); /* pairs with the release in drop_marks() */
}

bool code_gate_changes(struct code_gate *gate, uint64_t since,
                       struct code_change ret[CODE_GATE_LOG], unsigned *ret_nr, uint64_t *ret_now)
{
    bool is_known = false;
    unsigned nr = 0;

    WITH_MUTEX (&gate->lock) {
        is_known = since <= gate->sequence && gate->sequence - since <= CODE_GATE_LOG;
        for (uint64_t number = since; is_known && number < gate->sequence; number++)
            ret[nr++] = gate->log[(number + 1) % CODE_GATE_LOG];
        *ret_now = gate->sequence;
    }
    *ret_nr = nr;
    return is_known;
}
