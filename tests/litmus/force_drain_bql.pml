/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * drain_call_rcu() under the big lock (BQL) cannot deadlock with readers,
 * callbacks and the rcu thread that want the lock.
 *
 * Modelled: a virtual CPU whose section takes the BQL (a device access does)
 * and lasts until it is kicked; drain_call_rcu() with the BQL held, which drops
 * it, queues its sentinels, forces, drives the grace period itself and waits
 * for the sentinels; the rcu thread, which drives too, runs plain callbacks,
 * and hands those that want the BQL to the main loop; the main loop, which runs
 * them under the BQL. With MAIN_LOOP_DRAINS it is the main loop that drains,
 * so it does its own work meanwhile (drain_on_main_loop()).
 *
 * Abstracted: one grace period; a driver waits until the section is over, a
 * sleeping driver always wakes (waiting.pml); "progress" is a sequence, whose
 * ticket is a copy of its number (two_drivers.pml); the BQL is not fair.
 *
 * Expected: no deadlock. Each of these must deadlock:
 *   WRONG_KEEP_BQL       the BQL is held during the wait
 *   WRONG_NO_KICK        the drain does not force: the virtual CPU stays inside
 *   WRONG_MAIN_LOOP_WAITS (MAIN_LOOP_DRAINS) it only waits for its sentinel
 *   WRONG_NO_PROGRESS    (MAIN_LOOP_DRAINS) the hand-over makes no news
 */
bool bql;
bool is_inside, is_kicked, was_outside;
bool is_started;                   /* the grace period */
bool plain_is_queued, for_bql_is_queued, for_bql_is_ready;
bool plain_has_run, for_bql_has_run;
byte progress;

#define LOCK() atomic { !bql -> bql = true }
#define UNLOCK() bql = false

/* A section that was open at the start is over. */
#define IS_OVER (!is_inside || was_outside)

proctype vcpu()
{
    do
    ::
        d_step { is_inside = true; was_outside = is_started };
        if
        :: LOCK(); UNLOCK() /* a device access */
        :: true
        fi;
endguest: /* guest code, for ever if nobody kicks */
        atomic { is_kicked -> is_kicked = false };
        is_inside = false
    od
}

inline drive()
{
    is_started = true;
#ifndef WRONG_NO_KICK
    is_kicked = true;
#endif
    IS_OVER
}

inline run_ready()
{
    LOCK();
    if
    :: for_bql_is_ready -> for_bql_is_ready = false; for_bql_has_run = true
    :: else
    fi;
    UNLOCK()
}

proctype rcu_thread()
{
    plain_is_queued && for_bql_is_queued;
    drive();
    plain_has_run = true;
    for_bql_is_ready = true;
#ifndef WRONG_NO_PROGRESS
    progress++
#endif
}

proctype drainer()
{
    byte ticket;

    LOCK();
    for_bql_is_queued = true;
    plain_is_queued = true;
#ifndef WRONG_KEEP_BQL
    UNLOCK();
#endif
    drive();
    plain_has_run;
#if defined(MAIN_LOOP_DRAINS) && !defined(WRONG_MAIN_LOOP_WAITS)
    do
    :: for_bql_has_run -> break
    :: else ->
        ticket = progress;
        if
        :: for_bql_is_ready -> run_ready()
        :: else -> progress != ticket
        fi
    od;
#else
    for_bql_has_run;
#endif
#ifndef WRONG_KEEP_BQL
    LOCK();
#endif
    UNLOCK()
}

proctype main_loop()
{
endidle:
    do
    :: for_bql_is_ready -> run_ready()
    od
}

init
{
    atomic {
        run vcpu();
        run rcu_thread();
        run drainer();
#ifndef MAIN_LOOP_DRAINS
        run main_loop()
#endif
    }
}
