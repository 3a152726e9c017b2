/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * No wake-up is lost between a forced driver that sleeps and readers that leave.
 *
 * Modelled: gp_wait_for_readers() with gp_sleep_forced() (util/rcu_grace.c),
 * rcu_registry_scan() with its marks, and rcu_read_unlock() with
 * rcu_exit_slow(), under store buffers. The grace period is 2; a reader that
 * was preempted between loading rcu_newest and storing its ctr can turn up with
 * ctr 1 after every barrier of the driver: that is harmless for the grace
 * period (it sees the unlink), but the driver waits for it all the same.
 * With KICK_ONLY a reader stays in its section until its notifier is called.
 *
 * Abstracted: the futex (a wait for the number to leave the ticket); time: a
 * sleep ends by the clock only where the driver has a re-kick to do, i.e. where
 * an older reader has been kicked before. Stall reports, which would hide a
 * lost wake-up after seconds, are left out.
 *
 * Expected: no deadlock. Each of these must deadlock:
 *   WRONG_MARK_ONCE    a reader that turns up in the second scan is not marked,
 *                      and the driver sleeps
 *   WRONG_UNKICKED     the same for a reader that has not been kicked (KICK_ONLY)
 */
#ifndef NR_READERS
#define NR_READERS 2
#endif
#define SECTIONS 2
#define NR_CPUS NR_READERS
#define NEWEST 0
#define CTR(i) (1 + (i))
#define NR_CELLS 3
#include "tso.h"

bool waiting[NR_READERS]; /* only changed by locked operations */
bool kick[NR_READERS];    /* the notifier's flag */
bool is_kicked[NR_READERS]; /* rcu_thread.kicked_section is this section */
byte news;

proctype reader(byte me)
{
    byte number, sections;

    do
    :: sections < SECTIONS ->
        sections++;
        LOAD(me, NEWEST, number);
        STORE(me, CTR(me), number);
#ifdef KICK_ONLY
endinside: /* a section that outlives the grace period is nobody's business */
        atomic { kick[me] || number == 2 -> kick[me] = false }
#endif
        STORE(me, CTR(me), 0);
        if
        :: waiting[me] ->
            BARRIER(me);
            waiting[me] = false;
            news++
        :: else
        fi
    :: else -> break
    od
}

#define IS_OLDER(i) (memory[CTR(i)] == 1)

inline scan_and_mark()
{
    i = 0;
    older = 0;
    new_marks = 0;
    unkicked = 0;
    do
    :: i < NR_READERS ->
        if
        :: IS_OLDER(i) ->
            older++;
            d_step {
                unkicked = unkicked + (is_kicked[i] -> 0 : 1);
                if
                :: mark && !waiting[i] -> new_marks++; waiting[i] = true
                :: else
                fi
            }
        :: else
        fi;
        i++
    :: else -> break
    od
}

inline kick_older()
{
    i = 0;
    do
    :: i < NR_READERS ->
        if
        :: IS_OLDER(i) -> d_step { is_kicked[i] = true; kick[i] = true }
        :: else
        fi;
        i++
    :: else -> break
    od
}

inline membarrier()
{
    i = 0;
    do
    :: i < NR_READERS -> DRAINED(i); i++
    :: else -> break
    od
}

proctype driver()
{
    byte ticket, i, older, new_marks, unkicked;
    bool mark;

    memory[NEWEST] = 2;
    membarrier();
    do
    ::
        mark = false;
        scan_and_mark();
        if :: older == 0 -> break :: else fi;
        kick_older();
        ticket = news;
        mark = true;
        scan_and_mark();
        if :: older == 0 -> break :: else fi;
        membarrier();
#ifdef WRONG_MARK_ONCE
        mark = false;
#endif
        scan_and_mark();
        if
        :: older == 0 -> break
        :: else
            if
#ifndef WRONG_MARK_ONCE
            :: new_marks > 0 -> skip
#endif
#ifndef WRONG_UNKICKED
            :: unkicked > 0 -> skip
#endif
            :: news != ticket -> skip
#ifdef KICK_ONLY
            :: unkicked < older -> skip /* the clock: a re-kick is due */
#endif
            fi
        fi
    od
}

init
{
    atomic {
        memory[NEWEST] = 1;
        byte i;
        for (i : 0 .. NR_READERS - 1) {
            run drain(i);
            run reader(i)
        }
        run driver()
    }
}
