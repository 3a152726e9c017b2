/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Kicks: one that came too early is repeated, and a notifier is never called
 * after its thread has unregistered.
 *
 * Modelled: rcu_registry_kick() with claim_kick(), pin(), the notifier and
 * unpin(), by KICKERS threads; a thread that consumes its notifier's flag now
 * and then outside of a section, so that a kick can be lost, enters a section
 * that only a kick ends, and unregisters: unlink, PIN_AWAITED, the sleep on the
 * pins, then the notifier is gone (rcu_unregister_thread(), wait_for_kicks()).
 * Removing a notifier is the same, with the notifier in the place of the thread.
 *
 * Abstracted: the registry lock makes claim and pin one step, and so the unlink;
 * a kick is due again at any time after it was made (the clock). Pins are locked
 * operations, so there are no store buffers.
 *
 * Expected: no deadlock, no assertion fails. Each of these must fail:
 *   WRONG_NO_REKICK  a section is kicked once
 *   WRONG_EARLY      unregistering does not wait for kicks under way
 *   WRONG_LATE_PIN   the pin is taken after the registry lock is released
 *   WRONG_NO_WAKE    the last unpin does not wake the thread
 */
#ifndef KICKERS
#define KICKERS 2
#endif
#define AWAITED 128
#ifdef WRONG_NO_REKICK
#define IS_DUE (is_listed && is_inside && !is_kicked)
#else
#define IS_DUE (is_listed && is_inside)
#endif

bool is_listed = true, is_notifier_there = true;
bool is_inside, flag;
bool is_kicked;       /* kicked_section is the section's number */
bool is_gone;         /* the grace period can end */
byte pins;
bool asleep;          /* the thread, on its pins */

proctype reader()
{
    byte seen;

    is_inside = true;
    if
    :: flag = false /* looks at its flag a last time, and goes into the guest */
    :: true
    fi;
    atomic { flag -> flag = false };
    is_inside = false;
    is_gone = true;

    is_listed = false; /* under the lock, for writing */
#ifndef WRONG_EARLY
    pins = pins + AWAITED;
    do
    :: seen = pins;
        if
        :: seen == AWAITED -> break
        :: else ->
            atomic {
                if
                :: pins == seen -> asleep = true
                :: else
                fi
            }
            !asleep
        fi
    od;
#endif
    is_notifier_there = false
}

proctype kicker()
{
    bool has_claimed;

    do
    :: is_gone -> break
    :: else ->
        d_step { /* under the lock, for reading */
            has_claimed = false;
            if
            :: IS_DUE ->
                is_kicked = true;
                has_claimed = true;
#ifndef WRONG_LATE_PIN
                pins++
#endif
            :: else
            fi
        };
        if
        :: has_claimed ->
#ifdef WRONG_LATE_PIN
            pins++;
#endif
            assert(is_notifier_there);
            flag = true;
            d_step {
                pins--;
#ifndef WRONG_NO_WAKE
                if
                :: pins == AWAITED -> asleep = false
                :: else
                fi
#endif
            }
        :: else -> is_gone || IS_DUE
        fi
    od
}

init
{
    atomic {
        byte i;

        run reader();
        for (i : 1 .. KICKERS) {
            run kicker()
        }
    }
}
