/* SPDX-License-Identifier: GPL-2.0-or-later */
/**
 * What the files of the local APIC share.
 *
 * An APIC's registers belong to its processor's thread (or to whoever has the
 * processors paused). What others read of them is atomic; what others write is the
 * interrupts that they send (IRR, TMR), errors found on the way, and `is_due` of the timer.
 */
#ifndef HW_IRQ_LAPIC_INTERNAL_H
#define HW_IRQ_LAPIC_INTERNAL_H

#include "hw/cpu/cpu.h"
#include "hw/irq/lapic.h"
#include "util/atomic.h"
#include "util/event.h"
#include "util/futex.h"
#include "util/guest_clock.h"

/* Registers: bits 4 to 9 of the offset in the page, bits 0 to 5 of the MSR's number. */
enum lapic_register {
    REG_ID = 0x02,
    REG_VERSION = 0x03,
    REG_TPR = 0x08,
    REG_PPR = 0x0a,
    REG_EOI = 0x0b,
    REG_LDR = 0x0d,
    REG_DFR = 0x0e,
    REG_SVR = 0x0f,
    REG_ISR = 0x10, /* eight of each */
    REG_TMR = 0x18,
    REG_IRR = 0x20,
    REG_ESR = 0x28,
    REG_ICR = 0x30,
    REG_ICR_HIGH = 0x31,
    REG_LVT_TIMER = 0x32,
    REG_LVT_ERROR = 0x37,
    REG_INITIAL_COUNT = 0x38,
    REG_CURRENT_COUNT = 0x39,
    REG_DIVIDE = 0x3e,
    REG_SELF_IPI = 0x3f,
    NR_REGISTERS = 0x40,
};

/* Entries of the local vector table, in the order of their registers. */
enum lapic_lvt { LVT_TIMER, LVT_THERMAL, LVT_COUNTERS, LVT_LINT0, LVT_LINT1, LVT_ERROR, NR_LVTS };

enum {
    LVT_MASKED = 1 << 16,
    LVT_TIMER_MODE = 3 << 17,
    LVT_TIMER_ONE_SHOT = 0 << 17,
    LVT_TIMER_PERIODIC = 1 << 17,
    LVT_TIMER_DEADLINE = 2 << 17,

    SVR_ENABLED = 1 << 8,
    SVR_NO_EOI_BROADCAST = 1 << 12,

    ERROR_SENT_VECTOR = 1 << 5,     /* ESR: this processor sent a vector below 16 */
    ERROR_RECEIVED_VECTOR = 1 << 6, /* it got one, or its LVT has one */
    ERROR_REGISTER = 1 << 7,        /* it accessed a register that there is not */

    FIRST_VECTOR = 16, /* those below are exceptions only */
    NR_WORDS = 4,      /* of a set of 256 vectors */
};

enum lapic_mode { LAPIC_OFF, LAPIC_XAPIC, LAPIC_X2APIC };

/* The processor's own. Times are the guest clock's. */
struct lapic_timer {
    uint32_t initial_count;
    uint32_t divide;   /* the register */
    uint64_t deadline; /* IA32_TSC_DEADLINE */
    int64_t expiry_ns; /* DEADLINE_NEVER: does not run */
};

struct lapic_stats {
    uint64_t ipis;       /* sent; the processor's own */
    uint64_t timer;      /* expiries; the processor's own */
    uint64_t interrupts; /* acknowledged; the processor's own */
    uint64_t refused;    /* accesses against the specification; the processor's own */
};

struct lapic {
    struct lapics *lapics;
    unsigned index; /* and ID */
    bool is_boot;   /* the bootstrap processor */
    uint32_t esr;
    uint64_t icr; /* as in x2APIC mode */
    uint64_t isr[NR_WORDS];
    struct lapic_timer timer;
    struct lapic_stats stats; /* atomic, for the metrics */

    /* Read by others; atomic. */
    uint32_t mode CACHE_ALIGNED; /* enum lapic_mode */
    uint32_t svr;
    uint32_t ldr;
    uint32_t dfr;
    uint32_t tpr;
    uint32_t ppr;
    uint32_t lvt[NR_LVTS];

    /* Written by others too; atomic. */
    uint64_t irr[NR_WORDS] CACHE_ALIGNED;
    uint64_t tmr[NR_WORDS];
    uint32_t errors;            /* that ESR does not show yet */
    uint32_t waits_for_startup; /* INIT, or power-on, and no startup message yet */
    uint32_t is_due;            /* the timer thread has seen armed_ns pass */
    int64_t armed_ns;           /* what the timer thread is to wait for; DEADLINE_NEVER: nothing */
} CACHE_ALIGNED;

struct lapics {
    unsigned nr;
    struct cpus *cpus; /* NULL until lapics_attach(); atomic */
    const struct guest_clock *clock;
    struct lapic_ops ops;
    struct lapic *lapic; /* nr of them */

    struct thread *timer_thread;
    uint32_t is_stopping;    /* atomic */
    int64_t sleeps_until_ns; /* what the timer thread sleeps for; atomic */
    struct sequence timer_news;
    uint64_t timer_wakes; /* of the timer thread; atomic */

    uint64_t ignored;   /* messages that are none, or reserved; atomic */
    uint64_t unclaimed; /* messages and IPIs for nobody; atomic */
};

/* The set's highest member, or -1. Others may add to it meanwhile. */
static inline int vectors_highest(const uint64_t set[NR_WORDS])
{
    for (int i = NR_WORDS - 1; i >= 0; i--) {
        const uint64_t word = load_relaxed(&set[i]);

        if (word)
            return i * 64 + 63 - __builtin_clzll(word);
    }
    return -1;
}

static inline uint64_t vector_bit(unsigned vector)
{
    return UINT64_C(1) << (vector & 63);
}

static inline struct lapic *lapic_at(struct lapics *lapics, unsigned index)
{
    return &lapics->lapic[index];
}

static inline enum lapic_mode lapic_mode(const struct lapic *lapic)
{
    return (enum lapic_mode)load_relaxed(&lapic->mode);
}

/** Whether @vector is above the processor's priority. Not for -1. */
static inline bool lapic_is_above(const struct lapic *lapic, int vector)
{
    return vector >> 4 > (int)(load_relaxed(&lapic->ppr) >> 4);
}

static inline void lapic_count(uint64_t *counter)
{
    store_relaxed(counter, *counter + 1); /* one thread counts, others read */
}

/* lapic.c */
void lapic_reset(struct lapic *lapic);
void lapic_set_tpr(struct lapic *lapic, uint32_t tpr);
void lapic_end_of_interrupt(struct lapic *lapic);
void lapic_set_mode(struct lapic *lapic, enum lapic_mode mode);
void lapic_kick(struct lapic *lapic, uint32_t events); /* any thread */

/* lapic_message.c; any thread. */
bool lapic_set_irr(struct lapic *lapic, unsigned vector, bool is_level); /* true: kick it */
void lapic_accept(struct lapic *lapic, unsigned vector, bool is_level);
void lapic_note_error(struct lapic *lapic, uint32_t error);
void lapic_send_ipi(struct lapic *lapic, uint64_t icr); /* the processor's thread */

/* lapic_register.c: the processor's thread. False: there is no such thing in this mode. */
bool lapic_read(struct lapic *lapic, unsigned reg, uint64_t *ret_value);
bool lapic_write(struct lapic *lapic, unsigned reg, uint64_t value);
extern const struct mmio_ops lapic_page_ops;

/* lapic_timer.c: the processor's thread, but for the last three. */
bool lapic_timer_take_due(struct lapic *lapic); /* true: IRR has a new interrupt */
void lapic_timer_reset(struct lapic *lapic);
void lapic_timer_set_lvt(struct lapic *lapic, uint32_t value);
void lapic_timer_set_initial(struct lapic *lapic, uint32_t count);
void lapic_timer_set_divide(struct lapic *lapic, uint32_t divide);
uint32_t lapic_timer_current(const struct lapic *lapic);
void lapic_timer_set_deadline(struct lapic *lapic, uint64_t deadline);
bool lapic_timers_start(struct lapics *lapics, GError **error);
void lapic_timers_stop(struct lapics *lapics);
void lapic_timers_look(struct lapics *lapics);

#endif
