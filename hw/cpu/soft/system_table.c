/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Descriptor tables: where they are, and questions to them. */
#include "hw/cpu/soft/access.h"
#include "hw/cpu/soft/segment.h"
#include "hw/cpu/soft/system.h"

/* ---- GDTR, IDTR -------------------------------------------------------------------------------
 */

static void check_umip(struct soft *cpu, const struct op *op)
{
    if (cpu->cpl && (cpu->cr4 & CR4_UMIP))
        soft_raise_error(cpu, op, VECTOR_GP, 0);
}

static unsigned base_size(const struct soft *cpu)
{
    return cpu->mode == MODE_64 ? 8 : 4;
}

static struct cpu_table load_table(struct soft *cpu, const struct op *op)
{
    const uint64_t va = op_address(cpu, op);
    struct cpu_table table = { .limit = load16(cpu, op, va) };

    table.base = soft_load_slow(cpu, op, va + 2, base_size(cpu));
    if (op->aux == 2 && cpu->mode == MODE_32) /* a 286's, of 24 bits */
        table.base &= 0xffffff;
    if (!is_canonical(table.base))
        soft_raise_error(cpu, op, VECTOR_GP, 0);
    return table;
}

static void store_table(struct soft *cpu, const struct op *op, const struct cpu_table *table)
{
    const uint64_t va = op_address(cpu, op);

    check_umip(cpu, op);
    soft_probe_write(cpu, op, va, 2 + base_size(cpu));
    store16(cpu, op, va, table->limit);
    soft_store_slow(cpu, op, va + 2, table->base, base_size(cpu));
}

static HANDLER(lgdt)
{
    cpu->gdt = load_table(cpu, op);
    NEXT;
}

static HANDLER(lidt)
{
    cpu->idt = load_table(cpu, op);
    NEXT;
}

static HANDLER(sgdt)
{
    store_table(cpu, op, &cpu->gdt);
    NEXT;
}

static HANDLER(sidt)
{
    store_table(cpu, op, &cpu->idt);
    NEXT;
}

static bool lower_table_pointer(struct builder *builder, const struct insn *insn)
{
    const unsigned kind = insn->row->kind;
    op_fn *run = kind == INSN_LGDT   ? lgdt
                 : kind == INSN_LIDT ? lidt
                 : kind == INSN_SGDT ? sgdt
                                     : sidt;

    build_memory_op(builder, insn, run)->aux = insn->operand_size;
    return true;
}

/* ---- LDTR, TR ----------------------------------------------------------------------------------
 */

/* The system segment of @selector, in the GDT, of type @type; all of its checks. */
static struct descriptor check_system(struct soft *cpu, const struct op *op, uint16_t selector,
                                      unsigned type)
{
    struct descriptor descriptor;
    unsigned attributes;

    if ((selector & SELECTOR_TI) || !descriptor_read(cpu, op, selector, &descriptor))
        raise_selector(cpu, op, VECTOR_GP, selector);
    attributes = descriptor_attributes(&descriptor);
    if ((attributes & (SEG_S | SEG_TYPE)) != type)
        raise_selector(cpu, op, VECTOR_GP, selector);
    if (!(attributes & SEG_P))
        raise_selector(cpu, op, VECTOR_NP, selector);
    if (is_long(cpu) && (!descriptor_read_high(cpu, op, &descriptor) ||
                         !is_canonical(descriptor_segment(&descriptor).base)))
        raise_selector(cpu, op, VECTOR_GP, selector);
    return descriptor;
}

static HANDLER(lldt)
{
    const uint16_t selector = REG16(op->src);

    if (is_null_selector(selector)) {
        segment_set_null(cpu, SEG_LDT, selector);
    } else {
        const struct descriptor descriptor = check_system(cpu, op, selector, SYSTEM_LDT);
        const struct cpu_segment ldt = descriptor_segment(&descriptor);

        segment_set(cpu, SEG_LDT, &ldt);
    }
    NEXT;
}

static HANDLER(ltr)
{
    const uint16_t selector = REG16(op->src);
    struct descriptor descriptor;
    struct cpu_segment tss;

    if (is_null_selector(selector))
        raise_selector(cpu, op, VECTOR_GP, 0);
    descriptor = check_system(cpu, op, selector, SYSTEM_TSS);
    descriptor_set_type(cpu, op, &descriptor, SYSTEM_TSS_BUSY);
    tss = descriptor_segment(&descriptor);
    segment_set(cpu, SEG_TR, &tss);
    NEXT;
}

static HANDLER(store_selector)
{
    check_umip(cpu, op);
    set_register(cpu, op->dst, op->aux, cpu->seg[op->imm].selector);
    NEXT;
}

static bool lower_system_segment(struct builder *builder, const struct insn *insn)
{
    const unsigned kind = insn->row->kind;

    if (kind == INSN_SLDT || kind == INSN_STR) {
        build_result16(builder, insn, store_selector)->imm = kind == INSN_STR ? SEG_TR : SEG_LDT;
    } else {
        const uint8_t source = build_source16(builder, insn, 0);

        build_op(builder, kind == INSN_LLDT ? lldt : ltr)->src = source;
    }
    return true;
}

/* ---- LAR, LSL, VERR, VERW
 * ------------------------------------------------------------------------ */

static void set_zf(struct soft *cpu, bool zf)
{
    const uint64_t flags = soft_get_rflags(cpu);

    soft_set_rflags(cpu, zf ? flags | FLAG_ZF : flags & ~(uint64_t)FLAG_ZF);
}

/* Whether LAR (LSL: @has_limit) knows of system segments of @type. */
static bool is_type_known(const struct soft *cpu, unsigned type, bool has_limit)
{
    const unsigned long_mode = 1 << SYSTEM_LDT | 1 << SYSTEM_TSS | 1 << SYSTEM_TSS_BUSY;
    const unsigned gate = 1 << SYSTEM_CALL_GATE;
    unsigned known = long_mode | (has_limit ? 0 : gate);

    if (!is_long(cpu)) /* and those of a 286; task gates too */
        known |= 1 << 1 | 1 << 3 | (has_limit ? 0 : 1 << 4 | 1 << 5);
    return known >> type & 1;
}

static bool is_conforming(unsigned attributes)
{
    const unsigned mask = SEG_S | SEG_TYPE_CODE | SEG_TYPE_CONFORMING;

    return (attributes & mask) == mask;
}

/* Reads @selector's descriptor. False: the present program may not know of it. */
static bool is_visible(struct soft *cpu, const struct op *op, uint16_t selector,
                       struct descriptor *ret_descriptor)
{
    unsigned dpl;

    if (is_null_selector(selector) || !descriptor_read(cpu, op, selector, ret_descriptor))
        return false;
    dpl = attributes_dpl(descriptor_attributes(ret_descriptor));
    return is_conforming(descriptor_attributes(ret_descriptor)) ||
           (dpl >= cpu->cpl && dpl >= (selector & SELECTOR_RPL));
}

static bool is_answered(struct soft *cpu, const struct op *op, bool has_limit,
                        struct descriptor *ret_descriptor)
{
    unsigned attributes;

    if (!is_visible(cpu, op, REG16(op->src), ret_descriptor))
        return false;
    attributes = descriptor_attributes(ret_descriptor);
    if (attributes & SEG_S)
        return true;
    return is_type_known(cpu, attributes & SEG_TYPE, has_limit) &&
           (!is_long(cpu) || descriptor_read_high(cpu, op, ret_descriptor));
}

static HANDLER(lar)
{
    struct descriptor descriptor;
    const bool zf = is_answered(cpu, op, false, &descriptor);

    if (zf)
        set_register(cpu, op->dst, op->aux, descriptor.low >> 32 & 0x00ffff00);
    set_zf(cpu, zf);
    NEXT;
}

static HANDLER(lsl)
{
    struct descriptor descriptor;
    const bool zf = is_answered(cpu, op, true, &descriptor);

    if (zf)
        set_register(cpu, op->dst, op->aux, descriptor_segment(&descriptor).limit);
    set_zf(cpu, zf);
    NEXT;
}

static HANDLER(verr)
{
    struct descriptor descriptor;
    bool zf = is_visible(cpu, op, REG16(op->src), &descriptor);

    if (zf) {
        const unsigned attributes = descriptor_attributes(&descriptor);

        zf = (attributes & SEG_S) &&
             (!(attributes & SEG_TYPE_CODE) || (attributes & SEG_TYPE_WRITABLE));
    }
    set_zf(cpu, zf);
    NEXT;
}

static HANDLER(verw)
{
    const unsigned mask = SEG_S | SEG_TYPE_CODE | SEG_TYPE_WRITABLE;
    struct descriptor descriptor;
    bool zf = is_visible(cpu, op, REG16(op->src), &descriptor);

    if (zf)
        zf = (descriptor_attributes(&descriptor) & mask) == (SEG_S | SEG_TYPE_WRITABLE);
    set_zf(cpu, zf);
    NEXT;
}

static bool lower_question(struct builder *builder, const struct insn *insn)
{
    const unsigned kind = insn->row->kind;
    const bool has_result = kind == INSN_LAR || kind == INSN_LSL;
    const uint8_t source = build_source16(builder, insn, has_result);
    struct op *op = build_op(builder, kind == INSN_LAR    ? lar
                                      : kind == INSN_LSL  ? lsl
                                      : kind == INSN_VERR ? verr
                                                          : verw);

    op->src = source;
    if (has_result) {
        op->dst = build_gpr(&insn->operands[0]);
        op->aux = insn->operand_size;
    }
    return true;
}

lower_fn *lower_table(enum insn_kind kind)
{
    switch ((int)kind) {
    case INSN_LGDT:
    case INSN_LIDT:
    case INSN_SGDT:
    case INSN_SIDT:
        return lower_table_pointer;
    case INSN_LLDT:
    case INSN_LTR:
    case INSN_SLDT:
    case INSN_STR:
        return lower_system_segment;
    case INSN_LAR:
    case INSN_LSL:
    case INSN_VERR:
    case INSN_VERW:
        return lower_question;
    default:
        return NULL;
    }
}
