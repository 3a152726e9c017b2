/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Local APICs, the I/O APIC and messages (Intel SDM vol. 3, chapter 11; 82093AA data sheet): the
 * board's own with the software processor, KVM's in the kernel with KVM.
 */
#include "payload.h"

enum {
    MSR_TSC = 0x10,
    MSR_APIC_BASE = 0x1b,
    MSR_DEADLINE = 0x6e0,
    MSR_X2APIC = 0x800, /* plus the register's offset / 16 */
    IS_X2APIC = 1 << 10,

    REG_ID = 0x20,
    REG_VERSION = 0x30,
    REG_TPR = 0x80,
    REG_EOI = 0xb0,
    REG_SVR = 0xf0,
    REG_ISR = 0x100,
    REG_IRR = 0x200,
    REG_ICR = 0x300,
    REG_ICR_HIGH = 0x310,
    REG_TIMER = 0x320,
    REG_TIMER_START = 0x380,
    REG_TIMER_NOW = 0x390,
    REG_TIMER_DIVIDER = 0x3e0,

    ICR_NMI = 4 << 8,
    ICR_SELF = 1 << 18,
    ICR_OTHERS = 3 << 18,
    TIMER_PERIODIC = 1 << 17,
    TIMER_DEADLINE = 2 << 17,
    MASKED = 1 << 16,

    PIN = 5,
    PIN_LEVEL = 1 << 15,
    PIN_REMOTE_IRR = 1 << 14,
};

#define BASE 0xfee00000ul
#define IOAPIC 0xfec00000ul
#define CALL(instruction) __asm__ volatile(instruction : : : "memory")

static volatile unsigned taken[256], taken_on[NR_CPUS_MAX];

static bool is_x2apic(void)
{
    return read_msr(MSR_APIC_BASE) & IS_X2APIC;
}

static u32 apic_read(u32 reg)
{
    return is_x2apic() ? (u32)read_msr(MSR_X2APIC + reg / 16) : *(volatile u32 *)(BASE + reg);
}

static void apic_write(u32 reg, u32 value)
{
    if (is_x2apic())
        write_msr(MSR_X2APIC + reg / 16, value);
    else
        *(volatile u32 *)(BASE + reg) = value;
}

static void send(u32 icr, u32 to)
{
    if (is_x2apic()) {
        write_msr(MSR_X2APIC + REG_ICR / 16, (u64)to << 32 | icr);
        return;
    }
    apic_write(REG_ICR_HIGH, to << 24);
    apic_write(REG_ICR, icr);
}

static unsigned me(void)
{
    return is_x2apic() ? apic_read(REG_ID) : apic_read(REG_ID) >> 24;
}

__asm__("halt_once: sti\nhalt_at: hlt\nhalt_behind: nop; cli; ret");
extern char halt_at[], halt_behind[];
void halt_once(void);

static void count(struct frame *frame)
{
    /* Not every emulator of SVM holds interrupts back behind STI: the HLT would then last. */
    if (frame->rip == (u64)halt_at)
        frame->rip = (u64)halt_behind;
    taken[frame->vector]++;
    taken_on[me()]++;
    if (frame->vector >= 32)
        apic_write(REG_EOI, 0);
}

static void count_only(struct frame *frame)
{
    taken[frame->vector]++;
}

static void forget(void)
{
    memset((void *)taken, 0, sizeof(taken));
    memset((void *)taken_on, 0, sizeof(taken_on));
}

/* Interrupts on, for a moment; with exits, by which the feeblest KVM has seen what waits. */
static void open_window(void)
{
    CALL("sti");
    for (unsigned i = 0; i < 4; i++)
        (void)in32(LAB_ID);
    CALL("cli");
}

/* Halted until something comes. */
static void halt(void)
{
    halt_once();
    open_window();
}

static void wait_for_count(unsigned vector, unsigned wanted)
{
    for (u64 i = 0; i < 2000000 && taken[vector] < wanted; i++)
        CALL("sti; pause; cli");
}

static void is_enabled(const char *mode)
{
    is(me(), 0, mode);
    is(apic_read(REG_VERSION) & 0xf0, 0x10, "version: integrated");
    is(apic_read(REG_SVR), 0xff, "off, after reset");
    apic_write(REG_SVR, 0x1ff);
    is(apic_read(REG_SVR), 0x1ff, "on");
}

static void interrupts_to_self(void)
{
    forget();
    send(0x40 | ICR_SELF, 0);
    send(0x90 | ICR_SELF, 0);
    is(apic_read(REG_IRR + 0x20) & 1, 1, "interrupts off: it waits in IRR");
    is(taken[0x40], 0, "not taken");
    open_window();
    is(taken[0x40], 1, "interrupts on: taken");
    is(taken[0x90], 1, "the other too");
    is(apic_read(REG_IRR + 0x20), 0, "IRR is clear");
    is(apic_read(REG_ISR + 0x20), 0, "ISR is clear, after EOI");
}

static void priorities(void)
{
    forget();
    write_cr8(8);
    is(apic_read(REG_TPR), 0x80, "CR8 8: the TPR says 0x80");
    send(0x40 | ICR_SELF, 0);
    send(0x90 | ICR_SELF, 0);
    open_window();
    is(taken[0x40], 0, "class 4 waits");
    is(taken[0x90], 1, "class 9 does not");
    apic_write(REG_TPR, 0);
    is(read_cr8(), 0, "the TPR is written: CR8 is 0");
    open_window();
    is(taken[0x40], 1, "class 4 is taken");
}

static void service(void)
{
    forget();
    on_vector(0x50, count_only);
    send(0x50 | ICR_SELF, 0);
    open_window();
    is(taken[0x50], 1, "without EOI: taken once");
    is(apic_read(REG_ISR + 0x20), 1 << 16, "ISR says that it is in service");
    send(0x51 | ICR_SELF, 0);
    send(0x60 | ICR_SELF, 0);
    open_window();
    is(taken[0x51], 0, "its class waits");
    is(taken[0x60], 1, "a higher class does not");
    apic_write(REG_EOI, 0);
    open_window();
    is(taken[0x51], 1, "EOI: taken");
    on_vector(0x50, count);
}

static void messages(void)
{
    forget();
    out32(LAB_INTERRUPT, 0x61);
    wait_for_count(0x61, 1);
    is(taken[0x61], 1, "a message arrives");
    out32(LAB_INTERRUPT, 0x61 | 1000 << 16);
    halt();
    is(taken[0x61], 2, "one ends HLT");
    for (unsigned i = 0; i < 100; i++) {
        out32(LAB_INTERRUPT, 0x62 | i % 4 * 10 << 16);
        while (taken[0x62] <= i)
            halt();
    }
    is(taken[0x62], 100, "100 times: none is lost");
    if (in32(LAB_EVENTFD)) {
        skip("messages by eventfd", "only KVM has them");
        return;
    }
    out32(LAB_EVENTFD, 0x63);
    wait_for_count(0x63, 1);
    is(taken[0x63], 1, "an eventfd raises its route's message");
    out32(LAB_EVENTFD, 0x64);
    wait_for_count(0x64, 1);
    is(taken[0x64], 1, "and its next one, when that has changed");
    out32(LAB_EVENTFD, 0);
    open_window();
    is(taken[0x64], 1, "without a message: nothing");
    out32(LAB_EVENTFD, 0x65);
    wait_for_count(0x65, 1);
    check(taken[0x65] >= 1, "with one again: what was raised meanwhile");
}

static u64 behind_halt;

/* It may come before the HLT that it is to end, which would then last. */
static void count_and_skip_halt(struct frame *frame)
{
    taken[frame->vector]++;
    frame->rip = behind_halt;
}

static void nmis(void)
{
    forget();
    on_vector(2, count_only);
    /* Not by the shorthand "self", which has no NMI (table 11-3). */
    send(ICR_NMI, me());
    for (unsigned i = 0; i < 1000 && !taken[2]; i++)
        relax();
    check(taken[2] >= 1, "an NMI by message, interrupts off");
    forget();
    on_vector(2, count_and_skip_halt);
    __asm__ volatile("movq $1f, %0; outl %1, %w2; hlt; 1:"
                     : "=m"(behind_halt)
                     : "a"(0 | 1000 << 16), "d"(LAB_NMI)
                     : "memory");
    is(taken[2], 1, "an NMI from outside ends HLT");
}

/* ---- The I/O APIC ---------------------------------------------------------------------------- */

static u32 ioapic_read(u32 index)
{
    *(volatile u32 *)IOAPIC = index;
    return *(volatile u32 *)(IOAPIC + 0x10);
}

static void ioapic_write(u32 index, u32 value)
{
    *(volatile u32 *)IOAPIC = index;
    *(volatile u32 *)(IOAPIC + 0x10) = value;
}

static void set_pin(u32 entry)
{
    ioapic_write(0x10 + 2 * PIN + 1, 0);
    ioapic_write(0x10 + 2 * PIN, entry);
}

static u32 get_pin(void)
{
    return ioapic_read(0x10 + 2 * PIN);
}

/* Its end is told by another chip's message: at once, but not in no time. */
static bool is_held(void)
{
    for (unsigned i = 0; i < 1000 && get_pin() & PIN_REMOTE_IRR; i++)
        relax();
    return get_pin() & PIN_REMOTE_IRR;
}

static void drive(bool is_high)
{
    out32(LAB_PIN, PIN | is_high << 8);
}

/* Not ended; a chip that forgets what is in service would raise it for ever. */
static void count_level(struct frame *frame)
{
    if (++taken[frame->vector] > 50)
        drive(false);
}

static void edges(void)
{
    forget();
    set_pin(0x70);
    drive(true);
    wait_for_count(0x70, 1);
    is(taken[0x70], 1, "pin, edge: one");
    drive(true);
    open_window();
    is(taken[0x70], 1, "high again: none");
    drive(false);
    drive(true);
    wait_for_count(0x70, 2);
    is(taken[0x70], 2, "low and high: another");
    drive(false);
    set_pin(MASKED);
}

static void levels(void)
{
    forget();
    on_vector(0x71, count_level);
    set_pin(0x71 | PIN_LEVEL);
    drive(true);
    wait_for_count(0x71, 1);
    is(taken[0x71], 1, "pin, level: one");
    is(get_pin() & PIN_REMOTE_IRR, PIN_REMOTE_IRR, "remote IRR until its end");
    open_window();
    is(taken[0x71], 1, "no other until then");
    apic_write(REG_EOI, 0);
    wait_for_count(0x71, 2);
    is(taken[0x71], 2, "EOI, the line still high: another");
    drive(false);
    apic_write(REG_EOI, 0);
    is(is_held(), 0, "EOI, the line low: no remote IRR");
    open_window();
    is(taken[0x71], 2, "and no more");
    drive(true);
    wait_for_count(0x71, 3);
    set_pin(0x71 | PIN_LEVEL | MASKED); /* in service */
    drive(false);
    apic_write(REG_EOI, 0);
    is(is_held(), 0, "masked in service: its end comes all the same");
    drive(true);
    open_window();
    is(taken[0x71], 3, "masked: none");
    set_pin(0x71 | PIN_LEVEL);
    wait_for_count(0x71, 4);
    is(taken[0x71], 4, "unmasked, the line still high: one");
    drive(false);
    apic_write(REG_EOI, 0);
    set_pin(MASKED);
}

/* ---- Time --------------------------------------------------------------------------------------
 */

static void timers(void)
{
    forget();
    apic_write(REG_TIMER_DIVIDER, 0xb); /* by 1 */
    apic_write(REG_TIMER, 0x80);
    apic_write(REG_TIMER_START, 1000000);
    wait_for_count(0x80, 1);
    is(taken[0x80], 1, "timer: once");
    is(apic_read(REG_TIMER_NOW), 0, "then it stands");
    apic_write(REG_TIMER, 0x81 | TIMER_PERIODIC);
    apic_write(REG_TIMER_START, 1000000);
    wait_for_count(0x81, 3);
    check(taken[0x81] >= 3, "periodic: three and more");
    apic_write(REG_TIMER_START, 0);
    if (!(cpuid(1, 0).ecx >> 24 & 1)) {
        skip("deadline", "CPUID has none");
        return;
    }
    apic_write(REG_TIMER, 0x82 | TIMER_DEADLINE);
    CALL("mfence");
    write_msr(MSR_DEADLINE, read_msr(MSR_TSC) + 50000000);
    check(read_msr(MSR_DEADLINE) != 0, "deadline: armed");
    while (!taken[0x82]) /* a last one of the other kind may come before it */
        halt();
    is(taken[0x82], 1, "it ends HLT");
    is(read_msr(MSR_DEADLINE), 0, "then it is 0");
    write_msr(MSR_DEADLINE, 1);
    wait_for_count(0x82, 2);
    is(taken[0x82], 2, "one that is past: at once");
    apic_write(REG_TIMER, MASKED);
}

static u64 tsc_ms(void)
{
    return read_msr(MSR_TSC) / 2500000; /* about, where the host's does not count alike */
}

static void stops(void)
{
    const u32 host_before = in32(LAB_TIME_MS);
    const u64 before = tsc_ms();
    u32 host_passed;
    u64 passed;

    out32(LAB_STOP_MS, 400);
    while (in32(LAB_TIME_MS) - host_before < 400)
        relax();
    passed = tsc_ms() - before;
    host_passed = in32(LAB_TIME_MS) - host_before;
    check(passed + 350 < host_passed, "the time stamp counter stops with the machine for 400 ms");
    if (passed + 350 >= host_passed)
        say("# %u ms have passed, and %u by the counter\n", host_passed, (u32)passed);
    write_msr(MSR_TSC, 0);
    check(tsc_ms() >= before + passed, "and cannot be written");
}

/* ---- Doorbells --------------------------------------------------------------------------------
 */

static void doorbells(void)
{
    volatile u32 *bell = (u32 *)(LAB_WINDOW + LAB_WINDOW_BELL);

    out32(LAB_DOORBELL, 1);
    if (in32(LAB_DOORBELL) == UINT32_MAX) {
        skip("doorbells", "only KVM has them");
        return;
    }
    *bell = 0x12345678;
    *bell = 1;
    is(in32(LAB_DOORBELL), 2, "two writes ring twice");
    is(*bell, 0, "nobody else has seen them");
    *(volatile u16 *)bell = 0xabcd;
    is(in32(LAB_DOORBELL), 2, "another size does not ring");
    is(*bell, 0xabcd, "but is a write as ever");
    out32(LAB_DOORBELL, 0);
    *bell = 7;
    is(*bell, 7, "without the doorbell: a write");
}

/* ---- Several processors -----------------------------------------------------------------------
 */

static void halt_until_ten(void *arg)
{
    (void)arg;
    apic_write(REG_SVR, 0x1ff);
    while (taken_on[me()] < 10)
        halt();
}

static void messages_to_others(void)
{
    forget();
    for (unsigned i = 1; i < nr_cpus; i++)
        start_on(i, halt_until_ten, NULL);
    for (unsigned n = 1; n <= 10; n++) {
        for (unsigned i = 1; i < nr_cpus; i++) {
            send(0x45, i);
            while (taken_on[i] < n) {
                relax();
                if (n == 1) /* its APIC may have been off */
                    send(0x45, i);
            }
        }
    }
    for (unsigned i = 1; i < nr_cpus; i++)
        wait_for(i);
    check(true, "each of the others is woken ten times");
}

/* ---- Reset --------------------------------------------------------------------------------------
 */

static volatile unsigned nr_resets;

static void leave_things_behind(void)
{
    write_msr(MSR_APIC_BASE, read_msr(MSR_APIC_BASE) | IS_X2APIC);
    apic_write(REG_SVR, 0x1ff);
    apic_write(REG_TPR, 0x30);
    apic_write(REG_TIMER, 0x81 | TIMER_PERIODIC);
    apic_write(REG_TIMER_START, 1000000);
    on_vector(0x50, count_only);
    send(0x50 | ICR_SELF, 0);
    open_window(); /* in service */
    send(0x40 | ICR_SELF, 0);
    write_cr8(5);
    nr_resets = 1;
    out32(LAB_RESET, 1);
    for (;;)
        CALL("cli; pause");
}

static void look_behind_reset(void)
{
    is(is_x2apic(), 0, "reset: not in x2APIC mode");
    is(apic_read(REG_SVR), 0xff, "off");
    is(apic_read(REG_TPR), 0, "no priority");
    is(apic_read(REG_TIMER), MASKED, "the timer is masked");
    is(apic_read(REG_TIMER_START), 0, "and stands");
    for (unsigned i = 0; i < 8; i++) {
        if (apic_read(REG_ISR + 16 * i) || apic_read(REG_IRR + 16 * i))
            check(false, "something is in service, or waits");
    }
}

/* What the two modes have in common, and is worth doing in both. */
static void all_in_this_mode(const char *mode)
{
    is_enabled(mode);
    interrupts_to_self();
    priorities();
    service();
    messages();
    nmis();
    edges();
    levels();
    timers();
    messages_to_others();
    apic_write(REG_SVR, 0xff);
}

void payload_main(void)
{
    const u32 chips = in32(LAB_CHIPS);

    for (unsigned i = 32; i < 256; i++)
        on_vector(i, count);
    if (nr_resets) {
        look_behind_reset();
        return;
    }
    if (!check(chips == LAB_CHIPS_OURS || chips == LAB_CHIPS_KERNEL, "there are chips"))
        return;
    check(cpuid(1, 0).edx >> 9 & 1, "CPUID has an APIC");
    check(cpuid(1, 0).ecx >> 21 & 1, "and x2APIC");
    all_in_this_mode("xAPIC");
    write_msr(MSR_APIC_BASE, read_msr(MSR_APIC_BASE) | IS_X2APIC);
    check(is_x2apic(), "x2APIC mode is on");
    all_in_this_mode("x2APIC");
    doorbells();
    stops();
    leave_things_behind();
}
