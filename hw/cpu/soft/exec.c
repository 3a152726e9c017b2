/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/cpu/soft/exec.h"
#include "hw/cpu/soft/block.h"
#include "hw/cpu/soft/cpus.h"
#include "hw/cpu/soft/fpu.h"
#include "hw/cpu/soft/tlb.h"
#include "hw/mem/view.h"

/* ---- Between blocks ----------------------------------------------------------------------- */

HANDLER(block_head)
{
    return enter_block(cpu, op, cpu->rip);
}

HANDLER(exit_lookup)
{
    (void)op;
    return enter_at(cpu, cpu->rip);
}

/* Where @op leads. Addresses of 32-bit code wrap. */
static ALWAYS_INLINE uint64_t link_target(const struct soft *cpu, const struct op *op)
{
    uint64_t target = cpu->block_rip + (uint64_t)(int64_t)op->disp;

    return cpu->mode == MODE_64 ? target : (uint32_t)target;
}

HANDLER(exit_linked)
{
    return enter_block(cpu, op->link, cpu->block_rip + (uint64_t)(int64_t)op->disp);
}

/* To another page, which may be translated otherwise from one time to the next. */
static HANDLER(exit_far)
{
    cpu->rip = link_target(cpu, op);
    EXIT_LOOKUP;
}

HANDLER(exit_link)
{
    cpu->rip = link_target(cpu, op);
    if (!cpu->is_single) {
        if ((cpu->rip ^ cpu->block_rip) & PAGE_MASK)
            ((struct op *)(uintptr_t)op)->run = exit_far;
        else
            cpu->link_from = (struct op *)(uintptr_t)op;
    }
    LEAVE_RUN;
}

/* Links and jump entries lead to cached blocks only: what is compared is so each time. */
static void remember_block(struct soft *cpu, const struct block *block, struct op *from)
{
    if (!block->page)
        return;
    soft_jumps_add(cpu, block->ops);
    if (from) {
        from->link = block->ops;
        from->run = exit_linked;
    }
}

/* ---- Leaving by exception ------------------------------------------------------------------ */

static _Noreturn void unwind(struct soft *cpu, const struct op *op)
{
    if (op) {
        cpu->rip = op_rip(cpu, op);
        cpu->count -= op->left;
    }
    siglongjmp(cpu->unwind, 1);
}

void soft_raise(struct soft *cpu, const struct op *op, unsigned vector)
{
    cpu->restart = RESTART_NONE;
    cpu->fault = (struct soft_fault){ .vector = (uint8_t)vector };
    unwind(cpu, op);
}

void soft_raise_error(struct soft *cpu, const struct op *op, unsigned vector, uint32_t error)
{
    cpu->restart = RESTART_NONE;
    cpu->fault =
        (struct soft_fault){ .vector = (uint8_t)vector, .has_error = true, .error = error };
    unwind(cpu, op);
}

void soft_restart(struct soft *cpu, const struct op *op, enum soft_restart how)
{
    cpu->restart = (uint8_t)how;
    unwind(cpu, op);
}

/* ---- The run ------------------------------------------------------------------------------- */

static struct code_gate *gate_of(const struct soft *cpu)
{
    return mem_code_gate(space_mem(cpu->cpu.cpus->memory));
}

bool soft_code_has_changed(const struct soft *cpu)
{
    return unlikely(code_gate_sequence(gate_of(cpu)) != cpu->code_sequence) &&
           !MUTANT(cpu_unmarked_store_runs_on);
}

void soft_sync_code(struct soft *cpu)
{
    code_drops_take(cpu);
    if (unlikely(code_gate_sequence(gate_of(cpu)) != cpu->code_sequence))
        blocks_sync(cpu, gate_of(cpu));
}

static void run_block(struct soft *cpu, const struct block *block)
{
    const struct op *op = block->ops;

#ifdef SOFT_LOOP
    while (op)
        op = op->run(cpu, op);
#else
    op->run(cpu, op);
#endif
}

/*
 * One instruction, alone: the trap flag, an interrupt shadow, a limit that is near, or because it
 * has asked for it. The salt that no jump entry has keeps it from going on.
 */
static void run_single(struct soft *cpu) REQUIRES_SHARED(rcu)
{
    (void)blocks_reap(cpu); /* what was compared and differs: each step may add to it */
    cpu->is_single = true;
    soft_update_mode(cpu);
    run_block(cpu, blocks_find(cpu, true));
    cpu->is_single = false;
    soft_update_mode(cpu);
    cpu->restart = RESTART_NONE;
    soft_sync_code(cpu);
}

static void run_cached(struct soft *cpu) REQUIRES_SHARED(rcu)
{
    struct op *from = cpu->link_from;
    const struct block *block;

    cpu->link_from = NULL;
    if (blocks_reap(cpu))
        from = NULL; /* may be among what has been freed */
    block = blocks_find(cpu, false);
    if (block->page) {
        remember_block(cpu, block, from);
        run_block(cpu, block);
    } else {
        run_single(cpu);
    }
}

/* Whether the next instruction is to run alone; its shadow ends with it. */
static bool wants_single(struct soft *cpu, uint64_t limit)
{
    return cpu->restart != RESTART_NONE || cpu->is_exclusive || cpu->is_shadowed ||
           (cpu->rflags & FLAG_TF) || limit - cpu->count < BLOCK_INSNS_MAX;
}

/* True: a trap behind the instruction (TF, AMD64 APM vol. 2, 13.1.4). */
static bool step(struct soft *cpu) REQUIRES_SHARED(rcu)
{
    bool is_shadowed = cpu->is_shadowed, ends = is_shadowed || cpu->is_exclusive;
    uint64_t count = cpu->count;

    cpu->is_shadowed = false;
    cpu->is_traced = cpu->rflags & FLAG_TF;
    cpu->link_from = NULL; /* leads to here, not to where this ends */
    run_single(cpu);
    if (cpu->count == count) {
        cpu->is_shadowed = is_shadowed; /* kicked before it has ended */
        return false;
    }
    if (cpu->is_traced) {
        cpu->dr[6] |= DR6_BS;
        cpu->fault = (struct soft_fault){ .vector = VECTOR_DB };
        return true;
    }
    if (ends && !cpu->stop)
        cpu->stop = STOP_LIMIT;
    return false;
}

static bool run_blocks(struct soft *cpu) REQUIRES_SHARED(rcu)
{
    while (!cpu->stop) {
        uint64_t limit = load_relaxed(&cpu->kick.limit);

        if (cpu->count >= limit)
            cpu->stop = STOP_LIMIT;
        else if (likely(!wants_single(cpu, limit)))
            run_cached(cpu);
        else if (step(cpu))
            return true;
    }
    return false;
}

bool soft_exec(struct soft *cpu)
{
    cpu->stop = STOP_NONE;
    cpu->restart = RESTART_NONE;
    cpu->link_from = NULL;
    if (sigsetjmp(cpu->unwind, 0)) {
        if (cpu->is_single) {
            cpu->is_single = false;
            soft_update_mode(cpu);
        }
        if (cpu->restart == RESTART_NONE)
            return true;
        if (cpu->restart == RESTART_EXCLUSIVE) {
            cpu->stop = STOP_EXCLUSIVE;
            return false;
        }
        if (cpu->restart == RESTART_NEVER) {
            cpu->stop = STOP_FIRMWARE;
            return false;
        }
    }
    return run_blocks(cpu);
}
