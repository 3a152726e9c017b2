/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Segment registers: moves, far pointers, and the bases of FS and GS. */
#include "hw/cpu/soft/access.h"
#include "hw/cpu/soft/segment.h"
#include "hw/cpu/soft/system.h"

/* ---- MOV, PUSH, POP ----------------------------------------------------------------------- */

static HANDLER(mov_to_segment)
{
    segment_load(cpu, op, (enum segment)op->aux, REG16(op->src));
    NEXT;
}

/* Interrupts wait until RSP can have been loaded too. */
static HANDLER(mov_to_ss)
{
    segment_load(cpu, op, SEG_SS, REG16(op->src));
    cpu->is_shadowed = true;
    END_RESYNC;
}

static HANDLER(mov_from_segment)
{
    set_register(cpu, op->dst, op->aux, cpu->seg[op->imm].selector);
    NEXT;
}

static bool lower_mov_segment(struct builder *builder, const struct insn *insn)
{
    if (insn->operands[0].kind == OPERAND_SEGMENT) {
        const enum segment segment = (enum segment)insn->operands[0].reg;
        uint8_t source;
        struct op *op;

        if (segment == SEG_CS || segment > SEG_GS)
            return false;
        source = build_source16(builder, insn, 1);
        op = build_op(builder, segment == SEG_SS ? mov_to_ss : mov_to_segment);
        op->src = source;
        op->aux = segment;
        return true;
    }
    if (insn->operands[1].reg > SEG_GS)
        return false;
    build_result16(builder, insn, mov_from_segment)->imm = insn->operands[1].reg;
    return true;
}

static HANDLER(push_segment)
{
    const unsigned size = op->aux;

    soft_store_slow(cpu, op, stack_address(cpu, 0 - (uint64_t)size), cpu->seg[op->imm].selector,
                    size);
    stack_set_pointer(cpu, cpu->gpr[RSP] - size);
    NEXT;
}

static void pop_to(struct soft *cpu, const struct op *op)
{
    const unsigned size = op->aux;

    segment_load(cpu, op, (enum segment)op->imm, (uint16_t)stack_peek(cpu, op, 0, size));
    stack_set_pointer(cpu, cpu->gpr[RSP] + size);
}

static HANDLER(pop_segment)
{
    pop_to(cpu, op);
    NEXT;
}

static HANDLER(pop_ss)
{
    pop_to(cpu, op);
    cpu->is_shadowed = true;
    END_RESYNC;
}

static bool lower_stack_segment(struct builder *builder, const struct insn *insn)
{
    const bool is_push = insn->row->kind == INSN_PUSH_SEG;
    const uint8_t segment = insn->operands[0].reg;
    struct op *op = build_op(builder, is_push             ? push_segment
                                      : segment == SEG_SS ? pop_ss
                                                          : pop_segment);

    op->imm = segment;
    op->aux = insn->operand_size;
    return true;
}

/* ---- LDS, LES, LSS, LFS, LGS ----------------------------------------------------------------- */

static HANDLER(load_far_pointer)
{
    const uint64_t offset = REG64(OFFSET_TEMP1);

    segment_load(cpu, op, (enum segment)op->imm, REG16(OFFSET_TEMP2));
    set_register(cpu, op->dst, op->aux, offset);
    NEXT;
}

static bool lower_far_load(struct builder *builder, const struct insn *insn)
{
    const unsigned kind = insn->row->kind;
    struct op *op;

    build_far_pointer(builder, insn);
    op = build_op(builder, load_far_pointer);
    op->dst = build_gpr(&insn->operands[0]);
    op->aux = insn->operand_size;
    op->imm = kind == INSN_LDS   ? SEG_DS
              : kind == INSN_LES ? SEG_ES
              : kind == INSN_LSS ? SEG_SS
              : kind == INSN_LFS ? SEG_FS
                                 : SEG_GS;
    return true;
}

/* ---- Bases ------------------------------------------------------------------------------------
 */

static void set_base(struct soft *cpu, enum segment segment, uint64_t base)
{
    cpu->seg[segment].base = base;
    cpu->seg_base[segment] = base;
}

static HANDLER(swapgs)
{
    const uint64_t base = cpu->seg_base[SEG_GS];

    set_base(cpu, SEG_GS, cpu->kernel_gs_base);
    cpu->kernel_gs_base = base;
    NEXT;
}

static HANDLER(read_base)
{
    if (!(cpu->cr4 & CR4_FSGSBASE))
        soft_raise(cpu, op, VECTOR_UD);
    set_register(cpu, op->dst, op->aux, cpu->seg_base[op->imm]);
    NEXT;
}

static HANDLER(write_base)
{
    const uint64_t base = op->aux == 4 ? REG32(op->src) : REG64(op->src);

    if (!(cpu->cr4 & CR4_FSGSBASE))
        soft_raise(cpu, op, VECTOR_UD);
    if (!is_canonical(base))
        soft_raise_error(cpu, op, VECTOR_GP, 0);
    set_base(cpu, (enum segment)op->imm, base);
    NEXT;
}

static bool lower_base(struct builder *builder, const struct insn *insn)
{
    const unsigned kind = insn->row->kind;
    struct op *op;

    if (kind == INSN_SWAPGS) {
        build_op(builder, swapgs);
        return true;
    }
    op = build_op(builder, kind == INSN_RDFSBASE || kind == INSN_RDGSBASE ? read_base : write_base);
    op->dst = op->src = build_gpr(&insn->operands[0]);
    op->aux = insn->operands[0].size;
    op->imm = kind == INSN_RDFSBASE || kind == INSN_WRFSBASE ? SEG_FS : SEG_GS;
    return true;
}

lower_fn *lower_segment(enum insn_kind kind)
{
    switch ((int)kind) {
    case INSN_MOV_SEG:
        return lower_mov_segment;
    case INSN_PUSH_SEG:
    case INSN_POP_SEG:
        return lower_stack_segment;
    case INSN_LDS:
    case INSN_LES:
    case INSN_LSS:
    case INSN_LFS:
    case INSN_LGS:
        return lower_far_load;
    case INSN_SWAPGS:
    case INSN_RDFSBASE:
    case INSN_RDGSBASE:
    case INSN_WRFSBASE:
    case INSN_WRGSBASE:
        return lower_base;
    default:
        return NULL;
    }
}
