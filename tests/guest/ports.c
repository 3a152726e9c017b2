/* SPDX-License-Identifier: GPL-2.0-or-later */
/* I/O ports: sizes, strings, and who may. The lab has ports that remember, count and sum up. */
#include "payload.h"

static void sizes(void)
{
    out32(LAB_SCRATCH, 0x44332211);
    is(in32(LAB_SCRATCH), 0x44332211, "32 bits");
    is(in8(LAB_SCRATCH + 2), 0x33, "8 bits of it");
    is(in16(LAB_SCRATCH + 2), 0x4433, "16 bits of it");
    out8(LAB_SCRATCH + 1, 0xaa);
    out16(LAB_SCRATCH + 4, 0xbbcc);
    is(in32(LAB_SCRATCH), 0x4433aa11, "8 bits written");
    is(in32(LAB_SCRATCH + 2), 0xbbcc4433, "32 bits, not aligned");
    is(in16(LAB_SCRATCH + 1), 0x33aa, "16 bits, not aligned");
    is(in32(0x9000), 0xffffffff, "nobody: ones");
    is(in8(0x9000), 0xff, "nobody: ones");
}

/* How the rest of RAX fares. */
static void registers(void)
{
    u64 rax = 0x1111111111111111;

    __asm__ volatile("inb %w1, %b0" : "+a"(rax) : "d"(LAB_SCRATCH));
    is(rax, 0x1111111111111111, "IN AL keeps the rest");
    __asm__ volatile("inw %w1, %w0" : "+a"(rax) : "d"(LAB_SCRATCH));
    is(rax, 0x111111111111aa11, "IN AX keeps the rest");
    __asm__ volatile("inl %w1, %k0" : "+a"(rax) : "d"(LAB_SCRATCH));
    is(rax, 0x4433aa11, "IN EAX clears the upper half");
    __asm__ volatile("inb $0x80, %b0" : "+a"(rax));
    is(rax, 0x4433aaff, "IN by an immediate");
}

static u32 words[64] __attribute__((aligned(64)));

static void strings(void)
{
    const void *from = words;
    void *to = words;
    u64 count = 8;

    (void)in32(LAB_SUM); /* begins anew */
    for (u32 i = 0; i < 64; i++)
        words[i] = 0x10000 + i;
    __asm__ volatile("rep outsl" : "+S"(from), "+c"(count) : "d"(LAB_STREAM) : "memory");
    is(in32(LAB_SUM), 8 * 0x10000 + 28, "REP OUTSD");
    check(from == words + 8 && count == 0, "RSI and RCX");
    count = 8;
    __asm__ volatile("rep outsb" : "+S"(from), "+c"(count) : "d"(LAB_STREAM) : "memory");
    is(in32(LAB_SUM), 8 + 1 + 9 + 1, "REP OUTSB");
    count = 0;
    __asm__ volatile("rep outsl" : "+S"(from), "+c"(count) : "d"(LAB_STREAM) : "memory");
    is(in32(LAB_SUM), 0, "REP OUTSD of nothing");
    count = 5;
    __asm__ volatile("rep insl" : "+D"(to), "+c"(count) : "d"(LAB_STREAM) : "memory");
    check(words[0] == 1 && words[4] == 5 && words[5] == 0x10005, "REP INSD");
    check(to == words + 5 && count == 0, "RDI and RCX");
    count = 3;
    to = words + 10;
    __asm__ volatile("std; rep insl; cld" : "+D"(to), "+c"(count) : "d"(LAB_STREAM) : "memory");
    check(words[10] == 6 && words[9] == 7 && words[8] == 8, "backwards");
    check(to == words + 7, "RDI backwards");
    to = words + 20;
    __asm__ volatile("insw" : "+D"(to) : "d"(LAB_STREAM) : "memory");
    is(words[20], 0x10009, "INSW, once");
}

/* A page in the middle is missing: what came before it stays, and the rest can follow. */
static void faults(void)
{
    u8 *const memory = (u8 *)TEST_MEMORY;
    u64 *const pt = (u64 *)(TEST_MEMORY + 0x200000);
    u64 rdi, rcx;

    for (unsigned i = 0; i < 512; i++)
        pt[i] = (TEST_MEMORY + 4096ul * i) | 7;
    pt[1] = 0;
    boot_pd[0][TEST_MEMORY >> 21] = (u64)pt | 7;
    write_cr3(read_cr3());
    (void)in32(LAB_SUM);
    RAISES(PF, "REP INSD into a missing page", "rep insl",
           : "=D"(rdi), "=c"(rcx)
           : "0"(memory + 4096 - 8), "1"(4), "d"(LAB_STREAM)
           : "memory");
    rdi = caught.frame.rdi;
    rcx = caught.frame.rcx;
    is(rcx, 2, "two are left");
    is(rdi, (u64)memory + 4096, "RDI is at the missing page");
    pt[1] = (TEST_MEMORY + 4096) | 7;
    __asm__ volatile("rep insl" : "+D"(rdi), "+c"(rcx) : "d"(LAB_STREAM) : "memory");
    is(*(u32 *)(memory + 4092), 2, "the last before");
    is(*(u32 *)(memory + 4096), 3, "the first behind: nothing was read in vain");
    is(*(u32 *)(memory + 4100), 4, "the last");
    boot_pd[0][TEST_MEMORY >> 21] = TEST_MEMORY | 0x87;
    write_cr3(read_cr3());
}

/* ---- Ring 3 --------------------------------------------------------------------------------- */

__asm__("user_in8: mov %edi, %edx; in %dx, %al; int $0x80\n"
        "user_in32: mov %edi, %edx; in %dx, %eax; int $0x80\n"
        "user_out16: mov %edi, %edx; out %ax, %dx; int $0x80\n"
        "user_outs: mov %edi, %edx; mov %rsp, %rsi; sub $64, %rsi; outsb; int $0x80\n");
extern char user_in8[], user_in32[], user_out16[], user_outs[];

static void allow(unsigned port, bool is_allowed)
{
    if (port / 8 < sizeof(tss[0].io_bits) - 1) {
        if (is_allowed)
            tss[0].io_bits[port / 8] &= (u8) ~(1 << port % 8);
        else
            tss[0].io_bits[port / 8] |= (u8)(1 << port % 8);
    }
    BARRIER();
}

static int user(const void *rip, u64 port, u64 flags)
{
    return run_user(rip, USER_STACK_TOP, flags, port);
}

static void of_ring_3(void)
{
    is((u64)user(user_in8, LAB_SCRATCH, 0), GP, "ring 3: IN");
    is(caught.error, 0, "its error code");
    is((u64)user(user_out16, LAB_SCRATCH, 0), GP, "ring 3: OUT");
    is((u64)user(user_outs, LAB_SCRATCH, 0), GP, "ring 3: OUTS");
    is((u64)user(user_in8, LAB_SCRATCH, FLAG_IOPL), VECTOR_USER_EXIT, "ring 3 with IOPL 3: IN");
    is((u64)user(user_outs, LAB_SCRATCH + 7, FLAG_IOPL), VECTOR_USER_EXIT,
       "ring 3 with IOPL 3: OUTS");
    for (unsigned i = 0; i < 4; i++)
        allow(LAB_SCRATCH + 1 + i, true);
    is((u64)user(user_in8, LAB_SCRATCH + 4, 0), VECTOR_USER_EXIT, "bitmap: allowed");
    is((u64)user(user_in8, LAB_SCRATCH + 5, 0), GP, "bitmap: forbidden");
    is((u64)user(user_in32, LAB_SCRATCH + 1, 0), VECTOR_USER_EXIT, "bitmap: 4 bytes, all allowed");
    is((u64)user(user_in32, LAB_SCRATCH + 2, 0), GP, "bitmap: 4 bytes, the last forbidden");
    is((u64)user(user_in32, LAB_SCRATCH, 0), GP, "bitmap: 4 bytes, the first forbidden");
    is((u64)user(user_in8, 0xfff8, 0), GP, "bitmap: beyond the TSS");
    for (unsigned i = 0; i < 4; i++)
        allow(LAB_SCRATCH + 1 + i, false);
}

void payload_main(void)
{
    if (!in_lab()) {
        skip("ports", "not in the lab");
        return;
    }
    sizes();
    registers();
    strings();
    of_ring_3();
    faults();
}
