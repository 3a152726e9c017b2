/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The local APICs' timers, on a clock that the test moves. It stands at 1 s in the beginning. */
#include "tests/unit/irq_guest.h"

enum {
    VECTOR = 0xec,
    ONE_SHOT = VECTOR,
    PERIODIC = 1 << 17 | VECTOR,
    DEADLINE = 2 << 17 | VECTOR,
    MASKED = 1 << 16,
    BY_1 = 0xb,
    BY_2 = 0,
    BY_128 = 0xa,
};

#define TSC_OF(ns) ((uint64_t)(ns)*5 / 2)

static void irq_scene_new_timer(unsigned nr_cpus, uint32_t lvt)
{
    irq_scene_new_x2apic(nr_cpus);
    for (unsigned i = 0; i < nr_cpus; i++) {
        write_msr(i, X2_LVT_TIMER, lvt);
        write_msr(i, X2_DIVIDE, BY_1);
        (void)take_events(i);
    }
}

/* Wait until the timers' thread, or the processor itself, has kicked processor @index. */
static void wait_for_kick(unsigned index)
{
    g_assert_cmpint(event_timedwait(&irq_scene.cpu[index].kicked,
                                    deadline_after_ns(monotonic_ns(), 20 * NS_PER_S)),
                    ==, WOKEN);
    g_assert_cmphex(take_events(index), ==, CPU_EVENT_INTERRUPT);
}

/* The clock goes to @guest_ns, where processor 0's timer fires. */
static void fires_at(int64_t guest_ns)
{
    clock_to(guest_ns - 1);
    g_assert_cmpint(acknowledge(0), ==, -1);
    clock_to(guest_ns);
    wait_for_kick(0);
    g_assert_cmpint(acknowledge(0), ==, VECTOR);
    end_of_interrupt(0);
    g_assert_cmpint(acknowledge(0), ==, -1);
}

static void tsc_is_the_clock(void)
{
    irq_scene_new(1);
    g_assert_cmpuint(lapics_read_tsc(irq_scene.lapics), ==, UINT64_C(2500000000));
    clock_to(NS_PER_S + 1);
    g_assert_cmpuint(lapics_read_tsc(irq_scene.lapics), ==, UINT64_C(2500000002));
    irq_scene_free();
}

static void deadline(void)
{
    irq_scene_new_timer(1, DEADLINE);
    write_msr(0, MSR_DEADLINE, TSC_OF(2 * NS_PER_S));
    g_assert_cmpuint(read_msr(0, MSR_DEADLINE), ==, TSC_OF(2 * NS_PER_S));
    fires_at(2 * NS_PER_S);
    g_assert_cmpuint(read_msr(0, MSR_DEADLINE), ==, 0);
    write_msr(0, MSR_DEADLINE, TSC_OF(3 * NS_PER_S) + 1); /* not before: the TSC is quicker */
    fires_at(3 * NS_PER_S + 1);
    write_msr(0, MSR_DEADLINE, TSC_OF(3 * NS_PER_S + 2) + 3);
    fires_at(3 * NS_PER_S + 4);
    irq_scene_free();
}

static void deadline_past_fires_at_once(void)
{
    irq_scene_new_timer(1, DEADLINE);
    write_msr(0, MSR_DEADLINE, TSC_OF(NS_PER_S));
    g_assert_cmphex(take_events(0), ==, CPU_EVENT_INTERRUPT);
    g_assert_cmpint(acknowledge(0), ==, VECTOR);
    g_assert_cmpuint(read_msr(0, MSR_DEADLINE), ==, 0);
    end_of_interrupt(0);
    write_msr(0, MSR_DEADLINE, 1);
    g_assert_cmpint(acknowledge(0), ==, VECTOR);
    irq_scene_free();
}

static void deadline_far_away_is_no_overflow(void)
{
    irq_scene_new_timer(1, DEADLINE);
    write_msr(0, MSR_DEADLINE, UINT64_MAX);
    clock_to(1000000 * NS_PER_S);
    g_assert_cmpint(acknowledge(0), ==, -1);
    g_assert_cmpuint(read_msr(0, MSR_DEADLINE), ==, UINT64_MAX);
    irq_scene_free();
}

static void stopped_does_not_fire(void)
{
    irq_scene_new_timer(1, DEADLINE);
    write_msr(0, MSR_DEADLINE, TSC_OF(2 * NS_PER_S));
    write_msr(0, MSR_DEADLINE, 0);
    clock_to(3 * NS_PER_S);
    g_assert_cmpint(acknowledge(0), ==, -1);
    /* Set anew by the time that the wake-up is looked at. */
    write_msr(0, MSR_DEADLINE, TSC_OF(4 * NS_PER_S));
    clock_to(4 * NS_PER_S);
    wait_for_kick(0);
    clock_to(4 * NS_PER_S - 5); /* as if it had come too early */
    g_assert_true(has_interrupt(0));
    g_assert_cmpint(acknowledge(0), ==, -1);
    clock_to(4 * NS_PER_S);
    wait_for_kick(0);
    g_assert_cmpint(acknowledge(0), ==, VECTOR);
    irq_scene_free();
}

/* What has expired has, even where the guest sets the timer before it looks. */
static void expired_before_it_is_set_anew(void)
{
    irq_scene_new_timer(1, DEADLINE);
    write_msr(0, MSR_DEADLINE, TSC_OF(2 * NS_PER_S));
    clock_to(2 * NS_PER_S);
    write_msr(0, MSR_DEADLINE, TSC_OF(3 * NS_PER_S));
    g_assert_cmpint(acknowledge(0), ==, VECTOR);
    end_of_interrupt(0);
    g_assert_cmpuint(read_msr(0, MSR_DEADLINE), ==, TSC_OF(3 * NS_PER_S));
    (void)take_events(0);
    g_assert_cmpint(acknowledge(0), ==, -1);
    irq_scene_free();
}

static void one_shot(void)
{
    irq_scene_new_timer(1, ONE_SHOT);
    write_msr(0, X2_INITIAL, 1000);
    g_assert_cmpuint(read_msr(0, X2_INITIAL), ==, 1000);
    g_assert_cmpuint(read_msr(0, X2_CURRENT), ==, 1000);
    clock_to(NS_PER_S + 400);
    g_assert_cmpuint(read_msr(0, X2_CURRENT), ==, 600);
    fires_at(NS_PER_S + 1000);
    g_assert_cmpuint(read_msr(0, X2_CURRENT), ==, 0);
    clock_to(2 * NS_PER_S);
    g_assert_cmpint(acknowledge(0), ==, -1); /* once */
    write_msr(0, X2_INITIAL, 1000);
    write_msr(0, X2_INITIAL, 0);
    g_assert_cmpuint(read_msr(0, X2_CURRENT), ==, 0);
    clock_to(3 * NS_PER_S);
    g_assert_cmpint(acknowledge(0), ==, -1);
    g_assert_cmpuint(read_msr(0, MSR_DEADLINE), ==, 0);
    write_msr(0, MSR_DEADLINE, 1); /* not in this mode */
    g_assert_cmpuint(read_msr(0, MSR_DEADLINE), ==, 0);
    g_assert_cmpint(acknowledge(0), ==, -1);
    irq_scene_free();
}

static void dividers(void)
{
    static const unsigned values[][2] = { { 0, 2 },  { 1, 4 },  { 2, 8 },    { 3, 16 },
                                          { 8, 32 }, { 9, 64 }, { 10, 128 }, { 11, 1 } };

    irq_scene_new_timer(1, ONE_SHOT);
    for (unsigned i = 0; i < G_N_ELEMENTS(values); i++) {
        const int64_t start_ns = (i + 2) * NS_PER_S;

        clock_to(start_ns);
        write_msr(0, X2_DIVIDE, values[i][0]);
        g_assert_cmphex(read_msr(0, X2_DIVIDE), ==, values[i][0]);
        write_msr(0, X2_INITIAL, 100);
        fires_at(start_ns + 100 * values[i][1]);
    }
    write_msr(0, X2_DIVIDE, BY_2);
    clock_to(20 * NS_PER_S);
    write_msr(0, X2_INITIAL, 1000);
    clock_to(20 * NS_PER_S + 500);
    write_msr(0, X2_DIVIDE, BY_128); /* while it counts: from where it is */
    g_assert_cmpuint(read_msr(0, X2_CURRENT), ==, 750);
    fires_at(20 * NS_PER_S + 500 + 750 * 128);
    irq_scene_free();
}

static void periodic(void)
{
    irq_scene_new_timer(1, PERIODIC);
    write_msr(0, X2_INITIAL, 1000000);
    fires_at(NS_PER_S + 1000000);
    g_assert_cmpuint(read_msr(0, X2_CURRENT), ==, 1000000);
    fires_at(NS_PER_S + 2000000);
    clock_to(NS_PER_S +
             7500000); /* five of them at once: the guest sees one, and the next in time */
    wait_for_kick(0);
    g_assert_cmpint(acknowledge(0), ==, VECTOR);
    g_assert_cmpint(acknowledge(0), ==, -1);
    end_of_interrupt(0);
    g_assert_cmpuint(read_msr(0, X2_CURRENT), ==, 500000);
    fires_at(NS_PER_S + 8000000);
    write_msr(0, X2_LVT_TIMER, PERIODIC | MASKED);
    clock_to(NS_PER_S + 9000000);
    wait_for_kick(0); /* for nothing */
    g_assert_cmpint(acknowledge(0), ==, -1);
    g_assert_cmpuint(read_msr(0, X2_CURRENT), ==, 1000000);
    irq_scene_free();
}

/* A guest that wants a million interrupts a second does not get them. */
static void periodic_too_quick(void)
{
    irq_scene_new_timer(1, PERIODIC);
    write_msr(0, X2_INITIAL, 1);
    clock_to(NS_PER_S + 1);
    wait_for_kick(0);
    g_assert_cmpint(acknowledge(0), ==, VECTOR);
    end_of_interrupt(0);
    fires_at(NS_PER_S + 1 + 100 * NS_PER_US);
    irq_scene_free();
}

static void masked_expires_silently(void)
{
    irq_scene_new_timer(1, DEADLINE | MASKED);
    write_msr(0, MSR_DEADLINE, TSC_OF(2 * NS_PER_S));
    clock_to(2 * NS_PER_S);
    wait_for_kick(0);
    g_assert_false(has_interrupt(0));
    g_assert_cmpuint(read_msr(0, MSR_DEADLINE), ==, 0);
    write_msr(0, X2_LVT_TIMER, DEADLINE);
    g_assert_cmpint(acknowledge(0), ==, -1);
    irq_scene_free();
}

static void change_of_mode_stops(void)
{
    irq_scene_new_timer(1, DEADLINE);
    write_msr(0, X2_INITIAL, 1000); /* not in this mode */
    g_assert_cmpuint(read_msr(0, X2_INITIAL), ==, 0);
    write_msr(0, MSR_DEADLINE, TSC_OF(2 * NS_PER_S));
    g_assert_cmpuint(read_msr(0, X2_CURRENT), ==, 0);
    write_msr(0, X2_LVT_TIMER, ONE_SHOT);
    write_msr(0, X2_LVT_TIMER, DEADLINE);
    g_assert_cmpuint(read_msr(0, MSR_DEADLINE), ==, 0);
    clock_to(2 * NS_PER_S);
    g_assert_cmpint(acknowledge(0), ==, -1);
    write_msr(0, X2_LVT_TIMER, ONE_SHOT);
    write_msr(0, X2_INITIAL, 1000);
    write_msr(0, X2_LVT_TIMER, PERIODIC); /* goes on */
    clock_to(2 * NS_PER_S + 1000);
    wait_for_kick(0);
    g_assert_cmpint(acknowledge(0), ==, VECTOR);
    irq_scene_free();
}

/* The vector is looked at when it fires. One below 16 is an error, and no interrupt. */
static void vector_of_now(void)
{
    irq_scene_new_timer(1, DEADLINE);
    write_msr(0, MSR_DEADLINE, TSC_OF(2 * NS_PER_S));
    write_msr(0, X2_LVT_TIMER, (DEADLINE & ~0xff) | 0x3f);
    clock_to(2 * NS_PER_S);
    wait_for_kick(0);
    g_assert_cmpint(acknowledge(0), ==, 0x3f);
    end_of_interrupt(0);
    write_msr(0, X2_LVT_TIMER, (DEADLINE & ~0xff) | 0x0f);
    write_msr(0, MSR_DEADLINE, 1);
    g_assert_cmpint(acknowledge(0), ==, -1);
    write_msr(0, X2_ESR, 0);
    g_assert_cmphex(read_msr(0, X2_ESR), ==, 0x40);
    irq_scene_free();
}

/* It has expired, but below the priority: CR8 lets it through, without a word of anybody else. */
static void lower_priority_lets_it_through(void)
{
    irq_scene_new_timer(1, DEADLINE);
    lapics_set_priority(irq_scene.lapics, 0, 15);
    write_msr(0, MSR_DEADLINE, TSC_OF(2 * NS_PER_S));
    clock_to(2 * NS_PER_S);
    wait_for_kick(0);
    g_assert_cmpint(acknowledge(0), ==, -1);
    lapics_set_priority(irq_scene.lapics, 0, 0);
    g_assert_cmphex(take_events(0), ==, CPU_EVENT_INTERRUPT);
    g_assert_cmpint(acknowledge(0), ==, VECTOR);
    irq_scene_free();
}

/* ---- The thread ---------------------------------------------------------------------------- */

static void start_clock(void)
{
    bql_lock();
    guest_clock_start(&irq_scene.clock);
    lapics_clock_changed(irq_scene.lapics);
    bql_unlock();
}

static void each_has_its_own(void)
{
    irq_scene_new_timer(3, DEADLINE);
    write_msr(2, MSR_DEADLINE, TSC_OF(4 * NS_PER_S));
    write_msr(0, MSR_DEADLINE, TSC_OF(2 * NS_PER_S));
    write_msr(1, MSR_DEADLINE, TSC_OF(3 * NS_PER_S));
    for (unsigned i = 0; i < 3; i++) {
        clock_to((i + 2) * NS_PER_S);
        wait_for_kick(i);
        g_assert_cmpint(acknowledge(i), ==, VECTOR);
        for (unsigned other = i + 1; other < 3; other++)
            g_assert_false(has_interrupt(other));
    }
    irq_scene_free();
}

/* A clock that goes by itself: in time, and the thread wakes for what is earlier than all else. */
static void runs_by_itself(void)
{
    int64_t before_ns, now_ns;

    irq_scene_new_timer(2, DEADLINE);
    start_clock();
    write_msr(1, MSR_DEADLINE, TSC_OF(1000 * NS_PER_S));
    before_ns = guest_clock_now(&irq_scene.clock);
    write_msr(0, MSR_DEADLINE, TSC_OF(before_ns + 5 * NS_PER_MS));
    wait_for_kick(0);
    now_ns = guest_clock_now(&irq_scene.clock);
    g_assert_cmpint(now_ns, >=, before_ns + 5 * NS_PER_MS);
    g_assert_cmpint(acknowledge(0), ==, VECTOR);
    g_assert_false(has_interrupt(1));
    irq_scene_free();
}

/* While the clock stands, so do the timers; they go on from there. */
static void stands_with_the_clock(void)
{
    irq_scene_new_timer(1, DEADLINE);
    write_msr(0, MSR_DEADLINE, TSC_OF(NS_PER_S + NS_PER_MS));
    g_assert_cmpint(
        event_timedwait(&irq_scene.cpu[0].kicked, deadline_after_ns(monotonic_ns(), 3 * NS_PER_MS)),
        ==, TIMED_OUT);
    start_clock();
    wait_for_kick(0);
    g_assert_cmpint(acknowledge(0), ==, VECTOR);
    irq_scene_free();
}

/* The processors are freed next: neither a timer nor a message may still get to them. */
static void detached_kicks_nobody(void)
{
    irq_scene_new_timer(1, DEADLINE);
    write_msr(0, MSR_DEADLINE, TSC_OF(2 * NS_PER_S));
    lapics_detach(irq_scene.lapics);
    clock_to(2 * NS_PER_S);
    send_msi(LAPIC_BASE, 0x55);
    g_assert_cmphex(take_events(0), ==, 0);
    irq_scene_free();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/lapic-timer/tsc-is-the-clock", tsc_is_the_clock);
    g_test_add_func("/lapic-timer/deadline", deadline);
    g_test_add_func("/lapic-timer/deadline-past-fires-at-once", deadline_past_fires_at_once);
    g_test_add_func("/lapic-timer/deadline-far-away-is-no-overflow",
                    deadline_far_away_is_no_overflow);
    g_test_add_func("/lapic-timer/stopped-does-not-fire", stopped_does_not_fire);
    g_test_add_func("/lapic-timer/expired-before-it-is-set-anew", expired_before_it_is_set_anew);
    g_test_add_func("/lapic-timer/one-shot", one_shot);
    g_test_add_func("/lapic-timer/dividers", dividers);
    g_test_add_func("/lapic-timer/periodic", periodic);
    g_test_add_func("/lapic-timer/periodic-too-quick", periodic_too_quick);
    g_test_add_func("/lapic-timer/masked-expires-silently", masked_expires_silently);
    g_test_add_func("/lapic-timer/change-of-mode-stops", change_of_mode_stops);
    g_test_add_func("/lapic-timer/vector-of-now", vector_of_now);
    g_test_add_func("/lapic-timer/lower-priority-lets-it-through", lower_priority_lets_it_through);
    g_test_add_func("/lapic-timer/each-has-its-own", each_has_its_own);
    g_test_add_func("/lapic-timer/runs-by-itself", runs_by_itself);
    g_test_add_func("/lapic-timer/stands-with-the-clock", stands_with_the_clock);
    g_test_add_func("/lapic-timer/detached-kicks-nobody", detached_kicks_nobody);
    return run_without_bql();
}
