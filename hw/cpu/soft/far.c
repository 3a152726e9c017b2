/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Far jumps, calls and returns, and IRET. */
#include "hw/cpu/soft/access.h"
#include "hw/cpu/soft/segment.h"
#include "hw/cpu/soft/system.h"
#include "util/log.h"

/* Where a far pointer leads, in the end. */
struct target {
    struct cpu_segment cs;
    uint64_t rip;
    bool is_gate;
};

/* Whether @selector is that of a call gate, which the present program may use. */
static bool read_call_gate(struct soft *cpu, const struct op *op, uint16_t selector,
                           struct descriptor *ret_gate)
{
    unsigned attributes, dpl;

    if (!is_long(cpu) || is_null_selector(selector) ||
        !descriptor_read(cpu, op, selector, ret_gate))
        return false;
    attributes = descriptor_attributes(ret_gate);
    if ((attributes & (SEG_S | SEG_TYPE)) != SYSTEM_CALL_GATE)
        return false;
    dpl = attributes_dpl(attributes);
    if (dpl < cpu->cpl || dpl < (selector & SELECTOR_RPL))
        raise_selector(cpu, op, VECTOR_GP, selector);
    if (!(attributes & SEG_P))
        raise_selector(cpu, op, VECTOR_NP, selector);
    if (!descriptor_read_high(cpu, op, ret_gate))
        raise_selector(cpu, op, VECTOR_GP, selector);
    return true;
}

/* The target of the pointer in temp[1] and temp[2]; all checks. Through a gate only CALL goes
 * inwards. */
static struct target find_target(struct soft *cpu, const struct op *op, bool is_call)
{
    const uint16_t selector = REG16(OFFSET_TEMP2);
    struct target target = { .rip = REG64(OFFSET_TEMP1) };
    struct descriptor gate;

    target.is_gate = read_call_gate(cpu, op, selector, &gate);
    if (target.is_gate) {
        const uint16_t inner = (uint16_t)(gate.low >> 16) & 0xfffc;

        target.rip = (gate.low & 0xffff) | (gate.low >> 32 & 0xffff0000) | gate.high << 32;
        target.cs = segment_check_code(cpu, op, inner, is_call ? FAR_GATE : FAR_DIRECT);
        if (!(target.cs.attributes & SEG_L))
            raise_selector(cpu, op, VECTOR_GP, inner);
    } else {
        target.cs = segment_check_code(cpu, op, selector, FAR_DIRECT);
    }
    segment_check_rip(cpu, op, &target.cs, target.rip);
    return target;
}

static HANDLER(jmp_far)
{
    const struct target target = find_target(cpu, op, false);

    segment_enter_code(cpu, &target.cs, target.rip);
    EXIT_RESYNC;
}

/* Through a gate, inwards: to a stack of its own, as an interrupt's. */
static void call_inwards(struct soft *cpu, const struct op *op, const struct target *target)
{
    const uint64_t frame[] = { cpu->seg[SEG_SS].selector, cpu->gpr[RSP], cpu->seg[SEG_CS].selector,
                               next_rip(cpu, op) };
    const unsigned cpl = target->cs.selector & SELECTOR_RPL;
    uint64_t rsp = stack_from_tss(cpu, op, TSS_RSP0 + 8 * cpl);

    for (unsigned i = 0; i < ARRAY_SIZE(frame); i++) {
        rsp -= 8;
        stack_store(cpu, op, cpl, rsp, frame[i]);
    }
    segment_enter_code(cpu, &target->cs, target->rip);
    segment_set_null(cpu, SEG_SS, (uint16_t)cpl);
    cpu->gpr[RSP] = rsp;
}

static HANDLER(call_far)
{
    const struct target target = find_target(cpu, op, true);
    const unsigned size = target.is_gate ? 8 : op->aux;

    if ((target.cs.selector & SELECTOR_RPL) < cpu->cpl) {
        call_inwards(cpu, op, &target);
        EXIT_RESYNC;
    }
    soft_store_slow(cpu, op, stack_address(cpu, 0 - (uint64_t)size), cpu->seg[SEG_CS].selector,
                    size);
    soft_store_slow(cpu, op, stack_address(cpu, 0 - (uint64_t)2 * size), next_rip(cpu, op), size);
    stack_set_pointer(cpu, cpu->gpr[RSP] - 2 * size);
    segment_enter_code(cpu, &target.cs, target.rip);
    EXIT_RESYNC;
}

static bool lower_to_pointer(struct builder *builder, const struct insn *insn)
{
    struct op *op;

    build_far_pointer(builder, insn);
    op = build_op(builder, insn->row->kind == INSN_JMP_FAR ? jmp_far : call_far);
    op->aux = insn->operand_size;
    return true;
}

/* ---- Back ---------------------------------------------------------------------------------------
 */

/* What a return takes from the stack beyond CS and RIP, if it takes a stack. */
struct outer_stack {
    struct cpu_segment ss;
    uint64_t rsp;
};

static struct outer_stack check_outer_stack(struct soft *cpu, const struct op *op,
                                            const struct cpu_segment *cs, uint64_t rsp, uint64_t ss)
{
    const bool to_64 = is_long(cpu) && (cs->attributes & SEG_L);

    return (struct outer_stack){
        .ss = segment_check_stack(cpu, op, (uint16_t)ss, cs->selector & SELECTOR_RPL, to_64),
        .rsp = rsp,
    };
}

static HANDLER(ret_far)
{
    const unsigned size = op->aux;
    const uint64_t rip = stack_peek(cpu, op, 0, size);
    const struct cpu_segment cs =
        segment_check_code(cpu, op, (uint16_t)stack_peek(cpu, op, 1, size), FAR_RETURN);
    const bool is_outwards = (cs.selector & SELECTOR_RPL) > cpu->cpl;
    struct outer_stack stack = { .rsp = cpu->gpr[RSP] + 2 * size };

    if (is_outwards) {
        const uint64_t frame = 2 * size + op->imm;
        const uint64_t rsp = soft_load_slow(cpu, op, stack_address(cpu, frame), size);
        const uint64_t ss = soft_load_slow(cpu, op, stack_address(cpu, frame + size), size);

        stack = check_outer_stack(cpu, op, &cs, rsp, ss);
    }
    segment_check_rip(cpu, op, &cs, rip);
    segment_enter_code(cpu, &cs, rip);
    if (is_outwards)
        segment_set(cpu, SEG_SS, &stack.ss);
    stack_set_pointer(cpu, stack.rsp + op->imm);
    EXIT_RESYNC;
}

static bool lower_ret(struct builder *builder, const struct insn *insn)
{
    struct op *op = build_op(builder, ret_far);

    op->aux = insn->operand_size;
    op->imm = insn->operands[0].kind == OPERAND_IMM ? (uint16_t)insn->imm : 0;
    return true;
}

/* There are no tasks, and no virtual 8086 mode, to return to. */
static void check_returnable(struct soft *cpu, const struct op *op, uint64_t image)
{
    const bool to_vm86 = !is_long(cpu) && cpu->cpl == 0 && (image & FLAG_VM);

    if (!(cpu->rflags & FLAG_NT) && !to_vm86)
        return;
    if (!is_long(cpu))
        log_guest_error("cpu %u: IRET to a task or to virtual 8086 mode", cpu->cpu.index);
    soft_raise_error(cpu, op, VECTOR_GP, 0);
}

static HANDLER(iret)
{
    const unsigned size = op->aux;
    uint64_t frame[5] = { 0 };
    struct outer_stack stack;
    struct cpu_segment cs;
    const uint64_t before = soft_get_rflags(cpu);
    const uint64_t mask = loadable_flags(cpu, size);
    const bool was_nmi_blocked = cpu->is_nmi_blocked;
    bool has_stack;

    for (unsigned i = 0; i < 3; i++)
        frame[i] = stack_peek(cpu, op, i, size);
    check_returnable(cpu, op, frame[2]);
    cs = segment_check_code(cpu, op, (uint16_t)frame[1], FAR_RETURN);
    has_stack = cpu->mode == MODE_64 || (cs.selector & SELECTOR_RPL) > cpu->cpl;
    stack = (struct outer_stack){ .rsp = cpu->gpr[RSP] + 3 * size };
    if (has_stack) {
        frame[3] = stack_peek(cpu, op, 3, size);
        frame[4] = stack_peek(cpu, op, 4, size);
        stack = check_outer_stack(cpu, op, &cs, frame[3], frame[4]);
    }
    segment_check_rip(cpu, op, &cs, frame[0]);

    segment_enter_code(cpu, &cs, frame[0]);
    if (has_stack)
        segment_set(cpu, SEG_SS, &stack.ss);
    stack_set_pointer(cpu, stack.rsp);
    soft_set_rflags(cpu, (before & ~mask) | (frame[2] & mask)); /* RF: docs/cpu.md, Scope */
    cpu->is_nmi_blocked = false;
    soft_sync_code(cpu);
    if (was_nmi_blocked || flags_want_resync(cpu, before))
        EXIT_RESYNC;
    EXIT_LOOKUP;
}

static bool lower_iret(struct builder *builder, const struct insn *insn)
{
    build_op(builder, iret)->aux = insn->operand_size;
    return true;
}

lower_fn *lower_far(enum insn_kind kind)
{
    switch ((int)kind) {
    case INSN_JMP_FAR:
    case INSN_CALL_FAR:
        return lower_to_pointer;
    case INSN_RET_FAR:
        return lower_ret;
    case INSN_IRET:
        return lower_iret;
    default:
        return NULL;
    }
}
