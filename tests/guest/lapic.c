/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * What of local APICs is in apic.c not yet (Intel SDM vol. 3, chapter 11): what x2APIC mode
 * refuses, deadlines one after the other, and processors that take turns by interrupts, halted in
 * between.
 */
#include "payload.h"

#define PAGE(offset) (*(volatile u32 *)(0xfee00000ul + (offset)))

enum {
    APIC_BASE = 0x1b,
    TSC_DEADLINE = 0x6e0,
    ID = 0x802,
    TPR = 0x808,
    PPR = 0x80a,
    EOI = 0x80b,
    SVR = 0x80f,
    ESR = 0x828,
    ICR = 0x830,
    LVT_TIMER = 0x832,
    INITIAL = 0x838,
    CURRENT = 0x839,
    DIVIDE = 0x83e,
    SELF_IPI = 0x83f,

    LOW = 0x40, /* vectors */
    HIGH = 0x90,
    TIMER = 0xec,
    PING = 0x60,

    MODE_ONE_SHOT = 0,
    MODE_PERIODIC = 1 << 17,
    MODE_DEADLINE = 2 << 17,
    DIVIDE_BY_1 = 0xb,

    ROUNDS = 500,
};

static volatile unsigned taken[256]; /* by vector, on both processors */
static volatile u64 taken_at;        /* TSC */
static volatile bool uses_page = true;

static u64 tsc(void)
{
    u32 low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return low | (u64)high << 32;
}

static void end_of_interrupt(void)
{
    if (uses_page)
        PAGE(0xb0) = 0;
    else
        write_msr(EOI, 0);
}

static void take(struct frame *frame)
{
    taken_at = tsc();
    taken[frame->vector]++;
    end_of_interrupt();
}

/* One look at what waits, with interrupts on. */
static void let_in(void)
{
    __asm__ volatile("sti; nop; nop; cli" : : : "memory");
}

static void halt(void)
{
    __asm__ volatile("sti; hlt; cli" : : : "memory");
}

static int try_write(u32 msr, u64 value)
{
    return TRY("wrmsr", : : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32)));
}

static int try_read(u32 msr)
{
    u32 low, high;

    return TRY("rdmsr", : "=a"(low), "=d"(high) : "c"(msr));
}

/* ---- The page ------------------------------------------------------------------------------- */

static void page(void)
{
    is(read_msr(APIC_BASE), 0xfee00900, "IA32_APIC_BASE of the first processor");
    is(PAGE(0x20), 0, "ID");
    is(PAGE(0x30) & 0xff, 0x14, "version");
    is(try_read(ID), 13, "x2APIC's MSRs are not there yet: #GP");
    PAGE(0xf0) = 0x1ff;
    PAGE(0x310) = 0;
    PAGE(0x300) = LOW;
    is(PAGE(0x220), 1u << (LOW & 31), "IRR");
    let_in();
    is(taken[LOW], 1, "sent to itself: taken");
    is(PAGE(0x220) | PAGE(0x120), 0, "IRR and ISR after its end");
}

/* ---- x2APIC mode ------------------------------------------------------------------------------
 */

static void enter_x2apic(void *unused)
{
    (void)unused;
    write_msr(APIC_BASE, read_msr(APIC_BASE) | 1 << 10);
    write_msr(SVR, 0x1ff);
    write_msr(DIVIDE, DIVIDE_BY_1);
}

static void x2apic(void)
{
    is(try_write(APIC_BASE, 0xfee00500), 13, "x2APIC without the APIC: #GP");
    is(try_write(APIC_BASE, 0xfed00900), 13, "another base: #GP");
    uses_page = false;
    enter_x2apic(NULL);
    start_on(1, enter_x2apic, NULL);
    wait_for(1);
    is(read_msr(ID), 0, "ID");
    is(try_write(APIC_BASE, 0xfee00900), 13, "back: #GP");
    is(try_write(EOI, 1), 13, "EOI of 1: #GP");
    is(try_write(TPR, 0x100), 13, "a task priority of 256: #GP");
    is(try_write(ID, 0), 13, "ID is read-only: #GP");
    is(try_read(EOI), 13, "EOI is write-only: #GP");
    is(try_read(0x80e), 13, "DFR is not there: #GP");
}

static void priorities(void)
{
    taken[LOW] = taken[HIGH] = 0;
    write_cr8(8);
    is(read_msr(TPR), 0x80, "CR8 is the task priority");
    write_msr(SELF_IPI, LOW);
    write_msr(SELF_IPI, HIGH);
    let_in();
    is(taken[HIGH], 1, "above it: taken");
    is(taken[LOW], 0, "below it: not taken");
    write_msr(TPR, 0x35);
    is(read_cr8(), 3, "the task priority is CR8");
    is(read_msr(PPR), 0x35, "and the processor's");
    let_in();
    is(taken[LOW], 1, "lowered: taken");
    __asm__ volatile("sti" : : : "memory");
    write_msr(SELF_IPI, LOW);
    __asm__ volatile("nop; cli" : : : "memory");
    is(taken[LOW], 2, "with IF on, at once");
    write_msr(TPR, 0);
}

/* ---- The timer ---------------------------------------------------------------------------------
 */

static void sleep_until(u64 deadline)
{
    const unsigned before = taken[TIMER];

    write_msr(TSC_DEADLINE, deadline);
    while (taken[TIMER] == before)
        halt();
}

static void deadlines(void)
{
    u64 deadline, early = 0;

    write_msr(LVT_TIMER, MODE_DEADLINE | TIMER);
    deadline = tsc() + 5000000; /* 2 ms */
    sleep_until(deadline);
    check(taken_at >= deadline, "deadline: not before");
    is(read_msr(TSC_DEADLINE), 0, "it is gone then");
    for (unsigned i = 0; i < ROUNDS; i++) {
        deadline = tsc() + i * 100;
        sleep_until(deadline);
        early += taken_at < deadline;
    }
    is(early, 0, "500 deadlines up to 20 us away: none early, none lost");
    taken[TIMER] = 0;
    write_msr(TSC_DEADLINE, 1);
    let_in();
    is(taken[TIMER], 1, "one that has passed: at once");
    do { /* unless we were too slow */
        let_in();
        deadline = tsc() + 5000000;
        write_msr(TSC_DEADLINE, deadline);
        write_msr(TSC_DEADLINE, 0);
    } while (tsc() >= deadline);
    taken[TIMER] = 0;
    while (tsc() < deadline + 2500000)
        let_in();
    is(taken[TIMER], 0, "stopped: none");
}

static void counts(void)
{
    u64 start;

    write_msr(LVT_TIMER, MODE_ONE_SHOT | TIMER);
    taken[TIMER] = 0;
    start = tsc();
    write_msr(INITIAL, 1000000); /* 1 ms */
    check(read_msr(CURRENT) <= 1000000, "it counts down");
    while (!taken[TIMER])
        halt();
    check(taken_at - start >= 2500000, "one-shot: not before its time");
    is(read_msr(CURRENT), 0, "it stands at 0");
    write_msr(LVT_TIMER, MODE_PERIODIC | TIMER);
    taken[TIMER] = 0;
    start = tsc();
    write_msr(INITIAL, 200000);
    while (taken[TIMER] < 10)
        halt();
    check(tsc() - start >= 10 * 500000, "periodic: ten of them take ten periods");
    write_msr(INITIAL, 0);
    let_in();
    taken[TIMER] = 0;
    for (u64 end = tsc() + 2000000; tsc() < end;)
        let_in();
    is(taken[TIMER], 0, "a count of 0 stops it");
}

/* ---- Between processors
 * --------------------------------------------------------------------------- */

static volatile unsigned turns[2];
static volatile bool is_over;

static void pass_back(struct frame *frame)
{
    const u64 self = read_msr(ID);

    (void)frame;
    turns[self]++;
    end_of_interrupt();
    if (turns[0] < ROUNDS)
        write_msr(ICR, (self ^ 1) << 32 | PING);
}

static void sleep_while_it_goes_on(void *unused)
{
    (void)unused;
    while (!is_over)
        halt();
}

static void ping_pong(void)
{
    on_vector(PING, pass_back);
    start_on(1, sleep_while_it_goes_on, NULL);
    write_msr(ICR, 1ul << 32 | PING);
    while (turns[0] < ROUNDS)
        halt();
    is(turns[0], ROUNDS, "back and forth between processors that halt");
    is(turns[1], ROUNDS, "the other's turns");
    is_over = true;
    write_msr(ICR, 3ul << 18 | HIGH); /* all others */
    wait_for(1);
    write_msr(ICR, 7ul << 32 | PING);
    is(turns[1], ROUNDS, "to nobody: nothing");
}

static volatile unsigned nr_nmis;

static void note_nmi(struct frame *frame)
{
    (void)frame;
    nr_nmis++;
}

static void wait_for_nmi(void *unused)
{
    (void)unused;
    while (!nr_nmis)
        relax(); /* with interrupts off */
}

static void nmi(void)
{
    on_vector(2, note_nmi);
    start_on(1, wait_for_nmi, NULL);
    write_msr(ICR, 1ul << 32 | 4 << 8);
    wait_for(1);
    is(nr_nmis, 1, "an NMI comes with interrupts off");
    on_vector(2, NULL);
}

static void errors(void)
{
    write_msr(ESR, 0);
    write_msr(ICR, 1ul << 32 | 5);
    is(read_msr(ESR), 0, "ESR shows nothing before it is written");
    write_msr(ESR, 0);
    is(read_msr(ESR), 0x20, "a vector below 16 was sent");
}

void payload_main(void)
{
    if (!in_lab())
        return;
    on_vector(LOW, take);
    on_vector(HIGH, take);
    on_vector(TIMER, take);
    page();
    x2apic();
    priorities();
    deadlines();
    counts();
    ping_pong();
    nmi();
    errors();
}
