/* SPDX-License-Identifier: GPL-2.0-or-later */
/* x87's control, status and environment. Instructions with N do not wait for exceptions. */

#include "hw/cpu/soft/x87.h"

enum { IMAGE_MAX = 108 };

void x87_update_pending(struct soft *cpu)
{
    if (cpu->fpu.status & ~cpu->fpu.control & X87_EXCEPTIONS)
        cpu->fpu.status |= X87_PENDING | X87_BUSY;
    else
        cpu->fpu.status &= (uint16_t) ~(X87_PENDING | X87_BUSY);
}

/* Intel SDM vol. 1, 8.1.7. */
uint16_t x87_tag_word(const struct soft *cpu)
{
    enum { VALID, ZERO, SPECIAL, EMPTY };
    unsigned word = 0;

    for (unsigned i = 0; i < 8; i++) {
        unsigned tag = VALID;
        uint64_t mantissa;
        uint16_t exponent;

        memcpy(&mantissa, cpu->fpu.reg[i], sizeof(mantissa));
        memcpy(&exponent, cpu->fpu.reg[i] + 8, sizeof(exponent));
        exponent &= 0x7fff;
        if (!(cpu->fpu.full_tag >> i & 1))
            tag = EMPTY;
        else if (!exponent && !mantissa)
            tag = ZERO;
        else if (!exponent || exponent == 0x7fff || !(mantissa >> 63))
            tag = SPECIAL;
        word |= tag << (2 * i);
    }
    return (uint16_t)word;
}

void x87_reset(struct soft *cpu)
{
    x87_save(cpu);
    cpu->fpu.control = X87_CONTROL_INIT;
    cpu->fpu.status = 0;
    cpu->fpu.full_tag = 0;
    cpu->fpu.opcode = 0;
    cpu->fpu.ip = 0;
    cpu->fpu.dp = 0;
    cpu->fpu.cs = 0;
    cpu->fpu.ds = 0;
}

/* ---- The environment (Intel SDM vol. 1, figures 8-9 to 8-12) ------------------------------- */

static void put16(uint8_t *at, uint32_t value)
{
    memcpy(at, &(uint16_t){ (uint16_t)value }, 2);
}

static uint16_t get16(const uint8_t *at)
{
    uint16_t value;

    memcpy(&value, at, sizeof(value));
    return value;
}

static uint32_t get32(const uint8_t *at)
{
    return get16(at) | (uint32_t)get16(at + 2) << 16;
}

/* Protected mode: 28 bytes, or 14 where the operand size is 16 bits. */
static void put_environment(const struct soft *cpu, unsigned size, uint8_t *ret_image)
{
    const struct soft_fpu *fpu = &cpu->fpu;

    if (size == 14) {
        const uint16_t words[7] = {
            fpu->control,      fpu->status, x87_tag_word(cpu), (uint16_t)fpu->ip, fpu->cs,
            (uint16_t)fpu->dp, fpu->ds
        };

        memcpy(ret_image, words, sizeof(words));
        return;
    }
    memset(ret_image, 0xff, 28); /* what is reserved */
    put16(ret_image, fpu->control);
    put16(ret_image + 4, fpu->status);
    put16(ret_image + 8, x87_tag_word(cpu));
    put16(ret_image + 12, (uint32_t)fpu->ip);
    put16(ret_image + 14, (uint32_t)fpu->ip >> 16);
    put16(ret_image + 16, fpu->cs);
    put16(ret_image + 18, fpu->opcode);
    put16(ret_image + 20, (uint32_t)fpu->dp);
    put16(ret_image + 22, (uint32_t)fpu->dp >> 16);
    put16(ret_image + 24, fpu->ds);
}

static void set_environment(struct soft *cpu, unsigned size, const uint8_t *image)
{
    struct soft_fpu *fpu = &cpu->fpu;
    const unsigned step = size == 14 ? 2 : 4;
    const unsigned tag = get16(image + 2 * (size_t)step);

    fpu->control = (get16(image) & 0x1f3f) | 0x40;
    fpu->status = get16(image + step);
    fpu->full_tag = 0;
    for (unsigned i = 0; i < 8; i++) {
        if ((tag >> (2 * i) & 3) != 3)
            fpu->full_tag |= (uint8_t)(1 << i);
    }
    if (size == 14) {
        fpu->ip = get16(image + 6);
        fpu->cs = get16(image + 8);
        fpu->dp = get16(image + 10);
        fpu->ds = get16(image + 12);
        fpu->opcode = 0;
    } else {
        fpu->ip = get32(image + 12);
        fpu->cs = get16(image + 16);
        fpu->opcode = get16(image + 18) & 0x7ff;
        fpu->dp = get32(image + 20);
        fpu->ds = get16(image + 24);
    }
    x87_update_pending(cpu);
}

static unsigned environment_size(unsigned size)
{
    return size == 14 || size == 94 ? 14 : 28;
}

/* Processors access it field by field, so the first one is what faults first. */
static void load_image(struct soft *cpu, const struct op *op, uint8_t *to, unsigned size)
{
    const uint64_t va = op_address(cpu, op);

    (void)soft_load_slow(cpu, op, va, environment_size(size) / 7);
    soft_load_bytes(cpu, op, va, to, size);
}

static void store_image(struct soft *cpu, const struct op *op, const uint8_t *from, unsigned size)
{
    const uint64_t va = op_address(cpu, op);

    soft_probe_write(cpu, op, va, environment_size(size) / 7);
    soft_store_bytes(cpu, op, va, from, size);
}

/* op->imm is the size of the operand: 14, 28, 94 or 108. */
static HANDLER(fnstenv)
{
    const unsigned size = (unsigned)op->imm;
    uint8_t image[IMAGE_MAX];

    x87_save(cpu);
    put_environment(cpu, size, image);
    store_image(cpu, op, image, size);
    cpu->fpu.control |= X87_EXCEPTIONS;
    x87_update_pending(cpu);
    NEXT;
}

static HANDLER(fldenv)
{
    const unsigned size = (unsigned)op->imm;
    uint8_t image[IMAGE_MAX];

    x87_begin(cpu, op);
    load_image(cpu, op, image, size);
    x87_save(cpu);
    set_environment(cpu, size, image);
    NEXT;
}

static HANDLER(fnsave)
{
    const unsigned size = (unsigned)op->imm, environment = environment_size(size);
    uint8_t image[IMAGE_MAX];

    x87_save(cpu);
    put_environment(cpu, environment, image);
    x87_get_stack(cpu, 10, image + environment);
    store_image(cpu, op, image, size);
    x87_reset(cpu);
    NEXT;
}

static HANDLER(frstor)
{
    const unsigned size = (unsigned)op->imm, environment = environment_size(size);
    uint8_t image[IMAGE_MAX];

    x87_begin(cpu, op);
    load_image(cpu, op, image, size);
    x87_save(cpu);
    set_environment(cpu, environment, image);
    x87_set_stack(cpu, 10, image + environment);
    NEXT;
}

/* ---- Words ------------------------------------------------------------------------------------
 */

MEMORY_HANDLER(fldcw)
{
    uint16_t control;

    X87_BEGIN;
    LOAD(16, control, op_address(cpu, op));
    if (is_slow)
        x87_load(cpu);
    __asm__ volatile("fldcw %0" ::"m"(control));
    x87_control_changed(cpu);
    NEXT;
}

MEMORY_HANDLER(fnstcw)
{
    STORE(16, op_address(cpu, op), cpu->fpu.control);
    NEXT;
}

static HANDLER(fnstsw_ax)
{
    REG16(8 * RAX) = x87_status(cpu);
    NEXT;
}

MEMORY_HANDLER(fnstsw)
{
    STORE(16, op_address(cpu, op), x87_status(cpu));
    NEXT;
}

static HANDLER(fnclex)
{
    if (cpu->fpu.x87 == X87_SAVED)
        cpu->fpu.status &= (uint16_t) ~(X87_EXCEPTIONS | X87_STACK_FAULT | X87_PENDING | X87_BUSY);
    else
        __asm__ volatile("fnclex");
    NEXT;
}

static HANDLER(fninit)
{
    x87_reset(cpu);
    NEXT;
}

/* Its #NM is its own: CR0.MP and CR0.TS together. */
static HANDLER(fwait)
{
    if (unlikely((cpu->cr0 & (CR0_MP | CR0_TS)) == (CR0_MP | CR0_TS)))
        soft_raise(cpu, op, VECTOR_NM);
    if (unlikely(x87_status(cpu) & X87_PENDING))
        soft_raise(cpu, op, VECTOR_MF);
    NEXT;
}

/* ---- Lowering -----------------------------------------------------------------------------------
 */

static op_fn *handler(const struct insn *insn)
{
    switch ((enum insn_kind)insn->row->kind) {
    case INSN_FWAIT:
        return fwait;
    case INSN_FNINIT:
        return fninit;
    case INSN_FNCLEX:
        return fnclex;
    case INSN_FLDCW:
        return fldcw;
    case INSN_FNSTCW:
        return fnstcw;
    case INSN_FNSTSW:
        return insn->operands[0].kind == OPERAND_MEMORY ? fnstsw : fnstsw_ax;
    case INSN_FLDENV:
        return fldenv;
    case INSN_FNSTENV:
        return fnstenv;
    case INSN_FNSAVE:
        return fnsave;
    case INSN_FRSTOR:
        return frstor;
    default:
        return NULL;
    }
}

bool x87_lower_control(struct builder *builder, const struct insn *insn)
{
    op_fn *run = handler(insn);
    struct op *op;

    if (!run)
        return false;
    if (insn->row->kind != INSN_FWAIT)
        sse_build_check(builder, CHECK_X87);
    op = insn_touches_memory(insn) ? build_memory_op(builder, insn, run) : build_op(builder, run);
    op->imm = insn->operands[0].size;
    return true;
}
