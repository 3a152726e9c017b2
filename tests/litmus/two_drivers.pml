/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Two drivers sleep on one thing, and one reader leaves once: a resettable
 * event loses one driver's wake-up, a sequence does not.
 *
 * Modelled: struct sequence of util/event.c, each step of sequence_prepare(),
 * sequence_wait() and sequence_advance() by itself, on a futex whose wait looks
 * and falls asleep in one step. With WRONG_EVENT: event_reset(), look,
 * event_wait(), and event_set(), as one waiter may use it.
 *
 * Abstracted: store buffers, since every step that matters is a locked
 * operation; the membarrier between mark and look (waiting.pml).
 *
 * Expected: no deadlock. Each of these must deadlock:
 *   WRONG_EVENT       the resettable event
 *   WRONG_LOOK_FIRST  a driver looks at the reader, then takes its ticket
 *   WRONG_WAKE_FIRST  sequence_advance() looks for sleepers, then moves the number
 */
#ifndef DRIVERS
#define DRIVERS 2
#endif

bool is_inside = true;
byte number, sleepers;  /* struct sequence */
bool is_set;            /* struct event */
bool asleep[DRIVERS];   /* in the futex */

inline wake_all()
{
    d_step {
        for (k : 0 .. DRIVERS - 1) {
            asleep[k] = false
        }
        k = 0
    }
}

inline futex_wait(word, expected)
{
    atomic {
        if
        :: word == expected -> asleep[me] = true
        :: else
        fi
    }
    !asleep[me]
}

proctype driver(byte me)
{
    byte ticket;

    do
    ::
#ifdef WRONG_EVENT
        is_set = false;
        if :: !is_inside -> break :: else fi;
        do
        :: is_set -> break
        :: !is_set -> futex_wait(is_set, false)
        od
#else
#ifdef WRONG_LOOK_FIRST
        if :: !is_inside -> break :: else fi;
#endif
        sleepers++;
        ticket = number;
#ifndef WRONG_LOOK_FIRST
        if :: !is_inside -> sleepers--; break :: else fi;
#endif
        do
        :: number != ticket -> break
        :: else -> futex_wait(number, ticket)
        od;
        sleepers--
#endif
    od
}

proctype reader()
{
    byte k;

    is_inside = false;
#ifdef WRONG_EVENT
    is_set = true;
    wake_all()
#else
#ifdef WRONG_WAKE_FIRST
    if
    :: sleepers > 0 -> wake_all()
    :: else
    fi;
    number++
#else
    number++;
    if
    :: sleepers > 0 -> wake_all()
    :: else
    fi
#endif
#endif
}

init
{
    atomic {
        byte i;

        for (i : 0 .. DRIVERS - 1) {
            run driver(i)
        }
        run reader()
    }
}
