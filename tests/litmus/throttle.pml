/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A producer that is made to wait in a flood waits for a bounded time, and
 * nothing deadlocks, whatever locks it holds.
 *
 * Modelled: enqueue() with its count, flood() and throttle(), which sleeps on
 * the sequence `progress` until half of what was pending has gone, or 10 ms;
 * the rcu thread's rcu_count_run() in batches; a callback that wants a lock which
 * a producer holds while it queues (HOLDS_LOCK); another that queues callbacks.
 *
 * Abstracted: the grace period; the limit is LIMIT callbacks, bytes are alike;
 * the clock, which with HOLDS_LOCK ends a wait at any time, and else never.
 *
 * Expected: no deadlock, and (without HOLDS_LOCK, where the clock lets producers
 * go on) the number pending stays bounded. Each of these must fail:
 *   WRONG_FOR_EVER      (HOLDS_LOCK) a producer waits without a limit
 *   WRONG_LOOK_FIRST    it looks at the counts, then takes its ticket
 *   WRONG_NO_PROGRESS   the rcu thread counts without news
 *   WRONG_CALLBACK_WAITS a callback that queues is throttled as well
 *   WRONG_NO_THROTTLE   nobody waits: the number pending is not bounded
 */
#ifndef PRODUCERS
#define PRODUCERS 2
#endif
#ifndef EACH
#define EACH 3
#endif
#define LIMIT 2

byte queued, done;
byte progress, sleepers;
bool lock;

#define PENDING (queued - done)

inline throttle()
{
    do
    ::
#ifdef WRONG_LOOK_FIRST
        if :: PENDING <= LIMIT / 2 -> break :: else fi;
#endif
        sleepers++;
        ticket = progress;
#ifndef WRONG_LOOK_FIRST
        if :: PENDING <= LIMIT / 2 -> sleepers--; break :: else fi;
#endif
        if
        :: progress != ticket -> sleepers--
#if defined(HOLDS_LOCK) && !defined(WRONG_FOR_EVER)
        :: true -> sleepers--; break /* the clock */
#endif
        fi
    od
}

inline enqueue()
{
    d_step { queued++; pending = PENDING };
#ifndef WRONG_NO_THROTTLE
    if
    :: pending > LIMIT -> throttle()
    :: else
    fi
#endif
}

proctype producer()
{
    byte i, pending, ticket;

    for (i : 1 .. EACH) {
#ifdef HOLDS_LOCK
        atomic { !lock -> lock = true };
#else
        assert(PENDING <= LIMIT + PRODUCERS); /* each may be one above, and the callback's own */
#endif
        enqueue();
#ifdef HOLDS_LOCK
        lock = false
#endif
    }
}

proctype rcu_thread()
{
    byte ran, pending, ticket;

endidle:
    do
    :: ran < queued ->
#ifdef HOLDS_LOCK
        atomic { !lock -> lock = true };
        lock = false;
#endif
        ran++;
        if
        :: ran == 1 -> /* this one queues another */
#ifdef WRONG_CALLBACK_WAITS
            enqueue()
#else
            queued++
#endif
        :: else
        fi;
        if
        :: ran == queued || ran - done == 2 -> /* a batch ends */
            done = ran;
#ifndef WRONG_NO_PROGRESS
            if
            :: sleepers > 0 -> progress++
            :: else
            fi
#endif
        :: else
        fi
    od
}

init
{
    atomic {
        byte i;

        run rcu_thread();
        for (i : 1 .. PRODUCERS) {
            run producer()
        }
    }
}
