/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * RFLAGS as a whole, and the flags that are the system's. RF is never set but in the
 * frames of faults: there are no breakpoints for it to suppress.
 */
#include "hw/cpu/soft/access.h"
#include "hw/cpu/soft/segment.h"
#include "hw/cpu/soft/system.h"

/* ---- PUSHF, POPF: aux is the size
 * ------------------------------------------------------------------ */

static HANDLER(pushf)
{
    const unsigned size = op->aux;
    const uint64_t image = soft_get_rflags(cpu);

    soft_store_slow(cpu, op, stack_address(cpu, 0 - (uint64_t)size), image, size);
    stack_set_pointer(cpu, cpu->gpr[RSP] - size);
    NEXT;
}

uint64_t loadable_flags(const struct soft *cpu, unsigned size)
{
    uint64_t mask = FLAGS_ARITH | FLAG_TF | FLAG_DF | FLAG_NT;

    if (size > 2)
        mask |= FLAG_AC | FLAG_ID;
    if (cpu->cpl <= (cpu->rflags & FLAG_IOPL) >> 12)
        mask |= FLAG_IF;
    if (cpu->cpl == 0)
        mask |= FLAG_IOPL;
    return mask;
}

bool flags_want_resync(const struct soft *cpu, uint64_t before)
{
    const struct cpu_board *board = cpu->cpu.cpus->board;

    if (cpu->rflags & FLAG_TF)
        return true;
    if (!(cpu->rflags & ~before & FLAG_IF) || !board->has_interrupt)
        return false;
    return board->has_interrupt(board->opaque, cpu->cpu.index);
}

static HANDLER(popf)
{
    const unsigned size = op->aux;
    const uint64_t image = stack_peek(cpu, op, 0, size), mask = loadable_flags(cpu, size);
    const uint64_t before = soft_get_rflags(cpu);

    stack_set_pointer(cpu, cpu->gpr[RSP] + size);
    soft_set_rflags(cpu, (before & ~mask) | (image & mask));
    if (flags_want_resync(cpu, before))
        END_RESYNC;
    NEXT;
}

/* ---- CLI, STI, CLAC, STAC
 * ---------------------------------------------------------------------------- */

static void check_iopl(struct soft *cpu, const struct op *op)
{
    if (cpu->cpl > (cpu->rflags & FLAG_IOPL) >> 12)
        soft_raise_error(cpu, op, VECTOR_GP, 0);
}

static HANDLER(cli)
{
    check_iopl(cpu, op);
    cpu->rflags &= ~(uint64_t)FLAG_IF;
    NEXT;
}

/*
 * An interrupt that comes later than this is seen at the next block's head, hence not before the
 * next instruction has ended, if that is of this block. aux: it is not.
 */
static HANDLER(sti)
{
    const uint64_t before = cpu->rflags;

    check_iopl(cpu, op);
    cpu->rflags |= FLAG_IF;
    if (!op->aux && !flags_want_resync(cpu, before))
        NEXT;
    cpu->is_shadowed = !(before & FLAG_IF);
    cpu->count -= op->left - 1u; /* of the block, those behind this one */
    END_RESYNC;
}

/* aux is what AC becomes. */
static HANDLER(set_ac)
{
    if (cpu->cpl)
        soft_raise(cpu, op, VECTOR_UD);
    cpu->rflags = (cpu->rflags & ~(uint64_t)FLAG_AC) | (op->aux ? FLAG_AC : 0);
    soft_update_mode(cpu);
    NEXT;
}

/* The base says that it is the stack, whose faults are #SS. */
static void build_on_stack(struct builder *builder, const struct insn *insn, op_fn *run)
{
    struct op *op = build_op(builder, run);

    op->aux = insn->operand_size;
    op->base = 8 * RSP;
}

static bool lower_flags(struct builder *builder, const struct insn *insn)
{
    switch (insn->row->kind) {
    case INSN_PUSHF:
        build_on_stack(builder, insn, pushf);
        return true;
    case INSN_POPF:
        build_on_stack(builder, insn, popf);
        return true;
    case INSN_CLI:
        build_op(builder, cli);
        return true;
    case INSN_STI:
        build_op(builder, sti)->aux = builder->at + 1 == builder->nr_insns;
        return true;
    default: /* CLAC, STAC */
        build_op(builder, set_ac)->aux = insn->row->kind == INSN_STAC;
        return true;
    }
}

lower_fn *lower_rflags(enum insn_kind kind)
{
    switch ((int)kind) {
    case INSN_PUSHF:
    case INSN_POPF:
    case INSN_CLI:
    case INSN_STI:
    case INSN_CLAC:
    case INSN_STAC:
        return lower_flags;
    default:
        return NULL;
    }
}
