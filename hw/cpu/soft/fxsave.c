/* SPDX-License-Identifier: GPL-2.0-or-later */
/* FXSAVE and FXRSTOR, LDMXCSR and STMXCSR; and the image that cpu_state has. */

#include "hw/cpu/soft/mxcsr.h"
#include "hw/cpu/soft/tlb.h"
#include "hw/cpu/soft/x87.h"

/*
 * Intel SDM vol. 1, table 10-2. The two formats differ in the pointers: with REX.W they are
 * 64 bits each, else 32 and a selector. Behind the XMM registers 96 bytes are nobody's.
 */
struct fx_image {
    uint16_t control, status;
    uint8_t full_tag, reserved;
    uint16_t opcode;
    union {
        uint64_t wide;
        struct {
            uint32_t offset;
            uint16_t selector, reserved;
        };
    } ip, dp;
    uint32_t mxcsr, mxcsr_valid;
    uint8_t stack[8][16];
    uint8_t xmm[16][16];
    uint8_t unused[96];
};
_Static_assert(sizeof(struct fx_image) == 512, "");

enum {
    FX_SIZE = 512,
    FX_WRITTEN_64 = offsetof(struct fx_image, unused),
    FX_WRITTEN_32 = offsetof(struct fx_image, xmm[8]), /* there are but 8 in 32-bit code */
};

/* x87 is saved. */
static void put_image(const struct soft *cpu, struct fx_image *ret_image, bool is_wide,
                      uint32_t mxcsr)
{
    const struct soft_fpu *fpu = &cpu->fpu;

    memset(ret_image, 0, FX_WRITTEN_64);
    ret_image->control = fpu->control;
    ret_image->status = fpu->status;
    ret_image->full_tag = fpu->full_tag;
    ret_image->opcode = fpu->opcode;
    if (is_wide) {
        ret_image->ip.wide = fpu->ip;
        ret_image->dp.wide = fpu->dp;
    } else {
        ret_image->ip.offset = (uint32_t)fpu->ip;
        ret_image->ip.selector = fpu->cs;
        ret_image->dp.offset = (uint32_t)fpu->dp;
        ret_image->dp.selector = fpu->ds;
    }
    ret_image->mxcsr = mxcsr;
    ret_image->mxcsr_valid = MXCSR_VALID;
    x87_get_stack(cpu, 16, ret_image->stack[0]);
    memcpy(ret_image->xmm, cpu->xmm, sizeof(cpu->xmm));
}

static void set_image(struct soft *cpu, const struct fx_image *image, bool is_wide, unsigned nr_xmm)
{
    struct soft_fpu *fpu = &cpu->fpu;

    fpu->control = (image->control & 0x1f3f) | 0x40;
    fpu->status = image->status;
    fpu->full_tag = image->full_tag;
    fpu->opcode = image->opcode & 0x7ff;
    fpu->ip = is_wide ? image->ip.wide : image->ip.offset;
    fpu->dp = is_wide ? image->dp.wide : image->dp.offset;
    fpu->cs = is_wide ? 0 : image->ip.selector;
    fpu->ds = is_wide ? 0 : image->dp.selector;
    x87_set_stack(cpu, 16, image->stack[0]);
    x87_update_pending(cpu);
    memcpy(cpu->xmm, image->xmm, sizeof(cpu->xmm[0]) * nr_xmm);
}

void soft_fp_get(const struct soft *cpu, uint8_t ret_image[512])
{
    struct fx_image image;

    put_image(cpu, &image, true, cpu->fpu.mxcsr);
    memcpy(ret_image, &image, FX_WRITTEN_64);
}

void soft_fp_set(struct soft *cpu, const uint8_t image[512])
{
    struct fx_image copy;

    memcpy(&copy, image, sizeof(copy));
    cpu->fpu.x87 = X87_SAVED;
    set_image(cpu, &copy, true, 16);
    cpu->fpu.mxcsr = copy.mxcsr & MXCSR_VALID;
    cpu->fpu.is_sse_unmasked = ~cpu->fpu.mxcsr & MXCSR_MASKS;
}

/* ---- Instructions ------------------------------------------------------------------------- */

/* Other than in SSE, an address that is not canonical raises what that raises, aligned or not. */
static void check_aligned(struct soft *cpu, const struct op *op, uint64_t va)
{
    soft_check_canonical(cpu, op, va);
    if (va & 15)
        soft_raise_error(cpu, op, VECTOR_GP, 0);
}

/* op->imm: whether pointers are wide. */
static HANDLER(fxsave)
{
    const uint64_t va = op_address(cpu, op);
    struct fx_image image;

    check_aligned(cpu, op, va);
    soft_probe_write(cpu, op, va + FX_SIZE - 1, 1); /* its end faults first */
    soft_probe_write(cpu, op, va, FX_SIZE);
    x87_save(cpu);
    put_image(cpu, &image, op->imm, sse_get_mxcsr(cpu));
    soft_store_bytes(cpu, op, va, &image, cpu->mode == MODE_64 ? FX_WRITTEN_64 : FX_WRITTEN_32);
    NEXT;
}

static HANDLER(fxrstor)
{
    const uint64_t va = op_address(cpu, op);
    struct fx_image image;

    check_aligned(cpu, op, va);
    soft_load_bytes(cpu, op, va, &image, sizeof(image));
    if (image.mxcsr & ~MXCSR_VALID)
        soft_raise_error(cpu, op, VECTOR_GP, 0);
    x87_save(cpu);
    set_image(cpu, &image, op->imm, cpu->mode == MODE_64 ? 16 : 8);
    sse_set_mxcsr(cpu, image.mxcsr);
    NEXT;
}

MEMORY_HANDLER(ldmxcsr)
{
    uint32_t value;

    LOAD(32, value, op_address(cpu, op));
    if (unlikely(value & ~MXCSR_VALID))
        soft_raise_error(cpu, op, VECTOR_GP, 0);
    sse_set_mxcsr(cpu, value);
    NEXT;
}

MEMORY_HANDLER(stmxcsr)
{
    STORE(32, op_address(cpu, op), sse_get_mxcsr(cpu));
    NEXT;
}

bool fxsave_lower(struct builder *builder, const struct insn *insn)
{
    static op_fn *const handlers[] = {
        [INSN_FXSAVE - INSN_FXSAVE] = fxsave,
        [INSN_FXRSTOR - INSN_FXSAVE] = fxrstor,
        [INSN_LDMXCSR - INSN_FXSAVE] = ldmxcsr,
        [INSN_STMXCSR - INSN_FXSAVE] = stmxcsr,
    };
    const bool is_fx = insn->row->kind == INSN_FXSAVE || insn->row->kind == INSN_FXRSTOR;

    sse_build_check(builder, is_fx ? CHECK_X87 : CHECK_SSE);
    build_memory_op(builder, insn, handlers[insn->row->kind - INSN_FXSAVE])->imm =
        insn->rex >> 3 & 1; /* REX.W */
    return true;
}
