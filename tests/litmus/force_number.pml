/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Force as a number: never lost, never behind a lazy grace period, idempotent,
 * and nothing outstanding changes nothing.
 *
 * Modelled: call_rcu() as "take a number, note the need, wake the rcu thread";
 * force_rcu() with rcu_raise_force(); the rcu thread, which drives the oldest
 * need, in the normal state until it sees that its target is forced
 * (gp_update_state(), gp_sleep_normal()); readers that leave their section only
 * when they are kicked, and report it only when a driver has marked them, which
 * it does in the forced state. Nothing ends by the clock: the age limit of 50 ms
 * would hide a lost force. One caller queues and forces, another only queues; with
 * THIRD a third only forces.
 *
 * Abstracted: numbers step by 1; a scan, a kick and a reader's exit with its
 * report are one step each, and there are no store buffers (waiting.pml has
 * those).
 *
 * Expected: no deadlock (whoever has forced sees its grace period end; one that
 * nobody forced may stay), no assertion fails. Each of these must fail:
 *   WRONG_MODE         force is a flag, which the end of a grace period clears
 *   WRONG_SLEEPS_ON    a force does not wake the sleeping driver
 *   WRONG_LOOK_FIRST   the driver looks for a force, then takes its ticket
 *   WRONG_AT_START     the driver looks for a force only when it starts
 *   WRONG_FORCE_AHEAD  a force counts from the newest number, needed or not
 */
#ifndef READERS
#define READERS 2
#endif
#define SECTIONS 1

byte newest = 1, completed = 1, needed = 1, forced_upto = 1;
bool is_forced_mode; /* WRONG_MODE */
byte news;
byte ctr[READERS];
bool kick[READERS], waiting[READERS];

#define RAISE(word, number) \
    d_step { \
        if \
        :: word < number -> word = number \
        :: else \
        fi \
    }
#ifdef WRONG_MODE
#define IS_FORCED(number) is_forced_mode
#else
#define IS_FORCED(number) (forced_upto >= number)
#endif
#define IS_OLDER(i, number) (ctr[i] != 0 && ctr[i] < number)

proctype reader(byte me)
{
    byte number, sections;

    do
    :: sections < SECTIONS ->
        sections++;
        number = newest;
        ctr[me] = number;
        number = 0;
endinside: /* a section that nobody needs to end */
        atomic { kick[me] -> kick[me] = false }
        d_step {
            ctr[me] = 0;
            if
            :: waiting[me] -> waiting[me] = false; news++
            :: else
            fi
        }
    :: else -> break
    od
}

inline kick_older(number)
{
    d_step {
        for (i : 0 .. READERS - 1) {
            if
            :: IS_OLDER(i, number) -> kick[i] = true
            :: else
            fi
        }
        i = 0
    }
}

/* In the forced state a driver marks and kicks what it sees. */
inline scan(number)
{
    d_step {
        older = 0;
        for (i : 0 .. READERS - 1) {
            if
            :: IS_OLDER(i, number) ->
                older++;
                waiting[i] = waiting[i] || is_forced;
                kick[i] = kick[i] || is_forced
            :: else
            fi
        }
        i = 0
    }
}

inline force()
{
    up_to = needed;
#ifdef WRONG_FORCE_AHEAD
    up_to = newest + 1;
#else
    if
    :: completed >= up_to -> up_to = 0 /* nothing outstanding */
    :: else
    fi;
#endif
    d_step {
        if
        :: forced_upto < up_to ->
            assert(up_to <= needed);
            forced_upto = up_to;
            is_forced_mode = true;
            raised = true
        :: else -> raised = false
        fi
    };
    if
    :: raised ->
        RAISE(newest, up_to); /* gp_start() */
        kick_older(up_to);
#ifndef WRONG_SLEEPS_ON
        news++
#endif
    :: else
    fi
}

proctype caller(bool queues; bool forces)
{
    byte need, up_to, i;
    bool raised;

    if
    :: queues ->
        need = newest + 1;
        RAISE(needed, need)
    :: else
    fi;
    if
    :: forces -> force(); raised = false; up_to = 0
    :: else
    fi;
    if
    :: queues && forces -> completed >= need
    :: else
    fi;
    need = 0
}

proctype rcu_thread()
{
    byte target, ticket, i, older;
    bool is_forced;

endidle:
    do
    :: needed > completed ->
        target = completed + 1; /* the oldest that anybody can need */
        RAISE(newest, target);
        is_forced = IS_FORCED(target);
        do
        ::
#ifndef WRONG_LOOK_FIRST
            ticket = news;
#endif
#ifndef WRONG_AT_START
            is_forced = IS_FORCED(target);
#endif
#ifdef WRONG_LOOK_FIRST
            ticket = news;
#endif
            scan(target);
            if :: older == 0 -> break :: else fi;
endlazy: /* nobody has forced it: it may take for ever */
            news != ticket
        od;
        ticket = 0;
        completed = target;
        is_forced_mode = false;
        news++
    od
}

init
{
    atomic {
        byte i;

        for (i : 0 .. READERS - 1) {
            run reader(i)
        }
        run rcu_thread();
        run caller(true, true);
        run caller(true, false);
#ifdef THIRD
        run caller(false, true);
#endif
    }
}
