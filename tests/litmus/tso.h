/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Store buffers for spin, as x86 has them (TSO). A model defines NR_CPUS and
 * NR_CELLS first.
 *
 * A store goes into the processor's own queue, and from there to memory at any
 * later time, in order. Loads read memory. (A load of a cell for which the
 * processor's own buffer holds a store would have to read that store; no model
 * loads a cell that it has stored to without a barrier in between, which LOAD
 * asserts.) A locked operation waits until the own buffer is empty and works on
 * memory. A membarrier passes each processor at some moment at which its buffer
 * is empty; the moments differ.
 */
#ifndef TESTS_LITMUS_TSO_H
#define TESTS_LITMUS_TSO_H

#ifndef BUFFER_DEPTH
#define BUFFER_DEPTH 2
#endif

byte memory[NR_CELLS];
chan buffer[NR_CPUS] = [BUFFER_DEPTH] of { byte, byte };

#define DRAINED(cpu) empty(buffer[cpu])

/* One of these runs beside each processor that stores. */
proctype drain(byte cpu)
{
    byte cell, value;
endidle:
    do
    :: d_step { buffer[cpu] ? cell, value -> memory[cell] = value; cell = 0; value = 0 }
    od
}

#define STORE(cpu, cell, value) buffer[cpu] ! cell, value
#define LOAD(cpu, cell, result) \
    d_step { assert(!buffer[cpu] ?? [eval(cell), _]); result = memory[cell] }
#define BARRIER(cpu) DRAINED(cpu)

#endif
