/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * MSI-X: what is raised while a vector is masked goes out when it is unmasked, once
 * (hw/pci/msix.c).
 *
 * Modelled: RAISERS threads that raise one vector RAISES times each, and a guest that
 * opens and closes it TOGGLES times and leaves it open. Routes and is_open are stored
 * plainly by the guest and wait in its store buffer; the pending bit, and is_open when it
 * becomes 1, are locked operations.
 *
 * Expected: at the end nothing is pending, each raise has been followed by a message,
 * and there were no more messages than raises. Each of these must fail:
 *   WRONG_NO_SECOND_LOOK  the raiser sets the pending bit and leaves
 *   WRONG_LOOK_FIRST      the raiser looks whether it is open, then sets the pending bit
 *   WRONG_TAKE_FIRST      the guest looks for the pending bit, then opens
 *   WRONG_PLAIN_TAKE      the pending bit is taken by load and store
 *   WRONG_ONCE            a raiser who has taken the bit and finds it closed again leaves
 */
#ifndef RAISERS
#define RAISERS 2
#endif
#ifndef RAISES
#define RAISES 1
#endif
#ifndef TOGGLES
#define TOGGLES 2
#endif

#define NR_CPUS 1 /* the guest's; raisers store by locked operations only */
#define NR_CELLS 3
#define ROUTE 0
#define PENDING 1
#define OPEN 2
#define GUEST 0

#include "tso.inc"

byte sent;
byte owed; /* bit of each raiser: raised, and no message since */
byte finished;

inline send()
{
    d_step { sent++; owed = 0 }
}

/* Into @had: whether the pending bit was set; it is not any more. */
inline take(had)
{
#ifdef WRONG_PLAIN_TAKE
    had = memory[PENDING];
    memory[PENDING] = 0
#else
    d_step { had = memory[PENDING]; memory[PENDING] = 0 }
#endif
}

inline raise_vector()
{
    do
    :: true ->
        had_route = memory[ROUTE];
        if
        :: had_route -> send(); break
        :: else
        fi;
#ifdef WRONG_LOOK_FIRST
        is_open = memory[OPEN];
#endif
        memory[PENDING] = 1;
#ifdef WRONG_NO_SECOND_LOOK
        break;
#endif
#ifndef WRONG_LOOK_FIRST
        is_open = memory[OPEN];
#endif
        if
        :: !is_open -> break
        :: else
        fi;
        take(had);
        if
        :: !had -> break
        :: else
        fi
#ifdef WRONG_ONCE
        ;
        had_route = memory[ROUTE];
        if
        :: had_route -> send()
        :: else
        fi;
        break
#endif
    od
}

proctype raiser(byte mine)
{
    bool had_route, is_open, had;
    byte i;

    for (i : 1 .. RAISES) {
        owed = owed | mine;
        raise_vector()
    }
    finished++
}

/* The guest's own raise, for what was pending: its route has the message. */
inline open_vector()
{
#ifdef WRONG_TAKE_FIRST
    take(had);
#endif
    STORE(GUEST, ROUTE, 1);
    BARRIER(GUEST);
    memory[OPEN] = 1;
#ifndef WRONG_TAKE_FIRST
    take(had);
#endif
    if
    :: had -> send()
    :: else
    fi
}

proctype guest()
{
    bool had;
    byte i;

    for (i : 1 .. TOGGLES) {
        open_vector();
        if
        :: i < TOGGLES ->
            STORE(GUEST, OPEN, 0);
            STORE(GUEST, ROUTE, 0)
        :: else
        fi
    }
    finished++
}

init
{
    byte i;

    atomic {
        run drain(GUEST);
        run guest();
        for (i : 0 .. RAISERS - 1) {
            run raiser(1 << i)
        }
    }
    finished == RAISERS + 1 && DRAINED(GUEST);
    assert(memory[PENDING] == 0);
    assert(owed == 0);
    assert(sent <= RAISERS * RAISES)
}
