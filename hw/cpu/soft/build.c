/* SPDX-License-Identifier: GPL-2.0-or-later */

#include <assert.h>
#include <inttypes.h>

#include "hw/cpu/soft/build.h"
#include "hw/cpu/soft/exec.h"
#include "util/log.h"

enum { OFFSET_TEMP0 = OFFSET_TEMP };

struct op *build_op(struct builder *builder, op_fn *run)
{
    struct op *op = &builder->ops[builder->nr_ops++];

    *op = (struct op){
        .run = run,
        .dst = OFFSET_ZERO,
        .src = OFFSET_ZERO,
        .base = OFFSET_ZERO,
        .index = OFFSET_ZERO,
        .seg = OFFSET_ZERO,
        .length = builder->insns[builder->at].length,
        .left = (uint8_t)(builder->nr_insns - builder->at),
        .ip = builder->ip[builder->at],
    };
    return op;
}

/* Effective addresses of 32 bits wrap before the segment's base is added. */
static HANDLER(address32)
{
    REG64(OFFSET_TEMP0) = (uint32_t)(REG64(op->base) + (REG64(op->index) << op->shift) + op->imm);
    NEXT;
}

/* In 32-bit code the sum with the base wraps too. */
static HANDLER(address32_based)
{
    uint32_t offset = (uint32_t)(REG64(op->base) + (REG64(op->index) << op->shift) + op->imm);

    REG64(OFFSET_TEMP0) = (uint32_t)(offset + REG64(op->seg));
    NEXT;
}

static HANDLER(address64)
{
    REG64(OFFSET_TEMP0) = REG64(op->base) + (REG64(op->index) << op->shift) + op->imm;
    NEXT;
}

static uint8_t register_offset(uint8_t reg)
{
    switch (reg) {
    case MEMORY_NO_REG:
        return OFFSET_ZERO;
    case MEMORY_RIP:
        return OFFSET_BLOCK_RIP;
    default:
        return (uint8_t)(8 * reg);
    }
}

/* In 64-bit code only FS and GS have a base. LEA has no segment at all. */
static uint8_t segment_offset(const struct builder *builder, const struct insn *insn)
{
    uint8_t segment = insn->memory.segment;

    if (insn->row->kind == INSN_LEA || (builder->mode == MODE_64 && segment < SEG_FS))
        return OFFSET_ZERO;
    return (uint8_t)(OFFSET_SEG_BASE + 8 * segment);
}

struct op *build_memory_op(struct builder *builder, const struct insn *insn, op_fn *run)
{
    const struct insn_memory *memory = &insn->memory;
    int64_t disp = memory->disp;
    bool is_narrow = insn->address_size == 4;
    uint8_t seg = segment_offset(builder, insn);
    struct op *op;

    if (memory->base == MEMORY_RIP) /* relative to what follows the instruction */
        disp += builder->ip[builder->at] + insn->length;
    if (is_narrow || disp != (int32_t)disp) {
        op = build_op(builder, !is_narrow                 ? address64
                               : builder->mode == MODE_64 ? address32
                                                          : address32_based);
        op->base = register_offset(memory->base);
        op->index = register_offset(memory->index);
        op->shift = memory->shift;
        op->seg = seg;
        op->imm = (uint64_t)disp;
        op = build_op(builder, run);
        op->base = OFFSET_TEMP0;
        op->seg = builder->mode == MODE_64 ? seg : OFFSET_ZERO;
        return op;
    }
    op = build_op(builder, run);
    op->base = register_offset(memory->base);
    op->index = register_offset(memory->index);
    op->shift = memory->shift;
    op->seg = seg;
    op->disp = (int32_t)disp;
    return op;
}

void build_fuse_next(struct builder *builder, struct op *op)
{
    builder->at++;
    op->length = (uint8_t)(op->length + builder->insns[builder->at].length);
}

/* ---- A block's instructions --------------------------------------------------------- */

/* Whether @insn can raise an exception, whose frame shows all flags. */
static bool may_raise(const struct insn *insn)
{
    return insn_touches_memory(insn) || (insn->row->prefixes & (ROW_FAULTS | ROW_CPL0));
}

/*
 * Which flags are read behind each instruction before they are written. Behind the
 * block anything may read them, and so does whoever raises (docs/cpu.md, "Flags").
 */
static void find_live_flags(struct builder *builder)
{
    unsigned live = FLAGS_ARITH;

    for (unsigned i = builder->nr_insns; i-- > 0;) {
        const struct insn_row *row = builder->insns[i].row;

        builder->live_after[i] = (uint16_t)live;
        if (i == builder->nr_insns - 1 && builder->last != DECODE_OK)
            continue; /* raises, and has no row */
        live &= ~((unsigned)row->flags_written | row->flags_undefined);
        live |= row->flags_read & FLAGS_ARITH;
        if (may_raise(&builder->insns[i]))
            live = FLAGS_ARITH;
    }
}

bool build_decode(struct builder *builder, const uint8_t *bytes, size_t size, enum insn_mode mode,
                  unsigned nr_max)
{
    builder->mode = mode;
    builder->nr_insns = 0;
    builder->nr_bytes = 0;
    builder->last = DECODE_OK;
    while (builder->nr_insns < nr_max) {
        struct insn *insn = &builder->insns[builder->nr_insns];
        enum decode_result result =
            insn_decode(bytes + builder->nr_bytes, size - builder->nr_bytes, mode, insn);

        if (result == DECODE_TRUNCATED)
            break;
        builder->ip[builder->nr_insns++] = (uint16_t)builder->nr_bytes;
        builder->nr_bytes += insn->length;
        builder->last = result;
        if (result != DECODE_OK || (insn->row->prefixes & ROW_ENDS))
            break;
    }
    if (builder->nr_insns == 0)
        return false;
    find_live_flags(builder);
    return true;
}

/* ---- What is none of ours ------------------------------------------------------------- */

static HANDLER(raise_invalid)
{
    cpu->nr_invalid++;
    log_guest_error("cpu %u: no such instruction at 0x%" PRIx64, cpu->cpu.index, op_rip(cpu, op));
    soft_raise(cpu, op, VECTOR_UD);
}

static HANDLER(raise_too_long)
{
    soft_raise_error(cpu, op, VECTOR_GP, 0);
}

static lower_fn *find_lowering(enum insn_kind kind)
{
    static lower_fn *(*const families[])(enum insn_kind kind) = {
        lower_integer, lower_string, lower_branch, lower_system, lower_sse, lower_x87,
    };

    for (unsigned i = 0; i < ARRAY_SIZE(families); i++) {
        lower_fn *lower = families[i](kind);

        if (lower)
            return lower;
    }
    return NULL;
}

static void lower_one(struct builder *builder)
{
    const struct insn *insn = &builder->insns[builder->at];
    bool is_last = builder->at + 1 == builder->nr_insns;
    unsigned nr_ops = builder->nr_ops;
    lower_fn *lower;

    if (is_last && builder->last != DECODE_OK) {
        build_op(builder, builder->last == DECODE_TOO_LONG ? raise_too_long : raise_invalid);
        return;
    }
    lower = find_lowering((enum insn_kind)insn->row->kind);
    if (!lower || !lower(builder, insn)) {
        builder->nr_ops = nr_ops;
        build_op(builder, raise_invalid);
    }
    assert(builder->nr_ops - nr_ops <= 2 * BLOCK_OPS_INSN_MAX); /* two: of a fused pair */
}

void build_lower(struct builder *builder)
{
    struct op *op;

    builder->at = 0;
    builder->nr_ops = 0;
    op = build_op(builder, block_head);
    op->aux = (uint16_t)builder->nr_insns;
    for (; builder->at < builder->nr_insns; builder->at++)
        lower_one(builder);
    if (builder->ops[builder->nr_ops - 1].run == exit_link)
        return; /* a jump's, behind which nothing is reached */
    builder->at = builder->nr_insns - 1;
    op = build_op(builder, exit_link);
    op->disp = (int32_t)builder->nr_bytes;
}
