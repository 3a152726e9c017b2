/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Control and debug registers, and what else only an operating system does.
 *
 * Debug registers remember; breakpoints do not work, and DR7.GD does not guard them.
 * Real mode, and paging in protected mode, do not exist: what would lead there is #GP, and
 * a line under `-d guest_errors`.
 */
#include "hw/cpu/soft/control.h"
#include "hw/cpu/soft/access.h"
#include "hw/cpu/soft/segment.h"
#include "hw/cpu/soft/system.h"
#include "util/log.h"

/* ---- CR0 ----------------------------------------------------------------------------------------
 */

enum {
    CR4_OF_TLB = CR4_PSE | CR4_PAE | CR4_PGE | CR4_SMEP | CR4_SMAP,
};

static void check(struct soft *cpu, const struct op *op, bool condition)
{
    if (!condition)
        soft_raise_error(cpu, op, VECTOR_GP, 0);
}

/* Paging goes on, and with it long mode. */
static void check_paging_on(struct soft *cpu, const struct op *op)
{
    if (!(cpu->efer & EFER_LME)) {
        log_guest_error("cpu %u: paging without long mode", cpu->cpu.index);
        check(cpu, op, false);
    }
    check(cpu, op, (cpu->cr4 & CR4_PAE) && !(cpu->seg[SEG_CS].attributes & SEG_L));
}

static void set_cr0(struct soft *cpu, const struct op *op, uint64_t value)
{
    const uint64_t before = cpu->cr0;
    uint64_t changed;

    check(cpu, op, !(value >> 32));
    value = (value & CR0_KNOWN) | CR0_ET;
    check(cpu, op, !(value & CR0_NW) || (value & CR0_CD));
    check(cpu, op, (value & CR0_PE) || !(value & CR0_PG));
    if (!(value & CR0_PE)) {
        log_guest_error("cpu %u: no real mode", cpu->cpu.index);
        check(cpu, op, false);
    }
    changed = value ^ before;
    if (changed & value & CR0_PG)
        check_paging_on(cpu, op);
    if (changed & before & CR0_PG)
        check(cpu, op, cpu->mode == MODE_32);

    cpu->cr0 = value;
    if (changed & CR0_PG)
        cpu->efer = value & CR0_PG ? cpu->efer | EFER_LMA : cpu->efer & ~(uint64_t)EFER_LMA;
    soft_update_mode(cpu);
    if (changed & (CR0_PG | CR0_WP))
        soft_tlb_flush(cpu, true);
}

/* ---- CR3, CR4, CR8
 * -------------------------------------------------------------------------------- */

static void set_cr3(struct soft *cpu, const struct op *op, uint64_t value)
{
    check(cpu, op, !(value >> CPU_PHYS_BITS));
    cpu->cr3 = value;
    soft_tlb_flush(cpu, false);
}

static void set_cr4(struct soft *cpu, const struct op *op, uint64_t value)
{
    const uint64_t changed = value ^ cpu->cr4;

    check(cpu, op, !(value & ~(uint64_t)CR4_KNOWN));
    check(cpu, op, (value & CR4_PAE) || !is_long(cpu));
    cpu->cr4 = value;
    soft_update_mode(cpu);
    if (changed & CR4_OF_TLB)
        soft_tlb_flush(cpu, true);
}

static void set_cr8(struct soft *cpu, const struct op *op, uint64_t value) NO_THREAD_SAFETY
{
    const struct cpu_board *board = cpu->cpu.cpus->board;

    check(cpu, op, value < 16);
    cpu->cr8 = value;
    if (board && board->set_priority) {
        soft_section_leave(cpu);
        board->set_priority(board->opaque, cpu->cpu.index, (unsigned)value);
        soft_section_enter(cpu);
    }
}

static HANDLER(mov_to_cr)
{
    const uint64_t value = cpu->mode == MODE_64 ? REG64(op->src) : REG32(op->src);

    switch (op->aux) {
    case 0:
        set_cr0(cpu, op, value);
        break;
    case 2:
        cpu->cr2 = value;
        break;
    case 3:
        set_cr3(cpu, op, value);
        END_REMAPPED;
    case 4:
        set_cr4(cpu, op, value);
        break;
    default:
        set_cr8(cpu, op, value);
        break;
    }
    END_SERIALIZED;
}

static uint64_t get_cr8(const struct soft *cpu)
{
    const struct cpu_board *board = cpu->cpu.cpus->board;

    if (board && board->get_priority)
        return board->get_priority(board->opaque, cpu->cpu.index);
    return cpu->cr8;
}

static HANDLER(mov_from_cr)
{
    const uint64_t value = op->aux == 0   ? cpu->cr0
                           : op->aux == 2 ? cpu->cr2
                           : op->aux == 3 ? cpu->cr3
                           : op->aux == 4 ? cpu->cr4
                                          : get_cr8(cpu);

    REG64(op->dst) = cpu->mode == MODE_64 ? value : (uint32_t)value;
    NEXT;
}

static bool lower_mov_cr(struct builder *builder, const struct insn *insn)
{
    const bool is_write = insn->operands[0].kind == OPERAND_CR;
    const unsigned number = insn->operands[!is_write].reg;
    struct op *op;

    if (number > 8 || !(0x11d >> number & 1)) /* 0, 2, 3, 4, 8 */
        return false;
    op = build_op(builder, is_write ? mov_to_cr : mov_from_cr);
    op->dst = op->src = build_gpr(&insn->operands[is_write]);
    op->aux = (uint16_t)number;
    return true;
}

/* PE can be set, and is; it cannot be cleared. */
static HANDLER(lmsw)
{
    const uint64_t mask = CR0_MP | CR0_EM | CR0_TS;

    set_cr0(cpu, op, (cpu->cr0 & ~mask) | (REG16(op->src) & mask));
    END_SERIALIZED;
}

static HANDLER(smsw)
{
    if (cpu->cpl && (cpu->cr4 & CR4_UMIP))
        soft_raise_error(cpu, op, VECTOR_GP, 0);
    set_register(cpu, op->dst, op->aux, cpu->cr0);
    NEXT;
}

static HANDLER(clts)
{
    cpu->cr0 &= ~(uint64_t)CR0_TS;
    NEXT;
}

static bool lower_status_word(struct builder *builder, const struct insn *insn)
{
    if (insn->row->kind == INSN_LMSW) {
        const uint8_t source = build_source16(builder, insn, 0);

        build_op(builder, lmsw)->src = source;
    } else {
        build_result16(builder, insn, smsw);
    }
    return true;
}

/* ---- Debug registers
 * --------------------------------------------------------------------------------- */

#define DR6_FIXED UINT64_C(0xffff0ff0)
#define DR6_KNOWN UINT64_C(0xe00f)
#define DR7_FIXED UINT64_C(0x400)
#define DR7_KNOWN UINT64_C(0xffff23ff)

/* DR4 and DR5 are other names of DR6 and DR7, until CR4.DE says that they are none. */
static unsigned debug_register(struct soft *cpu, const struct op *op)
{
    const unsigned number = op->aux;

    if (number != 4 && number != 5)
        return number;
    if (cpu->cr4 & CR4_DE)
        soft_raise(cpu, op, VECTOR_UD);
    return number + 2;
}

static HANDLER(mov_to_dr)
{
    const unsigned number = debug_register(cpu, op);
    const uint64_t value = cpu->mode == MODE_64 ? REG64(op->src) : REG32(op->src);

    if (number >= 6)
        check(cpu, op, !(value >> 32));
    cpu->dr[number] = number == 6   ? (value & DR6_KNOWN) | DR6_FIXED
                      : number == 7 ? (value & DR7_KNOWN) | DR7_FIXED
                                    : value;
    NEXT;
}

static HANDLER(mov_from_dr)
{
    const uint64_t value = cpu->dr[debug_register(cpu, op)];

    REG64(op->dst) = cpu->mode == MODE_64 ? value : (uint32_t)value;
    NEXT;
}

static bool lower_mov_dr(struct builder *builder, const struct insn *insn)
{
    const bool is_write = insn->operands[0].kind == OPERAND_DR;
    struct op *op;

    if (insn->operands[!is_write].reg > 7)
        return false;
    op = build_op(builder, is_write ? mov_to_dr : mov_from_dr);
    op->dst = op->src = build_gpr(&insn->operands[is_write]);
    op->aux = insn->operands[!is_write].reg;
    return true;
}

/* ---- The rest
 * ------------------------------------------------------------------------------------------ */

static HANDLER(invlpg)
{
    soft_tlb_flush_page(cpu, op_address(cpu, op));
    END_REMAPPED;
}

/* Caches are the host's, and coherent. */
static HANDLER(flush_caches)
{
    NEXT;
}

static HANDLER(hlt)
{
    cpu->is_halted = true;
    cpu->stop = STOP_HALT;
    END_RESYNC;
}

static bool lower_plain(struct builder *builder, const struct insn *insn)
{
    switch (insn->row->kind) {
    case INSN_CLTS:
        build_op(builder, clts);
        return true;
    case INSN_INVLPG:
        build_memory_op(builder, insn, invlpg);
        return true;
    case INSN_HLT:
        build_op(builder, hlt);
        return true;
    default: /* INVD, WBINVD */
        build_op(builder, flush_caches);
        return true;
    }
}

lower_fn *lower_control(enum insn_kind kind)
{
    switch ((int)kind) {
    case INSN_MOV_CR:
        return lower_mov_cr;
    case INSN_MOV_DR:
        return lower_mov_dr;
    case INSN_LMSW:
    case INSN_SMSW:
        return lower_status_word;
    case INSN_CLTS:
    case INSN_INVLPG:
    case INSN_INVD:
    case INSN_WBINVD:
    case INSN_HLT:
        return lower_plain;
    default:
        return NULL;
    }
}
