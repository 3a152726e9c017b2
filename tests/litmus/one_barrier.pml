/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A grace period with one barrier is safe: no reader uses a freed object.
 *
 * Modelled: rcu_read_lock_at() and rcu_read_unlock(), the cookie of
 * rcu_need_from_now(), gp_start(), the barrier, the scan and gp_complete(),
 * under store buffers. The pointer is updated UPDATERS times, each time to the
 * next object; each updater unlinks, takes its cookie, and frees when it is
 * completed. Each reader passes through SECTIONS sections (with NESTED, the
 * section holds an inner one).
 *   OTHER_DRIVER   the updater only waits; another thread drives its number
 *   THIRD_STARTS   a further thread, like force_rcu(), starts numbers at any time
 *   FENCES         readers run two barriers, and the driver's is its own
 *
 * Abstracted: numbers step by 1. The scan looks at the readers one by one and
 * waits for each (a driver that looks again from the start sees no less).
 * Waiting and waking: waiting.pml. Weaker hosts than x86: the litmus tests.
 *
 * Expected: no assertion fails and nothing deadlocks. Each of these must fail:
 *   WRONG_NO_BARRIER     no barrier between start and scan
 *   WRONG_BARRIER_FIRST  (UPDATERS=2) the barrier before the start, and
 *   WRONG_START_LAST     (same) the start after the scan: another updater gets
 *                        the same number after the barrier, or after the scan
 *   WRONG_OLD_COOKIE     the cookie is the grace period already running
 *   WRONG_COOKIE_EARLY   no full barrier between the unlink and the cookie
 *   WRONG_NESTING        (NESTED) the inner unlock ends the section
 *   WRONG_NO_READER_FENCE (FENCES)
 */
#ifndef READERS
#define READERS 2
#endif
#ifndef SECTIONS
#define SECTIONS 1
#endif
#ifndef UPDATERS
#define UPDATERS 1
#endif
#define NR_CPUS (READERS + UPDATERS)
#define NEWEST 0
#define POINTER 1
#define CTR(i) (2 + (i))
#define NR_CELLS (2 + READERS)
#include "tso.inc"

bool freed[UPDATERS + 1];
byte completed = 1;
chan cookie = [0] of { byte };

inline use(object)
{
    assert(!freed[object])
}

proctype reader(byte me)
{
    byte number, object, sections;

    do
    :: sections < SECTIONS ->
        sections++;
        LOAD(me, NEWEST, number);
        STORE(me, CTR(me), number);
#if defined(FENCES) && !defined(WRONG_NO_READER_FENCE)
        BARRIER(me);
#endif
        LOAD(me, POINTER, object);
#ifdef NESTED
        use(object);
#ifdef WRONG_NESTING
        STORE(me, CTR(me), 0);
#endif
#endif
        use(object);
        STORE(me, CTR(me), 0)
    :: else -> break
    od
}

inline start(number)
{
    d_step {
        if
        :: memory[NEWEST] < number -> memory[NEWEST] = number
        :: else
        fi
    }
}

inline membarrier()
{
    i = 0;
#ifndef FENCES
    do
    :: i < READERS -> DRAINED(i); i++
    :: else -> break
    od;
    i = 0
#endif
}

inline scan(number)
{
    i = 0;
    do
    :: i < READERS ->
        (memory[CTR(i)] == 0 || memory[CTR(i)] >= number || completed >= number);
        i++
    :: else -> break
    od;
    i = 0
}

inline drive(number)
{
#ifdef WRONG_BARRIER_FIRST
    membarrier();
#endif
#ifndef WRONG_START_LAST
    start(number);
#endif
#if !defined(WRONG_NO_BARRIER) && !defined(WRONG_BARRIER_FIRST)
    membarrier();
#endif
    scan(number);
#ifdef WRONG_START_LAST
    start(number);
#endif
    d_step {
        if
        :: completed < number -> completed = number
        :: else
        fi
    }
}

proctype updater(byte me; byte object)
{
    byte need, old, i;

    d_step { memory[POINTER] == object; i = 0 }; /* one after the other: they hold a lock */
    STORE(me, POINTER, object + 1);
#ifndef WRONG_COOKIE_EARLY
    BARRIER(me);
#endif
    d_step {
        need = memory[NEWEST];
#ifndef WRONG_OLD_COOKIE
        need++
#endif
    };
#ifdef OTHER_DRIVER
    cookie ! need;
    completed >= need;
#else
    BARRIER(me); /* an updater that drives does a read-modify-write first */
    drive(need);
#endif
    freed[object] = true
}

proctype driver()
{
    byte number, i;

    cookie ? number;
    drive(number)
}

proctype force()
{
    start(2);
    start(3)
}

init
{
    atomic {
        byte i;

        memory[NEWEST] = 1;
        for (i : 0 .. NR_CPUS - 1) {
            run drain(i);
        }
        for (i : 0 .. READERS - 1) {
            run reader(i)
        }
        for (i : 0 .. UPDATERS - 1) {
            run updater(READERS + i, i)
        }
#ifdef OTHER_DRIVER
        for (i : 0 .. UPDATERS - 1) {
            run driver()
        }
#endif
#ifdef THIRD_STARTS
        run force()
#endif
    }
}
