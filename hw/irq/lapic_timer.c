/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * The local APICs' timers (Intel SDM vol. 3, 11.5.4): one-shot, periodic, TSC deadline.
 *
 * A timer belongs to its processor's thread. It publishes the time for which it must be woken
 * in armed_ns; one thread for all processors sleeps until the earliest of them. It takes the
 * time away, sets is_due and posts CPU_EVENT_INTERRUPT: a wake-up call, no more. What has
 * expired by then the processor finds out itself, when it next looks at its APIC
 * (lapic_timer_take_due()). So a timer that the guest has stopped meanwhile does not fire.
 *
 * No deadline is missed: a processor stores armed_ns, then looks at what the thread sleeps
 * for; the thread says that it does not sleep, then looks at armed_ns, then sleeps unless
 * somebody has told it news since. Each has a full barrier between, so one sees the other.
 */
#include <errno.h>
#include <sys/prctl.h>

#include "hw/cpu/tsc.h"
#include "hw/irq/lapic_internal.h"
#include "util/clock.h"
#include "util/mutant.h"
#include "util/thread.h"

/* A periodic timer is no quicker than this: a guest must not keep two of our threads busy. */
#define PERIOD_MIN_NS (100 * NS_PER_US)

/* ---- The registers' arithmetic ------------------------------------------------------------- */

_Static_assert(LAPIC_BUS_HZ == NS_PER_S, "a tick is a nanosecond");

uint64_t lapics_read_tsc(void *opaque)
{
    const struct lapics *lapics = opaque;

    return cpu_tsc(lapics->clock);
}

/* When the TSC shows @tsc, or more for the first time. */
static int64_t ns_of_tsc(uint64_t tsc)
{
    return (int64_t)(tsc / 5 * 2 + (tsc % 5 * 2 + 4) / 5);
}

/* Figure 11-10: bits 3, 1 and 0 are log2, but one less, and 7 is by 1. */
static unsigned divide_shift(uint32_t divide)
{
    return ((divide >> 1 & 4) + (divide & 3) + 1) & 7;
}

static int64_t ns_of_count(const struct lapic_timer *timer, uint32_t count)
{
    return (int64_t)count << divide_shift(timer->divide);
}

static uint32_t mode_of(uint32_t lvt)
{
    return lvt & LVT_TIMER_MODE;
}

static uint32_t timer_mode(const struct lapic *lapic)
{
    return mode_of(lapic->lvt[LVT_TIMER]);
}

uint32_t lapic_timer_current(const struct lapic *lapic)
{
    const struct lapic_timer *timer = &lapic->timer;
    int64_t left_ns;

    if (timer->expiry_ns == DEADLINE_NEVER || timer_mode(lapic) == LVT_TIMER_DEADLINE)
        return 0;
    left_ns = timer->expiry_ns - guest_clock_now(lapic->lapics->clock);
    return left_ns > 0 ? (uint32_t)(left_ns >> divide_shift(timer->divide)) : 0;
}

/* ---- Starting and expiring ----------------------------------------------------------------- */

/* Have the thread wake us at the timer's expiry. */
static void arm(struct lapic *lapic)
{
    struct lapics *lapics = lapic->lapics;
    const int64_t expiry_ns = lapic->timer.expiry_ns;

    (void)atomic_xchg(&lapic->armed_ns, expiry_ns);
    smp_mb_after_rmw(); /* pairs with the barrier in timer_thread() */
    if (expiry_ns < load_relaxed(&lapics->sleeps_until_ns))
        sequence_advance(&lapics->timer_news);
}

static void stop(struct lapic *lapic)
{
    lapic->timer.expiry_ns = DEADLINE_NEVER;
    store_relaxed(&lapic->armed_ns, DEADLINE_NEVER); /* the thread may wake for nothing, once */
}

static int64_t period_ns(const struct lapic_timer *timer)
{
    const int64_t wanted_ns = ns_of_count(timer, timer->initial_count);

    return wanted_ns < PERIOD_MIN_NS ? PERIOD_MIN_NS : wanted_ns;
}

/* The timer has expired at or before @now_ns. True: IRR has a new interrupt. */
static bool expire(struct lapic *lapic, int64_t now_ns)
{
    struct lapic_timer *timer = &lapic->timer;
    const uint32_t lvt = lapic->lvt[LVT_TIMER];

    lapic_count(&lapic->stats.timer);
    if (mode_of(lvt) == LVT_TIMER_PERIODIC) { /* those that nobody has seen are one */
        const int64_t period = period_ns(timer);

        timer->expiry_ns += ((now_ns - timer->expiry_ns) / period + 1) * period;
        arm(lapic);
    } else {
        timer->deadline = 0;
        stop(lapic);
    }
    return !(lvt & LVT_MASKED) && lapic_set_irr(lapic, lvt & 0xff, false);
}

static void start(struct lapic *lapic, int64_t expiry_ns, int64_t now_ns)
{
    lapic->timer.expiry_ns = expiry_ns;
    if (expiry_ns > now_ns)
        arm(lapic);
    else if (expire(lapic, now_ns))
        lapic_kick(lapic, CPU_EVENT_INTERRUPT);
}

/* Before the guest changes the timer: what has expired has, seen or not. What time it is. */
static int64_t catch_up(struct lapic *lapic)
{
    const int64_t now_ns = guest_clock_now(lapic->lapics->clock);

    if (lapic->timer.expiry_ns <= now_ns && expire(lapic, now_ns))
        lapic_kick(lapic, CPU_EVENT_INTERRUPT);
    return now_ns;
}

bool lapic_timer_take_due(struct lapic *lapic)
{
    int64_t now_ns;

    if (likely(!load_relaxed(&lapic->is_due)))
        return false;
    /* A read-modify-write: it may be due again just now. Pairs with the store in wake_due(). */
    (void)atomic_xchg(&lapic->is_due, 0);
    if (lapic->timer.expiry_ns == DEADLINE_NEVER)
        return false; /* stopped meanwhile */
    now_ns = guest_clock_now(lapic->lapics->clock);
    if (lapic->timer.expiry_ns <= now_ns)
        return expire(lapic, now_ns);
    arm(lapic); /* set anew meanwhile, or the clock was set back */
    return false;
}

/* ---- What the guest writes ----------------------------------------------------------------- */

void lapic_timer_reset(struct lapic *lapic)
{
    lapic->timer = (struct lapic_timer){ .expiry_ns = DEADLINE_NEVER };
    stop(lapic);
}

void lapic_timer_set_lvt(struct lapic *lapic, uint32_t value)
{
    const uint32_t before = timer_mode(lapic), now = mode_of(value);

    (void)catch_up(lapic);
    store_relaxed(&lapic->lvt[LVT_TIMER], value);
    if (before != now && (before == LVT_TIMER_DEADLINE || now == LVT_TIMER_DEADLINE)) {
        lapic->timer.deadline = 0;
        lapic->timer.initial_count = 0;
        stop(lapic);
    }
}

void lapic_timer_set_initial(struct lapic *lapic, uint32_t count)
{
    struct lapic_timer *timer = &lapic->timer;
    int64_t now_ns;

    if (timer_mode(lapic) == LVT_TIMER_DEADLINE)
        return;
    now_ns = catch_up(lapic);
    timer->initial_count = count;
    stop(lapic);
    if (count)
        start(lapic, now_ns + ns_of_count(timer, count), now_ns);
}

/* The count goes on from where it is. */
void lapic_timer_set_divide(struct lapic *lapic, uint32_t divide)
{
    struct lapic_timer *timer = &lapic->timer;
    const int64_t now_ns = catch_up(lapic);
    int64_t left;

    if (timer->expiry_ns == DEADLINE_NEVER || timer_mode(lapic) == LVT_TIMER_DEADLINE) {
        timer->divide = divide;
        return;
    }
    left = (timer->expiry_ns - now_ns) >> divide_shift(timer->divide);
    timer->divide = divide;
    start(lapic, now_ns + (left << divide_shift(divide)), now_ns);
}

void lapic_timer_set_deadline(struct lapic *lapic, uint64_t deadline)
{
    int64_t now_ns;

    if (timer_mode(lapic) != LVT_TIMER_DEADLINE)
        return;
    now_ns = catch_up(lapic);
    lapic->timer.deadline = deadline;
    if (deadline)
        start(lapic, ns_of_tsc(deadline), now_ns);
    else
        stop(lapic);
}

/* ---- The thread ---------------------------------------------------------------------------- */

/* Wake whose time has come. When the next one's will; on the guest's clock. */
static int64_t wake_due(struct lapics *lapics)
{
    const int64_t now_ns = guest_clock_now(lapics->clock);
    int64_t earliest_ns = DEADLINE_NEVER;

    for (unsigned i = 0; i < lapics->nr; i++) {
        struct lapic *lapic = lapic_at(lapics, i);
        int64_t armed_ns = load_relaxed(&lapic->armed_ns);

        if (armed_ns > now_ns) {
            earliest_ns = MIN(earliest_ns, armed_ns);
        } else if (atomic_cas(&lapic->armed_ns, &armed_ns, DEADLINE_NEVER)) {
            store_release(&lapic->is_due, 1); /* pairs with the exchange in take_due() */
            lapic_kick(lapic, CPU_EVENT_INTERRUPT);
        } else {
            earliest_ns = now_ns; /* set anew just now: look again */
        }
    }
    return earliest_ns;
}

static void timer_thread(void *opaque)
{
    struct lapics *lapics = opaque;

    (void)prctl(PR_SET_TIMERSLACK, 1UL); /* the guest's timers have slack of their own */
    for (;;) {
        const uint32_t ticket = sequence_prepare(&lapics->timer_news);
        int64_t earliest_ns;

        if (!MUTANT(irq_timer_asleep_awake))
            store_relaxed(&lapics->sleeps_until_ns, DEADLINE_NEVER); /* tell all news */
        smp_mb();                                                    /* pairs with arm() */
        if (load_relaxed(&lapics->is_stopping)) {
            sequence_cancel(&lapics->timer_news);
            return;
        }
        earliest_ns = wake_due(lapics);
        store_relaxed(&lapics->sleeps_until_ns, earliest_ns);
        (void)sequence_wait(&lapics->timer_news, ticket,
                            earliest_ns == DEADLINE_NEVER
                                ? DEADLINE_NEVER
                                : guest_clock_deadline(lapics->clock, earliest_ns));
        lapic_count(&lapics->timer_wakes);
    }
}

void lapic_timers_look(struct lapics *lapics)
{
    sequence_advance(&lapics->timer_news);
}

bool lapic_timers_start(struct lapics *lapics, GError **error)
{
    lapics->timer_thread = thread_start("apic timer", timer_thread, lapics);
    if (lapics->timer_thread)
        return true;
    g_set_error(error, G_FILE_ERROR, (int)g_file_error_from_errno(errno),
                "cannot start thread 'apic timer': %s", g_strerror(errno));
    return false;
}

void lapic_timers_stop(struct lapics *lapics)
{
    if (!lapics->timer_thread)
        return;
    store_relaxed(&lapics->is_stopping, 1);
    lapic_timers_look(lapics);
    thread_join(g_steal_pointer(&lapics->timer_thread));
}
