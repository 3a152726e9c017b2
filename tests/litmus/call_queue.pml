/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The queue of callbacks: each runs once, those of one thread in order, none
 * before its grace period, and the rcu thread never sleeps beside one.
 *
 * Modelled: rcu_queue_push() by compare-and-swap, rcu_thread_wake() where the queue was
 * empty, rcu_queue_take() with turn_round(), wait_for_work() with the sequence
 * `work`, and callbacks that queue callbacks. Links are next[], so that a
 * broken list is a broken list. PRODUCERS threads queue EACH callbacks.
 *
 * Abstracted: a grace period ends as soon as it is asked for (one_barrier.pml);
 * the two queues, plain and for the BQL, are one; the sequence is a number and
 * a wait for it to move (two_drivers.pml), with the sleepers' count.
 *
 * Expected: no deadlock, no assertion fails. Each of these must fail:
 *   WRONG_NO_TURN      what was taken is not turned round
 *   WRONG_LOAD_STORE   the queue is taken by a load and a store of NULL
 *   WRONG_NO_WAKE      queueing does not wake
 *   WRONG_WAKE_OTHERS  it wakes unless the queue was empty
 *   WRONG_LOOK_FIRST   the rcu thread looks at the queue, then takes its ticket
 *   WRONG_RESET_LATE   it sleeps on an event, which it resets after looking
 */
#ifndef PRODUCERS
#define PRODUCERS 2
#endif
#ifndef EACH
#define EACH 2
#endif
#define ALL (PRODUCERS * EACH)
#define NONE 255
/* The last callback queues one more: number ALL. */
#define CALLBACKS (ALL + 1)

byte next[CALLBACKS];
byte pushed = NONE;
byte number, sleepers; /* struct sequence work; the number is the event with WRONG_RESET_LATE */
byte nr_run;
bool has_run[CALLBACKS];

inline wake()
{
    if
#ifndef WRONG_NO_WAKE
    :: sleepers > 0 -> number++
    :: sleepers == 0
#else
    :: true
#endif
    fi
}

inline push(head)
{
    old = pushed;
    do
    ::
        next[head] = old;
        atomic {
            if
            :: pushed == old -> pushed = head; break
            :: else -> old = pushed
            fi
        }
    od;
    if
#ifdef WRONG_WAKE_OTHERS
    :: old != NONE -> wake()
#else
    :: old == NONE -> wake()
#endif
    :: else
    fi
}

proctype producer(byte first)
{
    byte head, old;

    for (head : first .. first + EACH - 1) {
        push(head)
    }
}

inline run_all()
{
    do
    :: waiting != NONE ->
        head = waiting;
        waiting = next[head];
        d_step {
            assert(!has_run[head]);
            /* in the order of its thread's calls */
            assert(head == ALL || head % EACH == 0 || has_run[head - 1]);
            has_run[head] = true;
            nr_run++
        };
        if
        :: head == ALL - 1 -> push(ALL)
        :: else
        fi
    :: else -> break
    od
}

inline turn_round()
{
    d_step { /* nobody else has these */
        waiting = NONE;
#ifdef WRONG_NO_TURN
        waiting = taken;
#else
        do
        :: taken != NONE ->
            head = next[taken];
            next[taken] = waiting;
            waiting = taken;
            taken = head
        :: else -> break
        od
#endif
    }
}

proctype rcu_thread()
{
    byte waiting = NONE, taken, head, old, ticket;

    do
    :: nr_run == CALLBACKS -> break
    :: else ->
#ifdef WRONG_LOAD_STORE
        taken = pushed;
        pushed = NONE;
#else
        d_step { taken = pushed; pushed = NONE };
#endif
        turn_round();
        run_all();
#ifdef WRONG_LOOK_FIRST
        if
        :: pushed != NONE || nr_run == CALLBACKS -> goto again
        :: else
        fi;
#endif
        sleepers++;
        ticket = number;
#ifdef WRONG_RESET_LATE
        if
        :: pushed == NONE -> number = 0; number != 0
        :: else
        fi;
#elif defined(WRONG_LOOK_FIRST)
        number != ticket;
#else
        if
        :: pushed == NONE && nr_run != CALLBACKS -> number != ticket
        :: else
        fi;
#endif
        sleepers--;
again:
        skip
    od
}

init
{
    atomic {
        byte i;

        run rcu_thread();
        for (i : 0 .. PRODUCERS - 1) {
            run producer(i * EACH)
        }
    }
}
