/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SRCU with one barrier and two scans: no reader uses a freed object, and a
 * driver that sleeps is woken.
 *
 * Modelled: srcu_read_lock() and srcu_read_unlock() with split counts, drive()
 * of util/srcu.c, each look at one reader's count by itself, and
 * sleep_until_left() with srcu_wake(), under store buffers. The updater runs
 * UPDATES grace periods in a row, as the lock of drivers makes them. With
 * HANDLER the first reader is interrupted, between any two steps, by a signal
 * handler that reads the same domain.
 *
 * Abstracted: a count is moved in the store buffer: the reader keeps its own
 * copy, which is what forwarding from its own buffer gives it. Indexes are
 * loaded in program order (Arm may not; srcu.litmus). Counts do not wrap
 * (srcu_counts.c).
 *
 * Expected: no assertion fails, nothing deadlocks. Each of these must fail:
 *   WRONG_NO_BARRIER   no membarrier before the scans
 *   WRONG_ONE_SCAN     only the old index is waited for
 *   WRONG_LOCKS_FIRST  (READERS=2) locks are summed before unlocks
 *   WRONG_STEPS        (HANDLER) counts are moved by load, add, store
 *   WRONG_NO_WAIT_MARK (SLEEPS) the driver does not say that it sleeps
 *   WRONG_SLEEP_EARLY  (SLEEPS) no barrier between saying so and looking
 */
#ifndef READERS
#define READERS 1
#endif
#ifndef SECTIONS
#define SECTIONS 2
#endif
#ifndef UPDATES
#define UPDATES 2
#endif
#define NR_CPUS (READERS + 1)
#define UPDATER READERS
#define INDEX 0
#define POINTER 1
#define LOCKS 2   /* the first reader's cell of locks of index 0 … */
#define UNLOCKS 4 /* … and of unlocks; the next reader's are 4 further on */
#define LOCK(i, index) (LOCKS + 4 * (i) + (index))
#define UNLOCK(i, index) (UNLOCKS + 4 * (i) + (index))
#define NR_CELLS (2 + 4 * READERS)
#define BUFFER_DEPTH 3
#include "tso.inc"

bool freed[UPDATES + 1];
byte is_awaited; /* hub.waiting; changed by locked operations */
byte news;

/* What each reader has stored last, whether it is in memory yet or not. */
typedef counts {
    byte lock[2];
    byte unlock[2];
}
counts own[READERS];

inline bump(me, cell, count)
{
#ifdef WRONG_STEPS
    value = count;
    atomic { nfull(buffer[me]) -> count = value + 1; buffer[me] ! cell, count }
#else
    atomic { nfull(buffer[me]) -> count++; buffer[me] ! cell, count }
#endif
}

inline section(me)
{
    LOAD(me, INDEX, index);
    bump(me, LOCK(me, index), own[me].lock[index]);
    LOAD(me, POINTER, object);
    assert(!freed[object]);
    bump(me, UNLOCK(me, index), own[me].unlock[index]);
    if
    :: is_awaited > 0 -> BARRIER(me); news++ /* sequence_advance() */
    :: else
    fi
}

#ifdef HANDLER
bool in_handler;

proctype handler()
{
    byte index, object, value;

    in_handler = true;
    section(0);
    in_handler = false
}

proctype reader(byte me) provided (!in_handler)
#else
proctype reader(byte me)
#endif
{
    byte index, object, sections, value;

    do
    :: sections < SECTIONS -> sections++; section(me)
    :: else -> break
    od
}

inline membarrier()
{
    i = 0;
    do
    :: i < READERS -> DRAINED(i); i++
    :: else -> break
    od
}

inline sum(first, index)
{
    i = 0;
    do
    :: i < READERS -> total = total + memory[first + 4 * i + index]; i++
    :: else -> break
    od
}

/* has_left(): leaves 0 in total if so. */
inline look(index)
{
    total = 0;
#ifdef WRONG_LOCKS_FIRST
    sum(LOCKS, index);
    total = 256 - total;
    sum(UNLOCKS, index)
#else
    sum(UNLOCKS, index);
    total = 256 - total;
    sum(LOCKS, index)
#endif
}

inline wait_until_left(index)
{
#ifdef SLEEPS
    look(index);
    if
    :: total != 0 ->
#ifndef WRONG_NO_WAIT_MARK
        is_awaited++;
#endif
#ifndef WRONG_SLEEP_EARLY
        membarrier();
#endif
        do
        ::
            ticket = news;
            look(index);
            if
            :: total == 0 -> break
            :: else -> news != ticket
            fi
        od;
#ifndef WRONG_NO_WAIT_MARK
        is_awaited--
#endif
    :: else
    fi
#else
    do
    ::
        look(index);
        if
        :: total == 0 -> break
        :: else
        fi
    od
#endif
}

proctype updater()
{
    byte updates, i, total, old, ticket;

    do
    :: updates < UPDATES ->
        STORE(UPDATER, POINTER, updates + 1);
        BARRIER(UPDATER); /* get_state_synchronize_srcu() */
#ifndef WRONG_NO_BARRIER
        membarrier();
#endif
#ifndef WRONG_ONE_SCAN
        wait_until_left(1 - old);
#endif
        STORE(UPDATER, INDEX, 1 - old);
        wait_until_left(old);
        old = 1 - old;
        freed[updates] = true;
        updates++
    :: else -> break
    od
}

init
{
    atomic {
        byte i;

        for (i : 0 .. NR_CPUS - 1) {
            run drain(i);
        }
        for (i : 0 .. READERS - 1) {
            run reader(i);
        }
#ifdef HANDLER
        run handler();
#endif
        run updater()
    }
}
