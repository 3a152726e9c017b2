/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kicks of a virtual processor: what is posted is taken, whatever the processor does
 * (hw/cpu/cpu.c).
 *
 * Modelled: cpu_post() by POSTERS threads, each with an event of its own: bits, kick,
 * wake-up; a processor that, until it has taken all events, lowers its kick, looks at
 * the bits, and then either runs a guest that only a kick ends, or halts, and sleeps on
 * its sequence. The kick is the software processor's limit, or with -DKVM immediate_exit
 * together with a signal if the thread says that it is inside.
 *
 * The processor's plain stores wait in a store buffer of one entry each; a barrier waits
 * for them. Posters set bits by a locked operation, so they need no buffer before it; what
 * they store behind it arrives some time, which interleaving covers.
 *
 * Expected: no deadlock. Each of these must end in one:
 *   WRONG_LOOK_FIRST     the processor looks at the bits, then lowers its kick
 *   WRONG_NO_BARRIER     nothing between the lowering and the look
 *   WRONG_KICK_FIRST     a poster kicks, then sets the bits
 *   WRONG_BUDGET         the guest's loop counts down the word that a kick stores to
 *   WRONG_WAKE_FIRST     a poster wakes, then sets the bits
 *   WRONG_NO_TICKET      the sleeper looks at the bits, then takes its ticket
 *   WRONG_INSIDE_LATE    (KVM) nothing between "inside" and KVM_RUN's look at immediate_exit
 *   WRONG_SIGNAL_FIRST   (KVM) the kicker looks whether it is inside before immediate_exit is set
 */
#ifndef POSTERS
#define POSTERS 2
#endif
#define ALL ((1 << POSTERS) - 1)

byte events, taken;
bool kicked;          /* limit is 0, or immediate_exit is 1 */
bool is_lowering;     /* the store of "not kicked" is in the store buffer */
byte number, sleepers;
bool asleep;
bool inside, is_signalled; /* KVM */
bool is_entering;          /* the store of "inside" is in the store buffer */

#define BARRIER (!is_lowering && !is_entering)

/* The processor's store buffer drains. */
active proctype buffer()
{
end:
    do
    :: atomic { is_lowering -> kicked = false; is_lowering = false }
    :: atomic { is_entering -> inside = true; is_entering = false }
    od
}

inline wake()
{
    number++;
    if
    :: sleepers > 0 -> asleep = false
    :: else
    fi
}

inline kick()
{
#ifdef KVM
#ifdef WRONG_SIGNAL_FIRST
    if
    :: inside -> is_signalled = true
    :: else
    fi;
    kicked = true
#else
    kicked = true;
    if
    :: inside -> is_signalled = true
    :: else
    fi
#endif
#else
    kicked = true
#endif
}

proctype poster(byte mine)
{
#ifdef WRONG_KICK_FIRST
    kick();
#endif
#ifdef WRONG_WAKE_FIRST
    wake();
#endif
    events = events | mine;
#ifndef WRONG_KICK_FIRST
    kick();
#endif
#ifndef WRONG_WAKE_FIRST
    wake()
#endif
}

/* Until it is kicked. */
inline guest()
{
#ifdef KVM
    is_entering = true;
#ifndef WRONG_INSIDE_LATE
    BARRIER;
#endif
    if
    :: kicked && !is_lowering /* KVM_RUN returns at once */
    :: else -> is_signalled
    fi;
    BARRIER; /* the system call has ended */
    atomic { inside = false; is_signalled = false }
#else
#ifdef WRONG_BUDGET
    BARRIER;
    seen = kicked; /* budget -= n: read, and written back */
    if
    :: !seen -> kicked = seen
    :: else
    fi;
#endif
    kicked && !is_lowering
#endif
}

inline rest()
{
#ifdef WRONG_NO_TICKET
    if
    :: events == 0 ->
        sleepers++;
        ticket = number;
#else
    sleepers++;
    ticket = number;
    if
    :: events == 0 ->
#endif
        atomic {
            if
            :: number == ticket -> asleep = true
            :: else
            fi
        }
        !asleep;
        sleepers--
#ifdef WRONG_NO_TICKET
    :: else
#else
    :: else -> sleepers--
#endif
    fi
}

proctype processor()
{
    byte ticket, look;
    bool seen;

    do
    :: taken == ALL -> break
    :: else ->
#ifdef WRONG_LOOK_FIRST
        look = events;
#endif
        is_lowering = true;
#ifndef WRONG_NO_BARRIER
        BARRIER;
#endif
#ifndef WRONG_LOOK_FIRST
        look = events;
#endif
        if
        :: look != 0
        :: look == 0 -> guest()
        :: look == 0 -> BARRIER; rest() /* halted; sequence_prepare() is a barrier */
        fi;
        atomic { taken = taken | events; events = 0 }
    od
}

init
{
    atomic {
        byte i;

        run processor();
        for (i : 0 .. POSTERS - 1) {
            run poster(1 << i)
        }
    }
}
