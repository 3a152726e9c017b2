/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Drivers that share a barrier, and that end more than they were asked to, are
 * safe: no reader uses a freed object.
 *
 * Modelled: gp_start(), gp_barrier() with `fenced`, rcu_registry_scan() with
 * scan.complete, gp_complete() and the loop of gp_wait_for_readers(), under
 * store buffers. Two updaters, one after the other, unlink, take their cookies,
 * which may differ, drive them at the same time, and free. A driver whose number
 * is in `fenced` runs no barrier. A scan raises `completed` to the oldest open
 * section's number, below the driver's need or beyond it, where it ends what the
 * other updater waits for. Each of READERS readers passes through SECTIONS
 * sections.
 *   THIRD_STARTS   a further thread, like force_rcu(), starts numbers at any time
 *   POLLS          the second updater does not drive, it only waits; another
 *                  thread drives what may be the first one's number
 *   SKIP           instead of the first updater, a reader that waits for a grace
 *                  period inside its own section (a misuse survived)
 *   FENCES         readers run two barriers, and the drivers' are their own
 *   IN_ORDER       asserts completed <= fenced <= newest as well
 *
 * Abstracted: numbers step by 1. A driver that has to look again sleeps until
 * the oldest section that it waits for changes: before that, another look would
 * raise nothing. A membarrier passes the readers in any order. The drivers' own
 * barrier of FENCES does nothing under x86's store buffers, since they write by
 * locked operations; shared_barrier.litmus and _aarch64 have it.
 *
 * Expected: no assertion fails and nothing deadlocks. Each of these must fail:
 *   WRONG_FENCED_EARLY    `fenced` is raised before the barrier
 *   WRONG_TARGET_LATE     the target is loaded after the barrier
 *   WRONG_TARGET_NEWEST   a driver that uses another's barrier takes the newest
 *                         number for its target, not the one in `fenced`
 *   WRONG_COMPLETE_ALL    `completed` is raised to the target, whatever is open
 *   WRONG_COMPARE         `fenced` is compared with what was the newest before
 *                         the start, not with the need: no barrier covers that
 *   WRONG_NO_READER_FENCE (FENCES)
 *   WRONG_SKIP_COMPLETES  (SKIP) the driver's own section does not bound what it
 *                         completes
 *   WRONG_NO_SKIP         (SKIP) a driver waits for itself: deadlock
 */
#ifndef READERS
#define READERS 2
#endif
#ifndef SECTIONS
#define SECTIONS 1
#endif
#ifdef SKIP
#define NR_CTRS (READERS + 1) /* the driver's own section is the last */
#else
#define NR_CTRS READERS
#endif
#define NR_CPUS NR_CTRS
#define NEWEST 0
#define POINTER 1
#define CTR(i) (2 + (i))
#define NR_CELLS (2 + NR_CTRS)
#include "tso.inc"

#define NOBODY NR_CTRS
#define PASSED_ALL ((1 << NR_CTRS) - 1)

bool freed[3];
byte completed = 1;
byte fenced = 1;

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
        d_step { LOAD(me, POINTER, object); number = 0 };
        assert(!freed[object]); /* as late as it can be: what is freed stays so */
        STORE(me, CTR(me), 0);
        object = 0
    :: else -> break
    od
}

inline raise(word, number)
{
    d_step {
        if
        :: word < number -> word = number
        :: else
        fi;
#ifdef IN_ORDER
        assert(completed <= fenced && fenced <= memory[NEWEST])
#endif
    }
}

#define PASS(i) atomic { !(passed & (1 << (i))) && DRAINED(i) -> passed = passed | (1 << (i)) }

inline membarrier()
{
#ifdef FENCES
    skip
#else
    do
    :: PASS(0)
#if NR_CTRS > 1
    :: PASS(1)
#endif
#if NR_CTRS > 2
    :: PASS(2)
#endif
    :: passed == PASSED_ALL -> break
    od;
    passed = 0
#endif
}

inline barrier_of(need)
{
    target = fenced;
    if
#ifdef WRONG_COMPARE
    :: target >= before ->
#else
    :: target >= need ->
#endif
#ifdef WRONG_TARGET_NEWEST
        target = memory[NEWEST]
#else
        skip
#endif
    :: else ->
#ifndef WRONG_TARGET_LATE
        target = memory[NEWEST];
#endif
#ifdef WRONG_FENCED_EARLY
        raise(fenced, target);
#endif
        membarrier();
#ifdef WRONG_TARGET_LATE
        target = memory[NEWEST];
#endif
        raise(fenced, target)
    fi
}

/* One section: rcu_registry_scan()'s body. `oldest` is the one to sleep for. */
inline look(need, own)
{
    d_step {
        ctr = memory[CTR(i)];
        if
#ifdef WRONG_SKIP_COMPLETES
        :: ctr != 0 && ctr < complete && i != own -> complete = ctr
#else
        :: ctr != 0 && ctr < complete -> complete = ctr
#endif
        :: else
        fi;
        if
#ifdef WRONG_NO_SKIP
        :: ctr != 0 && ctr < need && (oldest == NOBODY || ctr < seen) ->
#else
        :: ctr != 0 && ctr < need && (oldest == NOBODY || ctr < seen) && i != own ->
#endif
            oldest = i;
            seen = ctr
        :: else
        fi;
        ctr = 0;
        i++
    }
}

/* @own is the place of the driver's own section, or NOBODY. */
inline drive(need, own)
{
#ifdef WRONG_COMPARE
    before = memory[NEWEST];
#endif
    raise(memory[NEWEST], need);
    barrier_of(need);
    do
    :: completed >= need -> break
    :: else ->
        d_step { complete = target; oldest = NOBODY; i = 0 };
        do
        :: i < NR_CTRS -> look(need, own)
        :: else -> break
        od;
#ifdef WRONG_COMPLETE_ALL
        complete = target;
#endif
        raise(completed, complete);
        d_step { complete = 0; i = 0 };
        if
        :: oldest == NOBODY -> oldest = 0; break
        :: else ->
            d_step { memory[CTR(oldest)] != seen || completed >= need -> seen = 0; oldest = 0 }
        fi
    od
}

#define DRIVER_LOCALS byte need, target, complete, oldest, seen, ctr, i, passed, before

inline unlink_and_take_cookie(object)
{
    /* One after the other: they hold a lock. The barrier follows at once, hence no buffer. */
    atomic { memory[POINTER] == object -> memory[POINTER] = object + 1 };
    need = memory[NEWEST] + 1
}

proctype updater(byte object)
{
    DRIVER_LOCALS;

    unlink_and_take_cookie(object);
    drive(need, NOBODY);
    freed[object] = true;
    d_step { need = 0; target = 0; before = 0 }
}

/* Nobody may drive its number: then it waits for ever. */
proctype poller(byte object)
{
    byte need;

    unlink_and_take_cookie(object);
endpolls:
    completed >= need;
    freed[object] = true
}

/* synchronize_rcu() inside a section, in a release build. */
proctype misuser(byte me)
{
    DRIVER_LOCALS;
    byte object;

    LOAD(me, NEWEST, need);
    STORE(me, CTR(me), need);
#ifdef FENCES
    BARRIER(me);
#endif
    LOAD(me, POINTER, object);
    BARRIER(me); /* of rcu_need_from_now() */
    need = memory[NEWEST] + 1;
    drive(need, me);
    assert(!freed[object]);
    STORE(me, CTR(me), 0)
}

/* Like the rcu thread, for somebody else. */
proctype driver(byte number)
{
    DRIVER_LOCALS;

    need = number;
    drive(need, NOBODY)
}

proctype force()
{
    raise(memory[NEWEST], 2);
    raise(memory[NEWEST], 3)
}

init
{
    atomic {
        byte cpu;

        memory[NEWEST] = 1;
        for (cpu : 0 .. NR_CPUS - 1) {
            run drain(cpu);
        }
        for (cpu : 0 .. READERS - 1) {
            run reader(cpu)
        }
#ifdef SKIP
        run misuser(READERS);
        run updater(0);
#else
        run updater(0);
#ifdef POLLS
        run poller(1);
        run driver(2);
#else
        run updater(1);
#endif
#endif
#ifdef THIRD_STARTS
        run force()
#endif
    }
}
