/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A processor never runs cached code that is older than what it has been told of, though another
 * may have a mapping through which it stores without asking.
 *
 * Modelled: build_cached() with page_mark(), code_drops_ask() and code_drops_all_done()
 * (hw/cpu/soft/block.c, drops.c); of the other processor soft_section_enter() and _leave(),
 * code_drops_take(), and its stores, fast and slow, with place_in(); code_gate_want_write(),
 * code_gate_mark(), code_gate_dropped() and drop_marks() (hw/mem/code_gate.c); all under store
 * buffers. The writer stores version after version and tells each; it is in its section for a
 * while, SECTIONS times, and stays in the last one. The runner marks MARKS times, and runs what
 * it has in between: told of a version, it drops what the log says, and must not have an older
 * one.
 *
 * Abstracted: one page, one granule; the marker waits where the code looks again later and runs
 * instructions one at a time until then; what it reads before the mark and compares afterwards is
 * read afterwards; the gate's lock and the drops' make one step; kicks are never lost
 * (cpu_kick.pml).
 *
 * Expected: no deadlock, no assertion fails. Each of these must fail:
 *   WRONG_KEEPS            a page is marked, whoever may write it
 *   WRONG_FOREIGN          the marker drops the writer's mapping
 *   WRONG_UNPUBLISHED      a processor does not say that it is in its section
 *   WRONG_NO_ENTER_BARRIER nothing between saying so and looking at what is to be dropped
 *   WRONG_NO_ASK_BARRIER   nothing between asking and looking at who is in his section (a deadlock
 *                          comes first: the kick overtakes what it is about)
 *   WRONG_LOWERS           the flag is lowered though the marks have gone meanwhile
 *   WRONG_NO_KICK          who is asked is not kicked (deadlock)
 */
#ifndef SECTIONS
#define SECTIONS 2
#endif
#ifndef MARKS
#define MARKS 2
#endif
#ifndef VERSIONS
#define VERSIONS 3
#endif
#define NR_CPUS 2
#define RUNNER 0
#define WRITER 1
#define BYTES 0    /* the code: a version */
#define TOLD 1     /* of this version */
#define RUNNING 2  /* is_running of the writer */
#define SEQUENCE 3 /* code_drops.sequence */
#define DONE 4     /* drops_done of the writer */
#define NR_CELLS 5
#include "tso.inc"

bool marks, may_be_fast; /* changed by locked operations */
byte logged;             /* the gate's sequence; with marks under the lock */
bool kick;
bool has_mapping; /* the writer's TLB */

inline ask()
{
    sequence++;
    STORE(RUNNER, SEQUENCE, sequence);
#ifndef WRONG_NO_ASK_BARRIER
    BARRIER(RUNNER);
#endif
#ifndef WRONG_NO_KICK
    kick = true; /* a locked operation, but its barrier is not needed: */
#endif
#ifdef WRONG_FOREIGN
    has_mapping = false
#else
    memory[RUNNING] == 0 || memory[DONE] >= sequence
#endif
}

inline mark()
{
    BARRIER(RUNNER);
    d_step { marks = true; ticket = logged };
    if
#ifdef WRONG_KEEPS
    :: true
#else
    :: may_be_fast ->
        ask();
        BARRIER(RUNNER);
        d_step {
            if
#ifdef WRONG_LOWERS
            :: true -> may_be_fast = false
#else
            :: logged == ticket -> may_be_fast = false
            :: else
#endif
            fi
        }
    :: else
#endif
    fi
}

inline sync()
{
    d_step {
        if
        :: logged != known -> known = logged; has_code = false
        :: else
        fi
    }
}

proctype runner()
{
    byte marked, sequence, ticket, known, code, version;
    bool has_code;

    do
    :: marked < MARKS ->
        marked++;
        sync();
        mark();
        LOAD(RUNNER, BYTES, code);
        has_code = true
    :: has_code ->
        LOAD(RUNNER, TOLD, version);
        sync();
        assert(!has_code || code >= version)
    :: marked == MARKS -> break
    od
}

inline take()
{
    LOAD(WRITER, SEQUENCE, wanted);
    if
    :: wanted != done ->
        done = wanted;
        has_mapping = false; /* before or after the next is the same to all: it does not store */
        STORE(WRITER, DONE, done)
    :: else
    fi
}

inline want_write()
{
    if
    :: marks
    :: else ->
        BARRIER(WRITER);
        may_be_fast = true;
        if
        :: marks
        :: else -> has_mapping = true
        fi
    fi
}

/* One block with one store. */
inline store()
{
    version++;
    is_fast = has_mapping;
    if
    :: is_fast
    :: else -> want_write(); is_fast = has_mapping
    fi;
    STORE(WRITER, BYTES, version);
    if
    :: is_fast
    :: else ->
        BARRIER(WRITER);
        d_step {
            if
            :: marks -> logged++; marks = false
            :: else
            fi
        }
    fi;
    STORE(WRITER, TOLD, version)
}

proctype writer()
{
    byte sections, version, done, wanted;
    bool is_fast;

    do
    :: sections < SECTIONS ->
        sections++;
#ifndef WRONG_UNPUBLISHED
        STORE(WRITER, RUNNING, 1);
#endif
#ifndef WRONG_NO_ENTER_BARRIER
        BARRIER(WRITER);
#endif
        take();
        do
        :: version < VERSIONS ->
            store();
            if
            :: kick -> kick = false; take()
            :: else
            fi
        :: break
        od;
        if
        :: sections == SECTIONS ->
endinside:  do
            :: kick -> kick = false; take()
            od
        :: else
        fi;
        STORE(WRITER, RUNNING, 0)
    :: else -> break
    od
}

init
{
    atomic {
        run drain(RUNNER);
        run drain(WRITER);
        run runner();
        run writer()
    }
}
