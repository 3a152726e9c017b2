/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * How blocks are entered, left, chained and forgotten.
 *
 * Inside a run, `block_rip` is where the running block begins; `rip` is set only by
 * what goes elsewhere than along a link. A block begins with block_head, which
 * counts its instructions and compares with the kick's limit, so a kick is seen at
 * the next block.
 *
 * Links lead from a block to another of the same page, and are made when first
 * followed. They need no check: code of one page is dropped together, and a page
 * that runs is translated as it is. All else goes through the jump cache, by
 * virtual address, which every TLB flush empties as it does the TLB.
 */
#ifndef HW_CPU_SOFT_EXEC_H
#define HW_CPU_SOFT_EXEC_H

#include "hw/cpu/soft/op.h"
#include "util/atomic.h"
#include "util/mutant.h"

/**
 * A link to block_rip + op->disp: what a direct jump, and a block that just stops, end
 * with. Becomes exit_linked or exit_far when first followed.
 */
op_fn exit_link;

/** First operation of each block. aux: instructions. */
op_fn block_head;

/** What exit_link becomes in a page: `link` is the head of the block there. */
op_fn exit_linked;

/** Begin the block of @head, which is at @rip: unless that would pass the limit. */
static ALWAYS_INLINE op_result enter_block(struct soft *cpu, const struct op *head, uint64_t rip)
{
    uint64_t count = cpu->count + head->aux;

    cpu->block_rip = rip;
    if (MUTANT(cpu_lossy_kick) && load_relaxed(&cpu->kick.limit))
        store_relaxed(&cpu->kick.limit, load_relaxed(&cpu->kick.limit) - 1);
    if (unlikely(count > load_relaxed(&cpu->kick.limit))) {
        cpu->rip = rip;
        LEAVE_RUN;
    }
    cpu->count = count;
    GOTO_OP(head + 1);
}

static ALWAYS_INLINE struct jump_entry *jump_entry(struct soft *cpu, uint64_t rip)
{
    return &cpu->jumps[(rip ^ (rip >> JUMP_BITS)) & (JUMP_ENTRIES - 1)];
}

/**
 * As exit_lookup, from within a handler, whose jump is then its own: what comes behind a return is
 * not what comes behind a jump table, and is predicted by itself.
 */
static ALWAYS_INLINE op_result enter_at(struct soft *cpu, uint64_t rip)
{
    const struct jump_entry *entry = jump_entry(cpu, rip);

    if (unlikely(entry->tag != (rip ^ cpu->jump_salt))) {
        cpu->rip = rip;
        LEAVE_RUN;
    }
    return enter_block(cpu, entry->head, rip);
}

/** As GOTO_OP, to a link: one dispatch less where it has been followed before. */
static ALWAYS_INLINE op_result enter_link(struct soft *cpu, const struct op *link)
{
    if (likely(link->run == exit_linked))
        return enter_block(cpu, link->link, cpu->block_rip + (uint64_t)(int64_t)link->disp);
    GOTO_OP(link);
}

/* Why an instruction must be run again, alone in a block: soft_restart(). */
enum soft_restart {
    RESTART_NONE,
    RESTART_SINGLE,    /* it writes the code that it is in */
    RESTART_EXCLUSIVE, /* its locked access is not one of the host's: the others stand still */
    RESTART_NEVER,     /* it leads to firmware, and there is none */
};

/** Leave @op's instruction, which has changed nothing yet, and run it again as @how says. */
void soft_restart(struct soft *cpu, const struct op *op, enum soft_restart how) COLD
    __attribute__((noreturn));

/**
 * Drop the blocks whose code has been written by whomever since the last call. Where
 * the architecture serialises (CPUID, IRET, MOV to CR …), at the end of a block.
 */
void soft_sync_code(struct soft *cpu);

/**
 * Whether there is something to drop. A store that is to be fast, or to a page with code, asks: as
 * soon as another's store has taken the page's marks, ours would go unseen, and the blocks that we
 * have of the page, perhaps the running one, would not be dropped before they are used.
 */
bool soft_code_has_changed(const struct soft *cpu);

/**
 * Leave the read section and enter it again: around what may take the BQL. Afterwards
 * the view may be another; TLB entries that it contradicts are gone. The guest's
 * MXCSR is out of the way meanwhile.
 */
void soft_section_leave(struct soft *cpu) RELEASE_SHARED(rcu);
void soft_section_enter(struct soft *cpu) ACQUIRE_SHARED(rcu);

#endif
