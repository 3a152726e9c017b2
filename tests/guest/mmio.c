/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Device memory: all sizes, all ways to it, and what lies beside it. */
#include "payload.h"

#define AT(type, offset) (*(volatile type *)(LAB_WINDOW + (u64)(offset)))

/* The last write, as the device saw it: its offset and size. How many there were is counted. */
static void last_was(u32 offset, u32 size, const char *name)
{
    is(AT(u32, LAB_WINDOW_LAST), offset | size << 16, name);
}

static u32 count(void)
{
    return AT(u32, LAB_WINDOW_LAST + 4);
}

static void sizes(void)
{
    AT(u8, 3) = 0x11;
    last_was(3, 1, "8 bits");
    AT(u16, 4) = 0x2233;
    last_was(4, 2, "16 bits");
    AT(u32, 8) = 0x44556677;
    last_was(8, 4, "32 bits");
    AT(u64, 16) = 0x8899aabbccddeeff;
    last_was(16, 8, "64 bits");
    is(AT(u8, 3), 0x11, "8 bits, read");
    is(AT(u16, 4), 0x2233, "16 bits, read");
    is(AT(u32, 8), 0x44556677, "32 bits, read");
    is(AT(u64, 16), 0x8899aabbccddeeff, "64 bits, read");
    is(AT(u8, 23), 0x88, "a part, read");
    u64 value = 0x5555555555555555;
    __asm__ volatile("movb 3(%1), %b0" : "+a"(value) : "r"((u64)LAB_WINDOW));
    is(value, 0x5555555555555511, "MOV to AL keeps the rest");
    __asm__ volatile("movsbq 23(%1), %0" : "=a"(value) : "r"((u64)LAB_WINDOW));
    is(value, 0xffffffffffffff88, "MOVSX");
    __asm__ volatile("movzwl 22(%1), %k0" : "=a"(value) : "r"((u64)LAB_WINDOW));
    is(value, 0x8899, "MOVZX");
}

static void unaligned(void)
{
    AT(u64, 33) = 0x0102030405060708;
    is(AT(u64, 33), 0x0102030405060708, "64 bits at an odd address");
    is(AT(u8, 40), 0x01, "its last byte");
    AT(u32, 0xffc) = 0xddccbbaa;
    AT(u64, 0xff8) = 0x1122334455667788;
    is(AT(u32, 0xffc), 0x11223344, "at the end");
    is(*(volatile u64 *)(LAB_WINDOW + 0x2000ul), ~0ul, "a hole: ones");
    *(volatile u64 *)(LAB_WINDOW + 0x2000ul) = 0;
    is(*(volatile u32 *)(LAB_WINDOW + 0xffeul), 0xffff1122, "half in the window, half in a hole");
    *(volatile u32 *)(LAB_WINDOW + 0xffeul) = 0x99998877;
    is(AT(u16, 0xffe), 0x8877, "half of a write");
}

static void read_modify_write(void)
{
    u32 before = count();
    u64 value = 5;

    AT(u32, 64) = 10;
    __asm__ volatile("addl $7, 64(%0)" : : "r"((u64)LAB_WINDOW) : "memory");
    is(AT(u32, 64), 17, "ADD");
    __asm__ volatile("lock incl 64(%0)" : : "r"((u64)LAB_WINDOW) : "memory");
    is(AT(u32, 64), 18, "LOCK INC");
    __asm__ volatile("xchgl %k0, 64(%1)" : "+r"(value) : "r"((u64)LAB_WINDOW) : "memory");
    is(value, 18, "XCHG, read");
    is(AT(u32, 64), 5, "XCHG, written");
    __asm__ volatile("lock xaddl %k0, 64(%1)" : "+r"(value) : "r"((u64)LAB_WINDOW) : "memory");
    is(AT(u32, 64), 23, "LOCK XADD");
    __asm__ volatile("lock cmpxchgl %k2, 64(%1)"
                     : "=a"(value)
                     : "r"((u64)LAB_WINDOW), "r"(99), "0"(23)
                     : "memory");
    is(AT(u32, 64), 99, "LOCK CMPXCHG");
    __asm__ volatile("orb $0x80, 64(%0)" : : "r"((u64)LAB_WINDOW) : "memory");
    is(AT(u32, 64), 0xe3, "OR, 8 bits");
    is(count() - before, 7, "each wrote once");
}

static void strings(void)
{
    static u32 words[16];
    const void *from = words;
    void *to = (void *)(u64)(LAB_WINDOW + 0x100);
    u64 n = 16;
    bool same = true;

    for (u32 i = 0; i < 16; i++)
        words[i] = i * 0x01010101;
    __asm__ volatile("rep movsl" : "+S"(from), "+D"(to), "+c"(n) : : "memory");
    for (u32 i = 0; i < 16; i++)
        same &= AT(u32, 0x100 + 4 * i) == words[i];
    check(same, "REP MOVSD to the device");
    from = (const void *)(u64)(LAB_WINDOW + 0x101);
    to = words;
    n = 7;
    __asm__ volatile("rep movsb" : "+S"(from), "+D"(to), "+c"(n) : : "memory");
    is(words[0] & 0xffffff, 0, "REP MOVSB from the device");
    is(words[1] & 0xffffff, 0x01010101 & 0xffffff, "and more of it");
    to = (void *)(u64)(LAB_WINDOW + 0x200);
    n = 8;
    __asm__ volatile("rep stosw" : "+D"(to), "+c"(n) : "a"(0x4321) : "memory");
    is(AT(u32, 0x20c), 0x43214321, "REP STOSW");
    is(AT(u32, 0x210), 0, "and no more");
    __asm__ volatile("pushq 0x200(%1); popq 0x300(%1); movq 0x300(%1), %0"
                     : "=r"(n)
                     : "r"((u64)LAB_WINDOW)
                     : "memory");
    is(n, 0x4321432143214321, "PUSH from it, POP to it");
}

void payload_main(void)
{
    if (!in_lab()) {
        skip("device memory", "not in the lab");
        return;
    }
    sizes();
    unaligned();
    read_modify_write();
    strings();
}
