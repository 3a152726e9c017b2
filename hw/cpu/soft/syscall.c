/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * SYSCALL and SYSRET. Where AMD and Intel differ: SYSCALL is of 64-bit code only, and
 * SYSRET gives SS all its attributes, as on Intel's; SYSRET to what is not canonical
 * faults in ring 3, at the target, as on AMD's. SYSENTER and SYSEXIT are #UD, as in
 * AMD's long mode, and CPUID does not announce them; their registers remember.
 */
#include "hw/cpu/soft/segment.h"
#include "hw/cpu/soft/system.h"

/* Segments that no table is asked for. */
static struct cpu_segment flat_segment(unsigned selector, unsigned attributes)
{
    return (struct cpu_segment){
        .limit = UINT32_MAX,
        .selector = (uint16_t)selector,
        .attributes = (uint16_t)(SEG_S | SEG_P | SEG_G | SEG_TYPE_ACCESSED | SEG_TYPE_WRITABLE |
                                 (selector & SELECTOR_RPL) << SEG_DPL_SHIFT | attributes),
    };
}

static void enter_flat(struct soft *cpu, unsigned cs, unsigned ss, bool is_64, uint64_t rip)
{
    const struct cpu_segment code =
        flat_segment(cs, SEG_TYPE_CODE | (unsigned)(is_64 ? SEG_L : SEG_DB));
    const struct cpu_segment stack = flat_segment(ss, SEG_DB);

    segment_set(cpu, SEG_CS, &code);
    segment_set(cpu, SEG_SS, &stack);
    cpu->cpl = cs & SELECTOR_RPL;
    cpu->rip = rip;
}

static void check_enabled(struct soft *cpu, const struct op *op)
{
    if (!(cpu->efer & EFER_SCE))
        soft_raise(cpu, op, VECTOR_UD);
}

static HANDLER(insn_syscall)
{
    const unsigned cs = cpu->star >> 32 & 0xfffc;
    const uint64_t flags = soft_get_rflags(cpu);

    check_enabled(cpu, op);
    cpu->gpr[RCX] = next_rip(cpu, op);
    cpu->gpr[R11] = flags;
    enter_flat(cpu, cs, cs + 8, true, cpu->lstar);
    soft_set_rflags(cpu, (flags & ~cpu->fmask) | FLAG_FIXED);
    soft_update_mode(cpu);
    EXIT_LOOKUP; /* a flag that was not set is not set now */
}

static HANDLER(insn_sysret)
{
    const uint64_t loaded = FLAGS_ARITH | FLAG_TF | FLAG_IF | FLAG_DF | FLAG_IOPL | FLAG_NT |
                            FLAG_AC | FLAG_ID; /* not RF, not VM */
    const unsigned base = (unsigned)(cpu->star >> 48) | 3;
    const uint64_t before = cpu->rflags;
    const bool to_64 = op->aux == 8;
    const uint64_t rip = to_64 ? cpu->gpr[RCX] : (uint32_t)cpu->gpr[RCX];

    check_enabled(cpu, op);
    if (cpu->cpl)
        soft_raise_error(cpu, op, VECTOR_GP, 0);
    enter_flat(cpu, (to_64 ? base + 16 : base) & 0xffff, (base + 8) & 0xffff, to_64, rip);
    soft_set_rflags(cpu, (cpu->gpr[R11] & loaded) | FLAG_FIXED);
    soft_update_mode(cpu);
    if (flags_want_resync(cpu, before) || !is_canonical(rip)) /* no jump entry's salt is met */
        EXIT_RESYNC;
    EXIT_LOOKUP;
}

static bool lower_syscall_insn(struct builder *builder, const struct insn *insn)
{
    struct op *op = build_op(builder, insn->row->kind == INSN_SYSCALL ? insn_syscall : insn_sysret);

    op->aux = insn->rex & 8 ? 8 : 4; /* SYSRET with REX.W returns to 64-bit code */
    return true;
}

static bool lower_never(struct builder *builder UNUSED, const struct insn *insn UNUSED)
{
    return false;
}

lower_fn *lower_syscall(enum insn_kind kind)
{
    switch ((int)kind) {
    case INSN_SYSCALL:
    case INSN_SYSRET:
        return lower_syscall_insn;
    case INSN_SYSENTER:
    case INSN_SYSEXIT:
        return lower_never;
    default:
        return NULL;
    }
}
