/* SPDX-License-Identifier: GPL-2.0-or-later */
#include <stdarg.h>

#include "payload.h"

/* ---- Results ---------------------------------------------------------------------------- */

static unsigned nr_checks, nr_failed;

void *memset(void *to, int byte, size_t size)
{
    void *begin = to;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(size) : "a"(byte) : "memory");
    return begin;
}

void *memcpy(void *to, const void *from, size_t size)
{
    void *begin = to;
    __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(size) : : "memory");
    return begin;
}

static void put_number(u64 number, unsigned base)
{
    char digits[24];
    unsigned n = 0;

    do
        digits[n++] = "0123456789abcdef"[number % base];
    while (number /= base);
    while (n)
        put_character(digits[--n]);
}

static void put_format(const char *format, va_list args)
{
    for (; *format; format++) {
        bool is_long = false;

        if (*format != '%') {
            put_character(*format);
            continue;
        }
        if (*++format == 'l') {
            is_long = true;
            format++;
        }
        if (*format == 's') {
            for (const char *s = va_arg(args, const char *); *s; s++)
                put_character(*s);
        } else if (*format == 'c') {
            put_character((char)va_arg(args, int));
        } else if (*format == 'd' && !is_long) {
            int value = va_arg(args, int);

            if (value < 0)
                put_character('-');
            put_number(value < 0 ? 0 - (u64)value : (u64)value, 10);
        } else {
            put_number(is_long ? va_arg(args, u64) : va_arg(args, u32), *format == 'x' ? 16 : 10);
        }
    }
}

void say(const char *format, ...)
{
    va_list args;

    va_start(args, format);
    put_format(format, args);
    va_end(args);
}

bool check(bool holds, const char *format, ...)
{
    va_list args;

    nr_checks++;
    nr_failed += !holds;
    say("%s %u - ", holds ? "ok" : "not ok", nr_checks);
    va_start(args, format);
    put_format(format, args);
    va_end(args);
    put_character('\n');
    return holds;
}

bool is(u64 got, u64 want, const char *name)
{
    if (!check(got == want, "%s", name))
        say("#  got 0x%lx\n# want 0x%lx\n", got, want);
    return got == want;
}

void skip(const char *name, const char *reason)
{
    say("ok %u - %s # SKIP %s\n", ++nr_checks, name, reason);
}

void finish(void)
{
    say("1..%u\n", nr_checks);
    end_machine(nr_failed != 0);
}

void die(const char *format, ...)
{
    va_list args;

    say("Bail out! ");
    va_start(args, format);
    put_format(format, args);
    va_end(args);
    put_character('\n');
    end_machine(2);
}

bool in_lab(void)
{
    return in32(LAB_ID) == LAB_MAGIC;
}

/* ---- Exceptions --------------------------------------------------------------------------- */

struct caught caught;
u64 try_fixup, try_rip, try_rsp;
u8 user_stack[8192] __attribute__((aligned(4096)));
static bool is_in_user; /* run_user() has not returned */
static void (*handlers[256])(struct frame *frame);

void payload_trap(struct frame *frame);

void payload_trap(struct frame *frame)
{
    if (handlers[frame->vector]) {
        handlers[frame->vector](frame);
        return;
    }
    caught.frame = *frame;
    caught.vector = (int)frame->vector;
    caught.error = frame->error;
    caught.cr2 = read_cr2();
    if ((frame->cs & 3) || (is_in_user && !try_fixup)) { /* or in a system call of its */
        frame->rip = (u64)user_returned;
        frame->cs = SEL_CODE;
        frame->rflags = 2;
        frame->ss = SEL_DATA;
        frame->rsp = (u64)stacks; /* user_returned has its own */
    } else if (try_fixup) {
        frame->rip = try_fixup;
        frame->rsp = try_rsp;
        frame->rflags &= ~(u64)(FLAG_TF | FLAG_IF | FLAG_RF | FLAG_NT | FLAG_AC | FLAG_DF);
    } else {
        die("vector %lu, error 0x%lx, at 0x%lx, rsp 0x%lx, cr2 0x%lx", frame->vector, frame->error,
            frame->rip, frame->rsp, caught.cr2);
    }
}

void on_vector(unsigned vector, void (*handler)(struct frame *frame))
{
    handlers[vector] = handler;
}

void set_gate_to(unsigned vector, u64 rip, u16 selector, u8 attributes, unsigned ist)
{
    idt[vector] = (struct gate){ .offset0 = (u16)rip,
                                 .selector = selector,
                                 .ist = (u8)ist,
                                 .attributes = attributes,
                                 .offset1 = (u16)(rip >> 16),
                                 .offset2 = (u32)(rip >> 32) };
    BARRIER();
}

void set_gate(unsigned vector, unsigned dpl, unsigned ist, bool is_trap)
{
    set_gate_to(vector, (u64)stubs[vector], SEL_CODE, (u8)(0x8e | dpl << 5 | is_trap), ist);
}

int run_user_in(const void *rip, u64 rsp, u64 rflags, u64 rdi, u64 cs, u64 ss)
{
    caught.vector = -1;
    is_in_user = true;
    BARRIER();
    enter_user((u64)rip, rsp, rflags | 2, rdi, cs, ss);
    is_in_user = false;
    return caught.vector;
}

int run_user(const void *rip, u64 rsp, u64 rflags, u64 rdi)
{
    return run_user_in(rip, rsp, rflags, rdi, SEL_USER_CODE, SEL_USER_DATA);
}

/* ---- Descriptors -------------------------------------------------------------------------- */

u64 gdt[NR_DESCRIPTORS] = {
    [SEL_CODE / 8] = 0x00af9b000000ffff,        [SEL_DATA / 8] = 0x00cf93000000ffff,
    [SEL_USER_CODE32 / 8] = 0x00cffb000000ffff, [SEL_USER_DATA / 8] = 0x00cff3000000ffff,
    [SEL_USER_CODE / 8] = 0x00affb000000ffff,   [SEL_CODE32 / 8] = 0x00cf9b000000ffff,
    [SEL_DATA32 / 8] = 0x00cf93000000ffff,
};
struct tss tss[NR_CPUS_MAX];
static u8 trap_stacks[NR_CPUS_MAX][16384] __attribute__((aligned(16)));
struct gate idt[256];
struct table_pointer gdt_pointer = { sizeof(gdt) - 1, (u64)gdt };
struct table_pointer idt_pointer = { sizeof(idt) - 1, (u64)idt };

static void load_tss(unsigned index)
{
    const u64 base = (u64)&tss[index];
    const u16 selector = (u16)(SEL_TSS + 16 * index);

    tss[index].rsp[0] = (u64)trap_stacks[index] + sizeof(trap_stacks[index]);
    tss[index].io_map = offsetof(struct tss, io_bits);
    memset(tss[index].io_bits, 0xff, sizeof(tss[index].io_bits));
    gdt[selector / 8] = (sizeof(struct tss) - 1) | (base & 0xffffff) << 16 | 0x0000890000000000 |
                        (base >> 24 & 0xff) << 56;
    gdt[selector / 8 + 1] = base >> 32;
    __asm__ volatile("ltr %0" : : "r"(selector) : "memory");
}

/* ---- Processors ---------------------------------------------------------------------------- */

unsigned nr_cpus;
static struct order {
    void (*volatile fn)(void *arg);
    void *arg;
} orders[NR_CPUS_MAX];

void start_on(unsigned index, void (*fn)(void *arg), void *arg)
{
    orders[index].arg = arg;
    BARRIER();
    orders[index].fn = fn;
}

void wait_for(unsigned index)
{
    while (orders[index].fn)
        relax();
    BARRIER();
}

static void obey(unsigned index)
{
    for (;;) {
        while (!orders[index].fn)
            relax();
        BARRIER();
        orders[index].fn(orders[index].arg);
        BARRIER();
        orders[index].fn = NULL;
    }
}

void payload_start(unsigned index, unsigned how_many);

static volatile bool is_ready;

void payload_start(unsigned index, unsigned how_many)
{
    if (index == 0) {
        for (unsigned i = 0; i < 256; i++)
            set_gate(i, i == VECTOR_USER_EXIT ? 3 : 0, 0, false);
        nr_cpus = how_many;
        BARRIER();
        is_ready = true;
    }
    while (!is_ready)
        relax();
    __asm__ volatile("lidt %0" : : "m"(idt_pointer));
    load_tss(index);
    if (index != 0)
        obey(index);
    payload_main();
    finish();
}

/* ---- Features ------------------------------------------------------------------------------ */

bool has_smep(void)
{
    return cpuid(7, 0).ebx >> 7 & 1;
}

bool has_smap(void)
{
    return cpuid(7, 0).ebx >> 20 & 1;
}

bool has_umip(void)
{
    return cpuid(7, 0).ecx >> 2 & 1;
}

bool has_fsgsbase(void)
{
    return cpuid(7, 0).ebx & 1;
}

bool has_rdtscp(void)
{
    return cpuid(0x80000001, 0).edx >> 27 & 1;
}
