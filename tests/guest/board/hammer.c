/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Every port, page of the address space, register and MSR, with whatever instructions reach them,
 * aligned and not. That it comes to its end is the test; what is checked beside that is that
 * nothing else has changed meanwhile.
 *
 * What a guest may do to itself it does not do here: INIT to the one processor, power-off, panic.
 */
#include "tests/guest/board/board.h"

enum {
    APIC_BASE = 0x1b,
    X2APIC = 0x800,
    X2APIC_TPR = 0x808,
    X2APIC_SVR = 0x80f,
    X2APIC_ICR = 0x830,
    MODE_SHIFT = 8, /* of interrupt messages, wherever they are written */
    MODE_INIT = 5,
    MODE_STARTUP = 6,
    MASKED = 1 << 16,

    PAGE = 0x1000,
    BORDER = 24, /* bytes to both sides of a border */
};

#define IOAPIC ((volatile u8 *)(u64)LAYOUT_IOAPIC)
#define APIC ((volatile u8 *)(u64)LAYOUT_LAPIC)

/* ---- Ports --------------------------------------------------------------------------------------
 */

static bool is_fatal(unsigned port, unsigned size)
{
    return (port <= LAYOUT_PORT_PVPANIC && port + size > LAYOUT_PORT_PVPANIC) ||
           (port < LAYOUT_PORT_POWER + LAYOUT_PORT_POWER_SIZE && port + size > LAYOUT_PORT_POWER);
}

static void ports(void)
{
    static u32 buffer[4];

    for (unsigned port = 0; port < 0x10000; port++) {
        for (unsigned size = 1; size <= 4; size *= 2) {
            (void)in_as((u16)port, size);
            if (!is_fatal(port, size))
                out_as((u16)port, size, (u32)hostile_number());
        }
        if (port % 16 == 0 || port > 0xfff8) {
            void *to = buffer;
            const void *from = buffer;
            u64 n = 3;

            __asm__ volatile("rep insl" : "+D"(to), "+c"(n) : "d"(port) : "memory");
            n = 3;
            if (!is_fatal(port, 4))
                __asm__ volatile("rep outsl" : "+S"(from), "+c"(n) : "d"(port) : "memory");
        }
    }
    take_over_serial();
    check(true, "every port, in all sizes");
}

static void serial_and_rtc(void)
{
    for (unsigned i = 0; i < 20000; i++) {
        const u16 port = (u16)(LAYOUT_PORT_COM1 + random_below(8));

        /* In loopback mostly: what goes out is hard to read. */
        if (port == LAYOUT_PORT_COM1 + 4)
            out8(port, (u8)(random() | 0x10));
        else if (i % 4)
            out8(port, (u8)random());
        else
            (void)in8(port);
    }
    take_over_serial();
    for (unsigned i = 0; i < 20000; i++) {
        out8(LAYOUT_PORT_RTC, (u8)random());
        if (i % 2)
            out8(LAYOUT_PORT_RTC + 1, (u8)hostile_number());
        else
            (void)in8(LAYOUT_PORT_RTC + 1);
    }
    check(true, "registers of the serial port and of the clock");
}

/* What sleep, reset and panic registers must not take for an order. */
static void orders_that_are_none(void)
{
    for (unsigned type = 0; type < 8; type++) {
        if (type != 5)
            out8(LAYOUT_PORT_POWER + POWER_SLEEP, (u8)(type << 2 | 0x20));
    }
    out8(LAYOUT_PORT_POWER + POWER_SLEEP, 5 << 2); /* without SLP_EN */
    for (unsigned value = 0; value < 256; value++) {
        if (value != 1)
            out8(LAYOUT_PORT_POWER + POWER_RESET, (u8)value);
        out8(LAYOUT_PORT_POWER + 1, (u8)value);
        out8(LAYOUT_PORT_POWER + 3, (u8)value);
        if (!(value & 1))
            out8(LAYOUT_PORT_PVPANIC, (u8)value);
    }
    out32(LAYOUT_PORT_POWER, 0xff00ff00 & ~0x00ff0000u);
    out16(LAYOUT_PORT_PVPANIC - 1, 0x00ff);
    check(true, "power and panic registers: what is no order");
}

/* ---- Memory -------------------------------------------------------------------------------------
 */

/* Where a random write could make an interrupt message of the forbidden kind. */
static bool is_message(u64 address, unsigned size)
{
    return (address < LAYOUT_LAPIC + 0x310 && address + size > LAYOUT_LAPIC + 0x300) ||
           (address < LAYOUT_IOAPIC + 0x20 && address + size > LAYOUT_IOAPIC);
}

static void touch(volatile u8 *to, u64 physical)
{
    const unsigned size = 1u << random_below(4);

    if (random_below(2) || is_message(physical, size))
        (void)read_as(to, size);
    else
        write_as(to, size, hostile_number());
}

static void pages(u64 from, u64 to, const char *name)
{
    const u64 stride = parameter("stride", 1) * PAGE;

    for (u64 page = from; page < to; page += stride) {
        const u64 offset = random_below(PAGE - 8);
        volatile u8 *address = page >> 32 ? at(page) : (volatile u8 *)page;

        touch(address, page);
        touch(address + offset, page + offset);
    }
    check(true, "pages: %s", name);
}

/* Each instruction that has memory of @p: those that fault have no effect but that. */
static void each_instruction(volatile u8 *p)
{
    static u8 area[1024] __attribute__((aligned(16)));
    u64 a = 0, c = 0, d = 0;

    TRY("movdqu (%0), %%xmm0; movdqu %%xmm0, (%0)", : : "r"(p) : "memory");
    TRY("movaps (%0), %%xmm0; movaps %%xmm0, (%0)", : : "r"(p) : "memory");
    TRY("lock addl $1, (%0)", : : "r"(p) : "memory");
    TRY("lock xaddq %1, (%0)", : : "r"(p), "r"(a) : "memory");
    TRY("xchgw %w1, (%0)", : : "r"(p), "r"(a) : "memory");
    TRY("lock cmpxchgq %2, (%0)", : : "r"(p), "a"(a), "r"(c) : "memory");
    TRY("lock cmpxchg8b (%0)", : "+a"(a), "+d"(d) : "r"(p), "b"(0), "c"(0) : "memory");
    TRY("lock cmpxchg16b (%0)", : "+a"(a), "+d"(d) : "r"(p), "b"(0), "c"(0) : "memory");
    TRY("lock btsl %k1, (%0)", : : "r"(p), "r"(a) : "memory");
    TRY("pushq (%0); popq (%0)", : : "r"(p) : "memory");
    TRY("incb (%0); negw (%0); notl (%0); rolq (%0)", : : "r"(p) : "memory");
    TRY("fxsave (%0)", : : "r"(p) : "memory");
    TRY("fxrstor (%0)", : : "r"(p) : "memory");
    TRY("fldt (%0); fstpt (%0)", : : "r"(p) : "memory");
    TRY("fninit; mov $0x1f80, %%eax; push %%rax; ldmxcsr (%%rsp); pop %%rax", : : : "rax");
    TRY("sgdt (%0); sidt (%0)", : : "r"(p) : "memory");
    TRY("lldt (%0); str (%0); smsw (%0)", : : "r"(p) : "memory");
    TRY("invlpg (%0); clflush (%0); prefetcht0 (%0)", : : "r"(p) : "memory");
    TRY("lea %1, %%rsi; mov %0, %%rdi; mov $33, %%ecx; rep movsb",
        :
        : "r"(p), "m"(area)
        : "rsi", "rdi", "rcx", "memory");
    TRY("lea %1, %%rdi; mov %0, %%rsi; mov $9, %%ecx; rep movsq",
        :
        : "r"(p), "m"(area)
        : "rsi", "rdi", "rcx", "memory");
    TRY("mov %0, %%rdi; mov %0, %%rsi; mov $5, %%ecx; std; rep movsl; cld",
        :
        : "r"(p)
        : "rsi", "rdi", "rcx", "memory");
    TRY("mov %0, %%rdi; mov $17, %%ecx; rep stosw", : : "r"(p), "a"(a) : "rdi", "rcx", "memory");
    TRY("mov %0, %%rdi; mov $17, %%ecx; repne scasb", : : "r"(p), "a"(1) : "rdi", "rcx", "memory");
    TRY("mov %0, %%rdi; mov $6, %%ecx; mov $0x70, %%edx; rep insb",
        :
        : "r"(p)
        : "rdi", "rcx", "rdx", "memory");
    TRY("mov %0, %%rsi; mov $6, %%ecx; mov $0x80, %%edx; rep outsb",
        :
        : "r"(p)
        : "rsi", "rcx", "rdx", "memory");
}

/* As code, as a stack, as a table of descriptors, as one of pages. */
static void each_use(volatile u8 *p, bool is_inert)
{
    const u64 was = boot_pd[3][511];

    if (is_inert) /* what would run is known */
        TRY("call *%0", : : "r"(p) : "memory");
    TRY("mov %0, %%rsp; push %%rax; pop %%rax; call 1f; 1: add $8, %%rsp; mov try_rsp, %%rsp",
        :
        : "r"(p + 64)
        : "memory");
    gdt[SEL_TEST / 8] = 0xffff | ((u64)p & 0xffffff) << 16 | 0x0000820000000000 | /* an LDT */
                        ((u64)p >> 24 & 0xff) << 56;
    gdt[SEL_TEST / 8 + 1] = 0;
    TRY("lldt %w0; mov $0x2c, %%eax; mov %%eax, %%fs; mov %%eax, %%es",
        :
        : "r"(SEL_TEST)
        : "rax", "memory");
    __asm__ volatile("xor %%eax, %%eax; mov %%eax, %%fs; lldt %%ax; mov %0, %%es"
                     :
                     : "r"(SEL_DATA)
                     : "rax", "memory");
    TRY("ljmpl *(%0)", : : "r"(p) : "memory");
    boot_pd[3][511] = ((u64)p & ~(u64)(PAGE - 1)) | 7;
    BARRIER();
    write_cr3(read_cr3());
    TRY("mov 0xffe00000, %%al; mov %%al, 0xffe01000", : : : "rax", "memory");
    boot_pd[3][511] = was;
    write_cr3(read_cr3());
}

static void borders(void)
{
    const u64 borders[] = {
        0xa0000,
        ram_size(),
        LAYOUT_PCI32,
        LAYOUT_ECAM,
        LAYOUT_ECAM + 0x100,
        LAYOUT_ECAM + PAGE,
        LAYOUT_ECAM + LAYOUT_ECAM_SIZE,
        LAYOUT_MAILBOX,
        LAYOUT_MAILBOX + PAGE,
        LAYOUT_IOAPIC,
        LAYOUT_IOAPIC + PAGE,
        LAYOUT_LAPIC,
        LAYOUT_LAPIC + 0x400,
        LAYOUT_LAPIC + PAGE,
        LAYOUT_LAPIC + LAYOUT_LAPIC_SIZE,
        0xfffff000,
    };

    for (unsigned i = 0; i < ARRAY_SIZE(borders); i++) {
        for (u64 p = borders[i] - BORDER; p < borders[i] + BORDER; p++) {
            /* The registers by which messages are sent come with a border of their own. */
            if (p >= LAYOUT_IOAPIC && p < LAYOUT_IOAPIC + 0x20)
                continue;
            for (unsigned size = 1; size <= 8; size *= 2) {
                (void)read_as((void *)p, size);
                if (p + size <= LAYOUT_IOAPIC || p >= LAYOUT_IOAPIC + 0x20)
                    write_as((void *)p, size, hostile_number());
            }
            if (p % 4 == 0 && p + 1024 <= LAYOUT_IOAPIC)
                each_instruction((volatile u8 *)p);
        }
    }
    /* What runs is #UD, where nothing is; devices' registers could be any program. */
    each_use((volatile u8 *)ram_size(), ram_size() < LAYOUT_RAM_LOW_END);
    each_use((volatile u8 *)(u64)LAYOUT_LAPIC + LAYOUT_LAPIC_SIZE, true);
    each_use((volatile u8 *)ram_size() - 1, false);
    each_use((volatile u8 *)(u64)LAYOUT_PCI32 - 8, false);
    each_use((volatile u8 *)(u64)LAYOUT_ECAM + 2 * PAGE, false);
    each_use((volatile u8 *)(u64)LAYOUT_MAILBOX + 0x800, false);
    each_use(APIC + 0x900, false);
    check(true, "borders, with every kind of instruction");
}

/* Beyond 4 GiB, up to the end of physical addresses and over it. */
static void high(void)
{
    static const u64 places[] = { 0x100000000, 0x1000000000, 0x1000000000 - 0x200000,
                                  LAYOUT_PHYSICAL_END - 0x200000, LAYOUT_PHYSICAL_END - 0x400000 };

    for (unsigned i = 0; i < ARRAY_SIZE(places); i++)
        pages(places[i], places[i] + 0x200000, "high");
    each_instruction(at(LAYOUT_PHYSICAL_END - 64));
    each_instruction(at(LAYOUT_PHYSICAL_END - 2048));
    RAISES(PF, "beyond the last physical address", "mov (%0), %%al",
           :
           : "r"(at(LAYOUT_PHYSICAL_END))
           : "rax", "memory");
}

static void mailbox(void)
{
    volatile u8 *box = (volatile u8 *)(u64)LAYOUT_MAILBOX;

    for (unsigned i = 0; i < 5000; i++) {
        *(volatile u32 *)(box + 4) = (u32)hostile_number() | 0x100; /* of nobody */
        *(volatile u64 *)(box + 8) = hostile_number();
        write_as(box + random_below(3), 1u << random_below(4), i % 2 ? 1 : hostile_number());
    }
    *(volatile u32 *)(box + 4) = 0; /* us: we run already */
    *(volatile u64 *)(box + 8) = ~0ul;
    *(volatile u16 *)box = 1;
    check(true, "the mailbox");
}

/* ---- Interrupt controllers ----------------------------------------------------------------------
 */

static unsigned nr_taken;

static void mask_pins(void)
{
    for (unsigned pin = 0; pin < LAYOUT_GSI_NR; pin++) {
        write_as(IOAPIC, 4, 0x10 + 2 * pin);
        write_as(IOAPIC + 0x10, 4, MASKED);
    }
}

/* A level that nobody takes away would come again for ever. */
static void take(struct frame *frame)
{
    (void)frame;
    if (++nr_taken % 64 == 0)
        mask_pins();
    if (read_msr(APIC_BASE) & 0x400)
        write_msr(X2APIC + 0xb, 0);
    else
        *(volatile u32 *)(APIC + 0xb0) = 0;
}

static void ignore(struct frame *frame)
{
    (void)frame;
}

/* A random message that may come to us. */
static u64 message(void)
{
    u64 value = hostile_number();
    const u64 mode = value >> MODE_SHIFT & 7;

    return mode == MODE_INIT || mode == MODE_STARTUP ? value & ~(7ul << MODE_SHIFT) : value;
}

static bool try_read(u32 msr)
{
    return TRY("rdmsr", : : "c"(msr) : "rax", "rdx", "memory") < 0;
}

static bool try_write(u32 msr, u64 value)
{
    return TRY("wrmsr", : : "c"(msr), "a"((u32)value), "d"((u32)(value >> 32)) : "memory") < 0;
}

/* Whatever has been written there: on, and closed to what is below 0x30, the exceptions'. */
static void let_in(void)
{
    if (try_write(X2APIC_SVR, 0x1ff)) {
        (void)try_write(X2APIC_TPR, 0x20);
    } else {
        *(volatile u32 *)(APIC + 0xf0) = 0x1ff;
        *(volatile u32 *)(APIC + 0x80) = 0x20;
    }
    for (unsigned i = 0; i < 100; i++)
        __asm__ volatile("sti; nop; nop; cli" : : : "memory");
}

static void ioapic(void)
{
    for (unsigned i = 0; i < 20000; i++) {
        const u32 index = i < 512 ? i / 2 : (u32)random_below(256);

        write_as(IOAPIC, 4, index | (i % 8 == 0 ? (u32)random() << 8 : 0));
        if (i % 4 == 0)
            (void)read_as(IOAPIC + 0x10, 4);
        else
            write_as(IOAPIC + 0x10, 4, message());
        if (i % 16 == 0)
            write_as(IOAPIC + 0x40, 4, random());
        if (i % 16 == 1)
            (void)read_as(IOAPIC + random_below(PAGE - 8), 8);
        if (i % 64 == 0) { /* the interrupts of the serial port and of the clock */
            out8(LAYOUT_PORT_COM1 + 1, (u8)(random() & 15));
            out8(LAYOUT_PORT_RTC, 11);
            out8(LAYOUT_PORT_RTC + 1, (u8)random());
            let_in();
        }
    }
    mask_pins();
    take_over_serial();
    check(true, "the I/O APIC: every register, and its messages");
}

static void apic_page(void)
{
    for (unsigned i = 0; i < 20000; i++) {
        const u64 offset = i < 1024 ? i * 4 : random_below(PAGE - 8);

        if (offset > 0x300 - 8 && offset < 0x310)
            write_as(APIC + 0x300, 4, message());
        else if (i % 2)
            write_as(APIC + offset, 1u << random_below(4), message());
        else
            (void)read_as(APIC + offset, 1u << random_below(4));
        if (i % 64 == 0)
            let_in();
    }
    check(true, "the local APIC's page");
}

static void apic_msrs(unsigned rounds)
{
    for (unsigned i = 0; i < rounds * 256; i++) {
        const u32 msr = X2APIC + i % 256;

        (void)try_read(msr);
        (void)try_write(msr, msr == X2APIC_ICR ? message() & ~0xcf000ul : message());
        if (msr == X2APIC + 0xff)
            let_in();
    }
}

static void apic_modes(void)
{
    const u64 base = read_msr(APIC_BASE) & ~0xc00ul;

    apic_msrs(2);
    for (unsigned i = 0; i < 64; i++)
        (void)try_write(APIC_BASE, hostile_number());
    for (unsigned i = 0; i < 100; i++) {
        (void)try_write(APIC_BASE, base | random_below(4) << 10);
        apic_msrs(1);
        (void)try_write(0x6e0, hostile_number());
        touch(APIC + random_below(0x2f0), LAYOUT_LAPIC);
    }
    (void)try_write(APIC_BASE, base);
    check(try_write(APIC_BASE, base | 0x800), "the local APIC on again");
    check(try_write(APIC_BASE, base | 0xc00), "and in x2APIC mode");
    apic_msrs(20);
    check(true, "the local APIC's MSRs, in all of its modes");
}

static void msrs(void)
{
    static const u32 bases[] = { 0, 0x174, 0x40000000, 0x4b564d00, 0xc0000000, 0xc0010000 };
    const u64 physical[] = { LAYOUT_ECAM + 4,         LAYOUT_IOAPIC + 0x40,
                             LAYOUT_LAPIC + 0x80,     LAYOUT_MAILBOX + 16,
                             ram_size() - 16,         ram_size() - 4,
                             LAYOUT_PHYSICAL_END - 8, ~3ul,
                             LAYOUT_PCI32 - 8 };

    for (unsigned i = 0; i < ARRAY_SIZE(bases); i++) {
        for (u32 msr = bases[i]; msr < bases[i] + 0x2000; msr++) {
            const bool is_own = msr == MSR_EFER || msr == APIC_BASE || msr == 0x277 /* PAT */ ||
                                (msr >= X2APIC && msr < X2APIC + 0x100);
            const bool is_clock = (msr >> 8) == 0x4b564d || msr == 0x11 || msr == 0x12;

            (void)try_read(msr);
            if (!is_own && !is_clock)
                (void)try_write(msr, hostile_number());
        }
    }
    for (unsigned i = 0; i < ARRAY_SIZE(physical); i++) {
        for (u32 msr = 0x4b564d00; msr < 0x4b564d08; msr++) {
            (void)try_write(msr, physical[i] | 1);
            (void)try_write(msr, physical[i]);
            (void)try_write(msr, 0);
        }
        (void)try_write(0x11, physical[i]);
        (void)try_write(0x12, physical[i] | 1);
    }
    check(true, "MSRs, and kvmclock where there is no RAM");
}

void payload_main(void)
{
    seed_random(parameter("seed", 1));
    for (unsigned vector = 32; vector < 256; vector++)
        on_vector(vector, take);
    on_vector(NMI, ignore);
    write_cr4(read_cr4() | CR4_OSFXSR | CR4_OSXMMEXCPT);
    ports();
    serial_and_rtc();
    orders_that_are_none();
    pages(ram_size(), LAYOUT_PCI32, "between RAM and PCI");
    pages(LAYOUT_PCI32, LAYOUT_ECAM, "PCI's window");
    pages(LAYOUT_ECAM, LAYOUT_ECAM + (u64)LAYOUT_ECAM_SIZE, "ECAM");
    pages(LAYOUT_ECAM + (u64)LAYOUT_ECAM_SIZE, 0x100000000, "up to 4 GiB");
    high();
    borders();
    mailbox();
    ioapic();
    apic_page();
    apic_modes();
    msrs();
    check(nr_taken > 0, "interrupts came");
    ports();
}
