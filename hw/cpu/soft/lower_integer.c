/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Who lowers which of the integer instructions, and those that are too small for a file. */
#include <sched.h>

#include "hw/cpu/soft/forms.h"

COLD HANDLER(raise_gp)
{
    soft_raise_error(cpu, op, VECTOR_GP, 0);
}

COLD HANDLER(raise_de)
{
    soft_raise(cpu, op, VECTOR_DE);
}

/* ---- Flags as such ------------------------------------------------------------------------------
 */

static HANDLER(clc)
{
    flags_set_cf(cpu, false);
    NEXT;
}

static HANDLER(stc)
{
    flags_set_cf(cpu, true);
    NEXT;
}

static HANDLER(cmc)
{
    flags_set_cf(cpu, !flags_cf(cpu));
    NEXT;
}

static HANDLER(cld)
{
    cpu->rflags &= ~(uint64_t)FLAG_DF;
    NEXT;
}

static HANDLER(std)
{
    cpu->rflags |= FLAG_DF;
    NEXT;
}

/* AH has all of the six but OF. */
enum { FLAGS_AH = FLAGS_ARITH & 0xff, OFFSET_AH = GPR(RAX) + 1 };

static HANDLER(lahf)
{
    REG8(OFFSET_AH) = (uint8_t)((flags_get(cpu) & FLAGS_AH) | FLAG_FIXED);
    NEXT;
}

static HANDLER(sahf)
{
    flags_set(cpu, (flags_get(cpu) & ~(uint64_t)FLAGS_AH) | (REG8(OFFSET_AH) & FLAGS_AH));
    NEXT;
}

static bool lower_flag(struct builder *builder, const struct insn *insn)
{
    static op_fn *const runs[] = {
        [INSN_CLC - INSN_CLC] = clc,   [INSN_STC - INSN_CLC] = stc, [INSN_CMC - INSN_CLC] = cmc,
        [INSN_CLD - INSN_CLC] = cld,   [INSN_STD - INSN_CLC] = std, [INSN_LAHF - INSN_CLC] = lahf,
        [INSN_SAHF - INSN_CLC] = sahf,
    };

    build_op(builder, runs[insn->row->kind - INSN_CLC]);
    return true;
}

/* ---- XLAT -------------------------------------------------------------------------------------
 */

/* aux: addresses are of 32 bits; imm: so is their sum with the base. */
static HANDLER(xlat)
{
    uint64_t address = REG64(GPR(RBX)) + REG8(GPR(RAX));

    if (op->aux)
        address = (uint32_t)address;
    address += REG64(op->seg);
    REG8(GPR(RAX)) = load8(cpu, op, op->imm ? (uint32_t)address : address);
    NEXT;
}

static bool lower_xlat(struct builder *builder, const struct insn *insn)
{
    struct op *op = build_op(builder, xlat);

    op->aux = insn->address_size == 4;
    op->imm = builder->mode == MODE_32;
    if (builder->mode == MODE_32 || insn->memory.segment >= SEG_FS)
        op->seg = (uint8_t)(OFFSET_SEG_BASE + 8 * insn->memory.segment);
    return true;
}

/* ---- What orders, and what waits ----------------------------------------------------------------
 */

static HANDLER(nop)
{
    NEXT;
}

/* The host's order is the guest's, but for a store that a later load may overtake. */
static HANDLER(mfence)
{
    __asm__ volatile("mfence" : : : "memory");
    NEXT;
}

/* Data caches are coherent here: what remains is the access, which may fault as a load does. */
static HANDLER(clflush)
{
    (void)load8(cpu, op, op_address(cpu, op));
    NEXT;
}

enum { PAUSES_MAX = 64, PAUSE_LOOP_INSNS = 64 };

/*
 * Whoever it waits for may have no host processor because of us: after many in a
 * row, with few instructions in between, the host may run another.
 */
static HANDLER(pause_once)
{
    const bool is_in_row = cpu->count - cpu->pause_count <= PAUSE_LOOP_INSNS;

    __asm__ volatile("pause" : : : "memory");
    cpu->nr_pauses = is_in_row ? cpu->nr_pauses + 1 : 0;
    cpu->pause_count = cpu->count;
    if (cpu->nr_pauses > PAUSES_MAX) {
        cpu->nr_pauses = 0;
        (void)sched_yield(); /* never fails on Linux */
    }
    NEXT;
}

static bool lower_other(struct builder *builder, const struct insn *insn)
{
    switch ((enum insn_kind)insn->row->kind) {
    case INSN_MFENCE:
        build_op(builder, mfence);
        return true;
    case INSN_PAUSE:
        build_op(builder, pause_once);
        return true;
    case INSN_CLFLUSH:
        build_memory_op(builder, insn, clflush);
        return true;
    default: /* NOP, LFENCE, SFENCE: plain accesses keep their order as it is */
        build_op(builder, nop);
        return true;
    }
}

/* ---- All
 * ------------------------------------------------------------------------------------------ */

static lower_fn *const lowerings[NR_INSN_KINDS] = {
    [INSN_ADD] = lower_alu,
    [INSN_OR] = lower_alu,
    [INSN_ADC] = lower_alu,
    [INSN_SBB] = lower_alu,
    [INSN_AND] = lower_alu,
    [INSN_SUB] = lower_alu,
    [INSN_XOR] = lower_alu,
    [INSN_CMP] = lower_alu,
    [INSN_TEST] = lower_alu,
    [INSN_INC] = lower_step,
    [INSN_DEC] = lower_step,
    [INSN_NEG] = lower_neg,
    [INSN_NOT] = lower_not,
    [INSN_MUL] = lower_mul,
    [INSN_IMUL] = lower_mul,
    [INSN_DIV] = lower_div,
    [INSN_IDIV] = lower_div,
    [INSN_MOV] = lower_mov,
    [INSN_MOVNTI] = lower_mov, /* weakly ordered is allowed, not asked for */
    [INSN_MOVZX] = lower_movzx,
    [INSN_MOVSX] = lower_movsx,
    [INSN_MOVSXD] = lower_movsx,
    [INSN_LEA] = lower_lea,
    [INSN_XCHG] = lower_xchg,
    [INSN_XLAT] = lower_xlat,
    [INSN_BSWAP] = lower_bswap,
    [INSN_CBW] = lower_cbw,
    [INSN_CWD] = lower_cwd,
    [INSN_XADD] = lower_xadd,
    [INSN_CMPXCHG] = lower_cmpxchg,
    [INSN_CMPXCHG8B] = lower_cmpxchg_pair,
    [INSN_CMPXCHG16B] = lower_cmpxchg_pair,
    [INSN_SETCC] = lower_setcc,
    [INSN_CMOVCC] = lower_cmovcc,
    [INSN_BT... INSN_BTC] = lower_bit_test,
    [INSN_BSF] = lower_bit_scan,
    [INSN_BSR] = lower_bit_scan,
    [INSN_ROL... INSN_SAR] = lower_shift,
    [INSN_SHLD] = lower_double_shift,
    [INSN_SHRD] = lower_double_shift,
    [INSN_PUSH] = lower_push,
    [INSN_POP] = lower_pop,
    [INSN_PUSHA] = lower_pusha,
    [INSN_POPA] = lower_pusha,
    [INSN_ENTER] = lower_enter,
    [INSN_LEAVE] = lower_leave,
    [INSN_CLC... INSN_SAHF] = lower_flag,
    [INSN_NOP... INSN_CLFLUSH] = lower_other,
};

lower_fn *lower_integer(enum insn_kind kind)
{
    return lowerings[kind];
}
