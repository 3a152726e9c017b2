/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exceptions and interrupts, on their way into the guest's handlers.
 *
 * Through gates of long mode only. In protected mode without paging, which is where a
 * processor is for some twenty instructions before it enters long mode, nothing
 * can be delivered: an exception there shuts it down.
 *
 * INT n, INT3, INTO and INT1 are instructions like others: they enter their handlers
 * from inside their blocks, and what is wrong with their gates is a fault of theirs.
 */
#include <setjmp.h>

#include "hw/cpu/soft/access.h"
#include "hw/cpu/soft/segment.h"
#include "hw/cpu/soft/system.h"
#include "util/log.h"

enum {
    GATE_BYTES = 16,
    ERROR_IDT = 2, /* in an error code: the index is the IDT's */
};

/* What is to be delivered, from whatever source. */
struct delivery {
    unsigned vector;
    bool has_error;
    bool checks_dpl; /* INT n, INT3, INTO */
    uint32_t error;
    uint64_t rip;   /* where the handler is to return to */
    uint64_t flags; /* what it is to return with */
};

struct gate {
    uint16_t selector;
    uint8_t ist;
    bool is_trap; /* leaves IF alone */
    uint64_t rip;
};

/* ---- Gates and stacks --------------------------------------------------------------------- */

static COLD __attribute__((noreturn)) void raise_gate(struct soft *cpu, const struct op *op,
                                                      unsigned vector, unsigned gate)
{
    const unsigned external = cpu->is_delivering;

    soft_raise_error(cpu, op, vector, gate << 3 | ERROR_IDT | external);
}

static struct gate read_gate(struct soft *cpu, const struct op *op, const struct delivery *delivery)
{
    const unsigned offset = delivery->vector * GATE_BYTES;
    uint64_t low, high;
    unsigned type;

    if (offset + GATE_BYTES - 1 > cpu->idt.limit)
        raise_gate(cpu, op, VECTOR_GP, delivery->vector);
    low = soft_load_system(cpu, op, cpu->idt.base + offset, 8);
    high = soft_load_system(cpu, op, cpu->idt.base + offset + 8, 8);
    type = low >> 40 & (SEG_S | SEG_TYPE);
    if ((type != SYSTEM_INTERRUPT_GATE && type != SYSTEM_TRAP_GATE) ||
        (delivery->checks_dpl && attributes_dpl(low >> 40 & SEG_DPL) < cpu->cpl))
        raise_gate(cpu, op, VECTOR_GP, delivery->vector);
    if (!(low >> 40 & SEG_P))
        raise_gate(cpu, op, VECTOR_NP, delivery->vector);
    return (struct gate){
        .selector = (uint16_t)(low >> 16),
        .ist = low >> 32 & 7,
        .is_trap = type == SYSTEM_TRAP_GATE,
        .rip = (low & 0xffff) | (low >> 32 & 0xffff0000) | high << 32,
    };
}

/* The stack pointer that the handler begins with, before its frame. */
static uint64_t find_stack(struct soft *cpu, const struct op *op, const struct gate *gate,
                           unsigned cpl)
{
    uint64_t rsp = cpu->gpr[RSP];

    if (gate->ist)
        rsp = stack_from_tss(cpu, op, TSS_IST1 + 8 * (gate->ist - 1u));
    else if (cpl < cpu->cpl)
        rsp = stack_from_tss(cpu, op, TSS_RSP0 + 8 * cpl);
    else if (!is_canonical(rsp))
        raise_selector(cpu, op, VECTOR_SS, 0);
    return rsp & ~UINT64_C(15);
}

/* ---- Delivery ------------------------------------------------------------------------------- */

static void push_frame(struct soft *cpu, const struct op *op, const struct delivery *delivery,
                       unsigned cpl, uint64_t *rsp)
{
    const uint64_t frame[] = { cpu->seg[SEG_SS].selector, cpu->gpr[RSP], delivery->flags,
                               cpu->seg[SEG_CS].selector, delivery->rip, delivery->error };
    const unsigned nr = delivery->has_error ? 6 : 5;

    for (unsigned i = 0; i < nr; i++) {
        *rsp -= 8;
        stack_store(cpu, op, cpl, *rsp, frame[i]);
    }
}

/* Up to the marked line only the accessed bit and the stack's memory change. */
static void enter_handler(struct soft *cpu, const struct op *op, const struct delivery *delivery)
{
    const struct gate gate = read_gate(cpu, op, delivery);
    const struct cpu_segment cs = segment_check_code(cpu, op, gate.selector, FAR_GATE);
    const unsigned cpl = cs.selector & SELECTOR_RPL;
    const bool is_inwards = cpl < cpu->cpl;
    uint64_t rsp = find_stack(cpu, op, &gate, cpl);
    uint64_t flags = soft_get_rflags(cpu);

    segment_check_rip(cpu, op, &cs, gate.rip);
    push_frame(cpu, op, delivery, cpl, &rsp);

    /* From here on nothing can fail. */
    segment_enter_code(cpu, &cs, gate.rip);
    if (is_inwards)
        segment_set_null(cpu, SEG_SS, (uint16_t)cpl);
    cpu->gpr[RSP] = rsp;
    flags &= ~(uint64_t)(FLAG_TF | FLAG_NT);
    if (!gate.is_trap)
        flags &= ~(uint64_t)FLAG_IF;
    soft_set_rflags(cpu, flags);
    cpu->is_shadowed = false;
}

/* ---- From outside blocks ----------------------------------------------------------------------
 */

enum severity { BENIGN, CONTRIBUTORY, PAGE_FAULT, DOUBLE_FAULT };

static enum severity severity_of(const struct soft_fault *fault)
{
    if (fault->is_interrupt)
        return BENIGN;
    switch (fault->vector) {
    case VECTOR_DE:
    case VECTOR_TS:
    case VECTOR_NP:
    case VECTOR_SS:
    case VECTOR_GP:
        return CONTRIBUTORY;
    case VECTOR_PF:
        return PAGE_FAULT;
    case VECTOR_DF:
        return DOUBLE_FAULT;
    default:
        return BENIGN;
    }
}

/* Intel SDM vol. 3, table 6-5. False: a triple fault. */
static bool add_fault(struct soft_fault *fault, const struct soft_fault *second)
{
    const enum severity before = severity_of(fault), now = severity_of(second);

    if (before == DOUBLE_FAULT)
        return false;
    if (now != BENIGN && (before == PAGE_FAULT || (before == CONTRIBUTORY && now == CONTRIBUTORY)))
        *fault = (struct soft_fault){ .vector = VECTOR_DF, .has_error = true };
    else
        *fault = *second;
    return true;
}

/* A fault is met again when its handler returns, and RF lets it pass a breakpoint then. */
static bool sets_rf(const struct soft_fault *fault)
{
    return !fault->is_interrupt && fault->vector < 32 && fault->vector != VECTOR_DB &&
           fault->vector != VECTOR_NMI && fault->vector != VECTOR_BP && fault->vector != VECTOR_OF;
}

static void shut_down(struct soft *cpu, const struct soft_fault *fault)
{
    log_topic(cpu, "cpu %u: shutdown: exception %u at 0x%llx", cpu->cpu.index, fault->vector,
              (unsigned long long)cpu->rip);
    cpu->stop = STOP_SHUTDOWN;
    soft_leave(cpu);
}

static void deliver_once(struct soft *cpu, const struct soft_fault *fault)
{
    const struct delivery delivery = {
        .vector = fault->vector,
        .has_error = fault->has_error,
        .error = fault->error,
        .rip = cpu->rip,
        .flags = soft_get_rflags(cpu) | (sets_rf(fault) ? FLAG_RF : 0),
    };

    enter_handler(cpu, NULL, &delivery);
    cpu->is_halted = false;
    if (fault->vector == VECTOR_NMI)
        cpu->is_nmi_blocked = true;
}

void soft_deliver(struct soft *cpu, const struct soft_fault *fault)
{
    struct soft_fault now = *fault; /* changes only between a jump and the next sigsetjmp() */

    cpu->is_delivering = true;
    for (;;) {
        if (!is_long(cpu)) {
            shut_down(cpu, &now);
            break;
        }
        if (!sigsetjmp(cpu->unwind, 0)) {
            deliver_once(cpu, &now);
            break;
        }
        if (!add_fault(&now, &cpu->fault)) {
            shut_down(cpu, &now);
            break;
        }
    }
    cpu->is_delivering = false;
    soft_sync_code(cpu);
}

/* ---- INT
 * ----------------------------------------------------------------------------------------- */

static void interrupt(struct soft *cpu, const struct op *op, unsigned vector, bool checks_dpl)
{
    const struct delivery delivery = {
        .vector = vector,
        .checks_dpl = checks_dpl,
        .rip = next_rip(cpu, op),
        .flags = soft_get_rflags(cpu),
    };

    if (!is_long(cpu)) /* there are no gates: an exception, which shuts down */
        raise_gate(cpu, op, VECTOR_GP, vector);
    enter_handler(cpu, op, &delivery);
}

static HANDLER(int_n)
{
    interrupt(cpu, op, op->aux, true);
    EXIT_RESYNC;
}

static HANDLER(int1)
{
    interrupt(cpu, op, VECTOR_DB, false);
    EXIT_RESYNC;
}

static HANDLER(into)
{
    if (soft_get_rflags(cpu) & FLAG_OF)
        interrupt(cpu, op, VECTOR_OF, true);
    else
        cpu->rip = next_rip(cpu, op);
    EXIT_RESYNC;
}

static bool lower_int(struct builder *builder, const struct insn *insn)
{
    struct op *op = build_op(builder, insn->row->kind == INSN_INTO   ? into
                                      : insn->row->kind == INSN_INT1 ? int1
                                                                     : int_n);

    op->aux = insn->row->kind == INSN_INT    ? (uint8_t)insn->imm
              : insn->row->kind == INSN_INT3 ? VECTOR_BP
                                             : VECTOR_OF;
    return true;
}

lower_fn *lower_interrupt(enum insn_kind kind)
{
    switch ((int)kind) {
    case INSN_INT:
    case INSN_INT1:
    case INSN_INT3:
    case INSN_INTO:
        return lower_int;
    default:
        return NULL;
    }
}
