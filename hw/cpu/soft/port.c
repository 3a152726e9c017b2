/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * IN, OUT, INS, OUTS. A repeated one does one item at a time, and then is the next
 * instruction again: interrupts come between.
 */
#include "hw/cpu/soft/access.h"
#include "hw/cpu/soft/segment.h"
#include "hw/cpu/soft/system.h"
#include "hw/mem/access.h"

enum { TSS_IO_BASE = 102 };

/* ---- Ports
 * --------------------------------------------------------------------------------------- */

/* What IOPL does not allow, the TSS's bit map may (AMD64 APM vol. 2, 12.2.5). */
static void check_allowed(struct soft *cpu, const struct op *op, unsigned port, unsigned size)
{
    const struct cpu_segment *tss = &cpu->seg[SEG_TR];
    const unsigned bits = (1u << size) - 1;
    unsigned at;

    if (cpu->cpl <= (cpu->rflags & FLAG_IOPL) >> 12)
        return;
    if (TSS_IO_BASE + 1 <= tss->limit) {
        at = (unsigned)soft_load_system(cpu, op, tss->base + TSS_IO_BASE, 2) + port / 8;
        if (at + 1 <= tss->limit &&
            !(soft_load_system(cpu, op, tss->base + at, 2) >> port % 8 & bits))
            return;
    }
    soft_raise_error(cpu, op, VECTOR_GP, 0);
}

/* Behind the last port there is nobody. */
static uint64_t read_port(struct soft *cpu, unsigned port, unsigned size) NO_THREAD_SAFETY
{
    struct space *ports = cpu->cpu.cpus->ports;
    uint64_t value = UINT64_MAX;

    soft_section_leave(cpu);
    if (mem_mmio_read(ports, port, size, &value) == MEM_IS_RAM_NOW) /* as good as any device */
        (void)mem_read(ports, port, &value, size);
    soft_section_enter(cpu);
    return value;
}

static void write_port(struct soft *cpu, unsigned port, unsigned size, uint64_t value)
    NO_THREAD_SAFETY
{
    struct space *ports = cpu->cpu.cpus->ports;

    soft_section_leave(cpu);
    if (mem_mmio_write(ports, port, size, value) == MEM_IS_RAM_NOW)
        (void)mem_write(ports, port, &value, size);
    soft_section_enter(cpu);
}

/* REX.W means nothing here. */
static unsigned port_size(const struct insn *insn)
{
    return insn->operand_size > 4 ? 4 : insn->operand_size;
}

/* ---- IN, OUT: imm is the port, or src has it
 * ------------------------------------------------------- */

static unsigned port_of(const struct soft *cpu, const struct op *op)
{
    return (uint16_t)(op->imm + REG64(op->src));
}

static HANDLER(in)
{
    const unsigned size = op->aux, port = port_of(cpu, op);
    uint64_t value;

    check_allowed(cpu, op, port, size);
    value = read_port(cpu, port, size);
    if (size == 1)
        REG8(8 * RAX) = (uint8_t)value;
    else
        set_register(cpu, 8 * RAX, size, value);
    END_RESYNC;
}

static HANDLER(out)
{
    const unsigned size = op->aux, port = port_of(cpu, op);

    check_allowed(cpu, op, port, size);
    write_port(cpu, port, size, size == 4 ? REG32(8 * RAX) : size == 2 ? REG16(8 * RAX) : REG8(0));
    END_RESYNC;
}

static bool lower_in_out(struct builder *builder, const struct insn *insn)
{
    const bool is_in = insn->row->kind == INSN_IN;
    const struct insn_operand *port = &insn->operands[is_in];
    struct op *op = build_op(builder, is_in ? in : out);

    op->aux = (uint16_t)port_size(insn);
    if (port->kind == OPERAND_IMM)
        op->imm = (uint8_t)insn->imm;
    else
        op->src = 8 * RDX;
    return true;
}

/* ---- INS, OUTS
 * -------------------------------------------------------------------------------------- */

struct string_form {
    uint8_t size;         /* of an item */
    uint8_t address_size; /* of RCX, and of the pointer */
    uint8_t is_repeated;
    uint8_t segment; /* of the pointer */
};

static struct string_form form_of(const struct op *op)
{
    return (struct string_form){
        .size = op->imm & 0xff,
        .address_size = op->imm >> 8 & 0xff,
        .is_repeated = op->imm >> 16 & 0xff,
        .segment = op->imm >> 24 & 0xff,
    };
}

static uint64_t counter(const struct soft *cpu, const struct string_form *form, enum gpr reg)
{
    return form->address_size == 8 ? cpu->gpr[reg] : (uint32_t)cpu->gpr[reg];
}

static void add_counter(struct soft *cpu, const struct string_form *form, enum gpr reg,
                        uint64_t difference)
{
    cpu->gpr[reg] = form->address_size == 8 ? cpu->gpr[reg] + difference
                                            : (uint32_t)(cpu->gpr[reg] + difference);
}

static uint64_t item_address(const struct soft *cpu, const struct string_form *form, enum gpr reg)
{
    const uint64_t offset = counter(cpu, form, reg);

    if (cpu->mode == MODE_32)
        return (uint32_t)(offset + cpu->seg_base[form->segment]);
    return form->segment >= SEG_FS ? offset + cpu->seg_base[form->segment] : offset;
}

/* Sets rip: to the same instruction, if there is more of it. */
static void step_over_item(struct soft *cpu, const struct op *op, const struct string_form *form,
                           enum gpr reg)
{
    add_counter(cpu, form, reg,
                cpu->rflags & FLAG_DF ? 0 - (uint64_t)form->size : (uint64_t)form->size);
    cpu->rip = next_rip(cpu, op);
    if (!form->is_repeated)
        return;
    add_counter(cpu, form, RCX, UINT64_MAX);
    if (counter(cpu, form, RCX))
        cpu->rip = op_rip(cpu, op);
}

static HANDLER(ins)
{
    const struct string_form form = form_of(op);
    const unsigned port = REG16(8 * RDX);
    uint64_t va, value;

    check_allowed(cpu, op, port, form.size); /* also if nothing is to be done */
    if (form.is_repeated && !counter(cpu, &form, RCX))
        END_RESYNC;
    va = item_address(cpu, &form, RDI);
    soft_probe_write(cpu, op, va, form.size); /* what was read from a port is not there again */
    value = read_port(cpu, port, form.size);
    soft_store_slow(cpu, op, va, value, form.size);
    step_over_item(cpu, op, &form, RDI);
    EXIT_RESYNC;
}

static HANDLER(outs)
{
    const struct string_form form = form_of(op);
    const unsigned port = REG16(8 * RDX);
    uint64_t value;

    check_allowed(cpu, op, port, form.size); /* also if nothing is to be done */
    if (form.is_repeated && !counter(cpu, &form, RCX))
        END_RESYNC;
    value = soft_load_slow(cpu, op, item_address(cpu, &form, RSI), form.size);
    write_port(cpu, port, form.size, value);
    step_over_item(cpu, op, &form, RSI);
    EXIT_RESYNC;
}

static bool lower_port_string(struct builder *builder, const struct insn *insn)
{
    const bool is_in = insn->row->kind == INSN_INS;
    const bool is_repeated = insn->prefixes & (PREFIX_REP | PREFIX_REPNE);
    struct op *op = build_op(builder, is_in ? ins : outs);

    op->imm = port_size(insn) | (unsigned)insn->address_size << 8 | (unsigned)is_repeated << 16 |
              (is_in ? (uint64_t)SEG_ES : insn->memory.segment) << 24;
    return true;
}

lower_fn *lower_port(enum insn_kind kind)
{
    switch ((int)kind) {
    case INSN_IN:
    case INSN_OUT:
        return lower_in_out;
    case INSN_INS:
    case INSN_OUTS:
        return lower_port_string;
    default:
        return NULL;
    }
}
