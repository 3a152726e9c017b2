/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * No wake-up is lost between forced drivers that sleep and readers that leave.
 *
 * Modelled: gp_drive(), gp_wait_for_readers() and gp_sleep_forced()
 * (util/rcu_grace.c), rcu_registry_scan() with its marks, rcu_registry_kick()
 * with kicked_section, and rcu_read_unlock() with rcu_exit_slow(), under store
 * buffers. The grace period is 2. A reader that was preempted between loading
 * rcu_newest and storing its ctr can turn up with ctr 1 after every barrier of
 * the driver: that is harmless for the grace period (it sees the unlink), but
 * the driver waits for it all the same.
 *   KICK_ONLY       a reader stays in its section until its notifier is called
 *   NR_DRIVERS=2    two threads drive the same grace period
 *   GIVES_UP        the first of them may reach its deadline and leave
 * The first reader enters SECTIONS times, the others once.
 *
 * Abstracted: the futex (a wait for the number to leave the ticket), spinning,
 * and time. A sleep ends by the clock only with KICK_ONLY, and there only where
 * a re-kick is due some time, i.e. where an older reader was kicked before.
 * Stall reports, which would hide a lost wake-up after seconds, are left out.
 *
 * Expected: no deadlock. Each of these must deadlock:
 *   WRONG_NO_MARK      readers are not asked to report
 *   WRONG_NO_BARRIER   no barrier between marking and the last look
 *   WRONG_UNKICKED     a driver sleeps beside a reader that was not kicked
 *   WRONG_MARK_ONCE with WRONG_UNKICKED: as the code once was. A reader that
 *                      turns up in the second scan is not marked, nor kicked,
 *                      and the driver sleeps beside it
 */
#ifndef NR_READERS
#define NR_READERS 2
#endif
#ifndef NR_DRIVERS
#define NR_DRIVERS 1
#endif
#ifndef SECTIONS
#define SECTIONS 2
#endif
#define NR_CPUS NR_READERS
#define NEWEST 0
#define CTR(i) (1 + (i))
#define NR_CELLS 3
#include "tso.inc"

bool waiting[NR_READERS];   /* only changed by locked operations */
bool kick[NR_READERS];      /* the notifier's flag */
bool is_kicked[NR_READERS]; /* kicked_section is 1, this section's number or an earlier one's */
bool completed;
byte news;

proctype reader(byte me)
{
    byte number, sections;

    do
    :: sections < (me == 0 -> SECTIONS : 1) ->
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

inline scan()
{
    older = 0;
    new_marks = 0;
    unkicked = 0;
    for (i : 0 .. NR_READERS - 1) {
        if
        :: !IS_OLDER(i) -> is_kicked[i] = false /* note_exit() */
        :: else ->
            older++;
            unkicked = unkicked + (is_kicked[i] -> 0 : 1);
            d_step {
                if
                :: mark && !waiting[i] -> new_marks++; waiting[i] = true
                :: else
                fi
            }
        fi
    }
}

inline kick_older()
{
    for (i : 0 .. NR_READERS - 1) {
        if
        :: IS_OLDER(i) -> d_step { is_kicked[i] = true; kick[i] = true }
        :: else
        fi
    }
}

inline membarrier()
{
    for (i : 0 .. NR_READERS - 1) {
        DRAINED(i)
    }
}

#define OVER (completed || older == 0)

proctype driver(byte me)
{
    byte ticket, i, older, new_marks, unkicked;
    bool mark;

    memory[NEWEST] = 2;
    kick_older();
    membarrier();
    do
    ::
        mark = false;
        scan();
        if :: OVER -> break :: else fi;
#ifdef GIVES_UP
        if
        :: me == 0 ->
            goto given_up
        :: true
        fi;
#endif
        kick_older();
        ticket = news;
#ifndef WRONG_NO_MARK
        mark = true;
#endif
        scan();
        if :: OVER -> break :: else fi;
#ifndef WRONG_NO_BARRIER
        membarrier();
#endif
#ifdef WRONG_MARK_ONCE
        mark = false;
#endif
        scan();
        if
        :: OVER -> break
        :: else
            if
            :: new_marks > 0 -> skip
#ifndef WRONG_UNKICKED
            :: unkicked > 0 -> skip
#endif
            :: news != ticket -> skip
#ifdef KICK_ONLY
            :: unkicked < older -> skip /* the clock: a re-kick is due */
#endif
            fi
        fi
    od;
    completed = true;
    news++;
given_up:
    skip
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
        for (i : 0 .. NR_DRIVERS - 1) {
            run driver(i)
        }
    }
}
