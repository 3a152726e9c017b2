/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Code that changes: written by itself, beside itself, through another address, by a device, and
 * under another processor (AMD64 APM vol. 2, 7.6.1).
 */
#include "payload.h"

#define CODE ((u8 *)TEST_MEMORY)
#define ALIAS ((u8 *)(TEST_MEMORY | 1ul << 39))

typedef u32 function(void);
typedef u32 __attribute__((aligned(1), may_alias)) u32_anywhere;

/* MOV EAX, value; RET */
static void write_code(u8 *at, u32 value)
{
    at[0] = 0xb8;
    memcpy(at + 1, &value, 4);
    at[5] = 0xc3;
    BARRIER();
}

static void set_value(u8 *at, u32 value)
{
    *(volatile u32_anywhere *)(at + 1) = value;
}

static u32 call(const u8 *at)
{
    BARRIER();
    return ((function *)(u64)at)();
}

static void serialize(void)
{
    (void)cpuid(0, 0);
}

static void rewritten(void)
{
    bool all = true;

    write_code(CODE, 1);
    is(call(CODE), 1, "code in memory");
    for (u32 i = 0; i < 2000; i++) {
        set_value(CODE, i * 0x10001);
        all &= call(CODE) == i * 0x10001;
    }
    check(all, "rewritten before each call");
    write_code(CODE + 0x100, 5);
    write_code(CODE + 0x800, 6);
    all = true;
    for (u32 i = 0; i < 2000; i++) { /* data beside code, in the same 64 bytes and further away */
        *(volatile u32 *)(CODE + 0x110) = i;
        *(volatile u32 *)(CODE + 0x400) = i;
        all &= call(CODE + 0x100) == 5 && call(CODE + 0x800) == 6;
    }
    check(all, "data beside code");
    is(*(u32 *)(CODE + 0x110), 1999, "the data");
}

static void by_all_means(void)
{
    u8 *const at = CODE + 0x2000;
    const u8 image[6] = { 0xb8, 2, 0, 0, 0, 0xc3 };
    const void *from = image;
    void *to = at;
    u64 n = 6;
    u32 value;

    write_code(at, 1);
    (void)call(at);
    __asm__ volatile("rep movsb" : "+S"(from), "+D"(to), "+c"(n) : : "memory");
    is(call(at), 2, "by REP MOVSB");
    to = at + 1;
    n = 4;
    __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(3) : "memory");
    is(call(at), 0x03030303, "by REP STOSB");
    __asm__ volatile("lock incb %0" : "+m"(at[1]));
    is(call(at), 0x03030304, "by LOCK INC");
    value = 0x03030304;
    __asm__ volatile("lock cmpxchgl %2, %1"
                     : "+a"(value), "+m"(*(u32_anywhere *)(at + 1))
                     : "r"(4));
    is(call(at), 4, "by LOCK CMPXCHG");
    value = 5;
    __asm__ volatile("xchgl %0, %1" : "+r"(value), "+m"(*(u32_anywhere *)(at + 1)));
    is(call(at), 5, "by XCHG");
    __asm__ volatile("addl $1, %0" : "+m"(*(u32_anywhere *)(at + 1)));
    is(call(at), 6, "by ADD");
    __asm__ volatile("mov %%rsp, %%rbx; lea 8(%0), %%rsp; push %1; mov %%rbx, %%rsp"
                     :
                     : "r"(at), "r"(0xc300000007b8ul)
                     : "rbx", "memory");
    is(call(at), 7, "by PUSH");
    __asm__ volatile("push %1; popq (%0)" : : "r"(at), "r"(0xc300000008b8ul) : "memory");
    is(call(at), 8, "by POP");
}

/* The very next instruction, the one after a jump, and the instruction itself in a loop. */
static void itself(void)
{
    u32 eax, sum;

    __asm__ volatile("movb $7, 1f+1(%%rip); 1: mov $1, %%al; movzx %%al, %0"
                     : "=a"(eax)
                     :
                     : "memory");
    is(eax, 7, "the next instruction");
    __asm__ volatile("movb $9, 1f+1(%%rip); jmp 1f; nop; 1: mov $1, %%al; movzx %%al, %0"
                     : "=a"(eax)
                     :
                     : "memory");
    is(eax, 9, "behind a jump");
    __asm__ volatile("xor %%edx, %%edx; mov $100, %%ecx;"
                     "1: mov $1, %%al; movzx %%al, %%eax; add %%eax, %%edx; incb 1b+1(%%rip);"
                     "dec %%ecx; jnz 1b"
                     : "=d"(sum)
                     :
                     : "rax", "rcx", "memory");
    is(sum, 5050, "a loop that counts in its own code");
    __asm__ volatile("lea 1f(%%rip), %%rdi; mov $0x90, %%al; mov $5, %%ecx; xor %%edx, %%edx;"
                     "rep stosb; 1: mov $7, %%edx; mov %%edx, %0"
                     : "=r"(sum)
                     :
                     : "rax", "rcx", "rdx", "rdi", "memory");
    is(sum, 0, "REP STOSB over what follows it");
}

static void across_pages(void)
{
    u8 *const at = CODE + 0x4000 - 3; /* two bytes of the operand are in the second page */
    bool all = true;

    write_code(at, 1);
    is(call(at), 1, "an instruction across pages");
    for (u32 i = 0; i < 500; i++) {
        at[4] = (u8)i;
        all &= call(at) == ((i & 0xff) << 24 | 1);
    }
    check(all, "its second part rewritten");
    at[1] = 2;
    is(call(at) & 0xff, 2, "its first part rewritten");
}

static void aliases(void)
{
    bool all = true;

    boot_pml4[1] = (u64)boot_pdpt | 7;
    write_cr3(read_cr3());
    write_code(CODE, 0);
    (void)call(CODE);
    for (u32 i = 1; i < 200; i++) {
        set_value(ALIAS, i);
        serialize();
        all &= call(CODE) == i && call(ALIAS) == i;
    }
    check(all, "written through another address");
}

static void remapped(void)
{
    u64 *const pt = (u64 *)(TEST_MEMORY + 0x200000);
    u8 *const at = CODE + 0x6000;
    bool all = true;

    for (unsigned i = 0; i < 512; i++)
        pt[i] = (TEST_MEMORY + 4096ul * i) | 7;
    write_code(CODE + 0x6000, 6);
    write_code(CODE + 0x7000, 7);
    boot_pd[0][TEST_MEMORY >> 21] = (u64)pt | 7;
    write_cr3(read_cr3());
    for (unsigned i = 0; i < 200; i++) {
        pt[6] = (TEST_MEMORY + (i % 2 ? 0x7000ul : 0x6000)) | 7;
        invlpg(at);
        all &= call(at) == (i % 2 ? 7 : 6);
    }
    check(all, "another page under the same address");
    pt[6] = 0;
    invlpg(at);
    RAISES(PF, "the page taken away", "call *%0", : : "r"((u64)at) : "rax");
    is(caught.frame.rip, (u64)at, "the fault is at its first instruction");
    is(caught.cr2, (u64)at, "CR2");
    boot_pd[0][TEST_MEMORY >> 21] = TEST_MEMORY | 0x87;
    write_cr3(read_cr3());
}

static void by_a_device(void)
{
    bool all = true;

    if (!in_lab()) {
        skip("written by a device", "not in the lab");
        return;
    }
    write_code(CODE, 0);
    (void)call(CODE);
    out32(LAB_ADDRESS, TEST_MEMORY + 1);
    for (u32 i = 1; i < 200; i++) {
        out32(LAB_DMA, i);
        all &= call(CODE) == i;
    }
    check(all, "written by a device");
}

/* ---- Under another processor ------------------------------------------------------------------
 */

static volatile u32 promised, nr_wrong, nr_calls;
static volatile bool is_enough;

static void caller(void *arg)
{
    (void)arg;
    while (!is_enough) {
        const u32 at_least = promised;
        u32 got;

        serialize();
        got = call(CODE);
        nr_calls++;
        if (got < at_least)
            nr_wrong++;
    }
}

static void under_another(void)
{
    if (nr_cpus < 2) {
        skip("under another processor", "there is only one");
        return;
    }
    write_code(CODE, 0);
    start_on(1, caller, NULL);
    for (u32 i = 1; i <= 300; i++) {
        const u32 before = nr_calls;

        set_value(CODE, i); /* 4 bytes in a line: one store */
        promised = i;
        while (nr_calls - before < 3)
            relax();
    }
    is_enough = true;
    wait_for(1);
    is(nr_wrong, 0, "another processor sees new code, once it serializes");
}

/* As Linux patches: INT3 first, then the rest, then the first byte. */
static volatile u32 nr_traps;

static void skip_patch(struct frame *frame)
{
    nr_traps++;
    frame->rip += 4; /* behind the whole instruction */
    frame->rax = 0x80000000;
}

static void patch_caller(void *arg)
{
    (void)arg;
    while (!is_enough) {
        const u32 got = call(CODE);

        nr_calls++;
        if (got != 0x11111111 && got != 0x22222222 && got != 0x80000000)
            nr_wrong++;
        serialize();
    }
}

static void settle(void)
{
    const u32 before = nr_calls;

    while (nr_calls - before < 2)
        relax();
}

static void patched_by_int3(void)
{
    if (nr_cpus < 2)
        return;
    nr_calls = nr_wrong = 0;
    is_enough = false;
    write_code(CODE, 0x11111111);
    on_vector(BP, skip_patch);
    start_on(1, patch_caller, NULL);
    for (u32 i = 0; i < 100; i++) {
        settle();
        *(volatile u8 *)CODE = 0xcc;
        settle();
        set_value(CODE, i % 2 ? 0x11111111 : 0x22222222);
        settle();
        *(volatile u8 *)CODE = 0xb8;
    }
    is_enough = true;
    wait_for(1);
    on_vector(BP, NULL);
    is(nr_wrong, 0, "patched by way of INT3");
    check(nr_traps > 0, "INT3 was met");
}

void payload_main(void)
{
    rewritten();
    by_all_means();
    itself();
    across_pages();
    aliases();
    remapped();
    by_a_device();
    under_another();
    patched_by_int3();
}
