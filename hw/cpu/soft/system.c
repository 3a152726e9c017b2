/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/cpu/soft/system.h"

#include "hw/cpu/soft/access.h"

static HANDLER(require_cpl0)
{
    if (cpu->cpl)
        soft_raise_error(cpu, op, VECTOR_GP, 0);
    NEXT;
}

static HANDLER(load_temp16)
{
    REG64(OFFSET_TEMP1) = load16(cpu, op, op_address(cpu, op));
    NEXT;
}

static HANDLER(store_temp16)
{
    store16(cpu, op, op_address(cpu, op), REG16(OFFSET_TEMP1));
    NEXT;
}

static HANDLER(load_far)
{
    const uint64_t va = op_address(cpu, op);
    const unsigned size = op->aux;

    REG64(OFFSET_TEMP1) = soft_load_slow(cpu, op, va, size);
    REG64(OFFSET_TEMP2) = load16(cpu, op, va + size);
    NEXT;
}

static HANDLER(set_far)
{
    REG64(OFFSET_TEMP1) = op->imm;
    REG64(OFFSET_TEMP2) = op->aux;
    NEXT;
}

uint8_t build_source16(struct builder *builder, const struct insn *insn, unsigned n)
{
    if (insn->operands[n].kind != OPERAND_MEMORY)
        return build_gpr(&insn->operands[n]);
    build_memory_op(builder, insn, load_temp16);
    return OFFSET_TEMP1;
}

struct op *build_result16(struct builder *builder, const struct insn *insn, op_fn *run)
{
    struct op *op = build_op(builder, run);
    const unsigned at = (unsigned)(op - builder->ops);

    if (insn->operands[0].kind == OPERAND_MEMORY) {
        op->dst = OFFSET_TEMP1;
        op->aux = 8;
        build_memory_op(builder, insn, store_temp16);
    } else {
        op->dst = build_gpr(&insn->operands[0]);
        op->aux = insn->operands[0].size;
    }
    return &builder->ops[at];
}

void build_far_pointer(struct builder *builder, const struct insn *insn)
{
    struct op *op;

    for (unsigned i = 0; i < INSN_OPERANDS_MAX; i++) {
        if (insn->operands[i].kind == OPERAND_MEMORY) {
            build_memory_op(builder, insn, load_far)->aux = insn->operand_size;
            return;
        }
    }
    op = build_op(builder, set_far);
    op->aux = insn->selector;
    op->imm = insn->operand_size == 2   ? (uint16_t)insn->imm
              : insn->operand_size == 4 ? (uint32_t)insn->imm
                                        : (uint64_t)insn->imm;
}

static lower_fn *find_part(enum insn_kind kind)
{
    static lower_fn *(*const parts[])(enum insn_kind kind) = {
        lower_segment, lower_table,   lower_far, lower_interrupt, lower_syscall,
        lower_rflags,  lower_control, lower_msr, lower_port,
    };

    for (unsigned i = 0; i < ARRAY_SIZE(parts); i++) {
        lower_fn *lower = parts[i](kind);

        if (lower)
            return lower;
    }
    return NULL;
}

/* Those that are #UD rather than #GP where they are not allowed, or for another reason first. */
static bool checks_itself(unsigned kind)
{
    return kind == INSN_CLAC || kind == INSN_STAC || kind == INSN_SYSRET;
}

static bool lower_checked(struct builder *builder, const struct insn *insn)
{
    lower_fn *lower = find_part((enum insn_kind)insn->row->kind);

    if ((insn->row->prefixes & ROW_CPL0) && !checks_itself(insn->row->kind))
        build_op(builder, require_cpl0);
    return lower(builder, insn);
}

lower_fn *lower_system(enum insn_kind kind)
{
    return find_part(kind) ? lower_checked : NULL;
}
