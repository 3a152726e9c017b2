/* SPDX-License-Identifier: GPL-2.0-or-later */
/* All ways to end; the driver knows which, and what has to follow. */
#include "tests/guest/board/board.h"

enum { TURNS = 5000 };

static void triple_fault(void)
{
    const struct table_pointer nothing = { 0, 0 };

    __asm__ volatile("lidt %0; ud2" : : "m"(nothing));
}

/* All processors want the big lock, all of the time. */
static void keep_busy(void *unused)
{
    static volatile u64 turns[NR_CPUS_MAX];
    const unsigned me = processor();

    (void)unused;
    for (;;) {
        if (++turns[me] == TURNS && me == 0) /* one port, and one that speaks */
            say("ends: at it\n");
        (void)*(volatile u32 *)(u64)LAYOUT_ECAM;
        *(volatile u32 *)(u64)LAYOUT_IOAPIC = 0;
    }
}

static void take(struct frame *frame)
{
    static u64 turns;

    (void)frame;
    if (++turns == TURNS)
        say("ends: at it\n");
    *(volatile u32 *)(u64)(LAYOUT_LAPIC + 0xb0) = 0;
    *(volatile u32 *)(u64)(LAYOUT_LAPIC + 0x300) = 0x40000 | 0x50; /* the next one, to itself */
}

/* Interrupts without an end, and a timer in between. */
static void interrupt_self(void)
{
    on_vector(0x50, take);
    on_vector(0x60, take);
    *(volatile u32 *)(u64)(LAYOUT_LAPIC + 0xf0) = 0x1ff;
    *(volatile u32 *)(u64)(LAYOUT_LAPIC + 0x320) = 0x20000 | 0x60;
    *(volatile u32 *)(u64)(LAYOUT_LAPIC + 0x380) = 1;
    *(volatile u32 *)(u64)(LAYOUT_LAPIC + 0x300) = 0x40000 | 0x50;
    __asm__ volatile("sti");
    for (;;)
        relax();
}

void payload_main(void)
{
    say("ends: started\n");
    if (parameter_is("test", "triple"))
        triple_fault();
    else if (parameter_is("test", "reset"))
        reset_machine();
    else if (parameter_is("test", "panic"))
        out8(LAYOUT_PORT_PVPANIC, 1);
    else if (parameter_is("test", "power"))
        end_machine(0);
    else if (parameter_is("test", "spin"))
        for (;;)
            relax();
    else if (parameter_is("test", "interrupts"))
        interrupt_self();
    else if (parameter_is("test", "init")) /* to itself */
        *(volatile u32 *)(u64)(LAYOUT_LAPIC + 0x300) = 0x4500;
    else if (parameter_is("test", "busy")) {
        start_processors((unsigned)parameter("cpus", 1));
        for (unsigned i = 1; i < nr_cpus; i++)
            start_on(i, keep_busy, NULL);
        keep_busy(NULL);
    } else if (parameter_is("test", "talk"))
        for (;;)
            say("ends: talks\n");
    say("ends: halts\n");
    for (;;)
        __asm__ volatile("cli; hlt");
}
