/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Local APICs: life, priorities, and what a processor asks of its own.
 *
 * An interrupt is not lost between its sender and its processor: the sender sets the bit
 * in IRR, then posts CPU_EVENT_INTERRUPT; the processor takes that event before it looks at
 * IRR (hw/cpu/cpu.c). Of two senders of one vector the first posts: the bit is still set.
 *
 * What a processor does itself to let an interrupt through (EOI, a lower priority) happens
 * between its instructions, where IF may be set: it kicks itself if there is one.
 */
#include "hw/irq/lapic_internal.h"

#define BASE_BOOT (UINT64_C(1) << 8)
#define BASE_X2APIC (UINT64_C(1) << 10)
#define BASE_ENABLED (UINT64_C(1) << 11)

enum {
    MSR_APIC_BASE = 0x1b,
    MSR_TSC_DEADLINE = 0x6e0,
    MSR_X2APIC = 0x800,
};

void lapic_kick(struct lapic *lapic, uint32_t events)
{
    struct cpus *cpus = load_acquire(&lapic->lapics->cpus); /* pairs with lapics_attach() */

    if (cpus)
        cpu_post(cpus->cpu[lapic->index], events);
}

/* ---- Priorities (Intel SDM vol. 3, 11.8.3) ------------------------------------------------- */

static void update_ppr(struct lapic *lapic)
{
    const int in_service = vectors_highest(lapic->isr);
    const uint32_t tpr = lapic->tpr, isrv = in_service < 0 ? 0 : (uint32_t)in_service & 0xf0;

    store_relaxed(&lapic->ppr, (tpr & 0xf0) >= isrv ? tpr : isrv);
}

static bool has_pending(const struct lapic *lapic)
{
    const int vector = vectors_highest(lapic->irr);

    return vector >= 0 && lapic_is_above(lapic, vector);
}

void lapic_set_tpr(struct lapic *lapic, uint32_t tpr)
{
    store_relaxed(&lapic->tpr, tpr);
    update_ppr(lapic);
    if (has_pending(lapic))
        lapic_kick(lapic, CPU_EVENT_INTERRUPT);
}

void lapic_end_of_interrupt(struct lapic *lapic)
{
    const int vector = vectors_highest(lapic->isr);
    const struct lapic_ops *ops = &lapic->lapics->ops;

    if (vector < 0)
        return;
    lapic->isr[vector / 64] &= ~vector_bit((unsigned)vector);
    update_ppr(lapic);
    if (load_relaxed(&lapic->tmr[vector / 64]) & vector_bit((unsigned)vector) &&
        !(lapic->svr & SVR_NO_EOI_BROADCAST) && ops->end_of_interrupt)
        ops->end_of_interrupt(ops->opaque, (unsigned)vector);
    if (has_pending(lapic))
        lapic_kick(lapic, CPU_EVENT_INTERRUPT);
}

/* ---- Of struct cpu_board ------------------------------------------------------------------- */

bool lapics_has_interrupt(void *opaque, unsigned index)
{
    const struct lapic *lapic = lapic_at(opaque, index);
    int vector = vectors_highest(lapic->irr);

    if (unlikely(load_relaxed(&lapic->is_due))) { /* acknowledge() will put it into IRR */
        const uint32_t lvt = load_relaxed(&lapic->lvt[LVT_TIMER]);

        if (!(lvt & LVT_MASKED) && (int)(lvt & 0xff) > vector)
            vector = (int)(lvt & 0xff);
    }
    return vector >= 0 && lapic_is_above(lapic, vector);
}

int lapics_acknowledge(void *opaque, unsigned index)
{
    struct lapic *lapic = lapic_at(opaque, index);
    int vector;

    (void)lapic_timer_take_due(lapic);
    vector = vectors_highest(lapic->irr);
    if (vector < 0 || !lapic_is_above(lapic, vector))
        return -1;
    fetch_and(&lapic->irr[vector / 64], ~vector_bit((unsigned)vector));
    lapic->isr[vector / 64] |= vector_bit((unsigned)vector);
    store_relaxed(&lapic->ppr, (uint32_t)vector & 0xf0); /* it is above TPR and all others */
    lapic_count(&lapic->stats.interrupts);
    return vector;
}

void lapics_set_priority(void *opaque, unsigned index, unsigned priority)
{
    struct lapic *lapic = lapic_at(opaque, index);

    (void)lapic_timer_take_due(lapic); /* what has expired may be what is let through */
    lapic_set_tpr(lapic, priority << 4);
}

unsigned lapics_get_priority(void *opaque, unsigned index)
{
    return load_relaxed(&lapic_at(opaque, index)->tpr) >> 4;
}

/* ---- IA32_APIC_BASE (11.4.4, 11.12.1, 11.12.5) --------------------------------------------- */

static uint64_t read_base(const struct lapic *lapic)
{
    uint64_t value = LAPIC_BASE | (lapic->is_boot ? BASE_BOOT : 0);

    if (lapic_mode(lapic) != LAPIC_OFF)
        value |= BASE_ENABLED;
    if (lapic_mode(lapic) == LAPIC_X2APIC)
        value |= BASE_X2APIC;
    return value;
}

/* The page stays where it is: whoever moves it gets #GP, as from a processor that cannot. */
static bool write_base(struct lapic *lapic, uint64_t value)
{
    static const enum lapic_mode modes[] = { LAPIC_OFF, LAPIC_OFF, LAPIC_XAPIC, LAPIC_X2APIC };
    const unsigned bits = value / BASE_X2APIC & 3; /* x2APIC, enabled */
    const enum lapic_mode mode = modes[bits], before = lapic_mode(lapic);

    if ((value & ~(BASE_BOOT | BASE_X2APIC | BASE_ENABLED)) != LAPIC_BASE || bits == 1)
        return false;
    if ((before == LAPIC_OFF && mode == LAPIC_X2APIC) ||
        (before == LAPIC_X2APIC && mode == LAPIC_XAPIC))
        return false;
    lapic_set_mode(lapic, mode);
    return true;
}

void lapic_set_mode(struct lapic *lapic, enum lapic_mode mode)
{
    if (mode == lapic_mode(lapic))
        return;
    if (mode == LAPIC_X2APIC) /* clusters of 16, by ID (11.12.10.2) */
        store_relaxed(&lapic->ldr, lapic->index >> 4 << 16 | 1u << (lapic->index & 15));
    store_relaxed(&lapic->mode, mode);
    if (mode == LAPIC_OFF)
        lapic_reset(lapic);
}

/* ---- MSRs ---------------------------------------------------------------------------------- */

bool lapics_read_msr(void *opaque, unsigned index, uint32_t msr, uint64_t *ret_value)
{
    struct lapic *lapic = lapic_at(opaque, index);

    switch (msr) {
    case MSR_APIC_BASE:
        *ret_value = read_base(lapic);
        return true;
    case MSR_TSC_DEADLINE:
        (void)lapic_timer_take_due(lapic);
        *ret_value = lapic->timer.deadline;
        return true;
    case MSR_X2APIC ... MSR_X2APIC + NR_REGISTERS - 1:
        return lapic_mode(lapic) == LAPIC_X2APIC && lapic_read(lapic, msr - MSR_X2APIC, ret_value);
    default:
        return false;
    }
}

bool lapics_write_msr(void *opaque, unsigned index, uint32_t msr, uint64_t value)
{
    struct lapic *lapic = lapic_at(opaque, index);
    bool is_done;

    switch (msr) {
    case MSR_APIC_BASE:
        is_done = write_base(lapic, value);
        break;
    case MSR_TSC_DEADLINE:
        lapic_timer_set_deadline(lapic, value);
        return true;
    case MSR_X2APIC ... MSR_X2APIC + NR_REGISTERS - 1:
        is_done = lapic_mode(lapic) == LAPIC_X2APIC && lapic_write(lapic, msr - MSR_X2APIC, value);
        break;
    default:
        return false;
    }
    if (!is_done)
        lapic_count(&lapic->stats.refused);
    return is_done;
}

/* ---- Reset (11.4.7) ------------------------------------------------------------------------ */

/* What INIT does as well: all but the ID and the mode. */
void lapic_reset(struct lapic *lapic)
{
    lapic->esr = 0;
    lapic->icr = 0;
    for (unsigned i = 0; i < NR_WORDS; i++) {
        lapic->isr[i] = 0;
        store_relaxed(&lapic->irr[i], 0);
        store_relaxed(&lapic->tmr[i], 0);
    }
    store_relaxed(&lapic->errors, 0);
    store_relaxed(&lapic->svr, 0xff);
    if (lapic_mode(lapic) != LAPIC_X2APIC)
        store_relaxed(&lapic->ldr, 0);
    store_relaxed(&lapic->dfr, UINT32_MAX);
    store_relaxed(&lapic->tpr, 0);
    store_relaxed(&lapic->ppr, 0);
    for (unsigned i = 0; i < NR_LVTS; i++)
        store_relaxed(&lapic->lvt[i], LVT_MASKED);
    lapic_timer_reset(lapic);
}

void lapics_initialised(void *opaque, unsigned index)
{
    lapic_reset(lapic_at(opaque, index));
}

void lapics_reset(struct lapics *lapics)
{
    for (unsigned i = 0; i < lapics->nr; i++) {
        struct lapic *lapic = lapic_at(lapics, i);

        store_relaxed(&lapic->mode, LAPIC_XAPIC);
        lapic_reset(lapic);
        store_relaxed(&lapic->waits_for_startup, !lapic->is_boot);
    }
}

/* ---- Life ---------------------------------------------------------------------------------- */

void lapics_free(struct lapics *lapics)
{
    if (!lapics)
        return;
    lapic_timers_stop(lapics);
    g_aligned_free(lapics->lapic);
    g_free(lapics);
}

struct lapics *lapics_new(unsigned nr, const struct guest_clock *clock, const struct lapic_ops *ops,
                          GError **error)
{
    struct lapics *lapics;

    if (nr == 0 || nr > CPUS_MAX) {
        g_set_error(error, G_FILE_ERROR, G_FILE_ERROR_INVAL,
                    "cannot make local APICs for %u processors: 1 to %d", nr, CPUS_MAX);
        return NULL;
    }
    lapics = g_new0(struct lapics, 1);
    lapics->nr = nr;
    lapics->clock = clock;
    lapics->ops = *ops;
    lapics->sleeps_until_ns = DEADLINE_NEVER;
    lapics->lapic = g_aligned_alloc0(nr, sizeof(*lapics->lapic), CACHE_LINE);
    for (unsigned i = 0; i < nr; i++) {
        struct lapic *lapic = lapic_at(lapics, i);

        *lapic = (struct lapic){ .lapics = lapics,
                                 .index = i,
                                 .is_boot = i == 0,
                                 .mode = LAPIC_XAPIC,
                                 .waits_for_startup = i > 0,
                                 .armed_ns = DEADLINE_NEVER };
        lapic_reset(lapic);
    }
    return lapics;
}

bool lapics_attach(struct lapics *lapics, struct cpus *cpus, GError **error)
{
    g_assert(cpus->nr_cpus == lapics->nr && !lapics->cpus);
    if (!lapic_timers_start(lapics, error))
        return false;
    store_release(&lapics->cpus, cpus); /* pairs with lapic_kick() */
    return true;
}

/* The timers' thread may be about to kick someone: it ends first. */
void lapics_detach(struct lapics *lapics)
{
    lapic_timers_stop(lapics);
    store_relaxed(&lapics->cpus, NULL); /* whoever else sends messages has ended before */
}

void lapics_clock_changed(struct lapics *lapics)
{
    lapic_timers_look(lapics);
}

struct region *lapics_region(struct lapics *lapics, struct mem *mem)
{
    return region_new_mmio(mem, "apic", LAPIC_SIZE, &lapic_page_ops, lapics);
}
