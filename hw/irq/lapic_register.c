/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The registers of a local APIC, and the page through which a processor that is not in
 * x2APIC mode reaches its own (Intel SDM vol. 3, tables 11-1 and 11-6).
 *
 * What is wrong with an access is #GP in x2APIC mode. In the page it is ignored, and ESR
 * says so where it has a bit for that.
 */
#include <inttypes.h>

#include "hw/irq/lapic_internal.h"
#include "util/log.h"

enum {
    READS = 1 << 0,
    WRITES = 1 << 1,
    READS_X2 = 1 << 2,
    WRITES_X2 = 1 << 3,
    BOTH_READ = READS | READS_X2,
    BOTH_WRITE = WRITES | WRITES_X2,
    BOTH_ALL = BOTH_READ | BOTH_WRITE,

    /* x2APIC; 6 LVT entries; EOIs can be kept from the IOAPICs. */
    VERSION = 0x14 | (NR_LVTS - 1) << 16 | 1 << 24,
    ICR_BITS = 0xccfff,
};

struct register_rule {
    uint32_t access;
    uint32_t bits; /* that a write may set; others are dropped in the page, #GP in x2APIC mode */
};

static const struct register_rule rules[NR_REGISTERS] = {
    [REG_ID] = { BOTH_READ, 0 },
    [REG_VERSION] = { BOTH_READ, 0 },
    [REG_TPR] = { BOTH_ALL, 0xff },
    [REG_PPR] = { BOTH_READ, 0 },
    [REG_EOI] = { BOTH_WRITE, 0 },
    [REG_LDR] = { READS | WRITES | READS_X2, 0xff000000 },
    [REG_DFR] = { READS | WRITES, 0xf0000000 },
    [REG_SVR] = { BOTH_ALL, 0x13ff },
    [REG_ISR... REG_ESR - 1] = { BOTH_READ, 0 },
    [REG_ESR] = { BOTH_ALL, 0 },
    [REG_ICR] = { BOTH_ALL, ICR_BITS },
    [REG_ICR_HIGH] = { READS | WRITES, 0xff000000 },
    [REG_LVT_TIMER] = { BOTH_ALL, LVT_TIMER_MODE | LVT_MASKED | 0xff },
    [REG_LVT_TIMER + LVT_THERMAL] = { BOTH_ALL, LVT_MASKED | 0x7ff },
    [REG_LVT_TIMER + LVT_COUNTERS] = { BOTH_ALL, LVT_MASKED | 0x7ff },
    [REG_LVT_TIMER + LVT_LINT0] = { BOTH_ALL, LVT_MASKED | 0xa7ff },
    [REG_LVT_TIMER + LVT_LINT1] = { BOTH_ALL, LVT_MASKED | 0xa7ff },
    [REG_LVT_ERROR] = { BOTH_ALL, LVT_MASKED | 0xff },
    [REG_INITIAL_COUNT] = { BOTH_ALL, UINT32_MAX },
    [REG_CURRENT_COUNT] = { BOTH_READ, 0 },
    [REG_DIVIDE] = { BOTH_ALL, 0xb },
    [REG_SELF_IPI] = { WRITES_X2, 0xff },
};

/* ---- Reading ------------------------------------------------------------------------------- */

static uint32_t read_set(const uint64_t set[NR_WORDS], unsigned nth)
{
    return (uint32_t)(load_relaxed(&set[nth / 2]) >> nth % 2 * 32);
}

bool lapic_read(struct lapic *lapic, unsigned reg, uint64_t *ret_value)
{
    const bool is_x2apic = lapic_mode(lapic) == LAPIC_X2APIC;

    if (!(rules[reg].access & (is_x2apic ? READS_X2 : READS)))
        return false;
    if (lapic_timer_take_due(lapic))
        lapic_kick(lapic, CPU_EVENT_INTERRUPT);
    switch (reg) {
    case REG_ID:
        *ret_value = is_x2apic ? lapic->index : lapic->index << 24;
        break;
    case REG_VERSION:
        *ret_value = VERSION;
        break;
    case REG_TPR:
        *ret_value = lapic->tpr;
        break;
    case REG_PPR:
        *ret_value = lapic->ppr;
        break;
    case REG_LDR:
        *ret_value = lapic->ldr;
        break;
    case REG_DFR:
        *ret_value = lapic->dfr;
        break;
    case REG_SVR:
        *ret_value = lapic->svr;
        break;
    case REG_ISR ... REG_ISR + 7:
        *ret_value = read_set(lapic->isr, reg - REG_ISR);
        break;
    case REG_TMR ... REG_TMR + 7:
        *ret_value = read_set(lapic->tmr, reg - REG_TMR);
        break;
    case REG_IRR ... REG_IRR + 7:
        *ret_value = read_set(lapic->irr, reg - REG_IRR);
        break;
    case REG_ESR:
        *ret_value = lapic->esr;
        break;
    case REG_ICR:
        *ret_value = is_x2apic ? lapic->icr : (uint32_t)lapic->icr;
        break;
    case REG_ICR_HIGH:
        *ret_value = lapic->icr >> 32 << 24;
        break;
    case REG_LVT_TIMER ... REG_LVT_ERROR:
        *ret_value = lapic->lvt[reg - REG_LVT_TIMER];
        break;
    case REG_INITIAL_COUNT:
        *ret_value = lapic->timer.initial_count;
        break;
    case REG_CURRENT_COUNT:
        *ret_value = lapic_timer_current(lapic);
        break;
    case REG_DIVIDE:
        *ret_value = lapic->timer.divide;
        break;
    default:
        return false;
    }
    return true;
}

/* ---- Writing ------------------------------------------------------------------------------- */

/* While the APIC is disabled by software all of the LVT is masked (11.4.7.2). */
static void write_svr(struct lapic *lapic, uint32_t value)
{
    store_relaxed(&lapic->svr, value);
    if (value & SVR_ENABLED)
        return;
    for (unsigned i = 0; i < NR_LVTS; i++)
        store_relaxed(&lapic->lvt[i], lapic->lvt[i] | LVT_MASKED);
}

static void write_lvt(struct lapic *lapic, unsigned nth, uint32_t value)
{
    if (!(lapic->svr & SVR_ENABLED))
        value |= LVT_MASKED;
    if (nth == LVT_TIMER)
        lapic_timer_set_lvt(lapic, value);
    else
        store_relaxed(&lapic->lvt[nth], value);
}

/* ESR shows what has been found since it was last written (11.5.3). */
static void write_esr(struct lapic *lapic)
{
    lapic->esr = atomic_xchg(&lapic->errors, 0);
}

static void write_icr(struct lapic *lapic, uint64_t value)
{
    lapic->icr = value;
    lapic_send_ipi(lapic, value);
}

static void write_register(struct lapic *lapic, unsigned reg, uint32_t value)
{
    switch (reg) {
    case REG_TPR:
        lapic_set_tpr(lapic, value);
        break;
    case REG_EOI:
        lapic_end_of_interrupt(lapic);
        break;
    case REG_LDR:
        store_relaxed(&lapic->ldr, value);
        break;
    case REG_DFR:
        store_relaxed(&lapic->dfr, value | 0x0fffffff);
        break;
    case REG_SVR:
        write_svr(lapic, value);
        break;
    case REG_ESR:
        write_esr(lapic);
        break;
    case REG_ICR:
        write_icr(lapic, (lapic->icr >> 32 << 32) | value);
        break;
    case REG_ICR_HIGH:
        lapic->icr = (uint64_t)(value >> 24) << 32 | (uint32_t)lapic->icr;
        break;
    case REG_LVT_TIMER ... REG_LVT_ERROR:
        write_lvt(lapic, reg - REG_LVT_TIMER, value);
        break;
    case REG_INITIAL_COUNT:
        lapic_timer_set_initial(lapic, value);
        break;
    case REG_DIVIDE:
        lapic_timer_set_divide(lapic, value);
        break;
    case REG_SELF_IPI:
        lapic_count(&lapic->stats.ipis);
        lapic_accept(lapic, value, false);
        break;
    }
}

static bool write_x2apic(struct lapic *lapic, unsigned reg, uint64_t value)
{
    const struct register_rule *rule = &rules[reg];

    if (!(rule->access & WRITES_X2))
        return false;
    if (reg == REG_ICR) {
        if ((uint32_t)value & ~rule->bits)
            return false;
        write_icr(lapic, value);
        return true;
    }
    if (value & ~(uint64_t)rule->bits ||
        (reg == REG_LVT_TIMER && (value & LVT_TIMER_MODE) == LVT_TIMER_MODE))
        return false;
    write_register(lapic, reg, (uint32_t)value);
    return true;
}

bool lapic_write(struct lapic *lapic, unsigned reg, uint64_t value)
{
    if (lapic_timer_take_due(lapic))
        lapic_kick(lapic, CPU_EVENT_INTERRUPT);
    if (lapic_mode(lapic) == LAPIC_X2APIC)
        return write_x2apic(lapic, reg, value);
    if (!(rules[reg].access & WRITES))
        return false;
    write_register(lapic, reg, (uint32_t)value & rules[reg].bits);
    return true;
}

/* ---- The page ------------------------------------------------------------------------------ */

/* The accessing processor's own, if the page is there for it. */
static struct lapic *find_own(struct lapics *lapics)
{
    const struct cpu *cpu = cpu_current();
    struct lapic *lapic;

    if (!cpu || cpu->cpus != load_relaxed(&lapics->cpus))
        return NULL;
    lapic = lapic_at(lapics, cpu->index);
    return lapic_mode(lapic) == LAPIC_XAPIC ? lapic : NULL;
}

static void refuse(struct lapic *lapic, uint64_t offset, const char *what)
{
    lapic_count(&lapic->stats.refused);
    lapic_note_error(lapic, ERROR_REGISTER);
    log_guest_error("apic %u: no register 0x%" PRIx64 " to %s", lapic->index, offset, what);
}

static uint64_t page_read(void *opaque, uint64_t offset, unsigned size UNUSED)
{
    struct lapic *lapic = find_own(opaque);
    uint64_t value = 0;

    bql_assert_held();
    if (!lapic)
        return UINT64_MAX;
    if (offset % 16 == 0 && offset / 16 < NR_REGISTERS) {
        if (!lapic_read(lapic, (unsigned)offset / 16, &value))
            refuse(lapic, offset, "read");
    }
    return value;
}

static void page_write(void *opaque, uint64_t offset, uint64_t value, unsigned size UNUSED)
{
    struct lapic *lapic = find_own(opaque);

    bql_assert_held();
    if (lapic && offset % 16 == 0 && offset / 16 < NR_REGISTERS &&
        !lapic_write(lapic, (unsigned)offset / 16, value))
        refuse(lapic, offset, "write");
}

const struct mmio_ops lapic_page_ops = {
    .read = page_read,
    .write = page_write,
    .min_access = 4,
    .max_access = 4,
};
