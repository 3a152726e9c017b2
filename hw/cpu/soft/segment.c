/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "hw/cpu/soft/segment.h"

#include "hw/cpu/soft/access.h"
#include "hw/cpu/soft/exec.h"
#include "hw/cpu/soft/mmu.h"
#include "util/atomic.h"
#include "util/log.h"

void raise_selector(struct soft *cpu, const struct op *op, unsigned vector, uint16_t selector)
{
    const unsigned external = cpu->is_delivering;

    soft_raise_error(cpu, op, vector, (selector & ~SELECTOR_RPL) | external);
}

/* ---- Descriptors ------------------------------------------------------------------------ */

bool descriptor_read(struct soft *cpu, const struct op *op, uint16_t selector,
                     struct descriptor *ret_descriptor)
{
    const unsigned offset = selector & SELECTOR_INDEX;
    const struct cpu_segment *ldt = &cpu->seg[SEG_LDT];
    uint64_t base = cpu->gdt.base;
    uint32_t limit = cpu->gdt.limit;

    if (selector & SELECTOR_TI) {
        if (!ldt->attributes)
            return false;
        base = ldt->base;
        limit = ldt->limit;
    }
    if (offset + 7 > limit)
        return false;
    *ret_descriptor = (struct descriptor){
        .selector = selector,
        .va = base + offset,
        .low = soft_load_system(cpu, op, base + offset, 8),
    };
    return true;
}

bool descriptor_read_high(struct soft *cpu, const struct op *op, struct descriptor *descriptor)
{
    const uint64_t type_of_high = UINT64_C(0x1f) << 40; /* must be zero, lest it be a descriptor */
    const uint16_t next = (uint16_t)(descriptor->selector + 8);
    struct descriptor high;

    if (next < 8 || !descriptor_read(cpu, op, next, &high))
        return false;
    descriptor->high = high.low;
    return !(high.low & type_of_high);
}

struct cpu_segment descriptor_segment(const struct descriptor *descriptor)
{
    const uint64_t low = descriptor->low;
    struct cpu_segment segment = {
        .base = (low >> 16 & 0xffffff) | (low >> 32 & 0xff000000),
        .limit = (uint32_t)((low & 0xffff) | (low >> 32 & 0xf0000)),
        .selector = descriptor->selector,
        .attributes = (uint16_t)descriptor_attributes(descriptor),
    };

    if (segment.attributes & SEG_G)
        segment.limit = segment.limit << 12 | 0xfff;
    if (!(segment.attributes & SEG_S))
        segment.base |= descriptor->high << 32;
    return segment;
}

void descriptor_set_type(struct soft *cpu, const struct op *op, struct descriptor *descriptor,
                         uint8_t type_bits)
{
    const uint64_t va = descriptor->va + 5;
    struct mmu_page page;
    uint32_t error;
    uint64_t gpa;
    uint8_t *host;

    if ((descriptor->low >> 40 & type_bits) == type_bits)
        return;
    if (!mmu_walk(cpu, va, MMU_WRITE, TLB_SUPERVISOR, &page, &error)) {
        cpu->cr2 = va;
        soft_raise_error(cpu, op, VECTOR_PF, error);
    }
    descriptor->low |= (uint64_t)type_bits << 40;
    gpa = page.gpa | (va & ~PAGE_MASK);
    host = soft_phys(cpu, gpa, 1);
    if (!host) /* no RAM: nobody to lock it against, and nothing that keeps it */
        return;
    fetch_or(host, type_bits); /* with other processors that load it */
    soft_phys_written(cpu, gpa, 1);
}

/* ---- Registers --------------------------------------------------------------------------- */

void segment_set(struct soft *cpu, enum segment segment, const struct cpu_segment *value)
{
    cpu->seg[segment] = *value;
    if (segment < ARRAY_SIZE(cpu->seg_base))
        cpu->seg_base[segment] = value->base;
}

void segment_set_null(struct soft *cpu, enum segment segment, uint16_t selector)
{
    const struct cpu_segment null = { .selector = selector };

    segment_set(cpu, segment, &null);
}

static struct cpu_segment accessed_segment(struct soft *cpu, const struct op *op,
                                           struct descriptor *descriptor)
{
    descriptor_set_type(cpu, op, descriptor, SEG_TYPE_ACCESSED);
    return descriptor_segment(descriptor);
}

struct cpu_segment segment_check_stack(struct soft *cpu, const struct op *op, uint16_t selector,
                                       unsigned cpl, bool may_be_null)
{
    struct descriptor descriptor;
    unsigned attributes;

    if (is_null_selector(selector)) {
        if (!may_be_null || cpl == 3 || (selector & SELECTOR_RPL) != cpl)
            raise_selector(cpu, op, VECTOR_GP, 0);
        return (struct cpu_segment){ .selector = selector };
    }
    if (!descriptor_read(cpu, op, selector, &descriptor))
        raise_selector(cpu, op, VECTOR_GP, selector);
    attributes = descriptor_attributes(&descriptor);
    if ((attributes & (SEG_S | SEG_TYPE_CODE | SEG_TYPE_WRITABLE)) != (SEG_S | SEG_TYPE_WRITABLE) ||
        (selector & SELECTOR_RPL) != cpl || attributes_dpl(attributes) != cpl)
        raise_selector(cpu, op, VECTOR_GP, selector);
    if (!(attributes & SEG_P))
        raise_selector(cpu, op, VECTOR_SS, selector);
    return accessed_segment(cpu, op, &descriptor);
}

static struct cpu_segment check_data(struct soft *cpu, const struct op *op, uint16_t selector)
{
    const unsigned code_conforming = SEG_TYPE_CODE | SEG_TYPE_CONFORMING;
    struct descriptor descriptor;
    unsigned attributes, dpl;

    if (is_null_selector(selector))
        return (struct cpu_segment){ .selector = selector };
    if (!descriptor_read(cpu, op, selector, &descriptor))
        raise_selector(cpu, op, VECTOR_GP, selector);
    attributes = descriptor_attributes(&descriptor);
    dpl = attributes_dpl(attributes);
    if (!(attributes & SEG_S) ||
        (attributes & (SEG_TYPE_CODE | SEG_TYPE_WRITABLE)) == SEG_TYPE_CODE)
        raise_selector(cpu, op, VECTOR_GP, selector);
    if ((attributes & code_conforming) != code_conforming &&
        (dpl < cpu->cpl || dpl < (selector & SELECTOR_RPL)))
        raise_selector(cpu, op, VECTOR_GP, selector);
    if (!(attributes & SEG_P))
        raise_selector(cpu, op, VECTOR_NP, selector);
    return accessed_segment(cpu, op, &descriptor);
}

void segment_load(struct soft *cpu, const struct op *op, enum segment segment, uint16_t selector)
{
    const struct cpu_segment value =
        segment == SEG_SS ? segment_check_stack(cpu, op, selector, cpu->cpl, cpu->mode == MODE_64)
                          : check_data(cpu, op, selector);

    segment_set(cpu, segment, &value);
}

/* ---- Far transfers ----------------------------------------------------------------------- */

/* The privilege that code with @attributes runs with if entered so; -1: it must not be. */
static int privilege_in(const struct soft *cpu, unsigned attributes, uint16_t selector,
                        enum far_kind kind)
{
    const unsigned dpl = attributes_dpl(attributes), rpl = selector & SELECTOR_RPL;
    const bool conforming = attributes & SEG_TYPE_CONFORMING;

    switch (kind) {
    case FAR_DIRECT:
        if (conforming ? dpl > cpu->cpl : dpl != cpu->cpl || rpl > cpu->cpl)
            return -1;
        return cpu->cpl;
    case FAR_RETURN:
        if (rpl < cpu->cpl || (conforming ? dpl > rpl : dpl != rpl))
            return -1;
        return (int)rpl;
    case FAR_GATE:
        if (dpl > cpu->cpl)
            return -1;
        return conforming ? cpu->cpl : (int)dpl;
    }
    return -1;
}

/*
 * An operating system jumps to 16-bit code outside long mode only on its way to real mode: Linux,
 * to restart by firmware.
 */
static bool is_way_to_firmware(const struct soft *cpu, enum far_kind kind)
{
    return !is_long(cpu) && cpu->cpl == 0 && kind == FAR_DIRECT;
}

/* Whether there is code of such a size here. */
static bool is_size_known(struct soft *cpu, const struct op *op, unsigned attributes,
                          uint16_t selector, enum far_kind kind)
{
    const bool is_64 = is_long(cpu) && (attributes & SEG_L);

    if (kind == FAR_GATE && !is_64)
        return false;
    if (is_64)
        return !(attributes & SEG_DB);
    if (attributes & SEG_DB)
        return true;
    if (is_way_to_firmware(cpu, kind))
        soft_restart(cpu, op, RESTART_NEVER);
    log_guest_error("cpu %u: no 16-bit code, selector 0x%x", cpu->cpu.index, selector);
    return false;
}

struct cpu_segment segment_check_code(struct soft *cpu, const struct op *op, uint16_t selector,
                                      enum far_kind kind)
{
    struct descriptor descriptor;
    unsigned attributes;
    int privilege;

    if (is_null_selector(selector))
        raise_selector(cpu, op, VECTOR_GP, 0);
    if (!descriptor_read(cpu, op, selector, &descriptor))
        raise_selector(cpu, op, VECTOR_GP, selector);
    attributes = descriptor_attributes(&descriptor);
    if ((attributes & (SEG_S | SEG_TYPE_CODE)) != (SEG_S | SEG_TYPE_CODE))
        raise_selector(cpu, op, VECTOR_GP, selector);
    privilege = privilege_in(cpu, attributes, selector, kind);
    if (privilege < 0 || !is_size_known(cpu, op, attributes, selector, kind))
        raise_selector(cpu, op, VECTOR_GP, selector);
    if (!(attributes & SEG_P))
        raise_selector(cpu, op, VECTOR_NP, selector);
    descriptor.selector = (uint16_t)((selector & ~SELECTOR_RPL) | (unsigned)privilege);
    return accessed_segment(cpu, op, &descriptor);
}

void segment_check_rip(struct soft *cpu, const struct op *op, const struct cpu_segment *cs,
                       uint64_t rip)
{
    const bool is_64 = is_long(cpu) && (cs->attributes & SEG_L);

    if (is_64 ? !is_canonical(rip) : rip > cs->limit)
        raise_selector(cpu, op, VECTOR_GP, 0);
}

/* An outer ring must not keep what it could not have loaded. */
static void drop_inner_segments(struct soft *cpu)
{
    static const enum segment data[] = { SEG_ES, SEG_DS, SEG_FS, SEG_GS };
    const unsigned code_conforming = SEG_TYPE_CODE | SEG_TYPE_CONFORMING;

    for (unsigned i = 0; i < ARRAY_SIZE(data); i++) {
        const unsigned attributes = cpu->seg[data[i]].attributes;

        if (attributes && (attributes & code_conforming) != code_conforming &&
            attributes_dpl(attributes) < cpu->cpl)
            segment_set_null(cpu, data[i], 0);
    }
}

void segment_enter_code(struct soft *cpu, const struct cpu_segment *cs, uint64_t rip)
{
    const uint8_t cpl = cs->selector & SELECTOR_RPL;
    const bool is_outwards = cpl > cpu->cpl;

    segment_set(cpu, SEG_CS, cs);
    cpu->rip = rip;
    cpu->cpl = cpl;
    soft_update_mode(cpu);
    if (is_outwards)
        drop_inner_segments(cpu);
}

/* ---- The stack ---------------------------------------------------------------------------- */

uint64_t stack_address(const struct soft *cpu, uint64_t offset)
{
    if (cpu->mode == MODE_64)
        return cpu->gpr[RSP] + offset;
    return (uint32_t)(cpu->seg_base[SEG_SS] + (uint32_t)(cpu->gpr[RSP] + offset));
}

uint64_t stack_peek(struct soft *cpu, const struct op *op, unsigned n, unsigned size)
{
    return soft_load_slow(cpu, op, stack_address(cpu, (uint64_t)n * size), size);
}

/* In the mode that is in force afterwards. */
void stack_set_pointer(struct soft *cpu, uint64_t rsp)
{
    cpu->gpr[RSP] = cpu->mode == MODE_64 ? rsp : (uint32_t)rsp;
}

uint64_t stack_from_tss(struct soft *cpu, const struct op *op, unsigned offset)
{
    const struct cpu_segment *tss = &cpu->seg[SEG_TR];
    uint64_t rsp;

    if (offset + 7 > tss->limit)
        raise_selector(cpu, op, VECTOR_TS, tss->selector);
    rsp = soft_load_system(cpu, op, tss->base + offset, 8);
    if (!is_canonical(rsp))
        raise_selector(cpu, op, VECTOR_SS, 0);
    return rsp;
}

void stack_store(struct soft *cpu, const struct op *op, unsigned cpl, uint64_t va, uint64_t value)
{
    if (!is_canonical(va))
        raise_selector(cpu, op, VECTOR_SS, 0);
    if (cpl == 3)
        soft_store_slow(cpu, op, va, value, 8);
    else
        soft_store_system(cpu, op, va, value, 8);
}
